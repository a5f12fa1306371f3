//! Dearer paths stand by while cheaper ones have room.
//!
//! What costs more begins to carry when the cheaper paths are all in use, none could send now, and so much waits that they need
//! [`WAITING`] for it: no single packet, no page and no call, but whatever goes on filling them. From then on it takes what they do
//! not take: a burst goes by the cheapest path that is free, and what they will have sent in [`SOON`] waits for them. It stands by
//! again when they have had room for [`ROOM`], beside what they carry for what it carries itself too: a session that keeps to it
//! would come back as soon as it had left. A window that was cut by a drop has filled them again by then. A metered path steps in only
//! when nothing else carries bursts. A path that is too late to be of use ([`super::spread`]) has no room that counts.

use super::AnyTunnel;
use crate::data::path::Path;
use crate::data::pool::BLOCK;
use crate::time::{Duration, Instant};
use crate::wire::path::Cost;

/// Cheaper paths are full when what waits takes them so long. Less than the AQM allows, or they would never be.
const WAITING: u64 = 20_000;
/// A gust of packets is not torn apart: cheaper paths that are ready only after it would have nothing to do. In us, too.
const SOON: u64 = 2_000;
/// How often it is looked whether they have room,
const LOOK: Duration = Duration::from_millis(100);
/// and for how long they must have had it.
const ROOM: Duration = Duration::from_secs(1);
/// Metered paths carry bursts when all others have rested for their owners for so long.
const NEED: Duration = Duration::from_secs(1);

/// When it was looked last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standby {
    looked_at: Instant,
    /// When a path that is not metered was last free for bursts.
    relieved: Instant,
}

/// What is cheaper than a path.
#[derive(Clone, Copy, Debug, Default)]
struct Cheaper {
    /// Some path that answers.
    any: bool,
    /// One could take more: it stands by itself, or may send now.
    idle: bool,
    /// What those send that are in use for bursts, bytes per second,
    rate: u64,
    /// and have sent since the last look, bytes.
    sent: u64,
}

impl AnyTunnel<'_> {
    /// Lets dearer paths step in and stand by, be it light flows only for a moment.
    pub(super) fn review_standby(&mut self, now: Instant) {
        if self.paths.iter().flatten().all(|p| p.cost == Cost::LEAST) {
            return;
        }
        let spared = self.spares_metered(now);
        let since = now.since(self.standby.looked_at);
        let looks = since >= LOOK;
        for at in 0..self.paths.len() {
            let Some(path) = self.path(at).filter(|p| p.cost != Cost::LEAST) else {
                continue;
            };
            let (cost, stood_by, last) = (path.cost, path.stands_by, path.needed);
            let dearer = path.sent_since_look();
            let (stands_by, needed, soon) = if cost.is_metered() {
                (spared, last, 0)
            } else if stood_by || looks {
                let cheaper = self.cheaper(now, cost);
                let full = match stood_by {
                    true => self.overflows(&cheaper),
                    false => cheaper.were_full(since, dearer),
                };
                let needed = if full { now } else { last };
                let stands_by = cheaper.any && now.since(needed) >= ROOM;
                (stands_by, needed, cheaper.sends_soon())
            } else {
                continue;
            };
            if let Some(path) = self.path_mut(at) {
                (path.stands_by, path.needed, path.leaves) = (stands_by, needed, soon);
            }
            if looks && self.path(at).is_some_and(Path::carries) {
                self.relieve(now, cost);
            }
        }
        if looks {
            self.standby.looked_at = now;
            for path in self.paths.iter_mut().flatten() {
                path.looked = path.counters.tx_bytes as u32;
            }
        }
    }

    /// Something goes by this path because cheaper ones take no more: what they carry would stay unknown if it did in silence.
    pub(super) fn mark_cheaper_busy(&mut self, now: Instant, at: usize) {
        let cost = self.path(at).map_or(Cost::LEAST, |p| p.cost);
        if cost > Cost::LEAST {
            self.mark_busy(now, Cost::new(cost.level() - 1));
        }
    }

    /// Do metered paths stand by? As long as another one carries something.
    fn spares_metered(&mut self, now: Instant) -> bool {
        let full = self.full_packet();
        let others = || {
            let usable = |p: &Path| !p.cost.is_metered() && p.usable() && p.fits(full);
            self.paths().filter(move |(_, p)| usable(p))
        };
        let rests = |p: &Path| p.yields_until > now;
        if others().any(|(_, p)| !rests(p)) {
            self.standby.relieved = now;
            return true;
        }
        others().next().is_some() && now.since(self.standby.relieved) < NEED
    }

    fn cheaper(&self, now: Instant, cost: Cost) -> Cheaper {
        let (earliest, full) = (self.earliest(now), self.full_packet());
        let usable = |p: &Path| p.usable() && p.cost < cost && p.fits(full);
        let mut all = Cheaper::default();
        for (_, path) in self.paths().filter(|(_, p)| usable(p)) {
            all.any = true;
            if path.yields_until > now {
                continue;
            }
            if path.carries() && !earliest.is_none_or(|e| path.takes_part(e)) {
                continue;
            }
            all.idle |= !path.carries() || path.pacer.ready(now);
            all.rate += u64::from(path.pacer.rate());
            all.sent += path.sent_since_look();
        }
        all
    }

    /// Bytes of a full packet: a path that does not take it carries no burst, however cheap it is.
    fn full_packet(&self) -> usize {
        self.inner_mtu().unwrap_or(0).into()
    }

    /// Cheaper paths that take a burst's packet of this length will soon have sent what waits.
    pub(super) fn leaves_it(&self, now: Instant, earliest: i32, path: &Path, len: usize) -> bool {
        let takes = |p: &Path| p.fits(len) && self.takes_bursts(now, earliest, p);
        path.leaves > self.queue.bytes()
            && self.paths().any(|(_, p)| p.cost < path.cost && takes(p))
    }

    /// Does more wait than the cheaper paths can soon send? A quarter of packet memory is as much as there will be.
    fn overflows(&self, cheaper: &Cheaper) -> bool {
        let waiting = u64::from(self.queue.bytes());
        let most = u64::from(self.pool.capacity()) * (BLOCK as u64 / 4);
        let full = waiting * 1_000_000 >= cheaper.rate * WAITING || waiting >= most;
        waiting > 0 && !cheaper.idle && full
    }
}

impl Path {
    /// Bytes.
    fn sent_since_look(&self) -> u64 {
        (self.counters.tx_bytes as u32)
            .wrapping_sub(self.looked)
            .into()
    }
}

impl Cheaper {
    /// Bytes that they send in [`SOON`], nearly: a shift is a division by a million.
    fn sends_soon(&self) -> u32 {
        ((self.rate * SOON) >> 20) as u32
    }

    /// Did they send what they can, nearly, or would they with these bytes of a dearer path? Where they send less than a quarter,
    /// what it carries comes to them even so.
    fn were_full(&self, since: Duration, dearer: u64) -> bool {
        let could = self.rate.saturating_mul(since.as_micros());
        let sixteenths = |bytes: u64| bytes * 16 * 1_000_000;
        let all = match sixteenths(self.sent) >= could.saturating_mul(4) {
            true => self.sent + dearer,
            false => self.sent,
        };
        sixteenths(all) >= could.saturating_mul(15)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Link, Pair, waiting};
    use super::*;
    use crate::data::work;
    use crate::wire::Capabilities;

    /// Two paths of which the second costs so much, some seconds later.
    fn priced(cost: Cost, capabilities: Capabilities) -> Pair {
        let mut pair = Pair::new(&[Link::mbit(20, 10); 2], capabilities);
        pair.run(1_000, |_, _| {});
        pair.a
            .set_terms(Instant::from_millis(1_000), 1, [0; 2], cost);
        pair.run(3_000, |_, _| {});
        pair
    }

    #[test]
    fn an_exit_that_knows_of_costs_hears_each_and_any_other_which_path_is_metered() {
        for (capabilities, known) in [
            (Capabilities::OURS, Cost::new(2)),
            (Capabilities::NONE, Cost::LEAST),
        ] {
            let far = |cost| priced(cost, capabilities).b.path(1).unwrap().cost;
            assert_eq!(far(Cost::new(2)), known);
            assert_eq!(far(Cost::METERED), Cost::METERED);
        }
    }

    #[test]
    fn a_path_that_is_not_dear_any_more_carries_again() {
        for cost in [Cost::new(1), Cost::METERED] {
            let mut pair = priced(cost, Capabilities::OURS);
            let rests = |pair: &Pair| [&pair.a, &pair.b].map(|t| t.path(1).unwrap().stands_by);
            assert_eq!(rests(&pair), [true; 2]);
            pair.a
                .set_terms(Instant::from_millis(3_000), 1, [0; 2], Cost::LEAST);
            pair.run(5_000, |_, _| {});
            assert_eq!(rests(&pair), [false; 2]);
        }
    }

    #[test]
    fn eight_paths_at_four_costs_are_all_used_for_a_few_looks_more() {
        let mut pair = Pair::new(&[Link::mbit(10, 10); 8], Capabilities::OURS);
        for at in 0..8 {
            let cost = Cost::new(at as u8 % 4);
            pair.a.set_terms(Instant::ZERO, at, [0; 2], cost);
        }
        let mut next = 0;
        pair.run(3_000, |_, _| {});
        let mut feed = waiting(250, &mut next);
        pair.run(5_000, &mut feed);
        let (packets, bytes) = (pair.at_b.packets.len(), pair.at_b.bytes);
        work::steps();
        pair.run(7_000, &mut feed);
        let each = work::steps() / (pair.at_b.packets.len() - packets) as u64;
        let share = (pair.at_b.bytes - bytes) as f64 / 20e6 * 100.0;
        println!("{each} steps, {share:.1} %");
        assert!(each < 300 && share > 90.0, "{each}, {share:.1}");
    }
}
