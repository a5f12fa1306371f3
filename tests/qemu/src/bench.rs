//! One TCP flow over the router's road, and what each program of ours spent on it.

use crate::machine::Machine;
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Nanoseconds of the machine's time that an instruction takes: a processor of 500 MIPS.
pub const NANOSECONDS: f64 = 2.0;

/// What a flow came to.
#[derive(Debug)]
pub struct Flow {
    /// Mbit/s of payload at the receiver.
    pub mbit: f64,
    /// Share of the time in which the processor had nothing to do, 0 to 1.
    pub idle: f64,
    /// Bytes of payload, also of the first second, which is left out of the rate.
    pub bytes: f64,
    /// What each program spent, by name (`exit`, `g1`, ...).
    pub spent: BTreeMap<String, Spent>,
}

/// A program's part in a flow.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Instructions of its process, its system calls and the interrupts that came meanwhile included.
    pub instructions: f64,
    /// Datagrams that it sent on its own paths.
    pub sent: f64,
    /// Datagrams that it received there.
    pub received: f64,
    /// Datagrams that it relayed for others.
    pub relayed: f64,
    /// Datagrams that it refused.
    pub refused: f64,
}

impl Spent {
    /// Instructions for each datagram that passed, whatever its size: large ones one way, feedback the other.
    pub fn per_datagram(&self) -> Option<f64> {
        let passed = self.sent + self.received + self.relayed;
        (passed > 0.0).then(|| self.instructions / passed)
    }
}

/// Of our time: a busy host makes the machine slow, and nothing else.
fn limit(seconds: u32) -> Duration {
    Duration::from_secs(300 * u64::from(seconds) + 300)
}

/// Runs a flow, `up` from the client or down to it.
pub fn flow(machine: &mut Machine, up: bool, seconds: u32) -> Result<Flow> {
    let way = if up { "up" } else { "down" };
    let said = machine.run(&format!("flow {way} {seconds}"), limit(seconds))?;
    understand(&said).with_context(|| format!("in what the flow said: {said}"))
}

/// What is thrown at a mesh port beside a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    /// 10 Mbit/s of it.
    Junk,
    /// 1000 a second, each right in every byte.
    Handshakes,
}

/// Runs a flow up, and a flood meanwhile: at the gateway's mesh port, or at a port where nobody listens.
pub fn flow_beside(
    machine: &mut Machine,
    flood: Flood,
    at_gateway: bool,
    seconds: u32,
) -> Result<Flow> {
    let kind = match flood {
        Flood::Junk => "junk",
        Flood::Handshakes => "handshakes",
    };
    let to = if at_gateway { "g1" } else { "nobody" };
    let said = machine.run(
        &format!("flow_beside {kind} {to} {seconds}"),
        limit(seconds),
    )?;
    let flow = understand(&said).with_context(|| format!("in what the flow said: {said}"))?;
    let (thrown, answered) = thrown(&said).with_context(|| format!("no flood: {said}"))?;
    let noticed = answered + flow.spent.get("g1").map_or(0.0, |agent| agent.refused);
    // A flood that went elsewhere would cost nothing, and one at nobody's port must not reach the agent.
    let reached = if at_gateway {
        noticed > 0.8 * thrown
    } else {
        noticed < 0.1 * thrown
    };
    ensure!(reached, "of {thrown} datagrams {noticed} were noticed");
    Ok(flow)
}

/// `thrown N answered M`
fn thrown(said: &str) -> Option<(f64, f64)> {
    let line = said.lines().find(|line| line.starts_with("thrown "))?;
    let words: Vec<&str> = line.split(' ').collect();
    Some((words.get(1)?.parse().ok()?, words.get(3)?.parse().ok()?))
}

fn understand(said: &str) -> Result<Flow> {
    let lines: Vec<&str> = said.lines().filter(|line| !line.is_empty()).collect();
    let at = lines
        .iter()
        .position(|line| line.starts_with('{'))
        .context("no answer of iperf3")?;
    let answer: Value = serde_json::from_str(lines[at])?;
    ensure!(answer["error"].is_null(), "iperf3: {}", answer["error"]);
    let received = &answer["end"]["sum_received"];
    let (before, after) = (
        Snapshot::read(&lines[..at])?,
        Snapshot::read(&lines[at + 1..])?,
    );
    let time = after.time - before.time;
    let mut spent = BTreeMap::new();
    for (name, end) in after.programs {
        let begin = before.programs.get(&name).copied().unwrap_or_default();
        spent.insert(
            name,
            Spent {
                instructions: end.instructions - begin.instructions,
                sent: end.sent - begin.sent,
                received: end.received - begin.received,
                relayed: end.relayed - begin.relayed,
                refused: end.refused - begin.refused,
            },
        );
    }
    Ok(Flow {
        mbit: received["bits_per_second"].as_f64().context("no rate")? / 1e6,
        idle: (after.idle - before.idle) / time,
        bytes: received["bytes"].as_f64().context("no bytes")? + omitted(&answer),
        spent,
    })
}

/// Bytes of the seconds that the rate leaves out; the counters have them.
fn omitted(answer: &Value) -> f64 {
    let all = answer["intervals"].as_array().into_iter().flatten();
    all.map(|interval| &interval["sum"])
        .filter(|sum| sum["omitted"] == true)
        .filter_map(|sum| sum["bytes"].as_f64())
        .sum()
}

/// Counters at one moment; see `snapshot` in `guest/bench.sh`.
#[derive(Default)]
struct Snapshot {
    time: f64,
    idle: f64,
    programs: BTreeMap<String, Spent>,
}

impl Snapshot {
    fn read(lines: &[&str]) -> Result<Self> {
        let mut snapshot = Self::default();
        for line in lines {
            let words: Vec<&str> = line.splitn(3, ' ').collect();
            let [kind, first, second] = words[..] else {
                continue;
            };
            match kind {
                "snapshot" => {
                    snapshot.time = first.parse()?;
                    snapshot.idle = second.parse()?;
                }
                "spent" => {
                    let nanoseconds: f64 = second.parse()?;
                    snapshot.program(first).instructions = nanoseconds / NANOSECONDS;
                }
                "status" => count(snapshot.program(first), &serde_json::from_str(second)?),
                _ => {}
            }
        }
        Ok(snapshot)
    }

    fn program(&mut self, name: &str) -> &mut Spent {
        self.programs.entry(name.to_owned()).or_default()
    }
}

/// Adds a status's counters.
fn count(spent: &mut Spent, status: &Value) {
    let sum = |list: &Value, field: &str| {
        let all = list.as_array().map(Vec::as_slice).unwrap_or_default();
        all.iter()
            .filter_map(|entry| entry[field].as_f64())
            .sum::<f64>()
    };
    spent.sent = sum(&status["paths"], "tx_packets");
    spent.received = sum(&status["paths"], "rx_packets");
    spent.relayed = sum(&status["peers"], "up_packets") + sum(&status["peers"], "down_packets");
    let refused = status["refused"].as_object().into_iter().flatten();
    spent.refused = refused.filter_map(|(_, count)| count.as_f64()).sum();
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "snapshot 1000 50\nspent g1 2000000\nstatus g1 {\"paths\":[{\"tx_packets\":10,\"rx_packets\":5}],\"peers\":[]}\n\
        {\"intervals\":[{\"sum\":{\"bytes\":500,\"omitted\":true}},{\"sum\":{\"bytes\":7,\"omitted\":false}}],\
        \"end\":{\"sum_received\":{\"bits_per_second\":8000000.0,\"bytes\":1000000}}}\n\
        snapshot 1200 60\nspent g1 6000000\nstatus g1 {\"paths\":[{\"tx_packets\":110,\"rx_packets\":45}],\"peers\":[]}";

    #[test]
    fn what_a_flow_said_is_differences() {
        let flow = understand(SAID).unwrap();
        assert_eq!((flow.mbit, flow.idle), (8.0, 0.05));
        assert_eq!(flow.bytes, 1_000_500.0);
        let agent = flow.spent["g1"];
        assert_eq!((agent.sent, agent.received), (100.0, 40.0));
        assert_eq!(agent.instructions, 2_000_000.0);
    }

    #[test]
    fn an_error_of_the_client_is_told() {
        let said = "snapshot 1 1\n{\"error\":\"unable to connect\"}\nsnapshot 2 2";
        assert!(format!("{:?}", understand(said)).contains("unable to connect"));
    }
}
