//! One tunnel under load: processor time of both ends, and system calls.

use std::time::Duration;

use anyhow::Result;
use burstmesh_netns::tools::echo::Echo;
use burstmesh_netns::tools::iperf::{self, Iperf};
use burstmesh_netns::units::Rate;
use burstmesh_netns::{Lab, Usage};

use crate::peers::{Ends, Tunnel};

/// How long each load lasts.
const SECONDS: u32 = 6;
/// So often UDP goes up; the median counts, since single loads differ by a fifth.
const TIMES: usize = 5;
/// Payload of a UDP packet: fits every tunnel's MTU.
const UDP_PAYLOAD: u32 = 1300;
/// Payload of a packet, to count packets by.
const PACKET: f64 = 1380.0;

/// What was measured of one tunnel.
pub struct Row {
    pub tunnel: Tunnel,
    /// One TCP flow from the client.
    pub up: Load,
    /// One TCP flow to the client.
    pub down: Load,
    /// UDP from the client at 20 Mbit/s: the median of several loads.
    pub udp: Load,
    /// Median round trip beside it, in ms.
    pub rtt: f64,
    /// While one TCP flow comes down.
    pub calls: Option<Calls>,
    /// While UDP goes up.
    pub udp_calls: Option<Calls>,
}

/// System calls per packet.
pub struct Calls {
    /// Of the gateway's end, and of the exit's.
    pub each: [f64; 2],
    /// The most frequent ones of both.
    pub which: String,
}

/// One load.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Payload, bits per second.
    pub rate: f64,
    /// Seconds of processor time per 10^9 bytes of payload, of all the tunnel's processes, and of that outside the kernel.
    pub all: f64,
    pub user: f64,
}

/// Loads a tunnel that is up.
pub fn measure(lab: &Lab, tunnel: Tunnel, ends: &mut Ends<'_>) -> Result<Row> {
    let web = lab.link("web")?.v4;
    let pids = ends.pids()?;
    let tcp = |reverse| Iperf {
        seconds: SECONDS,
        reverse,
        ..Iperf::default()
    };
    let (up, down) = (
        load(lab, &pids, &tcp(false))?,
        load(lab, &pids, &tcp(true))?,
    );
    let echo = Echo::start(lab, "c1", "web", web)?;
    let slow = Iperf {
        seconds: SECONDS,
        udp: Some(Rate::mbit(20)),
        length: UDP_PAYLOAD,
        ..Iperf::default()
    };
    let udp = median(lab, &pids, &slow)?;
    let rtt = echo.stop()?;
    let (mut calls, mut udp_calls) = (None, None);
    if let [gateway, exit] = pids.as_slice() {
        let ends = [("gw1", *gateway), ("exit", *exit)];
        calls = count_calls(lab, ends, tcp(true), PACKET)?;
        udp_calls = count_calls(lab, ends, slow, UDP_PAYLOAD.into())?;
    }
    Ok(Row {
        tunnel,
        up,
        down,
        udp,
        rtt,
        calls,
        udp_calls,
    })
}

/// The load of [`TIMES`] that has the median of processor time.
fn median(lab: &Lab, pids: &[u32], how: &Iperf) -> Result<Load> {
    let mut loads = Vec::new();
    for _ in 0..TIMES {
        loads.push(load(lab, pids, how)?);
    }
    loads.sort_by(|a, b| a.all.total_cmp(&b.all));
    Ok(loads[TIMES / 2])
}

fn load(lab: &Lab, pids: &[u32], how: &Iperf) -> Result<Load> {
    let web = lab.link("web")?.v4;
    let before = times(pids)?;
    let report = iperf::run(lab, "c1", "web", web, how)?;
    let after = times(pids)?;
    let gigabytes = report.received / 8.0 * f64::from(how.seconds) / 1e9;
    Ok(Load {
        rate: report.received,
        all: (after.0 - before.0) / gigabytes,
        user: (after.1 - before.1) / gigabytes,
    })
}

/// Seconds of all processes together, and those outside the kernel.
fn times(pids: &[u32]) -> Result<(f64, f64)> {
    let mut sum = (0.0, 0.0);
    for pid in pids {
        let usage = Usage::of(*pid)?;
        sum.0 += usage.cpu.as_secs_f64();
        sum.1 += usage.user.as_secs_f64();
    }
    Ok(sum)
}

/// Counts the system calls of both ends beside a load. strace slows everything down; the ratio is what counts.
fn count_calls(
    lab: &Lab,
    ends: [(&str, u32); 2],
    load: Iperf,
    packet: f64,
) -> Result<Option<Calls>> {
    if !std::path::Path::new("/usr/bin/strace").exists() {
        return Ok(None);
    }
    let web = lab.link("web")?.v4;
    let mut traces = Vec::new();
    for (ns, pid) in ends {
        let mut command = lab.ns(ns).command("/usr/bin/strace");
        command.args(["-c", "-f", "-p", &pid.to_string()]);
        traces.push(lab.daemon_from(ns, "strace", command)?);
    }
    std::thread::sleep(Duration::from_millis(500));
    let how = Iperf { seconds: 3, ..load };
    let report = iperf::run(lab, "c1", "web", web, &how)?;
    let packets = report.received / 8.0 * f64::from(how.seconds) / packet;
    let mut each = [0.0; 2];
    let mut which = Vec::new();
    for (mut trace, sum) in traces.into_iter().zip(&mut each) {
        trace.signal(libc::SIGINT)?;
        trace.wait(Duration::from_secs(5))?;
        let calls = calls(&trace.log());
        *sum = calls.iter().map(|(_, n)| *n as f64 / packets).sum();
        let most: Vec<_> = calls
            .iter()
            .take(4)
            .map(|(name, n)| format!("{name} {:.3}", *n as f64 / packets))
            .collect();
        which.push(most.join(", "));
    }
    let which = which.join("; ");
    Ok(Some(Calls { each, which }))
}

/// Names and counts from strace's table, the most frequent first.
fn calls(text: &str) -> Vec<(String, u64)> {
    let mut calls: Vec<(String, u64)> = text
        .lines()
        .filter_map(|line| {
            // % time, seconds, usecs/call, calls, [errors], name
            let words: Vec<&str> = line.split_whitespace().collect();
            let name = *words.last()?;
            words.first()?.parse::<f64>().ok()?;
            let count = words.get(3)?.parse().ok()?;
            (name != "total").then(|| (name.to_owned(), count))
        })
        .collect();
    calls.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_strace_is_read_without_its_total() {
        let text = "% time     seconds  usecs/call     calls    errors syscall\n\
                    ------ ----------- ----------- --------- --------- ----------------\n\
                    60.00    0.000600           3       200         5 readv\n\
                    40.00    0.000400           2       300           writev\n\
                    100.00    0.001000           2       500         5 total\n";
        let expected = [("writev".to_owned(), 300), ("readv".to_owned(), 200)];
        assert_eq!(calls(text), expected);
    }
}
