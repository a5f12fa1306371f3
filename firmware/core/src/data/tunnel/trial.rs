//! Leads BBR to late paths.
//!
//! A flow that keeps next to nothing waiting never brings a late path in. BBR does: it paces by what it has measured, and has no
//! more than two of the least round trips under way that it saw in 10 s. Then it forgets that one, takes the next that it sees, and
//! for 200 ms has four packets under way only, to look for a shorter one. So shortly before that late paths come first: all of the
//! flow is as late as the latest path, also what of it is sent alone, and BBR finds room for that.
//!
//! This would cost others a second, so BBR is told from them first. That it looks shows it: nobody else fills the early paths for
//! seconds, sends next to nothing for a moment, and fills them again at once. Before its first look it shows by keeping as much waiting
//! as before though it has lost nothing: a window that no drop has cut would have grown.

use super::spread::LOOK;
use crate::time::{Duration, Instant};
use core::ops::Range;

/// From its beginning, or the end of a look, to shortly before BBR looks.
const FORGETS: Duration = Duration::from_millis(9_300);
/// The early paths are not full for so long while it does: what is under way arrives, then 200 ms and a round trip.
const GAP: Range<Duration> = Duration::from_millis(250)..Duration::from_millis(800);
/// What waits is compared over the last two stretches of this length before its first look.
const STRETCH: Duration = Duration::from_secs(4);
/// For so long less than the early paths carry may leave while late ones come first; and later, when BBR looks again.
const TRIAL: Duration = Duration::from_millis(2_500);
/// Looks of ours that must have shown the early paths full before, and the most that are counted; a gap takes [`LESS`].
const FULL: u8 = 30;
const MOST: u8 = 50;
const LESS: u8 = 5;

/// What one of our looks finds.
pub(super) struct Look {
    /// What has left since the last one, bytes per second.
    pub sent: u32,
    /// What the early paths carry, and all of them.
    pub near: u32,
    pub all: u32,
    /// Bytes that wait.
    pub waiting: u32,
    /// How often the queue has dropped or marked something, ever.
    pub drops: u32,
}

/// Whether late paths come first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trial {
    on: bool,
    /// How often the early paths were full, and when they last were.
    full: u8,
    full_at: Instant,
    /// The least that has left since.
    least: u32,
    /// How often all paths were full, less how often not.
    filled: u8,
    beginning: Option<Beginning>,
    /// When the next trial begins.
    due: Option<Instant>,
}

/// Something begins: when it is judged, the drops until then, and what waited at looks in each of the two stretches before that.
#[derive(Clone, Copy, Debug)]
struct Beginning {
    judged: Instant,
    drops: u32,
    waited: [u32; 2],
}

impl Trial {
    /// Do late paths come first after this look?
    pub fn goes_on(&mut self, now: Instant, look: &Look) -> bool {
        let gap = now.since(self.full_at);
        // A train of padding fills a path, too, before anything begins.
        if look.sent < look.near / 32 && (gap >= STRETCH || self.beginning.is_some()) {
            self.beginning = Some(Beginning {
                judged: now + FORGETS,
                drops: look.drops,
                waited: [0; 2],
            });
        }
        if let Some(bbr) = self.beginning.as_mut().and_then(|b| b.judge(now, look)) {
            self.due = bbr.then_some(now);
            self.beginning = None;
        }
        self.filled = if look.sent >= look.all - look.all / 16 {
            (self.filled + 1).min(FULL)
        } else {
            self.filled.saturating_sub(1)
        };
        if look.sent < look.near - look.near / 16 {
            self.least = self.least.min(look.sent);
            self.on &= gap < TRIAL;
        } else {
            self.count_full(now, look, gap);
        }
        self.on &= look.all > look.near;
        self.on
    }

    /// The early paths are full, for the first time after this gap.
    fn count_full(&mut self, now: Instant, look: &Look, gap: Duration) {
        let looked = GAP.contains(&gap) && self.least < look.near / 4;
        if gap < LOOK.times(2) {
            self.full = (self.full + 1).min(MOST);
        } else if !looked {
            self.full = self.full.saturating_sub(LESS);
        } else if self.full >= FULL {
            self.due = Some(now + FORGETS);
        }
        (self.full_at, self.least) = (now, u32::MAX);
        let full = self.full >= FULL;
        if full && self.due.take_if(|due| *due <= now).is_some() {
            // Who fills all paths most of the time needs no trial.
            self.on |= self.filled < LESS;
        }
    }
}

impl Beginning {
    /// Is it BBR? `None` before that can be said.
    fn judge(&mut self, now: Instant, look: &Look) -> Option<bool> {
        let left = self.judged.since(now);
        let [before, lately] = &mut self.waited;
        if left == Duration::ZERO {
            return Some(look.drops == self.drops && *lately / 7 * 4 <= *before);
        }
        if left < STRETCH {
            *lately = lately.saturating_add(look.waiting);
        } else if left < STRETCH.times(2) {
            *before = before.saturating_add(look.waiting);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether late paths come first after so many looks each, at which so many 16ths of what the early ones carry left.
    fn trials<const N: usize>(looks: [(u32, u32); N]) -> [bool; N] {
        let (mut trial, mut now) = (Trial::default(), Instant::from_millis(1_000));
        looks.map(|(sixteenths, looks)| {
            let look = Look {
                sent: sixteenths * 1_000,
                near: 16_000,
                all: 24_000,
                waiting: 0,
                drops: 0,
            };
            let goes_on = (0..looks).map(|_| {
                now += LOOK;
                trial.goes_on(now, &look)
            });
            goes_on.last() == Some(true)
        })
    }

    /// BBR looks after so many looks of ours.
    const SEEN: [(u32, u32); 3] = [(16, 60), (1, 2), (8, 1)];

    #[test]
    fn late_paths_come_first_shortly_before_bbr_looks_again() {
        let [full, looks, ends] = SEEN;
        let led = trials([full, looks, ends, (16, 93), (16, 1)]);
        assert_eq!(led, [false, false, false, false, true]);
        // Not for who looks before it has filled the early paths for seconds.
        assert_eq!(trials([(16, 20), looks, ends, (16, 200)]), [false; 4]);
    }

    #[test]
    fn who_does_what_others_do_is_not_led() {
        let others = [
            // A window that a drop has halved, one that a timeout has closed, and a pause between two requests.
            [(8, 4), (16, 1)],
            [(0, 12), (8, 4)],
            [(2, 1), (16, 1)],
        ];
        for [falls, grows] in others {
            let led = trials([(16, 60), falls, grows, (16, 200)]);
            assert_eq!(led, [false; 4], "{falls:?}");
        }
    }

    #[test]
    fn who_fills_all_paths_most_of_the_time_is_not_led() {
        let [full, looks, ends] = SEEN;
        let led = trials([full, looks, ends, (24, 60), (16, 10), (24, 24), (16, 50)]);
        assert_eq!(led, [false; 7]);
        let [.., led] = trials([full, looks, ends, (16, 50), (24, 2), (16, 50)]);
        assert!(led);
    }

    #[test]
    fn a_trial_outlasts_bbrs_looks_and_ends_where_the_early_paths_are_not_full() {
        let [full, looks, ends] = SEEN;
        let begun = [full, looks, ends, (16, 94)];
        let [.., on, dips, fills, fails] = trials([
            begun[0],
            begun[1],
            begun[2],
            begun[3],
            (2, 10),
            (22, 20),
            (14, 26),
        ]);
        assert_eq!([on, dips, fills, fails], [true, true, true, false]);
    }

    #[test]
    fn after_a_trial_that_failed_the_next_one_waits_for_another_look() {
        let [full, looks, ends] = SEEN;
        let fails = (14, 30);
        let led = trials([full, looks, ends, (16, 94), fails, (16, 200)]);
        assert_eq!(led, [false, false, false, true, false, false]);
        let [.., again] = trials([
            full,
            looks,
            ends,
            (16, 94),
            fails,
            full,
            looks,
            ends,
            (16, 94),
        ]);
        assert!(again);
    }

    /// Whether something is led that fills the early paths after an idle look, with so much waiting after so many looks, and so many
    /// drops in all. A train of padding and two idle seconds come before.
    fn led_from_its_beginning(waiting: fn(u32) -> u32, drops: fn(u32) -> u32) -> bool {
        let (mut trial, mut now) = (Trial::default(), Instant::from_millis(10_000));
        let mut led = (-21..120i32).map(|at| {
            now += LOOK;
            let idle = at <= 0 && at != -20;
            let at = at.max(0) as u32;
            let look = Look {
                sent: if idle { 0 } else { 16_000 },
                near: 16_000,
                all: 24_000,
                waiting: waiting(at),
                drops: drops(at),
            };
            trial.goes_on(now, &look)
        });
        // When it forgets the round trip of its beginning, not sooner.
        led.position(|led| led).is_some_and(|at| at > 110)
    }

    #[test]
    fn who_has_lost_nothing_since_it_began_and_still_keeps_as_much_waiting_is_led_before_its_first_look()
     {
        assert!(led_from_its_beginning(|at| 9_000 + at % 9 * 500, |_| 7));
        // A window that grows; one that a drop has cut; both.
        assert!(!led_from_its_beginning(|at| at * 500, |_| 7));
        assert!(!led_from_its_beginning(|_| 9_000, |at| u32::from(at > 5)));
        assert!(!led_from_its_beginning(|at| at * 500, |at| at / 50));
    }
}
