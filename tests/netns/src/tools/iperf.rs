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
        Self {
            seconds: 5,
            omit: 0,
            udp: None,
            length: 1472,
            reverse: false,
            parallel: 1,
            port: 5201,
        }
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
    /// UDP packets that the receiver expected.
    pub packets: u64,
    /// UDP packets that did not arrive, as a share.
    pub lost: f64,
    /// UDP jitter in milliseconds, as RFC 1889 has it.
    pub jitter_ms: f64,
}

/// Runs a server in `server`, reached at `address`, and a client in `client`.
pub fn run(
    lab: &Lab,
    client: &str,
    server: &str,
    address: impl Into<IpAddr>,
    how: &Iperf,
) -> Result<IperfReport> {
    packages::require(&["iperf3"])?;
    let port = how.port.to_string();
    let mut listener = lab.daemon(server, "iperf3", &["-s", "-1", "-J", "-p", &port])?;
    listener.wait_until(Duration::from_secs(5), |daemon| {
        Ok(daemon.listens_on(how.port))
    })?;
    let address = address.into().to_string();
    let mut command = lab.ns(client).command("iperf3");
    command.args(["-J", "-c", &address, "-p", &port]);
    command.args([
        "-t",
        &how.seconds.to_string(),
        "-O",
        &how.omit.to_string(),
        "-P",
        &how.parallel.to_string(),
    ]);
    if let Some(rate) = how.udp {
        command.args([
            "-u",
            "-b",
            &rate.bits_per_second().to_string(),
            "-l",
            &how.length.to_string(),
        ]);
    }
    if how.reverse {
        command.arg("-R");
    }
    let output = command.output().context("cannot start iperf3")?;
    let near = document(&output.stdout)?;
    listener.wait(Duration::from_secs(5))?;
    let far = document(listener.log().as_bytes())?;
    let (sender, receiver) = if how.reverse {
        (&far, &near)
    } else {
        (&near, &far)
    };
    Ok(report(&near, sender, receiver))
}

/// Reads iperf3's JSON.
fn document(json: &[u8]) -> Result<Value> {
    let value: Value = serde_json::from_slice(json).context("iperf3 gave no JSON")?;
    if let Some(error) = value.get("error") {
        bail!("iperf3: {error}");
    }
    Ok(value)
}

/// Adds up the intervals that count: iperf3's sums for UDP mix what it was told to omit with what it was not.
fn report(client: &Value, sender: &Value, receiver: &Value) -> IperfReport {
    let sum = |document: &Value, what: &str| -> f64 {
        let intervals = document.pointer("/intervals").and_then(Value::as_array);
        let sums = intervals
            .into_iter()
            .flatten()
            .filter_map(|interval| interval.get("sum"));
        let counted = sums.filter(|sum| sum.get("omitted") != Some(&Value::Bool(true)));
        counted.filter_map(|sum| sum.get(what)?.as_f64()).sum()
    };
    let rate =
        |document: &Value| sum(document, "bytes") * 8.0 / sum(document, "seconds").max(0.001);
    let packets = sum(receiver, "packets");
    // TCP's sum at the end is right, and better: a receiver's intervals of a stream with a hole come in bursts.
    let tcp = client
        .pointer("/end/sum_received/bits_per_second")
        .and_then(Value::as_f64);
    IperfReport {
        received: tcp
            .filter(|_| packets == 0.0)
            .unwrap_or_else(|| rate(receiver)),
        sent: rate(sender),
        retransmits: sum(sender, "retransmits") as u64,
        packets: packets as u64,
        lost: if packets > 0.0 {
            sum(receiver, "lost_packets") / packets
        } else {
            0.0
        },
        jitter_ms: receiver
            .pointer("/end/sum/jitter_ms")
            .and_then(Value::as_f64)
            .unwrap_or(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_intervals_that_count_are_added_up() {
        let receiver = br#"{"intervals":[
            {"sum":{"bytes":9,"seconds":1,"packets":9,"lost_packets":9,"omitted":true}},
            {"sum":{"bytes":1000,"seconds":1,"packets":10,"lost_packets":1,"omitted":false}},
            {"sum":{"bytes":2000,"seconds":1,"packets":10,"lost_packets":2,"omitted":false}}],
            "end":{"sum":{"jitter_ms":0.5}}}"#;
        let sender = br#"{"intervals":[{"sum":{"bytes":4000,"seconds":2,"retransmits":3,"omitted":false}}]}"#;
        let (sender, receiver) = (document(sender).unwrap(), document(receiver).unwrap());
        let report = report(&sender, &sender, &receiver);
        assert_eq!(
            (report.received, report.sent, report.retransmits),
            (12_000.0, 16_000.0, 3)
        );
        assert_eq!(
            (report.packets, report.lost, report.jitter_ms),
            (20, 0.15, 0.5)
        );
        assert!(document(br#"{"error":"refused"}"#).is_err());
    }
}
