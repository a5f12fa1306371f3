//! Scene G: what kernel TCP and a ping notice, in the machine's time: what milliseconds on a busy host cannot prove.

use crate::{mips_router, pooling};
use anyhow::{Result, ensure};
use burstmesh_qemu::Report;
use burstmesh_qemu::town::{Radio, Town};

/// The client of a download that times what comes.
const CLIENT: (&str, &str) = ("BURSTMESH_MIPSEL_STAGES", "burstmesh-bench");
const PINGS: u32 = 400;
/// Milliseconds that a packet waits longer here than at a line of 20 Mbit/s, the bars' own, for a full one that is being sent.
const NARROW: f64 = 1_500.0 * 8.0 * (1.0 / 4.0 - 1.0 / 20.0) / 1e3;
/// Milliseconds of the bars of P1 and P14.
const LIGHT: f64 = 20.0 + NARROW;
const OWNER: f64 = 15.0 + NARROW;
const GAP: f64 = 300.0;

pub fn noticed(report: &mut Report) -> Result<()> {
    let router = mips_router("delays", 256, &[CLIENT])?;
    let mut town = Town::build(router, Radio::Mesh, pooling::LINE)?;
    town.start_pooling(pooling::GATEWAYS)?;
    town.publish(24_000_000)?;
    let [idle, _] = town.numbers(&format!("pings c1 {PINGS}"))?;
    for (sentence, client, bar) in [
        ("a ping beside a pooled download waits little", "c1", LIGHT),
        ("so does an owner's whose line others use", "c2", OWNER),
    ] {
        report.case(sentence, || {
            let [median, late] = town.numbers(&format!("pings_beside c1 {client} {PINGS}"))?;
            let said = format!("idle {idle} ms; median {median}, p99 {late}");
            ensure!(late - idle <= bar, "{said}");
            Ok(said)
        })?;
    }
    report.case(
        "a line that falls silent costs no third of a second, no timeout and no byte",
        || {
            let silence = format!("silence c1 2 {} 10ms 12", pooling::LINE);
            let [bytes, gap, empty, timeouts] = town.numbers(&silence)?;
            let said = format!("{bytes} bytes in 12 s, nothing for {gap} ms, {timeouts} timeouts");
            ensure!(
                gap < GAP && empty == 0.0 && timeouts == 0.0 && bytes > 6e6,
                "{said}"
            );
            Ok(said)
        },
    )
}
