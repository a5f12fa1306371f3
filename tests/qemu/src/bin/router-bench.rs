//! `cargo xtask router-bench`: the agent and kernel WireGuard on a simulated 500 MIPS router, in one table.

use anyhow::{Context as _, Result};
use burstmesh_qemu::bench::{Flow, NANOSECONDS, Spent, flow};
use burstmesh_qemu::town::{LIVE, POOLING};
use burstmesh_qemu::{Boot, Clock, Image, Machine, Platform, machine};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(240);

fn main() -> Result<()> {
    let arguments = Arguments::read()?;
    let mut bench = Bench {
        machine: boot()?,
        rows: Vec::new(),
        stages: Vec::new(),
        arguments,
    };
    let outcome = bench.measure();
    bench.finish(outcome)
}

/// `[--write FILE] [--seconds N] [WORD...]`, from xtask.
struct Arguments {
    write: Option<PathBuf>,
    seconds: u32,
    only: Vec<String>,
}

impl Arguments {
    fn read() -> Result<Self> {
        let mut arguments = Self {
            write: None,
            seconds: 4,
            only: Vec::new(),
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--write" => arguments.write = Some(words.next().context("no file")?.into()),
                "--seconds" => arguments.seconds = words.next().context("no number")?.parse()?,
                _ => arguments.only.push(word),
            }
        }
        Ok(arguments)
    }
}

fn boot() -> Result<Machine> {
    let mut image = Image::new(Platform::Mipsel)?;
    for (variable, name) in [
        ("BURSTMESH_MIPSEL_AGENT", "burstmesh"),
        ("BURSTMESH_MIPSEL_EXIT", "burstmesh-proxy"),
        ("BURSTMESH_MIPSEL_STAGES", "burstmesh-bench"),
    ] {
        let program = machine::built(variable, "mipsel-unknown-linux-musl", name)?;
        image.program(name, &program)?;
    }
    image.tool("iperf3")?;
    image.tool("wg")?;
    let boot = Boot {
        name: "bench",
        memory: 128,
        clock: Clock::Instructions { shift: 1 },
        limit: Duration::from_secs(3000),
    };
    Machine::boot(&boot, image)
}

/// One line of the table.
struct Row {
    name: String,
    flow: Flow,
}

struct Bench {
    machine: Machine,
    rows: Vec<Row>,
    /// Instructions for each packet, by stage.
    stages: Vec<(String, f64)>,
    arguments: Arguments,
}

impl Bench {
    fn step(&mut self, step: &str) -> Result<String> {
        self.machine.run(step, SOON)
    }

    fn measure(&mut self) -> Result<()> {
        self.stages()?;
        self.step("road")?;
        self.plain()?;
        self.wireguard()?;
        // Only now, so that nothing of ours runs beside the peer.
        self.step("start_exit")?;
        self.own_line()?;
        self.lent_line()?;
        self.three_lines()
    }

    fn wanted(&self, group: &str) -> bool {
        let only = &self.arguments.only;
        only.is_empty() || only.iter().any(|word| group.contains(word.as_str()))
    }

    /// Waits until the client's new connections take that many paths.
    fn pooling(&mut self, paths: usize) -> Result<()> {
        self.step(&format!("await 20 1 {paths} '{LIVE}'"))?;
        self.step(&format!("await 20 1 1 '{POOLING}'")).map(drop)
    }

    /// Measures one flow and tells it at once.
    fn row(&mut self, name: &str, up: bool) -> Result<()> {
        let flow = flow(&mut self.machine, up, self.arguments.seconds)
            .with_context(|| format!("while measuring: {name}"))?;
        let row = Row {
            name: name.to_owned(),
            flow,
        };
        println!("{}", line(&row));
        self.rows.push(row);
        Ok(())
    }

    /// Up with the LAN port's GRO off and on, and down.
    fn three_rows(&mut self, name: &str) -> Result<()> {
        self.row(&format!("{name}, up, LAN GRO off"), true)?;
        self.step("gro on")?;
        self.row(&format!("{name}, up, LAN GRO on"), true)?;
        self.step("gro off")?;
        self.row(&format!("{name}, down"), false)
    }

    /// The data road without system calls: always this tree's, whatever agent is measured.
    fn stages(&mut self) -> Result<()> {
        if !self.wanted("stages") {
            return Ok(());
        }
        let said = self.step("burstmesh-bench")?;
        for line in said.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let ["stage", name, cost] = words[..] {
                let instructions = cost.parse::<f64>()? / NANOSECONDS;
                println!("{}", stage_line(name, instructions));
                self.stages.push((name.to_owned(), instructions));
            }
        }
        Ok(())
    }

    fn plain(&mut self) -> Result<()> {
        if !self.wanted("plain") {
            return Ok(());
        }
        self.three_rows("plain forwarding")
    }

    fn wireguard(&mut self) -> Result<()> {
        if !self.wanted("wireguard") {
            return Ok(());
        }
        self.step("wireguard")?;
        self.three_rows("kernel WireGuard")?;
        self.step("no_wireguard").map(drop)
    }

    fn own_line(&mut self) -> Result<()> {
        if !self.wanted("own") {
            return Ok(());
        }
        self.step("agent 1")?;
        self.pooling(1)?;
        self.three_rows("agent, own line")?;
        self.step("stop 1").map(drop)
    }

    /// The client's gateway has no line: all goes through its neighbour's.
    fn lent_line(&mut self) -> Result<()> {
        if !self.wanted("relay") {
            return Ok(());
        }
        self.step("line 1 down; agent 1 no-line; agent 2")?;
        self.pooling(1)?;
        self.row("agent, neighbour's line (relay), up", true)?;
        self.row("agent, neighbour's line (relay), down", false)?;
        self.step("stop 1; stop 2; line 1 up").map(drop)
    }

    fn three_lines(&mut self) -> Result<()> {
        if !self.wanted("three") {
            return Ok(());
        }
        self.step("paced 15mbit; agent 1; agent 2; agent 3")?;
        self.pooling(3)?;
        self.row("agent, three lines of 15 Mbit/s, up", true)?;
        self.row("agent, three lines of 15 Mbit/s, down", false)
    }

    /// Writes what was measured, also where the rest failed: the page says so then.
    fn finish(self, outcome: Result<()>) -> Result<()> {
        if let Some(file) = &self.arguments.write {
            let mut page = page(&self.rows, &self.stages);
            if outcome.is_err() {
                page += "\nThe run ended early: what is missing above was not measured.\n";
            }
            std::fs::write(file, page).context("cannot write the table")?;
            println!("written: {}", file.display());
        }
        outcome
    }
}

const HEAD: &str = "# A simulated 500 MIPS router

Written by `cargo xtask router-bench`; do not edit. A MIPS 24K under QEMU with `-icount`: an instruction takes 2 ns of the machine's time, so
that figures depend on what is executed and not on the host. There are no caches, no memory latency, no drivers of real ports: for ratios
and regressions, not for what a router of some model reaches. Two runs (of 3 and 4 s) differed by up to 2 %, plain forwarding down by 8 %.

One TCP flow, client -> gateway -> exit -> server, **all on the one processor**, iperf3 at both ends included. The client sends frames of 1500
bytes; ports have checksum offload, but segment nothing. Instructions are those of the process with its system calls; in brackets the datagrams
that it sent, received or relayed for each MB of payload, feedback included.

| flow | Mbit/s | idle | instructions per byte, all | gateway, per datagram | relay, per datagram | exit, per byte |
|---|---|---|---|---|---|---|
";

const STAGES: &str = "
Stages of the data road for a packet of 1372 bytes, without system calls (`tests/bench`): feedback is what the reports of the far end
cost both ends.

| stage | instructions per packet | per byte |
|---|---|---|
";

fn page(rows: &[Row], stages: &[(String, f64)]) -> String {
    let mut page = HEAD.to_owned();
    for row in rows {
        let _ = writeln!(page, "{}", line(row));
    }
    page += STAGES;
    for (name, instructions) in stages {
        let _ = writeln!(page, "{}", stage_line(name, *instructions));
    }
    page
}

fn stage_line(name: &str, instructions: f64) -> String {
    format!(
        "| {name} | {instructions:.0} | {:.1} |",
        instructions / 1372.0
    )
}

fn line(row: &Row) -> String {
    let flow = &row.flow;
    let part = |name: &str| {
        let spent = flow.spent.get(name)?;
        let datagrams = (spent.sent + spent.received + spent.relayed) / (flow.bytes / 1e6);
        Some(format!("{:.0} ({datagrams:.0})", spent.per_datagram()?))
    };
    let exit = |spent: &Spent| format!("{:.0}", spent.instructions / flow.bytes);
    // Where no agent runs, the exit only waits.
    let exit = flow
        .spent
        .get("exit")
        .filter(|_| flow.spent.contains_key("g1"))
        .map(exit);
    let busy = 500e6 * (1.0 - flow.idle);
    format!(
        "| {} | {:.1} | {:.0} % | {:.0} | {} | {} | {} |",
        row.name,
        flow.mbit,
        flow.idle * 100.0,
        busy / (flow.mbit * 1e6 / 8.0),
        part("g1").unwrap_or_default(),
        part("g2").unwrap_or_default(),
        exit.unwrap_or_default()
    )
}
