//! The table for people.

use super::{View, bits, state_name};
use crate::daemon::routing;
use burstmesh_core::data::path::Path;
use burstmesh_core::error::Refusals;
use burstmesh_core::wire::{MAJOR, MINOR};
use burstmesh_linux::process;
use core::fmt::{self, Write};

/// Bits per second as `12.3 Mbit/s`.
struct Rate(u64);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0 / 100_000;
        write!(f, "{}.{} Mbit/s", tenths / 10, tenths % 10)
    }
}

impl View<'_> {
    pub(super) fn table(&self, out: &mut impl Write) -> fmt::Result {
        let secs = self.now.since(self.started).as_millis() / 1000;
        writeln!(out, "{}", self.sentence())?;
        writeln!(
            out,
            "community {}, node {}, protocol {MAJOR}.{MINOR}, up {secs} s, {} KB resident",
            self.config.community.name,
            self.gateway.node_id(),
            process::resident_bytes() / 1024
        )?;
        if let Some(p) = self.gateway.pooling() {
            let name = self
                .config
                .exits
                .get(p.exit)
                .map_or("?", |e| e.name.as_str());
            let v4 = core::net::Ipv4Addr::from(p.lease.ipv4);
            writeln!(
                out,
                "exit {name}, address in the tunnel {v4}, MTU {}",
                p.mtu
            )?;
        }
        writeln!(
            out,
            "\n{:<20} {:<9} {:>14} {:>8} {:>8} {:>8} {:>12} {:>12}",
            "path", "state", "rate", "rtt ms", "queue ms", "lost", "sent KB", "received KB"
        )?;
        for (at, path) in self.gateway.link().tunnel().paths() {
            let mut way = heapless::String::<40>::new();
            self.way(at, &mut way)?;
            self.path_row(&way, path, out)?;
        }
        self.neighbours(out)?;
        self.refused(out)
    }

    fn neighbours(&self, out: &mut impl Write) -> fmt::Result {
        writeln!(
            out,
            "\n{:<20} {:<8} {:>8} {:>8} {:>14} {:>14}",
            "neighbour", "session", "rtt ms", "offers", "carried up KB", "down KB"
        )?;
        for (_, p) in self.gateway.peers() {
            let mut name = heapless::String::<20>::new();
            write!(name.as_mut_view(), "{}", p.key.node_id())?;
            let session = if p.is_up() { "up" } else { "none" };
            writeln!(
                out,
                "{name:<20} {session:<8} {:>8} {:>8} {:>14} {:>14}",
                p.rtt().as_millis(),
                p.offers.len(),
                p.carried.up_bytes / 1024,
                p.carried.down_bytes / 1024
            )?;
        }
        Ok(())
    }

    fn refused(&self, out: &mut impl Write) -> fmt::Result {
        let (refused, version, gate) = self.gateway.refusals();
        write!(out, "\nrefused:")?;
        for why in Refusals::ALL {
            write!(out, " {why} {}", refused.of(why))?;
        }
        writeln!(
            out,
            "; handshakes: bad key {} over budget {}",
            gate.bad_mac, gate.over_budget
        )?;
        let [input, forward] = routing::refused_from_mesh();
        writeln!(
            out,
            "from the mesh, refused: {} packets for this router, {} for somebody behind it",
            input.packets, forward.packets
        )?;
        if version > 0 {
            writeln!(
                out,
                "{version} datagrams of another protocol version: some member must be upgraded"
            )?;
        }
        Ok(())
    }

    fn path_row(&self, way: &str, path: &Path, out: &mut impl Write) -> fmt::Result {
        let mut rate = heapless::String::<24>::new();
        write!(rate.as_mut_view(), "{}", Rate(bits(path.rate().rate())))?;
        let c = path.counters();
        writeln!(
            out,
            "{way:<20} {:<9} {rate:>14} {:>8} {:>8} {:>8} {:>12} {:>12}",
            state_name(path.state()),
            path.srtt().as_millis(),
            path.rate().queue_us() / 1000,
            c.lost,
            c.tx_bytes / 1024,
            c.rx_bytes / 1024
        )
    }
}
