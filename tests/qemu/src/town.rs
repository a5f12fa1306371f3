//! Three homes, an exit and a web server in one machine: the steps of `guest/town.sh`, with their numbers understood.

use crate::machine::Machine;
use anyhow::{Context as _, Result};
use std::ops::RangeInclusive;
use std::time::Duration;

/// For steps that do little. All limits are of our time, and generous: a busy host makes the machine slow.
const SOON: Duration = Duration::from_secs(400);
/// For what takes the machine a while.
const LONG: Duration = Duration::from_secs(900);

/// How the radios meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Radio {
    /// 802.11s.
    Mesh,
    /// Ad hoc.
    Ibss,
}

/// What the status of a gateway shows of a neighbour with whom it has a session.
pub const SESSION: &str = "\"session\":true";
/// What it shows of a path in use.
pub const LIVE: &str = "\"state\":\"live\"";
/// What it shows of a neighbour who may use the own line just now.
pub const GRANTED: &str = "\"live\":true";

/// What it shows when new connections take all of them.
pub const POOLING: &str = "\"pooling\":true";

/// A town in a running machine.
pub struct Town {
    machine: Machine,
}

impl Town {
    /// Builds homes, lines of `rate` (as `tc` writes it) and 10 ms each way, radios, exit and web server.
    pub fn build(machine: Machine, radio: Radio, rate: &str) -> Result<Self> {
        let mut town = Self::founded(machine, radio, rate)?;
        town.run("start_exit")?;
        Ok(town)
    }

    /// The same with nothing in the exit's place, for a community that has none.
    pub fn without_exit(machine: Machine, radio: Radio, rate: &str) -> Result<Self> {
        let mut town = Self::founded(machine, radio, rate)?;
        town.run("found")?;
        Ok(town)
    }

    fn founded(machine: Machine, radio: Radio, rate: &str) -> Result<Self> {
        let mut town = Self { machine };
        let radio = if radio == Radio::Mesh { "mesh" } else { "ibss" };
        town.run(&format!("town {radio} {rate} 10ms"))?;
        Ok(town)
    }

    /// Any step.
    pub fn run(&mut self, step: &str) -> Result<String> {
        self.machine.run(step, SOON)
    }

    /// A step that takes long.
    pub fn run_long(&mut self, step: &str) -> Result<String> {
        self.machine.run(step, LONG)
    }

    /// Starts the agent of a gateway.
    pub fn start_agent(&mut self, gateway: u8) -> Result<()> {
        self.run(&format!("agent {gateway}")).map(drop)
    }

    /// Starts the agents of all gateways, and waits until each of them uses as many lines.
    pub fn start_pooling(&mut self, gateways: RangeInclusive<u8>) -> Result<()> {
        let lines = gateways.clone().count();
        for gateway in gateways.clone() {
            self.start_agent(gateway)?;
        }
        for gateway in gateways {
            self.wait(gateway, lines, LIVE, 30)?;
        }
        Ok(())
    }

    /// Waits until a gateway's status shows `what` exactly `count` times; how many seconds of the machine's time that took.
    pub fn wait(&mut self, gateway: u8, count: usize, what: &str, limit: u32) -> Result<f64> {
        let said = self.run_long(&format!("await {limit} {gateway} {count} '{what}'"))?;
        number(&said)
    }

    /// Puts a file of that size on the web server; its checksum.
    pub fn publish(&mut self, bytes: usize) -> Result<String> {
        self.run_long(&format!("publish {bytes}"))
    }

    /// Mbit/s of payload that so many downloads of `client` bring together over `seconds`, after `warm` seconds.
    pub fn rate(&mut self, client: &str, warm: u32, seconds: u32, downloads: u8) -> Result<f64> {
        let [bytes, hundredths] =
            self.numbers(&format!("rate {client} {warm} {seconds} {downloads}"))?;
        Ok(bytes * 8.0 / (hundredths / 100.0) / 1e6)
    }

    /// Numbers that a step prints, exactly so many.
    pub fn numbers<const N: usize>(&mut self, step: &str) -> Result<[f64; N]> {
        let said = self.run_long(step)?;
        let words: Vec<&str> = said.split_whitespace().collect();
        let words: [&str; N] = (&words[..]).try_into().with_context(|| said.clone())?;
        let mut numbers = [0.0; N];
        for (place, word) in numbers.iter_mut().zip(words) {
            *place = number(word)?;
        }
        Ok(numbers)
    }

    /// Downloads the file, or sends it up, and compares checksums; how many seconds it took.
    pub fn transfer(&mut self, way: Way, client: &str, sum: &str) -> Result<f64> {
        let step = if way == Way::Down { "fetch" } else { "send" };
        number(&self.run_long(&format!("{step} {client} {sum}"))?)
    }

    /// The same, while after three seconds `event` happens.
    pub fn transfer_while(&mut self, client: &str, sum: &str, event: &str) -> Result<f64> {
        number(&self.run_long(&format!("(sleep 3; {event}) & fetch {client} {sum}"))?)
    }
}

/// Which way a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the client.
    Down,
    /// From it.
    Up,
}

/// A number that a step printed.
pub fn number(said: &str) -> Result<f64> {
    said.trim()
        .parse()
        .with_context(|| format!("no number: {said}"))
}
