//! What a community may carry through an exit at most. Downloads wait in their members' queues, whose order and AQM they keep;
//! uploads beyond the rate are dropped, since they have used the lines already. What keeps paths known and alive passes beside it.

use super::{Exit, Session};
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
    /// The seat whose turn it is.
    turn: usize,
    up: Bucket,
}

/// A community that may have packets now.
pub(super) struct Open {
    at: usize,
    pub community: CommunityId,
    /// Seats are looked at from here on.
    pub turn: usize,
    /// The longest run of datagrams.
    pub run: usize,
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
            turn: 0,
            up: match rates.up {
                0 => Bucket::UNLIMITED,
                kbit => Bucket::new(now, kbit),
            },
        });
    }

    pub(super) fn forget(&mut self, community: CommunityId) {
        self.all.retain(|l| l.community != community);
    }

    /// From when on packets may go to members of this community, if it is held to a rate.
    pub(super) fn open_at(&self, community: CommunityId) -> Option<Instant> {
        let held = self.of(community).filter(|l| l.rates.down > 0);
        held.map(|l| l.down.ready_at())
    }

    /// How many communities have a limit.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The community whose limit is this one, if it is held to a rate and may have packets now.
    pub(super) fn open(&self, now: Instant, at: usize) -> Option<Open> {
        let limit = self.all.get(at)?;
        let bytes = u64::from(limit.down.rate()) * RUN.as_micros() / 1_000_000;
        let open = limit.rates.down > 0 && limit.down.ready(now);
        open.then_some(Open {
            at,
            community: limit.community,
            turn: limit.turn,
            run: (bytes as usize).max(LEAST),
        })
    }

    /// So many bytes, with all headers, went to the member at this seat.
    pub(super) fn sent(&mut self, now: Instant, open: &Open, seat: usize, bytes: usize) {
        if let Some(limit) = self.all.get_mut(open.at) {
            limit.down.sent(now, bytes);
            limit.turn = seat + 1;
        }
    }

    /// May a member's packet of so many bytes go on to the Internet? `own`: the part of the rate that is that member's. More passes
    /// while the others leave theirs.
    pub(super) fn takes(
        &mut self,
        now: Instant,
        community: CommunityId,
        own: &mut Bucket,
        bytes: usize,
    ) -> bool {
        let Some(limit) = self.of_mut(community).filter(|l| l.rates.up > 0) else {
            return true;
        };
        let takes = own.spend(now, bytes).is_ok() || limit.up.is_half_full(now);
        if takes {
            limit.up.drain(now, bytes);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
        takes
    }
}

impl Exit<'_> {
    /// Members' packets that were dropped because their community sent more than it may.
    pub fn over_rate(&self) -> u32 {
        self.limits.dropped
    }

    /// Holds a community that is served to these rates from now on.
    pub fn set_rates(&mut self, now: Instant, community: CommunityId, rates: Rates) {
        if self.served(community).is_some() {
            self.limits.set(now, community, rates);
            self.divide_uploads();
        }
    }

    /// Gives each member of a community an equal part of what it may send. Done again and again: members come and go.
    pub(super) fn divide_uploads(&mut self) {
        for limit in self.limits.all.iter().filter(|l| l.rates.up > 0) {
            let of_it = |s: &Session| s.community == limit.community;
            let seats = self.seats.iter().take(self.used).flatten();
            let members = seats.filter(|seat| seat.session.as_ref().is_some_and(of_it));
            let part = limit.rates.up / members.count().max(1) as u32;
            for seat in self.seats.iter_mut().take(self.used).flatten() {
                if let Some(session) = seat.session.as_mut().filter(|s| of_it(s)) {
                    session.up.set_rate(part.max(1));
                }
            }
        }
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

    /// Bits a second that go to the members of the first held community when more waits for them all the time.
    fn carried(limits: &mut Limits) -> usize {
        let mut bytes = 0;
        for now in (0..10_000).map(Instant::from_millis) {
            while let Some(open) = limits.open(now, 0) {
                let run = open.run.min(64_000);
                limits.sent(now, &open, 0, run);
                bytes += run;
            }
        }
        bytes * 8 / 10
    }

    #[test]
    fn a_community_gets_the_rate_that_it_is_held_to_and_the_others_what_there_is() {
        for kbit in [300, 6_000, 200_000] {
            let mut limits = held(ELM, Rates { down: kbit, up: 0 });
            let bits = carried(&mut limits) as f64 / f64::from(kbit) / 1e3;
            assert!((0.98..1.02).contains(&bits), "{bits} of {kbit} kbit/s");
            assert_eq!(limits.open_at(OAK), None);
            assert!(limits.takes(Instant::ZERO, ELM, &mut { Bucket::UNLIMITED }, 1_000_000));
        }
    }

    #[test]
    fn uploads_beyond_the_rate_are_dropped_and_a_member_that_sends_little_loses_nothing() {
        let mut limits = held(ELM, Rates { down: 0, up: 8_000 });
        let [mut busy, mut quiet] = [Bucket::new(Instant::ZERO, 4_000); 2];
        let (mut went, mut lost) = (0, 0);
        for now in (0..10_000).map(Instant::from_millis) {
            // 24 Mbit/s and half a Mbit/s.
            went += (0..2)
                .filter(|_| limits.takes(now, ELM, &mut busy, 1_500))
                .count();
            if now.as_micros() % 24_000 == 0 {
                let passes = limits.takes(now, ELM, &mut quiet, 1_500);
                (went, lost) = (went + usize::from(passes), lost + usize::from(!passes));
            }
        }
        assert!((6_600..6_800).contains(&went), "{went}");
        assert_eq!(lost, 0);
        assert_eq!(limits.dropped as usize, 20_000 + 417 - went);
        assert!(limits.takes(Instant::ZERO, OAK, &mut busy, 1_500));
        assert_eq!(limits.open_at(ELM), None);
    }

    #[test]
    fn a_limit_that_is_taken_back_is_none() {
        let mut limits = held(ELM, Rates { down: 1, up: 1 });
        let open = limits.open(Instant::ZERO, 0).unwrap();
        limits.sent(Instant::ZERO, &open, 3, 1_000_000);
        assert!(limits.open_at(ELM) > Some(Instant::from_millis(1_000)));
        limits.set(Instant::ZERO, ELM, Rates::default());
        assert_eq!((limits.open_at(ELM), limits.len()), (None, 0));
        assert!(limits.takes(Instant::ZERO, ELM, &mut { Bucket::UNLIMITED }, 1_000_000));
    }
}
