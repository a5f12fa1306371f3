//! `cargo xtask router-bench`: the agent and kernel WireGuard on a simulated 500 MIPS router, in one table.

mod page;

use anyhow::{Context as _, Result, ensure};
use burstmesh_qemu::bench::{Flood, NANOSECONDS, flow, flow_beside};
use burstmesh_qemu::town::{LIVE, POOLING};
use burstmesh_qemu::{Boot, Clock, Image, Machine, Platform, machine};
use page::{Beside, ON, Page, Row};
use std::path::PathBuf;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(600);
const STAGES: &str = "stages";
const PLAIN: &str = "plain forwarding";
const FLOODS: &str = "floods";
const PACED: &str = "agent, one line of 15 Mbit/s, three lines of 15 Mbit/s";
/// What can be asked for alone.
const GROUPS: [&str; 7] = [
    STAGES,
    PLAIN,
    page::WIREGUARD,
    page::OWN,
    FLOODS,
    page::LENT,
    PACED,
];

fn main() -> Result<()> {
    let arguments = Arguments::read()?;
    // A boot takes long enough: not for a word that means nothing.
    for word in &arguments.only {
        ensure!(
            GROUPS.iter().any(|group| means(word, group)),
            "no measurement is called \"{word}\"; there are: {}",
            GROUPS.join("; ")
        );
    }
    let mut bench = Bench {
        machine: boot()?,
        page: Page::default(),
        arguments,
    };
    let outcome = bench.measure();
    bench.finish(outcome)
}

/// Is this word of the command line in the name of that group?
fn means(word: &str, group: &str) -> bool {
    group.to_lowercase().contains(&word.to_lowercase())
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
        limit: Duration::from_secs(6000),
    };
    Machine::boot(&boot, image)
}

struct Bench {
    machine: Machine,
    page: Page,
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
        only.is_empty() || only.iter().any(|word| means(word, group))
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
        println!("{}", row.line());
        self.page.rows.push(row);
        Ok(())
    }

    /// Up with the LAN port's GRO off and on, and down.
    fn three_rows(&mut self, name: &str) -> Result<()> {
        // The agent has switched it on.
        self.step("gro off")?;
        self.row(&format!("{name}, {}", page::OFF), true)?;
        self.step("gro on")?;
        self.row(&format!("{name}, {ON}"), true)?;
        self.row(&format!("{name}, down"), false)
    }

    /// The data road stage by stage: always this tree's, whatever agent is measured.
    fn stages(&mut self) -> Result<()> {
        if !self.wanted(STAGES) {
            return Ok(());
        }
        let said = self.step("burstmesh-bench")?;
        for line in said.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let ["stage", name, cost] = words[..] {
                let instructions = cost.parse::<f64>()? / NANOSECONDS;
                println!("{}", page::stage_line(name, instructions));
                self.page.stages.push((name.to_owned(), instructions));
            }
        }
        Ok(())
    }

    fn plain(&mut self) -> Result<()> {
        if !self.wanted(PLAIN) {
            return Ok(());
        }
        self.three_rows(PLAIN)
    }

    fn wireguard(&mut self) -> Result<()> {
        if !self.wanted(page::WIREGUARD) {
            return Ok(());
        }
        self.step("wireguard")?;
        self.three_rows(page::WIREGUARD)?;
        self.step("no_wireguard").map(drop)
    }

    fn own_line(&mut self) -> Result<()> {
        let (rows, floods) = (self.wanted(page::OWN), self.wanted(FLOODS));
        if !rows && !floods {
            return Ok(());
        }
        self.step("agent 1")?;
        self.pooling(1)?;
        if rows {
            self.three_rows(page::OWN)?;
        }
        if floods {
            self.floods()?;
        }
        self.step("stop 1").map(drop)
    }

    fn floods(&mut self) -> Result<()> {
        self.step("strangers; gro on")?;
        let seconds = self.arguments.seconds;
        for (flood, name) in [
            (Flood::Junk, "junk of 10 Mbit/s"),
            (Flood::Handshakes, "1000 handshakes a second"),
        ] {
            let mut beside = |at_gateway| {
                let flow = flow_beside(&mut self.machine, flood, at_gateway, seconds);
                flow.with_context(|| format!("beside {name}"))
            };
            let (nobody, gateway) = (beside(false)?.mbit, beside(true)?.mbit);
            let row = Beside {
                name,
                nobody,
                gateway,
            };
            println!("{}", row.line());
            self.page.floods.push(row);
        }
        Ok(())
    }

    /// The client's gateway has no line: all goes through its neighbour's.
    fn lent_line(&mut self) -> Result<()> {
        if !self.wanted(page::LENT) {
            return Ok(());
        }
        self.step("line 1 down; agent 1 no-line; agent 2")?;
        self.pooling(1)?;
        self.two_rows(page::LENT)?;
        self.step("stop 1; stop 2; line 1 up").map(drop)
    }

    fn three_lines(&mut self) -> Result<()> {
        if !self.wanted(PACED) {
            return Ok(());
        }
        self.step("paced 15mbit; agent 1")?;
        self.pooling(1)?;
        self.two_rows(page::ONE_PACED)?;
        self.step("agent 2; agent 3")?;
        self.pooling(3)?;
        self.two_rows(page::THREE_PACED)
    }

    /// Up with the LAN port's GRO on, and down.
    fn two_rows(&mut self, name: &str) -> Result<()> {
        self.step("gro on")?;
        self.row(&format!("{name}, {ON}"), true)?;
        self.row(&format!("{name}, down"), false)
    }

    /// Writes what was measured, also where the rest failed: the page says so then.
    fn finish(self, outcome: Result<()>) -> Result<()> {
        if let Some(file) = &self.arguments.write {
            let mut page = self.page.text();
            if outcome.is_err() {
                page += "\nThe run ended early: what is missing above was not measured.\n";
            }
            std::fs::write(file, page).context("cannot write the table")?;
            println!("written: {}", file.display());
        }
        outcome
    }
}
