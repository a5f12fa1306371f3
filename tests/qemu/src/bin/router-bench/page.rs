//! The page that is committed.

use burstmesh_qemu::bench::{Flow, Spent};
use std::fmt::Write as _;

/// One line of the table.
pub struct Row {
    pub name: String,
    pub flow: Flow,
}

/// A flow beside a flood at the gateway, and beside the same flood where nobody listens.
pub struct Beside {
    pub name: &'static str,
    pub nobody: f64,
    pub gateway: f64,
}

/// Everything that was measured.
#[derive(Default)]
pub struct Page {
    pub rows: Vec<Row>,
    pub floods: Vec<Beside>,
    /// Instructions for each packet, by stage.
    pub stages: Vec<(String, f64)>,
}

pub const WIREGUARD: &str = "kernel WireGuard";
pub const OWN: &str = "agent, own line";
pub const LENT: &str = "agent, neighbour's line (relay)";
pub const ONE_PACED: &str = "agent, one line of 15 Mbit/s";
pub const THREE_PACED: &str = "agent, three lines of 15 Mbit/s";
pub const OFF: &str = "up, LAN GRO off";
pub const ON: &str = "up, LAN GRO on";

const HEAD: &str = "# A simulated 500 MIPS router

Written by `cargo xtask router-bench`; do not edit. A MIPS 24K under QEMU with `-icount`: an instruction takes 2 ns of the machine's time, so
that figures depend on what is executed and not on the host. There are no caches, no memory latency, no drivers of real ports: for ratios
and regressions, not for what a router of some model reaches. Two runs (of 3 and 4 s) differed by up to 2 %, plain forwarding down by 8 %.

One TCP flow, client -> gateway -> exit -> server, **all on the one processor**, iperf3 at both ends included. The client sends frames of 1500
bytes; ports have checksum offload and GRO, but segment nothing. Instructions are those of the process with its system calls; in brackets the datagrams
that it sent, received or relayed for each MB of payload, feedback included. Per byte: of payload, also of the first second, which the rate
leaves out.

| flow | Mbit/s | idle | instructions per byte, all | gateway, per datagram | gateway, per byte | relay, per datagram | exit, per byte |
|---|---|---|---|---|---|---|---|
";

const STAGES: &str = "
Stages of the data road for a packet of 1372 bytes (`tests/bench`), 16 at a time. Read and write cross the tunnel device in large segments, and are cut and
glued; write has in it that the kernel forwards them. Send leaves by a device that cuts nothing, receive takes what is glued. These four are with their system
calls, all else makes none. Feedback is what the reports of the far end cost both ends.

| stage | instructions per packet | per byte |
|---|---|---|
";

const FLOODS: &str = "
A flood at the gateway's mesh port, beside a flow up over its own line with LAN GRO on. The same processor throws it; so the flow is compared
with one beside the same flood at a neighbour's closed port. Junk: 10 Mbit/s, of the kinds data, relayed, path message and announcement.
Handshakes: 1000 a second, a member's Init right in every byte, over and over.

| flood | Mbit/s, thrown at a closed port | at the mesh port | cost |
|---|---|---|---|
";

impl Page {
    /// The whole page.
    pub fn text(&self) -> String {
        let mut page = HEAD.to_owned();
        for row in &self.rows {
            let _ = writeln!(page, "{}", row.line());
        }
        page += "\n";
        for sentence in self.sentences() {
            let _ = writeln!(page, "- {sentence}");
        }
        page += FLOODS;
        for flood in &self.floods {
            let _ = writeln!(page, "{}", flood.line());
        }
        page += STAGES;
        for (name, instructions) in &self.stages {
            let _ = writeln!(page, "{}", stage_line(name, *instructions));
        }
        page
    }

    fn flow(&self, name: &str, way: &str) -> Option<&Flow> {
        let wanted = format!("{name}, {way}");
        let row = self.rows.iter().find(|row| row.name == wanted)?;
        Some(&row.flow)
    }

    /// What the rows come to, as far as they were measured.
    fn sentences(&self) -> Vec<String> {
        let mut all = Vec::new();
        for way in [OFF, ON, "down"] {
            if let (Some(own), Some(peer)) = (self.flow(OWN, way), self.flow(WIREGUARD, way)) {
                all.push(format!(
                    "{way}: the agent carries {:.2} times what kernel WireGuard does.",
                    own.mbit / peer.mbit
                ));
            }
        }
        for way in [ON, "down"] {
            let lent = self.flow(LENT, way);
            let part = |name| lent?.spent.get(name)?.per_datagram();
            if let (Some(relay), Some(gateway)) = (part("g2"), part("g1")) {
                all.push(format!(
                    "{way}: a datagram costs the relay {:.2} of what it costs the gateway of whoever uses it.",
                    relay / gateway
                ));
            }
        }
        for way in [ON, "down"] {
            let per_byte = |name| {
                let flow = self.flow(name, way)?;
                Some(flow.spent.get("g1")?.instructions / flow.bytes)
            };
            if let (Some(three), Some(one)) = (per_byte(THREE_PACED), per_byte(ONE_PACED)) {
                all.push(format!(
                    "{way}: over three paced lines a byte costs the gateway {:.2} of what it costs over one.",
                    three / one
                ));
            }
        }
        all
    }
}

impl Beside {
    pub fn line(&self) -> String {
        format!(
            "| {} | {:.1} | {:.1} | {:.1} % |",
            self.name,
            self.nobody,
            self.gateway,
            100.0 * (1.0 - self.gateway / self.nobody)
        )
    }
}

pub fn stage_line(name: &str, instructions: f64) -> String {
    format!(
        "| {name} | {instructions:.0} | {:.1} |",
        instructions / 1372.0
    )
}

impl Row {
    pub fn line(&self) -> String {
        let flow = &self.flow;
        // Where no agent runs, the exit only waits.
        let with_agent = flow.spent.contains_key("g1");
        let per_datagram = |name: &str| {
            let spent = flow.spent.get(name)?;
            let datagrams = (spent.sent + spent.received + spent.relayed) / (flow.bytes / 1e6);
            Some(format!("{:.0} ({datagrams:.0})", spent.per_datagram()?))
        };
        let per_byte = |name: &str| {
            let spent: &Spent = flow.spent.get(name).filter(|_| with_agent)?;
            Some(format!("{:.0}", spent.instructions / flow.bytes))
        };
        let busy = 500e6 * (1.0 - flow.idle);
        format!(
            "| {} | {:.1} | {:.0} % | {:.0} | {} | {} | {} | {} |",
            self.name,
            flow.mbit,
            flow.idle * 100.0,
            busy / (flow.mbit * 1e6 / 8.0),
            per_datagram("g1").unwrap_or_default(),
            per_byte("g1").unwrap_or_default(),
            per_datagram("g2").unwrap_or_default(),
            per_byte("exit").unwrap_or_default()
        )
    }
}
