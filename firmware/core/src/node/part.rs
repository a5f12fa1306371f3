//! A borrower's part of what a household lends of an uplink: one limit for all of them together, divided max-min.

use super::bucket::Bucket;
use super::peer::MAX_PEERS;
use crate::error::Refusal;
use crate::time::Instant;
use crate::wire::control::MAX_UPLINKS;

/// The place of what goes towards the Internet among a neighbour's parts, and of what comes from there.
pub(super) const UP: usize = 0;
pub(super) const DOWN: usize = 1;

/// A neighbour's parts of each uplink, both ways.
pub(super) type Parts = [[Part; 2]; MAX_UPLINKS];

/// What one borrower may use of an uplink one way, over whatever grants and as a guest.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    bucket: Bucket,
    /// Bits since the last measure.
    used: u32,
    /// What it is taken to want, kbit/s.
    demand: u32,
}

impl Part {
    /// Of a neighbour who has used nothing.
    pub const NEW: Self = Self {
        bucket: Bucket::UNLIMITED,
        used: 0,
        demand: 0,
    };

    /// In kbit/s; 0 = no limit.
    pub fn kbit(&self) -> u32 {
        self.bucket.kbit()
    }

    pub(super) fn spend(&mut self, now: Instant, bytes: usize) -> Result<(), Refusal> {
        self.bucket.spend(now, bytes)?;
        self.used = self.used.saturating_add(bytes as u32 * 8);
        Ok(())
    }

    /// What it used in so many milliseconds. Who fills a part wants more than that; who stops is not forgotten at once, so
    /// that the others' parts do not go up and down with each page that somebody looks at.
    pub(super) fn measure(&mut self, ms: u32) {
        let kbit = core::mem::take(&mut self.used) / ms.max(1);
        self.demand = kbit.saturating_add(kbit / 4).max(self.demand / 2);
    }

    pub(super) fn demand(&self) -> u32 {
        self.demand
    }

    /// Another part from now on. A little more or less is not worth telling: 1/32 of it.
    pub(super) fn set(&mut self, kbit: u32) {
        let now = self.kbit();
        if kbit == 0 || now == 0 || kbit.abs_diff(now) > now / 32 {
            self.bucket.set_rate(kbit);
        }
    }
}

/// The part of the one at this place, if it wants all there is: max-min. Who wants less than that leaves the rest to the others.
pub(super) fn part(limit: u32, demands: &[u32; MAX_PEERS], place: usize) -> u32 {
    let mut level = 0;
    loop {
        let (mut rest, mut want) = (limit, 1);
        for (at, demand) in demands.iter().enumerate() {
            if at == place {
                continue;
            }
            if *demand > level {
                want += 1;
            } else {
                rest = rest.saturating_sub(*demand);
            }
        }
        let next = rest / want;
        if next <= level {
            // 0 would be no limit.
            return level.max(1);
        }
        level = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;
    use proptest::prelude::*;

    const MOST: u32 = 2_000;

    fn demands(of: &[u32]) -> [u32; MAX_PEERS] {
        core::array::from_fn(|n| of.get(n).copied().unwrap_or(0))
    }

    #[test]
    fn who_is_alone_gets_all_and_what_others_leave_goes_to_who_wants_it() {
        assert_eq!(part(MOST, &demands(&[]), 3), 2_000);
        assert_eq!(part(MOST, &demands(&[2_400, 0, 9_000]), 0), 1_000);
        assert_eq!(part(MOST, &demands(&[2_400, 200, 9_000]), 0), 900);
        assert_eq!(part(MOST, &demands(&[2_400, 200, 9_000]), 1), 666);
        assert_eq!(part(MOST, &demands(&[2_400; 12]), 1), 166);
        assert_eq!(part(5, &demands(&[2_400; 12]), 1), 1, "no limit would be 0");
    }

    proptest! {
        #[test]
        fn parts_never_exceed_the_limit_together_and_none_is_less_than_an_equal_one(
            limit in 100..2_000_000_u32,
            demands in prop::array::uniform12(prop_oneof![Just(0), 0..2_000_000_u32]),
        ) {
            let parts: Vec<u32> = (0..MAX_PEERS).map(|at| part(limit, &demands, at)).collect();
            let used = parts.iter().zip(&demands).map(|(part, demand)| u64::from(*part.min(demand)));
            let (used, wanted) = (used.sum::<u64>(), demands.iter().map(|d| u64::from(*d)).sum::<u64>());
            prop_assert!(used <= u64::from(limit));
            // Nothing is left over that somebody wants, roundings aside.
            prop_assert!(used + 12 >= wanted.min(u64::from(limit)));
            prop_assert!(parts.iter().all(|part| *part >= limit / 12));
            // Of those who get less than they want none gets less than another one.
            let short = parts.iter().zip(&demands).filter(|(part, demand)| part < demand);
            let least = short.map(|(part, _)| *part).min().unwrap_or(u32::MAX);
            prop_assert!(parts.iter().zip(&demands).all(|(part, demand)| *part.min(demand) <= least.saturating_add(12)));
        }
    }

    #[test]
    fn who_fills_a_part_is_taken_to_want_more_and_is_forgotten_within_seconds() {
        let mut used = Part::NEW;
        used.set(1_000);
        for ms in 0..1_000 {
            let now = Instant::from_millis(ms);
            let _ = used.spend(now + Duration::from_millis(1), 125);
        }
        used.measure(1_000);
        assert!(used.demand() > 1_100, "{}", used.demand());
        for _ in 0..5 {
            used.measure(1_000);
        }
        assert!(used.demand() < 50, "{}", used.demand());
        used.set(1_030);
        assert_eq!(used.kbit(), 1_000, "not worth telling");
        used.set(1_100);
        assert_eq!(used.kbit(), 1_100);
        used.set(0);
        assert_eq!(used.spend(Instant::from_millis(1_001), 1 << 20), Ok(()));
    }
}
