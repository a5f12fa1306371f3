//! Which line is best: for a session that keeps to one path, and for a path where there are more lines than paths.
//!
//! Pure functions, so that a simulation of a whole community decides as its routers do.

use crate::time::Duration;

/// Paths are compared by when so many bytes would have come: rates decide, delays tip the scales.
pub const OBJECT: usize = 2_000_000;
/// Of a line that nobody knows anything about, kbit/s: better than one that is known to be slow.
const UNKNOWN: u32 = 2_000;

/// The best of what was considered, and the runner-up, by place + 1; 0: none.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    best: (i64, u8),
    second: (i64, u8),
}

impl Choice {
    /// Nothing was considered yet.
    pub const NONE: Self = Self {
        best: (i64::MAX, 0),
        second: (i64::MAX, 0),
    };

    /// A place, and what it would cost to be there. Of equals the earlier place is better.
    pub fn consider(&mut self, place: u8, cost: i64) {
        let this = (cost, place.wrapping_add(1));
        if this < self.best {
            self.second = core::mem::replace(&mut self.best, this);
        } else if this < self.second {
            self.second = this;
        }
    }

    /// The best one.
    pub fn best(&self) -> u8 {
        self.best.1
    }

    /// The best one would have had an equal in one of this cost, or nearly so: by an eighth.
    pub fn no_better_than(&self, cost: i64) -> bool {
        cost.saturating_sub(cost / 8) <= self.best.0
    }

    /// The runner-up.
    pub fn second(&self) -> u8 {
        self.second.1
    }
}

/// When [`OBJECT`] bytes would have come over a path, in us: `alone` is what they take there without others, `arrival` when the
/// first of them comes. With n bursts there a path is worth its rate over 2n + 1 (Sainte-Laguë): an idle one is not left over.
pub fn cost(alone: Duration, arrival: i64, bursts: u16) -> i64 {
    let share = alone.times(2 * u64::from(bursts) + 1);
    arrival.saturating_add(share.as_micros() as i64)
}

/// What [`OBJECT`] bytes take at so many kbit/s; no time at all where that is not known (0).
pub fn time_at(kbit: u32) -> Duration {
    let bits = OBJECT as u32 * 8;
    Duration::from_millis(u64::from(bits.checked_div(kbit).unwrap_or(0)))
}

/// What a lent line is worth, in kbit/s: what its lender expects to have over, and no more than what it was seen to carry.
/// Either may be unknown (0). So a lender who promises too much is believed until he is tried.
pub fn worth(stated: u32, seen: u32) -> u32 {
    match (stated, seen) {
        (0, 0) => UNKNOWN,
        (0, known) | (known, 0) => known,
        (stated, seen) => stated.min(seen),
    }
}

/// Is a line so much better than one in use that its path is given to it? A quarter more, so that nothing goes to and fro.
pub fn replaces(new: u32, used: u32) -> bool {
    new > used.saturating_add(used / 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_idle_path_is_taken_before_a_busy_one_of_twice_its_rate() {
        let mut choice = Choice::NONE;
        choice.consider(0, cost(time_at(20_000), 10_000, 1));
        choice.consider(1, cost(time_at(10_000), 10_000, 0));
        choice.consider(2, cost(time_at(2_000), 10_000, 0));
        assert_eq!((choice.best(), choice.second()), (2, 1));
    }

    #[test]
    fn a_line_that_would_have_been_as_good_or_nearly_so_is_told_from_a_worse_one() {
        let mut choice = Choice::NONE;
        choice.consider(0, 800);
        assert!(choice.no_better_than(700) && choice.no_better_than(900));
        assert!(!choice.no_better_than(1_000) && !choice.no_better_than(i64::MAX));
    }

    #[test]
    fn a_promise_is_believed_until_the_line_was_tried() {
        assert_eq!(worth(1_000_000, 0), 1_000_000);
        assert_eq!(worth(1_000_000, 800), 800);
        assert_eq!(worth(5_000, 20_000), 5_000);
        assert_eq!(worth(0, 0), UNKNOWN);
        assert!(replaces(5_001, 4_000) && !replaces(5_000, 4_000));
    }

    proptest! {
        #[test]
        fn the_best_and_the_second_are_the_two_cheapest(costs in proptest::collection::vec(any::<i64>(), 0..9)) {
            let mut choice = Choice::NONE;
            let mut places: Vec<(i64, u8)> = Vec::new();
            for (place, cost) in costs.iter().enumerate() {
                choice.consider(place as u8, *cost);
                places.push((*cost, place as u8 + 1));
            }
            places.sort_unstable();
            let at = |n: usize| places.get(n).map_or(0, |p| p.1);
            prop_assume!(costs.iter().all(|c| *c < i64::MAX));
            prop_assert_eq!((choice.best(), choice.second()), (at(0), at(1)));
        }

        #[test]
        fn no_two_lines_replace_each_other(a: u32, b: u32) {
            prop_assert!(!(replaces(a, b) && replaces(b, a)));
        }
    }
}
