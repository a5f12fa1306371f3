//! A calendar that cannot be cheated by a clock that jumps.
//!
//! The system's clock is shown to people, but believed only where it goes along with the monotonic one: `believed` time
//! goes on with the monotonic clock alone, from what was kept at the last stop. Where the system's clock differs, it is taken
//! over after it has gone steadily for [`STEADY`]. So a jump to the next month and back resets no monthly cap, and a
//! router that was off for a week is in time again after hours.

use crate::calendar::Wall;
use crate::time::{Duration, Instant};

/// A clock that has gone steadily for so long is believed.
const STEADY: Duration = Duration::from_secs(6 * 3_600);
/// A steady clock may be corrected by so much (NTP slews, and leap seconds), in seconds.
const SLEW: u32 = 5;

/// The believed time, and the system's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// Believed time at a moment of the monotonic clock.
    believed: Option<(Wall, Instant)>,
    /// What the system's clock said last, when that was, and since when it goes steadily.
    shown: Option<(Wall, Instant, Instant)>,
}

impl Clock {
    /// With the believed time that was kept at the last stop.
    pub fn new(now: Instant, kept: Option<Wall>) -> Self {
        Self {
            believed: kept.map(|wall| (wall, now)),
            shown: None,
        }
    }

    /// What the system's clock says now ([`Wall::sane`]); to be called every few seconds.
    pub fn handle_time(&mut self, now: Instant, said: Option<Wall>) {
        let Some(said) = said else {
            self.shown = None;
            return;
        };
        let since = match self.shown {
            Some((last, at, since)) if on(last, at, now).0.abs_diff(said.0) <= SLEW => since,
            _ => now,
        };
        self.shown = Some((said, now, since));
        // The first time that anybody knows is as good as any.
        if self.believed.is_none() || now.since(since) >= STEADY {
            self.believed = Some((said, now));
        }
    }

    /// The time that periods are counted by; `None` until a clock was right for the first time.
    pub fn believed(&self, now: Instant) -> Option<Wall> {
        self.believed.map(|(wall, at)| on(wall, at, now))
    }

    /// The time to book under: the system's, unless it lies before the believed one. `None` as long as the system's clock
    /// cannot be right.
    pub fn booking(&self, now: Instant) -> Option<Wall> {
        let (said, at, _) = self.shown?;
        self.believed(now).map(|b| b.max(on(said, at, now)))
    }

    /// The system's clock has gone steadily for so long that it is the believed one. That the two agree is not enough: both may
    /// be wrong by the same.
    pub fn is_settled(&self, now: Instant) -> bool {
        self.shown
            .is_some_and(|(_, _, since)| now.since(since) >= STEADY)
    }

    /// The system's time, for hours of the day.
    pub fn shown(&self, now: Instant) -> Option<Wall> {
        self.shown.map(|(said, at, _)| on(said, at, now))
    }
}

/// What a clock shows now that showed `wall` then.
fn on(wall: Wall, at: Instant, now: Instant) -> Wall {
    let seconds = now.since(at).as_micros() / 1_000_000;
    Wall(
        wall.0
            .saturating_add(u32::try_from(seconds).unwrap_or(u32::MAX)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Wall = Wall(1_795_608_000);
    const WEEK: u32 = 7 * 86_400;

    fn later(wall: Wall, seconds: u32) -> Option<Wall> {
        Some(Wall(wall.0 + seconds))
    }
    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    #[test]
    fn days_are_unknown_until_the_first_sane_clock() {
        let mut clock = Clock::new(at(0), None);
        clock.handle_time(at(1), None);
        assert_eq!((clock.believed(at(9)), clock.booking(at(9))), (None, None));
        clock.handle_time(at(10), Some(NOON));
        assert_eq!(clock.believed(at(15)), later(NOON, 5));
        assert_eq!(clock.booking(at(15)), later(NOON, 5));
    }

    #[test]
    fn after_a_restart_believed_time_goes_on_and_the_day_waits_for_ntp() {
        let mut clock = Clock::new(at(0), Some(NOON));
        clock.handle_time(at(5), None);
        assert_eq!(clock.believed(at(5)), later(NOON, 5));
        assert_eq!(clock.booking(at(5)), None);
        clock.handle_time(at(9), later(NOON, WEEK));
        assert_eq!(clock.believed(at(9)), later(NOON, 9));
        assert_eq!(clock.booking(at(9)), later(NOON, WEEK));
    }

    #[test]
    fn a_jump_is_believed_only_after_hours_of_steady_time() {
        let mut clock = Clock::new(at(0), Some(NOON));
        for s in (0..6 * 3_600).step_by(60) {
            clock.handle_time(at(s), later(NOON, WEEK + s as u32));
            assert_eq!(clock.believed(at(s)), later(NOON, s as u32));
        }
        clock.handle_time(at(21_600), later(NOON, WEEK + 21_600));
        assert_eq!(clock.believed(at(21_600)), later(NOON, WEEK + 21_600));
    }

    #[test]
    fn a_clock_that_jumps_to_a_wrong_believed_time_settles_nothing() {
        let mut clock = Clock::new(at(0), Some(NOON));
        clock.handle_time(at(5), later(NOON, WEEK));
        clock.handle_time(at(10), later(NOON, 10));
        assert_eq!(clock.believed(at(10)), clock.shown(at(10)));
        assert!(!clock.is_settled(at(10)));
        for s in (70..21_670).step_by(60) {
            clock.handle_time(at(s), later(NOON, WEEK + s as u32));
            assert!(!clock.is_settled(at(s)));
        }
        clock.handle_time(at(21_670), later(NOON, WEEK + 21_670));
        assert!(clock.is_settled(at(21_670)));
    }

    #[test]
    fn jumps_that_go_on_are_never_believed_and_a_jump_back_books_no_earlier_day() {
        let mut clock = Clock::new(at(0), Some(NOON));
        for s in (0..40 * 3_600u32).step_by(3_600) {
            // Forth and back, an hour each.
            let jump = if s / 3_600 % 2 == 0 { WEEK } else { 0 };
            clock.handle_time(at(s.into()), later(NOON, jump + s));
            assert_eq!(clock.believed(at(s.into())), later(NOON, s));
        }
        clock.handle_time(at(145_000), Some(Wall(NOON.0 - WEEK)));
        assert_eq!(clock.booking(at(145_000)), later(NOON, 145_000));
    }
}
