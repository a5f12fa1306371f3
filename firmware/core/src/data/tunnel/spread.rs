//! When a burst begins to use a path that is later than the others, and when it leaves it.
//!
//! All of a flow is as late as the latest path that it uses, since its order is kept. A window of data that fills the early
//! paths may not fill all paths at the later one's round trip: then the flow is slower for having one more path. (Simulated
//! with 50 Mbit/s, 5 ms and 10 Mbit/s, 60 ms: 63 % of the sum instead of the 77 % that the first one gives alone, for ten
//! seconds.) So a path joins when as much waits as the early paths send in the time by which it is later than the latest one in
//! use, on which the flow waits already: from then on the early ones stay busy. It leaves when all together send less than the early ones could. Only cheaper paths, and those that cost
//! as much, count as earlier: one that costs nothing is not left to a dear one that is nearer.

use super::AnyTunnel;
use super::transmit::TOO_LATE_US;
use super::trial::{Look, Trial};
use crate::data::codel::{self, Measure};
use crate::data::path::Path;
use crate::time::{Duration, Instant};
use crate::wire::path::Cost;

/// Paths no later than this belong together at once, us.
const NEAR_US: i32 = 4_000;
/// How often it is looked whether a path pays.
pub(super) const LOOK: Duration = Duration::from_millis(100);

/// What left lately.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spread {
    look_at: Instant,
    sent: u64,
    trial: Trial,
}

/// How much later than the earliest path a path is, in us; `None` if nobody would wait for it, or it for others.
fn lateness(earliest: i32, path: &Path) -> Option<i32> {
    let delay = path.rate.base_delay().unwrap_or(earliest);
    let late = delay.saturating_sub(earliest);
    (late.saturating_abs() < TOO_LATE_US).then_some(late)
}

impl Path {
    /// Is it near the earliest, or has it joined?
    pub(super) fn takes_part(&self, earliest: i32) -> bool {
        lateness(earliest, self).is_some_and(|late| self.joined || late <= NEAR_US)
    }
}

impl AnyTunnel<'_> {
    /// The least delay of the cheapest paths that may carry bursts. Asked for once and handed on: a look at every path for each
    /// path is dear with eight of them.
    pub(super) fn earliest(&self, now: Instant) -> Option<i32> {
        let usable = self.paths().filter(|(_, p)| p.free_for_bursts(now));
        let delays = usable.filter_map(|(_, p)| Some((p.cost, p.rate.base_delay()?)));
        delays.min().map(|(_, delay)| delay)
    }

    /// Of the other paths in use that are cheaper than this, or as cheap and earlier: bytes per second, and how late the latest is.
    fn others(&self, now: Instant, earliest: i32, at: usize, place: (Cost, i32)) -> (u64, i32) {
        let others = self
            .paths()
            .filter(|(i, p)| *i != at && self.takes_bursts(now, earliest, p));
        let known = others.filter_map(|(_, p)| Some((p, lateness(earliest, p)?)));
        let before = known.filter(|(p, late)| (p.cost, *late) < place);
        before.fold((0, 0), |(rate, latest), (p, late)| {
            (rate + u64::from(p.pacer.rate()), latest.max(late))
        })
    }

    /// May a burst use this path?
    pub(super) fn takes_bursts(&self, now: Instant, earliest: i32, path: &Path) -> bool {
        path.free_for_bursts(now) && path.takes_part(earliest)
    }

    /// Lets paths join and leave.
    pub(super) fn review_spread(&mut self, now: Instant) {
        let waiting = u64::from(self.queue.bytes());
        let sent = (now >= self.spread.look_at)
            .then(|| self.sent_since(now))
            .flatten();
        let Some(earliest) = self.earliest(now) else {
            return;
        };
        if let Some(sent) = sent {
            self.review_trial(now, earliest, sent);
        }
        let first = self.queue.late_first;
        for at in 0..self.paths.len() {
            let Some(path) = self.path(at).filter(|p| p.free_for_bursts(now)) else {
                continue;
            };
            let Some(late) = lateness(earliest, path).filter(|l| *l > NEAR_US) else {
                continue;
            };
            let (earlier, latest) = self.others(now, earliest, at, (path.cost, late));
            let further = late.saturating_sub(latest).max(0);
            let joins = waiting * 1_000_000 >= earlier * further as u64;
            let leaves = sent.is_some_and(|rate| rate < earlier * 15 / 16);
            if let Some(path) = self.path_mut(at) {
                path.joined = first || joins || (path.joined && !leaves);
            }
        }
    }

    /// Whether late paths are taken first, after a look at which so much left.
    fn review_trial(&mut self, now: Instant, earliest: i32, sent: u64) {
        let usable = self.paths().filter(|(_, p)| p.free_for_bursts(now));
        let known = usable.filter_map(|(_, p)| Some((p, lateness(earliest, p)?)));
        let [near, all] = known.fold([0u32; 2], |[near, all], (path, late)| {
            let rate = path.pacer.rate();
            let early = if late > NEAR_US { 0 } else { rate };
            [near.saturating_add(early), all.saturating_add(rate)]
        });
        let counters = self.queue.counters();
        let look = Look {
            sent: u32::try_from(sent).unwrap_or(u32::MAX),
            near,
            all,
            waiting: self.queue.bytes(),
            drops: counters.aqm_drops + counters.marks + counters.overflow,
        };
        self.queue.late_first = self.spread.trial.goes_on(now, &look);
    }

    /// Bytes per second that left since the last look.
    fn sent_since(&mut self, now: Instant) -> Option<u64> {
        let sent: u64 = self.paths().map(|(_, p)| p.counters().tx_bytes).sum();
        let us = (now.since(self.spread.look_at) + LOOK).as_micros();
        let since = sent.saturating_sub(self.spread.sent);
        (self.spread.look_at, self.spread.sent) = (now + LOOK, sent);
        Some(since * 1_000_000 / us.max(1))
    }

    /// What the queue's delay is held against. It may stand as long as the next path needs to join; and half the lateness of those in
    /// use more, or a window that a drop has halved would no longer fill them and the latest would leave.
    pub(super) fn measure(&self, now: Instant) -> Measure {
        let usable = || self.paths().filter(|(_, p)| p.free_for_bursts(now));
        let earliest = self.earliest(now);
        let late = |p: &Path| lateness(earliest?, p).filter(|l| *l > NEAR_US);
        let outside = usable().filter(|(_, p)| !p.joined);
        let next = outside.filter_map(|(_, p)| late(p)).min().unwrap_or(0);
        let inside = usable().filter(|(_, p)| p.joined);
        let latest = inside.filter_map(|(_, p)| late(p)).max().unwrap_or(0);
        let interval = if usable().any(|(_, p)| p.starting()) {
            codel::PATIENCE
        } else {
            codel::INTERVAL
        };
        Measure {
            target: codel::TARGET + Duration::from_micros((next + latest / 2) as u64),
            interval,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Link, Pair, waiting};
    use super::*;
    use crate::wire::Capabilities;

    /// Three paths of 10 Mbit/s, each 20 ms later than the one before, after so many packets of a burst have waited for seconds.
    fn staggered(packets: u32) -> Pair {
        let links = [5, 25, 45].map(|delay| Link::mbit(10, delay));
        let mut pair = Pair::new(&links, Capabilities::OURS);
        let mut next = 0;
        pair.run(3_000, |_, _| {});
        pair.run(9_000, waiting(packets, &mut next));
        pair
    }

    #[test]
    fn a_path_joins_when_what_waits_covers_its_distance_to_the_latest_in_use() {
        // 25 KB bring the second in, 50 KB more the third; from the first path on it would be 100 KB.
        let joined = |packets| [1, 2].map(|at| staggered(packets).a.path(at).unwrap().joined);
        assert_eq!(joined(10), [false, false]);
        assert_eq!(joined(28), [true, false]);
        assert_eq!(joined(55), [true, true]);
    }

    #[test]
    fn what_is_sent_alone_is_as_late_as_all_of_its_flow_once_it_looked_how_late_that_is() {
        let led = |delays: [u64; 2]| {
            let links = delays.map(|delay| Link::mbit(10, delay));
            let mut pair = Pair::new(&links, Capabilities::OURS);
            let mut next = 0;
            pair.run(3_000, |_, _| {});
            pair.run(9_000, waiting(10, &mut next));
            pair.run(9_300, |_, _| {});
            pair.run(19_000, waiting(10, &mut next));
            (pair.a.queue.late_first, pair.a.path(1).unwrap().joined)
        };
        assert_eq!(led([5, 25]), (true, true));
        assert_eq!(led([5, 5]), (false, false));
    }

    #[test]
    fn what_waits_may_stand_until_the_next_path_joins_and_half_as_long_as_the_latest_in_use_is_late()
     {
        for (packets, ms) in [(10, 50 + 20), (28, 50 + 40 + 10), (55, 50 + 20)] {
            let pair = staggered(packets);
            let target = pair.a.measure(Instant::from_micros(9_000_000)).target;
            let off = target.as_micros().abs_diff(ms * 1_000);
            assert!(off < 3_000, "{packets} packets: {target:?}");
        }
    }
}
