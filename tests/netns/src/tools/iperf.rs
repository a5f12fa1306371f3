//! iperf3 runs between two namespaces.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::lab::Lab;
use crate::packages;
use crate::units::Rate;

/// How to run iperf3.
#[derive(Debug, Clone)]
pub struct Iperf {
    /// How long it counts.
    pub seconds: u32,
    /// How long it runs before it counts.
    pub omit: u32,
    /// UDP at this rate of payload; TCP without.
    pub udp: Option<Rate>,
    /// UDP payload of a packet; 1472 fills 1500 bytes of IPv4.
    pub length: u32,
    /// The server sends.
    pub reverse: bool,
    /// Flows at once.
    pub parallel: u32,
    /// The server's port.
    pub port: u16,
}

impl Default for Iperf {
    fn default() -> Self {
        Self { seconds: 5, omit: 0, udp: None, length: 1472, reverse: false, parallel: 1, port: 5201 }
    }
}

/// What iperf3 found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IperfReport {
    /// Payload bits per second that arrived.
    pub received: f64,
    /// Payload bits per second that were sent.
    pub sent: f64,
    /// TCP retransmissions.
    pub retransmits: u64,
    /// UDP packets sent.
    pub packets: u64,
    /// UDP packets that did not arrive, as a share.
    pub lost: f64,
    /// UDP jitter in milliseconds, as RFC 1889 has it.
    pub jitter_ms: f64,
}

/// Runs a server in `server`, reached at `address`, and a client in `client`.
pub fn run(lab: &Lab, client: &str, server: &str, address: impl Into<IpAddr>, how: &Iperf) -> Result<IperfReport> {
    packages::require(&["iperf3"])?;
    let port = how.port.to_string();
    let mut listener = lab.daemon(server, "iperf3", &["-s", "-1", "-p", &port, "--forceflush"])?;
    listener.wait_for_log("listening on", Duration::from_secs(5))?;
    let address = address.into().to_string();
    let mut command = lab.ns(client).command("iperf3");
    command.args(["-J", "-c", &address, "-p", &port]);
    command.args(["-t", &how.seconds.to_string(), "-O", &how.omit.to_string(), "-P", &how.parallel.to_string()]);
    if let Some(rate) = how.udp {
        command.args(["-u", "-b", &rate.bits_per_second().to_string(), "-l", &how.length.to_string()]);
    }
    if how.reverse {
        command.arg("-R");
    }
    let output = command.output().context("cannot start iperf3")?;
    parse(&output.stdout)
}

/// Reads iperf3's JSON.
fn parse(json: &[u8]) -> Result<IperfReport> {
    let value: Value = serde_json::from_slice(json).context("iperf3 gave no JSON")?;
    if let Some(error) = value.get("error") {
        bail!("iperf3: {error}");
    }
    let number = |paths: &[&str]| paths.iter().find_map(|path| value.pointer(path)?.as_f64()).unwrap_or(0.0);
    let sent = number(&["/end/sum_sent/bits_per_second", "/end/sum/bits_per_second"]);
    let lost = number(&["/end/sum/lost_percent"]) / 100.0;
    // For UDP "sum" is what was sent, less what was lost is what arrived.
    let udp = value.pointer("/end/sum/lost_percent").is_some();
    let received = if udp {
        number(&["/end/sum/bits_per_second"]) * (1.0 - lost)
    } else {
        number(&["/end/sum_received/bits_per_second"])
    };
    Ok(IperfReport {
        received,
        sent,
        retransmits: number(&["/end/sum_sent/retransmits"]) as u64,
        packets: number(&["/end/sum/packets"]) as u64,
        lost,
        jitter_ms: number(&["/end/sum/jitter_ms"]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_tcp_run_are_read() {
        let json = br#"{"end":{"sum_sent":{"bits_per_second":2e7,"retransmits":3},"sum_received":{"bits_per_second":1.9e7}}}"#;
        let report = parse(json).unwrap();
        assert_eq!((report.received, report.sent, report.retransmits), (1.9e7, 2e7, 3));
    }

    #[test]
    fn what_a_udp_run_lost_did_not_arrive() {
        let json = br#"{"end":{"sum":{"bits_per_second":1e7,"lost_percent":10.0,"packets":100,"jitter_ms":0.5}}}"#;
        let report = parse(json).unwrap();
        assert!((report.received - 0.9e7).abs() < 1.0);
        assert!(parse(br#"{"error":"refused"}"#).is_err());
    }
}
