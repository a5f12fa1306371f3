//! A borrower's part of what a household lends of an uplink: one limit for all of them together, divided max-min.

use super::bucket::Bucket;
use super::peer::MAX_PEERS;
use crate::error::Refusal;
use crate::time::Instant;
use crate::wire::control::MAX_UPLINKS;

/// The place of what goes towards the Internet among a neighbour's parts, and of what comes from there.
pub(super) const UP: usize = 0;
pub(super) const DOWN: usize = 1;

/// More than this, in kbit/s, is not divided: 400 Gbit/s.
const DIVIDED: u32 = 400_000_000;

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

/// What a neighbour is taken to want, and its weight: from 1 on.
pub(super) type Want = (u32, u8);

/// The part of the one at this place, if it wants all there is: weighted max-min. Who wants less than that leaves the rest to the others.
pub(super) fn part(limit: u32, wants: &[Want; MAX_PEERS], place: usize) -> u32 {
    // Products with a weight fit then.
    let limit = limit.min(DIVIDED);
    let mine = wants.get(place).map_or(1, |(_, weight)| u32::from(*weight));
    // A weight of 1 is worth `rest / all`.
    let (mut rest, mut all) = (0, 1);
    loop {
        let (mut left, mut weights) = (limit, mine);
        for (at, (demand, weight)) in wants.iter().enumerate() {
            let weight = u32::from(*weight);
            if at == place {
                continue;
            }
            if *demand > rest * weight / all {
                weights += weight;
            } else {
                left = left.saturating_sub(*demand);
            }
        }
        if (left, weights) == (rest, all) {
            // 0 would be no limit.
            return (rest * mine / all).max(1);
        }
        (rest, all) = (left, weights);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;
    use proptest::prelude::*;

    const MOST: u32 = 2_000;

    fn wants(of: &[u32]) -> [Want; MAX_PEERS] {
        core::array::from_fn(|n| (of.get(n).copied().unwrap_or(0), 1))
    }

    #[test]
    fn who_is_alone_gets_all_and_what_others_leave_goes_to_who_wants_it() {
        assert_eq!(part(MOST, &wants(&[]), 3), 2_000);
        assert_eq!(part(MOST, &wants(&[2_400, 0, 9_000]), 0), 1_000);
        assert_eq!(part(MOST, &wants(&[2_400, 200, 9_000]), 0), 900);
        assert_eq!(part(MOST, &wants(&[2_400, 200, 9_000]), 1), 666);
        assert_eq!(part(MOST, &wants(&[2_400; 12]), 1), 166);
        assert_eq!(part(5, &wants(&[2_400; 12]), 1), 1, "no limit would be 0");
    }

    #[test]
    fn a_weight_is_worth_so_many_parts_as_far_as_they_are_wanted() {
        let mut wants = wants(&[9_000, 9_000, 0, 9_000]);
        wants[1].1 = 2;
        assert_eq!(
            [0, 1, 3].map(|at| part(MOST, &wants, at)),
            [500, 1_000, 500]
        );
        wants[1].0 = 600;
        assert_eq!(
            [0, 1, 3].map(|at| part(MOST, &wants, at)),
            [700, 1_000, 700]
        );
        assert_eq!(part(MOST, &wants, 2), 466);
    }

    proptest! {
        #[test]
        fn parts_never_exceed_the_limit_together_and_none_is_less_than_an_equal_one(
            limit in 100..2_000_000_u32,
            wants in prop::array::uniform12((prop_oneof![Just(0), 0..2_000_000_u32], 1..=9_u8)),
        ) {
            let parts: Vec<u32> = (0..MAX_PEERS).map(|at| part(limit, &wants, at)).collect();
            let all = || parts.iter().zip(&wants).map(|(part, (demand, weight))| (*part, *demand, u32::from(*weight)));
            let used = all().map(|(part, demand, _)| u64::from(part.min(demand))).sum::<u64>();
            let wanted = all().map(|(_, demand, _)| u64::from(demand)).sum::<u64>();
            prop_assert!(used <= u64::from(limit));
            // Nothing is left over that somebody wants, roundings aside.
            prop_assert!(used + 12 >= wanted.min(u64::from(limit)));
            let weights: u32 = all().map(|(.., weight)| weight).sum();
            prop_assert!(all().all(|(part, _, weight)| part >= limit / weights * weight));
            // Of those who get less than they want none gets less for its weight than another one.
            let short = all().filter(|(part, demand, _)| part < demand);
            let least = short.map(|(part, _, weight)| (part + 1).div_ceil(weight)).min().unwrap_or(u32::MAX);
            prop_assert!(all().all(|(part, demand, weight)| part.min(demand) / weight <= least.saturating_add(12)));
        }

        #[test]
        fn no_limit_demand_and_weight_make_it_overflow(
            limit: u32, wants in prop::array::uniform12((any::<u32>(), 1..=9_u8)), place in 0..MAX_PEERS,
        ) {
            prop_assert!((1..=limit.max(1)).contains(&part(limit, &wants, place)));
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
