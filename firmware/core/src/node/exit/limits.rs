//! What a community may carry through an exit at most. Downloads wait in their members' queues, whose order and AQM they keep;
//! uploads beyond the rate are dropped, since they have used the lines already.

use super::Exit;
use crate::data::pace::Pacer;
use crate::identity::CommunityId;
use crate::node::bucket::Bucket;
use crate::time::{Duration, Instant};
use heapless::Vec;

/// A run of datagrams takes no longer than this at the community's rate: the other members' turns come soon.
const RUN: Duration = Duration::from_micros(4_000);
/// But room for a full datagram there must be.
const LEAST: usize = 2048;

/// Rates of one community in kbit/s of the outer datagrams down and of the inner packets up; 0: any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// From the Internet to the members, all together.
    pub down: u32,
    /// From the members to the Internet, all together.
    pub up: u32,
}

#[derive(Debug)]
struct Limit {
    community: CommunityId,
    rates: Rates,
    down: Pacer,
    up: Bucket,
}

/// The communities that have one: mostly none has, and then it costs nothing.
#[derive(Debug, Default)]
pub(super) struct Limits {
    all: Vec<Limit, { super::MAX_COMMUNITIES }>,
    dropped: u32,
}

impl Limits {
    fn of(&self, community: CommunityId) -> Option<&Limit> {
        self.all.iter().find(|l| l.community == community)
    }

    fn of_mut(&mut self, community: CommunityId) -> Option<&mut Limit> {
        self.all.iter_mut().find(|l| l.community == community)
    }

    fn set(&mut self, now: Instant, community: CommunityId, rates: Rates) {
        if self.of(community).is_some_and(|l| l.rates == rates) {
            return;
        }
        self.forget(community);
        if rates == Rates::default() {
            return;
        }
        // There are no more of them than communities.
        let _ = self.all.push(Limit {
            community,
            rates,
            down: Pacer::new(rates.down.saturating_mul(125)),
            up: match rates.up {
                0 => Bucket::UNLIMITED,
                kbit => Bucket::new(now, kbit),
            },
        });
    }

    pub(super) fn forget(&mut self, community: CommunityId) {
        self.all.retain(|l| l.community != community);
    }

    /// From when on packets may go to members of this community.
    pub(super) fn open_at(&self, community: CommunityId) -> Instant {
        let held = self.of(community).filter(|l| l.rates.down > 0);
        held.map_or(Instant::ZERO, |l| l.down.ready_at())
    }

    /// The longest run of datagrams for them.
    pub(super) fn run(&self, community: CommunityId) -> usize {
        let held = self.of(community).filter(|l| l.rates.down > 0);
        held.map_or(usize::MAX, |l| {
            let bytes = u64::from(l.down.rate()) * RUN.as_micros() / 1_000_000;
            (bytes as usize).max(LEAST)
        })
    }

    /// So many bytes, with all headers, went to one of them.
    pub(super) fn sent(&mut self, now: Instant, community: CommunityId, bytes: usize) {
        if let Some(limit) = self.of_mut(community) {
            limit.down.sent(now, bytes);
        }
    }

    /// May a member's packet of so many bytes go on to the Internet?
    pub(super) fn takes(&mut self, now: Instant, community: CommunityId, bytes: usize) -> bool {
        let limit = self.of_mut(community);
        let takes = limit.is_none_or(|l| l.up.spend(now, bytes).is_ok());
        self.dropped = self.dropped.saturating_add(u32::from(!takes));
        takes
    }
}

impl Exit<'_> {
    /// Members' packets that were dropped because their community sent more than it may.
    pub fn over_rate(&self) -> u32 {
        self.limits.dropped
    }

    /// Holds a community to these rates from now on.
    pub fn set_rates(&mut self, now: Instant, community: CommunityId, rates: Rates) {
        self.limits.set(now, community, rates);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ELM: CommunityId = CommunityId([1; 8]);
    const OAK: CommunityId = CommunityId([2; 8]);

    fn held(community: CommunityId, rates: Rates) -> Limits {
        let mut limits = Limits::default();
        limits.set(Instant::ZERO, community, rates);
        limits
    }

    /// Bits a second that go to the members of `community` when more waits for them all the time.
    fn carried(limits: &mut Limits, community: CommunityId) -> usize {
        let mut bytes = 0;
        for ms in 0..10_000 {
            let now = Instant::from_millis(ms);
            while limits.open_at(community) <= now && bytes < 1_000_000_000 {
                let run = limits.run(community).min(64_000);
                limits.sent(now, community, run);
                bytes += run;
            }
        }
        bytes * 8 / 10
    }

    #[test]
    fn a_community_gets_the_rate_that_it_is_held_to_and_the_others_what_there_is() {
        for kbit in [300, 6_000, 200_000] {
            let rates = Rates { down: kbit, up: 0 };
            let mut limits = held(ELM, rates);
            let bits = carried(&mut limits, ELM) as f64 / f64::from(kbit) / 1e3;
            assert!((0.98..1.02).contains(&bits), "{bits} of {kbit} kbit/s");
            assert_eq!(limits.open_at(OAK), Instant::ZERO);
            assert!(limits.takes(Instant::ZERO, ELM, 1_000_000));
        }
    }

    #[test]
    fn uploads_beyond_the_rate_are_dropped_and_counted() {
        let mut limits = held(ELM, Rates { down: 0, up: 8_000 });
        let steps = (0..10_000).map(Instant::from_millis);
        // 12 Mbit/s, of which 8 go on.
        let went = steps.filter(|now| limits.takes(*now, ELM, 1_500)).count();
        assert!((6_600..6_800).contains(&went), "{went}");
        assert_eq!(limits.dropped as usize, 10_000 - went);
        assert!(limits.takes(Instant::ZERO, OAK, 1_500));
        assert_eq!(limits.open_at(ELM), Instant::ZERO);
    }

    #[test]
    fn a_limit_that_is_taken_back_is_none() {
        let mut limits = held(ELM, Rates { down: 1, up: 1 });
        limits.sent(Instant::ZERO, ELM, 1_000_000);
        assert!(limits.open_at(ELM) > Instant::from_millis(1_000));
        limits.set(Instant::ZERO, ELM, Rates::default());
        assert_eq!(limits.open_at(ELM), Instant::ZERO);
        assert!(limits.takes(Instant::ZERO, ELM, 1_000_000));
    }
}
