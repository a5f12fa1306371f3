//! Scene F: a community without an exit over the air: each connection at one line, and what that line's owner wrote down.

use crate::{mips_router, pooling};
use anyhow::{Result, ensure};
use burstmesh_qemu::Report;
use burstmesh_qemu::town::{Radio, Town, Way};

/// Once for each neighbour who shares his address, in a gateway's status.
const HOST: &str = "\"share\":";
const DOWNLOADS: u8 = 6;

pub fn street(report: &mut Report) -> Result<()> {
    let router = mips_router("street", 256, &[])?;
    let mut town = Town::without_exit(router, Radio::Mesh, pooling::LINE)?;
    report.case("gateways become each other's hosts over the air", || {
        for gateway in pooling::GATEWAYS {
            town.run(&format!("agent {gateway} shares"))?;
        }
        let mut took = 0.0;
        for gateway in pooling::GATEWAYS {
            took += town.wait(gateway, 2, HOST, 20)?;
        }
        Ok(format!("{took:.2} s"))
    })?;
    report.case("connections are dealt out in turn over three lines", || {
        let said = town.run_long("seen c1 9")?;
        ensure!(said.matches(" x 3").count() == 3, "{said}");
        Ok(said)
    })?;
    report.case(
        "a host's ledger agrees with its line within one percent",
        || {
            // Whole files: what still comes for a connection that was broken off is the household's own.
            let sum = town.publish(2_000_000)?;
            let before: [f64; 2] = town.numbers("booked lent 2; crossed 2")?;
            for _ in pooling::GATEWAYS {
                town.transfer(Way::Down, "c1", &sum)?;
            }
            // The agent reads its counters every second.
            town.run("sleep 3")?;
            let after: [f64; 2] = town.numbers("booked lent 2; crossed 2")?;
            let [lent, carried] = [after[0] - before[0], after[1] - before[1]];
            ensure!(lent > 2e6, "{lent} bytes are less than a file");
            let off = 100.0 * (carried - lent).abs() / carried;
            ensure!(off <= 1.0, "{lent} lent and {carried} carried: {off:.2} %");
            Ok(format!("{lent} lent, {carried} carried, {off:.2} % apart"))
        },
    )?;
    town.publish(8_000_000)?;
    report.case("six downloads take 85 % of the sum of the lines", || {
        let rate = town.rate("c1", 3, 8, DOWNLOADS)?;
        let share = 100.0 * rate / pooling::SUM;
        ensure!(share >= 85.0, "{rate:.2} Mbit/s are {share:.1} %");
        Ok(format!("{rate:.2} Mbit/s, {share:.1} %"))
    })?;
    report.case(
        "a host whose radio gets out of range is none any more",
        || {
            town.run("range 3 2")?;
            let took = town.wait(1, 1, HOST, 20)?;
            let said = town.run_long("seen c1 6")?;
            ensure!(said.matches(" x 3").count() == 2, "{said}");
            Ok(format!("{took} s; then {said}"))
        },
    )?;
    report.case("and is one again when it is back", || {
        town.run("range 3 1")?;
        Ok(format!("{} s", town.wait(1, 2, HOST, 60)?))
    })
}
