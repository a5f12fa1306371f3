//! ping, alone or beside something else, and its percentiles.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::daemon::Daemon;
use crate::lab::Lab;
use crate::packages;

/// A ping that runs until it is stopped.
#[derive(Debug)]
pub struct Pinger {
    daemon: Daemon,
}

impl Pinger {
    /// Pings `target` from `ns` every `interval` with `payload` bytes, until stopped.
    pub fn start(
        lab: &Lab,
        ns: &str,
        target: impl Into<IpAddr>,
        interval: Duration,
        payload: u32,
    ) -> Result<Self> {
        Self::start_with(lab, ns, target.into(), interval, payload, &[])
    }

    fn start_with(
        lab: &Lab,
        ns: &str,
        target: IpAddr,
        interval: Duration,
        payload: u32,
        more: &[&str],
    ) -> Result<Self> {
        packages::require(&["ping"])?;
        let mut command = lab.ns(ns).command("ping");
        let interval = format!("{:.3}", interval.as_secs_f64());
        command.args([
            "-n",
            "-D",
            "-i",
            &interval,
            "-s",
            &payload.to_string(),
            "-W",
            "2",
        ]);
        command.args(more).arg(target.to_string());
        // Each ping has a log of its own: the report is read from it.
        let path = (0..).map(|number| lab.run_dir().join(format!("{ns}-ping-{number}.log")));
        let path = path
            .into_iter()
            .find(|path| !path.exists())
            .context("no name for a log")?;
        Ok(Self {
            daemon: Daemon::start("ping", command, &path)?,
        })
    }

    /// The answers so far.
    pub fn so_far(&self) -> Vec<Reply> {
        replies(&self.daemon.log())
    }

    /// Stops it and reads what it found.
    pub fn stop(mut self) -> Result<PingReport> {
        self.daemon.signal(libc::SIGINT)?;
        self.daemon.wait(Duration::from_secs(5))?;
        parse(&self.daemon.log())
    }
}

/// Pings `target` `count` times from `ns` and waits for the end.
pub fn ping(
    lab: &Lab,
    ns: &str,
    target: impl Into<IpAddr>,
    count: u32,
    interval: Duration,
) -> Result<PingReport> {
    let count_text = count.to_string();
    let mut pinger =
        Pinger::start_with(lab, ns, target.into(), interval, 56, &["-c", &count_text])?;
    pinger
        .daemon
        .wait(interval * count + Duration::from_secs(10))?;
    parse(&pinger.daemon.log())
}

/// One answered ping.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reply {
    /// When the answer came, in seconds of the wall clock.
    pub at: f64,
    /// Its number, from 1.
    pub number: u32,
    /// Round trip in milliseconds.
    pub rtt_ms: f64,
}

/// What a ping found.
#[derive(Debug, Clone, PartialEq)]
pub struct PingReport {
    /// Requests sent.
    pub sent: u32,
    /// Answers, in the order they came (a repeated answer counts once).
    pub replies: Vec<Reply>,
}

impl PingReport {
    /// Requests without an answer.
    pub fn lost(&self) -> u32 {
        self.sent.saturating_sub(self.replies.len() as u32)
    }

    /// The round trip in milliseconds that `percent` of the answers stayed within; infinite without answers.
    pub fn percentile(&self, percent: f64) -> f64 {
        let mut times: Vec<_> = self.replies.iter().map(|reply| reply.rtt_ms).collect();
        times.sort_by(f64::total_cmp);
        let rank = (times.len() as f64 * percent / 100.0).ceil().max(1.0) as usize;
        times.get(rank - 1).copied().unwrap_or(f64::INFINITY)
    }

    /// The shortest round trip in milliseconds.
    pub fn min(&self) -> f64 {
        self.percentile(0.0)
    }

    /// The longest round trip in milliseconds.
    pub fn max(&self) -> f64 {
        self.percentile(100.0)
    }
}

/// Reads the output of `ping -D`.
fn parse(text: &str) -> Result<PingReport> {
    let summary = text
        .lines()
        .find(|line| line.contains("packets transmitted"));
    let sent = summary.and_then(|line| line.split_whitespace().next()?.parse().ok());
    Ok(PingReport {
        sent: sent.with_context(|| format!("ping gave no summary:\n{text}"))?,
        replies: replies(text),
    })
}

fn replies(text: &str) -> Vec<Reply> {
    text.lines()
        .filter(|line| !line.contains("DUP!"))
        .filter_map(reply)
        .collect()
}

fn reply(line: &str) -> Option<Reply> {
    let field = |name: &str| {
        line.split_whitespace()
            .find_map(|word| word.strip_prefix(name))
    };
    let at = line.strip_prefix('[')?.split(']').next()?.parse().ok()?;
    Some(Reply {
        at,
        number: field("icmp_seq=")?.parse().ok()?,
        rtt_ms: field("time=")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_and_percentiles_are_read_from_pings_output() {
        let text = "PING 10.0.0.1 (10.0.0.1) 56(84) bytes of data.\n\
            [1700000000.5] 64 bytes from 10.0.0.1: icmp_seq=1 ttl=64 time=20.5 ms\n\
            [1700000000.6] 64 bytes from 10.0.0.1: icmp_seq=3 ttl=64 time=30 ms\n\
            [1700000000.6] 64 bytes from 10.0.0.1: icmp_seq=3 ttl=64 time=31 ms (DUP!)\n\
            \n--- 10.0.0.1 ping statistics ---\n3 packets transmitted, 2 received, 33% packet loss, time 2ms\n";
        let report = parse(text).unwrap();
        assert_eq!(
            (report.sent, report.lost(), report.replies.len()),
            (3, 1, 2)
        );
        assert_eq!(
            (report.min(), report.percentile(50.0), report.max()),
            (20.5, 20.5, 30.0)
        );
        assert!(parse("ping: unknown host").is_err());
    }
}
