//! What a household leaves to borrowers of what its line sends. Towards the Internet nobody but the lender sees both: what neighbours
//! send leaves by his router, beside what his own clients and his own tunnel do.
//!
//! A line's rate is what neighbours were last seen to send over it, or what the lender's own tunnel has found, whichever is more;
//! where no tunnel of his has measured it nobody knows, since neighbours may have sent little because they wanted little. What the
//! line then carries refutes both. Where it is full and the household uses some of it, borrowers get what the household does not use,
//! less a third of what it uses and a sixteenth of the line: a connection that wants more takes that within a step and gets the next
//! third, until the borrowers have next to nothing; a call that has enough does not. Who does not take for [`CONTENT`] what is left
//! is content with what he has: then borrowers are not held until he uses more. A household that fills all that the line is believed
//! to carry cannot show that it is content. So the borrowers are let go now and then for a moment ([`TRIAL`]), in which the line
//! carries far more if it is wider: they yield to a queue by themselves.

use crate::time::{Duration, Instant};

/// What the line sends is averaged over about so many looks, and only while nearly all of it is the neighbours', who keep the queue
/// short: what the household's connections send in one go waits in the modem, and the line would seem wider than it is.
const LOOKS: u32 = 16;
/// And what everybody sends over so many.
const SOME: u32 = 64;
/// The most that it sent counts for one to two of these, and not while it still grows.
const MOST_FOR: Duration = Duration::from_secs(300);
const GROWS: Duration = Duration::from_millis(500);
/// What the household used counts for so long: a connection that has lost a packet will want it again.
const OWN_FOR: Duration = Duration::from_millis(1_000);
/// A look that comes later than this says nothing about now.
const LATE: Duration = Duration::from_millis(500);
/// So many lent bytes at most leave later than they are counted: a run of datagrams.
const RUN: u32 = 24_000;
/// Of a line that was never seen to send more than this (kbit/s) nobody knows when it is full.
const KNOWN: u32 = 500;
/// A household that sends less than this part of its line needs no room.
const IDLE: u32 = 16;
/// They get back what the household does not want after all in so many steps.
const STEPS: u32 = 128;
/// Borrowers always get this part, and so much (kbit/s) each, so that their connections live, but of the line at most that part
/// together where that is more than one of them needs.
const LEAST: u32 = 64;
const LEAST_KBIT: u32 = 32;
const LEAST_OF_ALL: u32 = 24;
/// A household that has this part of its line more than it uses for so long is content, until it uses that part and an eighth more.
const MORE: u32 = 32;
const CONTENT: Duration = Duration::from_secs(3);
/// What it is content with is forgotten over so many looks, as far as it uses less; and sooner by this where it uses not half.
const FORGETS: u32 = 256;
const SOONER: u32 = 8;
/// A path over the line sends so much (kbit/s) whatever it finds ([`crate::data::rate`]). A household is content only where that of
/// all borrowers has room beside it: a stream of its own that cannot push back would be pushed out.
const FLOOR_KBIT: u32 = 250;
/// A trial lasts so long; the first comes so long after borrowers are held, and the next ones after twice as long each, at most
/// eight times as long.
const TRIAL: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(16);
const PATIENT: u32 = 3;

/// Of one uplink.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// When the last look was, and what had been sent and lent by then.
    last: Option<(Instant, u64, u32)>,
    /// Lent bytes that the interface has not counted yet.
    late: u32,
    /// What is sent, by whomever, on average over some seconds, longer than a modem's queue; kbit/s.
    seen: u32,
    /// The line carried more than this, which the tunnel had found.
    refuted: u32,
    /// What is sent while it is the neighbours', on average, and the most of it, in this while and the one before, kbit/s.
    busy: u32,
    most: [u32; 2],
    most_at: Instant,
    grown_at: Instant,
    /// The most that the household used lately, and when.
    own: u32,
    own_at: Instant,
    /// What it used when it last wanted more, less what it has not used since, and since when it has had room for more.
    used: u32,
    has_room: Instant,
    /// When the next trial begins, how many there were since borrowers are held, and when they were last.
    trial_at: Instant,
    trials: u32,
    held_at: Instant,
    left: u32,
}

/// What the lender knows besides at a look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signs {
    /// What his own tunnel has found the line to carry, kbit/s; 0: unknown.
    pub found: u32,
    /// It has had more to send than it may for a while.
    pub wants: bool,
    /// So many borrowers and guests have sent something lately.
    pub borrowers: u8,
}

impl Room {
    /// Nothing was seen.
    pub const NEW: Self = Self {
        last: None,
        late: 0,
        seen: 0,
        refuted: 0,
        busy: 0,
        most: [0; 2],
        most_at: Instant::ZERO,
        grown_at: Instant::ZERO,
        own: 0,
        own_at: Instant::ZERO,
        used: 0,
        has_room: Instant::ZERO,
        trial_at: Instant::ZERO,
        trials: 0,
        held_at: Instant::ZERO,
        left: 0,
    };

    /// What borrowers and guests may send together, kbit/s; 0 = no limit.
    pub fn left(&self) -> u32 {
        self.left
    }

    /// Something was lent since the last look, or borrowers are held back.
    pub fn is_watched(&self, lent: u32) -> bool {
        self.left > 0 || self.last.map_or(0, |(_, _, before)| before) != lent
    }

    /// So many bytes have left by the interface until now, `lent` of them for others; both count on from anywhere.
    pub fn look(&mut self, now: Instant, sent: u64, lent: u32, signs: Signs) {
        let (at, before, lent_before) = self.last.unwrap_or((now, sent, lent));
        // Some devices count in steps: the look after the next one spans it.
        let lags = sent == before && lent != lent_before && now.since(at) <= LATE;
        if !lags {
            self.last = Some((now, sent, lent));
        }
        if lags || now == at {
            return;
        }
        let ms = now.since(at).as_millis() as u32;
        if ms == 0 || now.since(at) > LATE {
            (self.own, self.left, self.used, self.has_room) = (0, 0, 0, now);
            return;
        }
        let lent = lent.wrapping_sub(lent_before);
        // A device that was made anew counts from zero, and some take back what they had counted.
        let Some(all) = sent.checked_sub(before) else {
            return;
        };
        let owed = u64::from(lent) + u64::from(self.late);
        self.late = owed.saturating_sub(all).min(u64::from(RUN)) as u32;
        self.learn(now, kbit(all, ms), kbit(all.saturating_sub(owed), ms));
        self.doubt(signs.found);
        let most = self.most().max(self.trusted(signs.found));
        self.judge(now, kbit(all, ms), most);
        let left = self.leave(now, kbit(all, ms), most, signs);
        self.left = if signs.wants {
            left
        } else {
            self.try_out(now, left)
        };
    }

    /// Has the household room for more, in which it sends no more?
    fn judge(&mut self, now: Instant, all: u32, most: u32) {
        let more = |used: u32| used.saturating_add(used / 8 + most / MORE);
        if self.own > more(self.used) || self.own < most / IDLE {
            (self.used, self.has_room) = (self.own, now);
        } else if self.own < self.used {
            let looks = match self.own < self.used / 2 {
                true => FORGETS / SOONER,
                false => FORGETS,
            };
            self.used -= (self.used - self.own).div_ceil(looks);
        }
        if self.left > 0 && all.saturating_add(self.own / 8 + most / MORE) > most {
            self.has_room = now;
        }
    }

    /// What is left to borrowers, but for trials.
    fn try_out(&mut self, now: Instant, left: u32) -> u32 {
        if now >= self.trial_at {
            if now < self.trial_at + TRIAL {
                return 0;
            }
            self.trials = (self.trials + 1).min(PATIENT);
            self.trial_at = now + PATIENCE.times(1 << self.trials);
        }
        if left > 0 {
            self.held_at = now;
        } else if now.since(self.held_at) >= CONTENT {
            // Not held, and not because of a trial or of a look with a dip.
            (self.trials, self.trial_at) = (0, now + PATIENCE);
        }
        left
    }

    /// What is believed of the line is too little.
    fn doubt(&mut self, found: u32) {
        let most = self.most().max(self.trusted(found));
        if self.seen > most.saturating_add(most / 8) {
            self.refuted = self.refuted.max(found);
            (self.most, self.busy) = ([0; 2], 0);
        }
    }

    fn trusted(&self, found: u32) -> u32 {
        if found > self.refuted { found } else { 0 }
    }

    fn learn(&mut self, now: Instant, all: u32, own: u32) {
        self.seen = (self.seen - self.seen / SOME).saturating_add(all / SOME);
        if now.since(self.most_at) >= MOST_FOR {
            (self.most, self.most_at) = ([0, self.most[0]], now);
            self.refuted = 0;
        }
        if self.left == 0 && own <= all / 8 {
            self.busy = (self.busy - self.busy / LOOKS).saturating_add(all / LOOKS);
            if self.busy > self.most().saturating_add(self.most() / 32) {
                self.grown_at = now;
            }
            self.most[0] = self.most[0].max(self.busy);
        }
        if own >= self.own || now.since(self.own_at) > OWN_FOR {
            (self.own, self.own_at) = (own, now);
        }
    }

    fn most(&self) -> u32 {
        self.most[0].max(self.most[1])
    }

    fn leave(&self, now: Instant, all: u32, most: u32, signs: Signs) -> u32 {
        let found = self.trusted(signs.found);
        let least = least(most, signs.borrowers);
        if signs.wants && (most < KNOWN || all >= most / 4 * 3) {
            return least;
        }
        let known = found > 0 && most >= KNOWN && now.since(self.grown_at) >= GROWS;
        let floors = FLOOR_KBIT.saturating_mul(signs.borrowers.into());
        let content =
            now.since(self.has_room) >= CONTENT && most.saturating_sub(self.own) >= floors;
        if !known || content || self.own < most / IDLE {
            return 0;
        }
        if all >= most / 8 * 7 {
            let kept = self.own.saturating_add(self.own / 3 + most / 16);
            return most.saturating_sub(kept).max(least);
        }
        match self.left {
            0 => 0,
            left if left >= most => 0,
            left => left.saturating_add(most / STEPS),
        }
    }
}

/// What borrowers get whatever the household wants, of a line that carries at most so much, kbit/s.
fn least(most: u32, borrowers: u8) -> u32 {
    let each = LEAST_KBIT * u32::from(borrowers);
    (most / LEAST)
        .max(each.min(most / LEAST_OF_ALL))
        .max(LEAST_KBIT)
}

/// Bytes in milliseconds as kbit/s. Some times a second, so a 64-bit division is affordable here.
fn kbit(bytes: u64, ms: u32) -> u32 {
    let rate = bytes.saturating_mul(8) / u64::from(ms.max(1));
    u32::try_from(rate).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of so many kbit/s, looked at every 50 ms.
    struct Line {
        room: Room,
        found: u32,
        kbit: u32,
        now: u64,
        sent: u64,
        lent: u32,
        borrowers: u8,
    }

    impl Line {
        fn new(kbit: u32) -> Self {
            let (room, now) = (Room::NEW, 1_000);
            let (sent, lent) = (7 << 32, u32::MAX - 5);
            Self {
                room,
                found: kbit / 2,
                kbit,
                now,
                sent,
                lent,
                borrowers: 1,
            }
        }

        /// The household sends so much, and neighbours what it and the room leave of what they want.
        fn step(&mut self, own: u32, want: u32, wants: bool) -> u32 {
            let free = self.kbit - own.min(self.kbit);
            let lent = match self.room.left() {
                0 => want.min(free),
                left => left.min(want).min(free),
            };
            self.now += 50;
            self.sent += u64::from((own + lent) * 50 / 8);
            self.lent = self.lent.wrapping_add(lent * 50 / 8);
            let found = self.found;
            let signs = Signs {
                found,
                wants,
                borrowers: self.borrowers,
            };
            self.room
                .look(Instant::from_millis(self.now), self.sent, self.lent, signs);
            lent
        }

        fn steps(&mut self, steps: u32, own: u32, want: u32) -> u32 {
            (0..steps).map(|_| self.step(own, want, false)).sum::<u32>() / steps
        }
    }

    #[test]
    fn neighbours_have_all_of_an_idle_line() {
        let mut line = Line::new(5_000);
        assert_eq!(line.steps(300, 100, 9_000), 4_900);
        assert_eq!(line.room.left(), 0);
    }

    #[test]
    fn a_connection_of_the_household_that_takes_what_is_left_has_the_line_within_six_looks() {
        for kbit in [1_000, 5_000, 20_000] {
            let mut line = Line::new(kbit);
            line.steps(100, 0, 50_000);
            // It has what neighbours do not take, and a tenth at the start.
            let mut own = kbit / 10;
            for _ in 0..6 {
                line.step(own, 50_000, false);
                own = match line.room.left() {
                    0 => own,
                    left => kbit - left,
                };
            }
            let left = line.room.left();
            assert!((kbit / 80..kbit / 30).contains(&left), "{left} of {kbit}");
            line.steps(600, own, 50_000);
            assert!(line.room.left() <= kbit / 15, "{kbit}");
            // It ends.
            line.steps(22, 0, 50_000);
            assert_eq!(line.steps(10, 0, 50_000), kbit);
        }
    }

    #[test]
    fn a_call_that_has_enough_leaves_most_of_the_rest_to_neighbours() {
        let mut line = Line::new(8_000);
        line.steps(100, 0, 50_000);
        let lent = line.steps(600, 1_000, 50_000);
        assert!((5_500..7_000).contains(&lent), "{lent}");
    }

    #[test]
    fn neighbours_are_not_held_to_what_the_lenders_tunnel_found_of_a_line_that_carries_more() {
        for own in [400, 1_000, 1_600, 1_900] {
            let mut line = Line::new(20_000);
            // Long ago, or while somebody else filled the line; and no neighbour has filled it since.
            line.found = 2_000;
            line.steps(100, own, 100);
            line.steps(500, own, 5_000);
            let lent = line.steps(1_200, own, 5_000);
            assert!(lent > 4_700, "{own}: {lent}");
        }
    }

    #[test]
    fn a_household_that_uses_more_again_has_its_room_at_once() {
        let mut line = Line::new(8_000);
        line.steps(100, 0, 50_000);
        line.steps(200, 1_000, 50_000);
        assert_eq!(line.step(1_000, 50_000, false), 7_000);
        line.step(2_000, 50_000, false);
        assert!((4_000..5_500).contains(&line.room.left()));
    }

    #[test]
    fn a_connection_that_fills_the_line_is_put_to_the_test_less_and_less_often() {
        let mut line = Line::new(5_000);
        line.steps(100, 0, 50_000);
        line.steps(40, 2_500, 50_000);
        let mut free = [0; 4];
        for minute in &mut free {
            for _ in 0..1_200 {
                // Neighbours that are let go yield to its queue: they get what they are held to.
                line.step(4_850, 75, false);
                *minute += u32::from(line.room.left() == 0);
            }
        }
        assert!((40..=120).contains(&free[0]), "{free:?}");
        assert!(free[1..].iter().sum::<u32>() <= 120, "{free:?}");
    }

    #[test]
    fn an_upload_that_comes_again_has_its_room_whatever_the_one_before_it_used() {
        let mut line = Line::new(5_000);
        line.steps(100, 0, 50_000);
        line.steps(100, 4_000, 50_000);
        for pause in [60, 100, 200] {
            line.steps(pause, 0, 50_000);
            let held = (0..40).find(|_| {
                line.step(3_500, 50_000, false);
                line.room.left() > 0
            });
            assert!(held.is_some_and(|looks| looks < 10), "{pause}: {held:?}");
            line.steps(100, 4_000, 50_000);
        }
    }

    #[test]
    fn a_stream_beside_which_the_least_of_all_borrowers_has_no_room_is_not_content() {
        let mut line = Line::new(2_000);
        line.borrowers = 5;
        line.steps(100, 0, 50_000);
        for _ in 0..400 {
            line.step(1_200, 50_000, false);
        }
        let held = (0..200).filter(|_| {
            line.step(1_200, 50_000, false);
            line.room.left() > 0
        });
        assert!(held.count() > 120);
    }

    #[test]
    fn looks_with_less_in_them_end_no_trial_and_bring_none_sooner() {
        let mut line = Line::new(5_000);
        line.steps(100, 0, 50_000);
        line.steps(40, 2_500, 50_000);
        let mut free = 0;
        for look in 0..4_800 {
            // Three packets of twenty more, and less in the next look.
            let own = [4_850, 5_000, 4_200][look % 3];
            line.step(own, 75, false);
            free += u32::from(line.room.left() == 0);
        }
        // Four trials of two seconds and a few dips.
        assert!((60..400).contains(&free), "{free}");
        assert!(line.room.trials >= 2, "{}", line.room.trials);
    }

    #[test]
    fn a_counter_that_takes_something_back_costs_one_look() {
        let mut line = Line::new(5_000);
        line.steps(100, 0, 50_000);
        line.steps(40, 2_500, 50_000);
        let before = line.room.left();
        line.sent -= 1_000_000;
        line.step(2_500, 50_000, false);
        assert_eq!(line.room.left(), before);
        assert!(line.room.seen < 6_000);
    }

    #[test]
    fn each_borrower_has_a_least_and_all_of_them_less_than_a_twentieth_of_the_line() {
        assert_eq!([0, 1, 3].map(|n| least(5_000, n)), [78, 78, 96]);
        assert_eq!([1, 2, 3, 12].map(|n| least(2_000, n)), [32, 64, 83, 83]);
        assert_eq!([1, 12].map(|n| least(300, n)), [32, 32]);
        assert_eq!(least(50_000, 12), 781);
    }

    #[test]
    fn a_call_of_a_neighbour_says_nothing_of_how_wide_the_line_is() {
        let mut line = Line::new(20_000);
        // No tunnel has measured it.
        line.found = 0;
        line.steps(200, 0, 1_500);
        for own in [100, 2_000, 10_000] {
            assert_eq!(line.steps(100, own, 1_500), 1_500, "{own}");
        }
    }

    #[test]
    fn what_was_found_is_refuted_by_what_the_line_carries() {
        let mut line = Line::new(20_000);
        line.found = 2_000;
        line.steps(100, 0, 1_500);
        line.steps(60, 3_000, 1_500);
        assert_eq!(line.steps(300, 3_000, 1_500), 1_500);
    }

    #[test]
    fn a_device_that_counts_in_steps_makes_nobody_a_household() {
        let mut line = Line::new(20_000);
        line.steps(100, 0, 50_000);
        let mut counted = line.sent;
        for look in 0..200u64 {
            line.now += 50;
            line.sent += 125_000;
            line.lent = line.lent.wrapping_add(125_000);
            // Every 200 ms.
            counted = if look % 4 == 3 { line.sent } else { counted };
            let signs = Signs {
                found: 20_000,
                ..Signs::default()
            };
            line.room
                .look(Instant::from_millis(line.now), counted, line.lent, signs);
            assert_eq!(line.room.left(), 0, "look {look}");
        }
    }

    #[test]
    fn a_line_that_is_not_full_needs_no_room_whoever_uses_it() {
        let mut line = Line::new(20_000);
        line.steps(20, 18_000, 2_000);
        line.steps(100, 2_000, 50_000);
        line.steps(20, 2_000, 1_000);
        assert_eq!(line.steps(600, 2_000, 4_000), 4_000);
    }

    #[test]
    fn a_tunnel_that_wants_more_needs_no_measure_of_the_line() {
        let mut line = Line::new(400);
        line.step(10, 300, false);
        line.step(10, 300, true);
        assert_eq!(line.room.left(), 32);
        line.step(10, 300, false);
        assert_eq!(line.room.left(), 0);
    }

    #[test]
    fn after_a_pause_and_where_nobody_knows_the_line_nobody_is_held_back() {
        let mut line = Line::new(5_000);
        line.steps(100, 0, 50_000);
        line.steps(10, 2_500, 50_000);
        assert!(line.room.left() > 0 && line.room.is_watched(line.lent));
        line.now += 5_000;
        line.step(2_500, 50_000, false);
        assert_eq!(line.room.left(), 0);
        assert!(!line.room.is_watched(line.lent));
        let mut narrow = Line::new(300);
        assert_eq!(narrow.steps(50, 150, 500), 150);
    }

    #[test]
    fn a_device_made_anew_and_counters_that_lag_make_nobody_overflow() {
        let mut room = Room::NEW;
        for (n, (sent, lent)) in [(5_000_000, 0), (0, 900), (0, 5_000_000), (u64::MAX, 1)]
            .into_iter()
            .enumerate()
        {
            let now = Instant::from_millis(1_000 + n as u64 * 100);
            let found = u32::MAX;
            room.look(
                now,
                sent,
                lent,
                Signs {
                    found,
                    ..Signs::default()
                },
            );
        }
    }
}
