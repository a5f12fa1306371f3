//! The table for people.

use super::direct::Alone;
use super::{Far, View, bits, standby_name, state_name};
use crate::daemon::admission::advice;
use crate::daemon::routing;
use crate::daemon::tenths::Tenths;
use burstmesh_core::calendar::{Wall, Zone};
use burstmesh_core::data::path::Path;
use burstmesh_core::error::Refusals;
use burstmesh_core::wire::text::key_to_text;
use burstmesh_core::wire::{MAJOR, MINOR};
use burstmesh_linux::process;
use core::fmt::{self, Write};

/// A limit in kbit/s; without one it is what is idle.
pub struct Limit(pub u32);

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("idle"),
            kbit => kbit.fmt(f),
        }
    }
}

/// Seconds as people say them: the two largest units.
pub struct Age(pub u64);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (s, min, h, d) = (self.0, self.0 / 60, self.0 / 3600, self.0 / 86_400);
        match (d, h, min) {
            (1.., ..) => write!(f, "{d} d {} h", h % 24),
            (_, 1.., _) => write!(f, "{h} h {} min", min % 60),
            (_, _, 1..) => write!(f, "{min} min {} s", s % 60),
            _ => write!(f, "{s} s"),
        }
    }
}

/// Until when a certificate holds, Unix seconds; 0: without an end.
struct Until(u64);

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u32::try_from(self.0) {
            Ok(0) | Err(_) => f.write_str(" without an end"),
            Ok(seconds) => write!(f, " until {}", Wall(seconds).day(Zone::default())),
        }
    }
}

/// Why handshakes are refused, in the order of the gate's counters.
const HANDSHAKES: [&str; 8] = [
    "handshakes that do not parse",
    "handshakes of another protocol version",
    "handshakes of another community",
    "handshakes without the community's secret",
    "handshakes over the budget",
    "handshakes seen before",
    "handshakes without a valid certificate",
    "handshakes of members that were removed",
];

// Everything fits a terminal of 80 columns.
impl View<'_> {
    pub(super) fn table(&self, out: &mut dyn Write) -> fmt::Result {
        let secs = self.now.since(self.started).as_millis() / 1000;
        writeln!(out, "{}", self.sentence())?;
        writeln!(
            out,
            "community {}, node {}",
            self.config.community.name,
            self.gateway.node_id(),
        )?;
        writeln!(
            out,
            "up {}, protocol {MAJOR}.{MINOR}, {} KB resident",
            Age(secs),
            process::resident_bytes() / 1024
        )?;
        if let Some(p) = self.gateway.pooling() {
            let name = self.config.exit_name(p.exit);
            let v4 = core::net::Ipv4Addr::from(p.lease.ipv4);
            let choice = p.choice.words();
            writeln!(
                out,
                "exit {name} ({choice})\naddress in the tunnel {v4}, MTU {}",
                p.mtu
            )?;
        }
        self.admission(out)?;
        self.uplinks(out)?;
        self.paths(out)?;
        self.neighbours(out)?;
        self.hosts(out)?;
        self.flows(out)?;
        self.refused(out)
    }

    /// By whose word it is a member, where that takes an admin's.
    fn admission(&self, out: &mut dyn Write) -> fmt::Result {
        if let Some(a) = self.gateway.admission() {
            writeln!(
                out,
                "members are certified by the admin's key\n  {}",
                key_to_text(&a.admin.0)
            )?;
            match &a.certificate {
                Some(c) => write!(out, "this one is certified{}", Until(c.expires))?,
                None => write!(out, "this one has no certificate")?,
            }
            if let Some(list) = &a.list {
                write!(out, ", and knows of {} removed", list.nodes().count())?;
            }
            writeln!(out)?;
        }
        match self.gateway.denied(self.now) {
            Some(why) => writeln!(out, "somebody makes no session: {}", advice(why)),
            None => Ok(()),
        }
    }

    fn uplinks(&self, out: &mut dyn Write) -> fmt::Result {
        writeln!(
            out,
            "\n{:<20} {:<16} {:<10} {:<4}",
            "uplink", "device", "way out", "lent"
        )?;
        for (i, u) in self.config.uplinks.iter().enumerate() {
            let up = self.uplinks.get(i).is_some_and(|s| s.up);
            let yes = |is| if is { "yes" } else { "no" };
            writeln!(
                out,
                "{:<20} {:<16} {:<10} {:<4}",
                u.name.as_str(),
                u.ifname.as_str(),
                yes(up),
                yes(u.lend)
            )?;
            match (u.metered, u.cost) {
                (true, _) => out.write_str("  metered, ")?,
                (false, 0) => out.write_str("  ")?,
                (false, cost) => write!(out, "  cost {cost}, ")?,
            }
            out.write_str(self.lending.reason(i).words())?;
            if let Some((cap, plan)) = self.accounts.cap(u) {
                let (used, all) = (cap.used() / 1_000_000, plan.bytes / 1_000_000);
                write!(out, ", {used} of {all} MB used")?;
            }
            let f = self.accounts.forecast(self.now, u);
            let ([up, down], [later_up, later_down]) = (f.now, f.expected);
            let (most_up, most_down) = self.lending.limits(i);
            writeln!(
                out,
                "\n  own {up}/{down}, expected {later_up}/{later_down} kbit/s ({} % sure), offered {}/{}",
                f.confidence,
                Limit(most_up),
                Limit(most_down)
            )?;
        }
        Ok(())
    }

    fn paths(&self, out: &mut dyn Write) -> fmt::Result {
        writeln!(
            out,
            "\n{:<20} {:<9} {:>7} {:>6} {:>8} {:>7} {:>8} {:>8}",
            "path", "state", "Mbit/s", "rtt ms", "queue ms", "lost", "up MB", "down MB"
        )?;
        for (at, path) in self.gateway.link().tunnel().paths() {
            let mut way = heapless::String::<40>::new();
            self.way(at, &mut way)?;
            path_row(&way, path, out)?;
            if let Some(cost) = path.stands_by(self.now) {
                writeln!(out, "  {}", standby_name(cost))?;
            }
        }
        Ok(())
    }

    fn neighbours(&self, out: &mut dyn Write) -> fmt::Result {
        writeln!(
            out,
            "\n{:<20} {:<7} {:>4} {:>6} {:>6} {:>13} {:>15}",
            "neighbour", "session", "hops", "rtt ms", "lends", "carried up MB", "carried down MB"
        )?;
        for (_, p) in self.gateway.peers() {
            let mut name = heapless::String::<20>::new();
            write!(name.as_mut_view(), "{}", p.key.node_id())?;
            let session = if p.is_up() { "up" } else { "none" };
            writeln!(
                out,
                "{name:<20} {session:<7} {:>4} {:>6} {:>6} {:>13} {:>15}",
                p.hops(),
                p.rtt().as_millis(),
                p.offers.len(),
                Tenths::mega(p.carried.up_bytes),
                Tenths::mega(p.carried.down_bytes)
            )?;
            if p.refused || p.refuses_us {
                let who = if p.refused {
                    "you refuse it"
                } else {
                    "its owner refuses you"
                };
                writeln!(out, "  {who}: neither uses the other's line")?;
            }
            if let Some(until) = p.certified {
                writeln!(out, "  certified{}", Until(until))?;
            }
            if p.excess.floods() {
                let dropped = p.excess.dropped();
                writeln!(
                    out,
                    "  sends far more than it is lent: {dropped} datagrams dropped so far"
                )?;
            }
        }
        Ok(())
    }

    /// Where new connections leave while no exit is used, and why so many of them.
    fn hosts(&self, out: &mut dyn Write) -> fmt::Result {
        let spread = &self.applied.spread;
        if !spread.is_used() {
            return Ok(());
        }
        let round = spread.round();
        writeln!(
            out,
            "\n{:<20} {:<9} likely to have over, kbit/s up/down",
            "without an exit", "gets"
        )?;
        writeln!(out, "{:<20} {} of {round}", "own line", spread.own)?;
        for (place, share) in spread.hosts() {
            let Some(peer) = self.peer(place as u8) else {
                continue;
            };
            let [up, down] = peer.host.map_or([0; 2], |h| h.kbit);
            let mut name = heapless::String::<20>::new();
            write!(name.as_mut_view(), "{}", peer.key.node_id())?;
            writeln!(
                out,
                "{name:<20} {} of {round}    {}/{}",
                share.weight,
                Limit(up),
                Limit(down)
            )?;
        }
        Ok(())
    }

    fn flows(&self, out: &mut dyn Write) -> fmt::Result {
        let tunnel = self.gateway.link().tunnel();
        let (used, all) = tunnel.memory_used();
        writeln!(
            out,
            "\n{} flows, {} packets waiting, packet memory {used} of {all} blocks",
            tunnel.flows(),
            tunnel.backlog()
        )?;
        let busiest = tunnel.busiest(self.now);
        let alone = self.alone();
        if !busiest.is_empty() || !alone.is_empty() {
            writeln!(
                out,
                "\n{:<51} {:<13} {:>12}",
                "busiest flows", "kind", "Mbit/s up/down"
            )?;
        }
        for flow in &busiest {
            let mut far = heapless::String::<64>::new();
            write!(
                far.as_mut_view(),
                "{}",
                Far(flow.protocol, &flow.far, flow.port)
            )?;
            let [up, down] = flow.rates.map(|rate| Tenths::mega(bits(rate)));
            let kind = flow.shape.name();
            write!(out, "{far:<51} {kind:<13} {up:>6}/{down}\n  ")?;
            match flow.paths.count_ones() {
                more @ 4.. => write!(out, "{more} paths")?,
                _ => self.ways(flow.paths, "", out)?,
            }
            write!(out, " ({})", flow.why.name())?;
            if let Some(second) = flow.second {
                out.write_str(" rather than ")?;
                self.way(second, out)?;
            }
            writeln!(out)?;
        }
        alone.iter().try_for_each(|one| self.alone_row(one, out))
    }

    /// A connection that uses no exit.
    fn alone_row(&self, one: &Alone, out: &mut dyn Write) -> fmt::Result {
        let t = &one.tracked;
        let mut text = heapless::String::<80>::new();
        let far = Far(t.protocol, &t.back.from, t.back.ports.0);
        write!(text.as_mut_view(), "{far}")?;
        write!(out, "{text:<51} {}\n  ", one.kind())?;
        self.leaves_at(one, out)?;
        write!(out, " ({}", one.why())?;
        if let Some(rule) = one.rule(self) {
            write!(out, ": rule {rule}")?;
        }
        text.clear();
        if self.next_turn(one, &mut text)? {
            return writeln!(out, ") rather than {text}");
        }
        writeln!(out, ")")
    }

    /// What was refused, by reason; reasons without any are left out.
    fn refused(&self, out: &mut dyn Write) -> fmt::Result {
        let (road, version, gate) = self.gateway.refusals();
        let mut any = false;
        let mut row = |n: u64, why: &dyn fmt::Display| {
            if n == 0 {
                return Ok(());
            }
            if !core::mem::replace(&mut any, true) {
                writeln!(out, "\n{:>10} because of", "refused")?;
            }
            writeln!(out, "{n:>10} {why}")
        };
        for why in Refusals::ALL {
            row(road.of(why).into(), &why)?;
        }
        for ((_, n), why) in gate.refused().into_iter().zip(HANDSHAKES) {
            row(n.into(), &why)?;
        }
        let [input, forward] = routing::refused_from_mesh();
        row(input.packets, &"over the mesh, for this router")?;
        row(forward.packets, &"over the mesh, for somebody behind it")?;
        if version > 0 {
            writeln!(
                out,
                "Another protocol version is about: some member must be upgraded."
            )?;
        }
        Ok(())
    }
}

fn path_row(way: &str, path: &Path, out: &mut dyn Write) -> fmt::Result {
    let c = path.counters();
    writeln!(
        out,
        "{way:<20} {:<9} {:>7} {:>6} {:>8} {:>7} {:>8} {:>8}",
        state_name(path.state()),
        Tenths::mega(bits(path.rate().rate())),
        path.srtt().as_millis(),
        path.rate().queue_us() / 1000,
        c.lost,
        Tenths::mega(c.tx_bytes),
        Tenths::mega(c.rx_bytes)
    )?;
    match path.limits() {
        [0, 0] => Ok(()),
        [up, down] => writeln!(out, "  lent to us: {}/{} kbit/s", Limit(up), Limit(down)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_as_people_say_them() {
        let age = |s| Age(s).to_string();
        assert_eq!(
            [age(59), age(61), age(7_260), age(90_000)],
            ["59 s", "1 min 1 s", "2 h 1 min", "1 d 1 h"]
        );
        assert_eq!(std::format!("{:>7}", Tenths::mega(12_345_678)), "   12.3");
        assert_eq!(Tenths::mega(99_999).to_string(), "0.0");
        let until = |seconds| Until(seconds).to_string();
        assert_eq!(until(1_795_651_200), " until 2026-11-26");
        assert_eq!([until(0), until(u64::MAX)], [" without an end"; 2]);
    }
}
