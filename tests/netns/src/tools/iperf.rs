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
    command.args(["-P", &how.parallel.to_string()]);
    if let Some(rate) = how.udp {
        command.args([
            "-u",
            "-b",
            &rate.bits_per_second().to_string(),
            "-l",
            &how.length.to_string(),
            "-t",
            &(how.seconds + how.omit).to_string(),
        ]);
    } else {
        let (seconds, omit) = (how.seconds.to_string(), how.omit.to_string());
        command.args(["-t", &seconds, "-O", &omit]);
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
    Ok(match how.udp {
        Some(_) => udp_report(sender, receiver, how.omit as usize),
        None => tcp_report(&near),
    })
}

/// Reads iperf3's JSON.
fn document(json: &[u8]) -> Result<Value> {
    let value: Value = serde_json::from_slice(json).context("iperf3 gave no JSON")?;
    if let Some(error) = value.get("error") {
        bail!("iperf3: {error}");
    }
    Ok(value)
}

/// TCP: the sums at the client's end, which leave out what iperf3 was told to omit.
fn tcp_report(client: &Value) -> IperfReport {
    let number = |path: &str| client.pointer(path).and_then(Value::as_f64).unwrap_or(0.0);
    IperfReport {
        received: number("/end/sum_received/bits_per_second"),
        sent: number("/end/sum_sent/bits_per_second"),
        retransmits: number("/end/sum_sent/retransmits") as u64,
        packets: 0,
        lost: 0.0,
        jitter_ms: 0.0,
    }
}

/// UDP: the intervals after the first `skip` seconds, added up. iperf3 is not told to omit anything: its sums count
/// the losses of the omitted time, and where that time ends it sometimes reports an interval of the wrong length.
fn udp_report(sender: &Value, receiver: &Value, skip: usize) -> IperfReport {
    let sum = |document: &Value, what: &str| -> f64 {
        let intervals = document.pointer("/intervals").and_then(Value::as_array);
        let counted = intervals.into_iter().flatten().skip(skip);
        let sums = counted.filter_map(|interval| interval.get("sum"));
        sums.filter_map(|sum| sum.get(what)?.as_f64()).sum()
    };
    let rate =
        |document: &Value| sum(document, "bytes") * 8.0 / sum(document, "seconds").max(0.001);
    let packets = sum(receiver, "packets");
    IperfReport {
        received: rate(receiver),
        sent: rate(sender),
        retransmits: 0,
        packets: packets as u64,
        lost: sum(receiver, "lost_packets") / packets.max(1.0),
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
    fn the_start_of_a_udp_run_is_left_out() {
        let receiver = br#"{"intervals":[
            {"sum":{"bytes":9,"seconds":1,"packets":9,"lost_packets":9}},
            {"sum":{"bytes":1000,"seconds":1,"packets":10,"lost_packets":1}},
            {"sum":{"bytes":2000,"seconds":1,"packets":10,"lost_packets":2}}],
            "end":{"sum":{"jitter_ms":0.5}}}"#;
        let sender = br#"{"intervals":[{"sum":{"bytes":7,"seconds":1}},{"sum":{"bytes":4000,"seconds":2}}]}"#;
        let (sender, receiver) = (document(sender).unwrap(), document(receiver).unwrap());
        let report = udp_report(&sender, &receiver, 1);
        assert_eq!((report.received, report.sent), (12_000.0, 16_000.0));
        assert_eq!(
            (report.packets, report.lost, report.jitter_ms),
            (20, 0.15, 0.5)
        );
    }

    #[test]
    fn the_sums_of_a_tcp_run_are_read_and_an_error_is_one() {
        let json = br#"{"end":{"sum_sent":{"bits_per_second":2e7,"retransmits":3},"sum_received":{"bits_per_second":1.9e7}}}"#;
        let report = tcp_report(&document(json).unwrap());
        assert_eq!(
            (report.received, report.sent, report.retransmits),
            (1.9e7, 2e7, 3)
        );
        assert!(document(br#"{"error":"refused"}"#).is_err());
    }
}
