use super::*;
use crate::ledger::Clock;
use crate::time::{Duration, Instant};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::vec::Vec;

const GB: u64 = 1_000_000_000;
const PLAN: Plan = Plan {
    bytes: GB,
    reset_day: 7,
    zone: Zone(60),
};
/// 2026-11-20 12:00 UTC.
const BEGIN: u32 = 1_795_176_000;

fn today() -> Day {
    Wall(BEGIN).day(PLAN.zone)
}

fn promised(cap: &mut Cap) {
    cap.promise(&PLAN, false);
    cap.handle_written(true);
}

#[test]
fn nothing_is_lent_before_the_promise_is_on_the_disk() {
    let mut cap = Cap::default();
    cap.handle_day(&PLAN, today(), true, |_| 0);
    assert!(cap.left(&PLAN) == 0 && cap.wants_promise(&PLAN));
    cap.promise(&PLAN, false);
    assert!(cap.left(&PLAN) == 0 && !cap.wants_promise(&PLAN));
    cap.handle_written(false);
    assert!(cap.left(&PLAN) == 0 && cap.wants_promise(&PLAN));
    promised(&mut cap);
    assert_eq!(cap.left(&PLAN), SMALLEST_PROMISE);
    cap.handle_used(SMALLEST_PROMISE / 2 + 1);
    assert!(cap.wants_promise(&PLAN));
}

#[test]
fn lending_slows_down_in_steps_and_stops_and_the_next_period_is_free() {
    let plan = Plan {
        bytes: 1_000 * GB,
        ..PLAN
    };
    let (mut cap, mut paces) = (Cap::default(), Vec::new());
    cap.handle_day(&plan, today(), true, |_| 0);
    for percent in 1..=100 {
        cap.handle_used(10 * GB);
        cap.handle_day(&plan, today(), true, |_| 0);
        let pace = cap.pace(&plan, Some(Wall(BEGIN)));
        if paces.last().is_none_or(|(_, last)| *last != pace) {
            paces.push((percent, pace));
        }
    }
    // 200 GB in 16.5 days are 1.1 Mbit/s, half in each direction: four times that at 80 %, and at 90 % and 95 % a quarter
    // and a sixteenth of that.
    let steps = [
        (1, Pace::Free),
        (80, Pace::Slow(2_048)),
        (82, Pace::Slow(1_536)),
        (87, Pace::Slow(1_024)),
        (90, Pace::Slow(512)),
        (91, Pace::Slow(384)),
        (94, Pace::Slow(256)),
        (95, Pace::Slow(128)),
        (96, Pace::Slow(96)),
        (97, Pace::Slow(64)),
        (100, Pace::Stop),
    ];
    assert_eq!(paces, steps);
    assert_eq!(cap.left(&plan), 0);
    let next = today().next_period(plan.reset_day);
    cap.handle_day(&plan, next, true, |_| 5);
    assert_eq!((cap.used(), cap.pace(&plan, None)), (5, Pace::Free));
}

#[test]
fn a_clock_set_back_to_the_last_period_gives_nothing_back() {
    let mut cap = Cap::default();
    cap.handle_day(&PLAN, today(), true, |_| 0);
    cap.handle_used(GB / 2);
    cap.handle_day(&PLAN, Day(today().0 - 40), true, |_| 7);
    assert_eq!(cap.used(), GB / 2);
}

#[test]
fn a_power_cut_counts_the_promise_as_used_and_a_regular_stop_does_not() {
    let mut cap = Cap::default();
    cap.handle_day(&PLAN, today(), true, |_| 0);
    promised(&mut cap);
    cap.handle_used(1_000);
    let kept = |cap: &Cap, counted| {
        let mut bytes = [0; Cap::EMITTED];
        cap.emit(&mut Writer::new(&mut bytes)).unwrap();
        Cap::read(&mut Reader::new(&bytes), counted).unwrap()
    };
    assert_eq!(kept(&cap, false).used(), SMALLEST_PROMISE);
    assert_eq!(kept(&cap, true).used(), 1_000);
    cap.promise(&PLAN, true);
    assert_eq!(kept(&cap, false).used(), 1_000);
}

#[test]
fn past_the_cap_what_is_used_while_the_clocks_disagree_is_still_written() {
    let mut cap = Cap::default();
    cap.handle_day(&PLAN, today(), true, |_| 0);
    cap.handle_used(GB);
    promised(&mut cap);
    cap.handle_day(&PLAN, today(), true, |_| 0);
    cap.handle_used(SMALLEST_PROMISE);
    assert!(cap.wants_promise(&PLAN));
    cap.handle_day(&PLAN, today(), true, |_| 0);
    assert!(!cap.wants_promise(&PLAN));
}

/// What happens to an uplink.
#[derive(Clone, Debug)]
enum Event {
    /// So many KB are asked for by borrowers.
    Lend(u16),
    /// So many half KB are used by the household.
    Own(u16),
    /// The same, and borrowers take what they may before the counters are read again.
    OwnAndLend(u16),
    /// Hours pass, with a reading of the counters each.
    Pass(u8),
    /// The system's clock jumps by days, for some hours.
    Jump(i16, u8),
    /// The write under way ends, or fails.
    Written(bool),
    /// The agent crashes; the counters of the interface go on.
    Crash,
    /// The power is off for hours.
    PowerCut(u8),
}

/// An uplink with its cap, its disk, its clocks, and what really happened.
struct World {
    cap: Cap,
    clock: Clock,
    book: BTreeMap<Day, u64>,
    left: u64,
    /// Passed the interface since the machine started, and at the last reading.
    passed: u64,
    read: u64,
    disk: Option<Kept>,
    writing: Option<Kept>,
    mono: u64,
    truth: u32,
    skew: i64,
    /// By the true clock: used in this period, and lent after all of it was used.
    period: Day,
    used: u64,
    lent_past: u64,
}

#[derive(Clone)]
struct Kept {
    cap: [u8; Cap::EMITTED],
    wall: Option<Wall>,
    book: BTreeMap<Day, u64>,
    counter: u64,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            cap: Cap::default(),
            clock: Clock::new(Instant::ZERO, None),
            book: BTreeMap::new(),
            left: 0,
            passed: 0,
            read: 0,
            disk: None,
            writing: None,
            mono: 0,
            truth: BEGIN,
            skew: 0,
            period: today().period_start(PLAN.reset_day),
            used: 0,
            lent_past: 0,
        };
        world.tick();
        world
    }
    fn now(&self) -> Instant {
        Instant::ZERO + Duration::from_secs(self.mono)
    }
    fn pass(&mut self, bytes: u64) {
        self.passed += bytes;
        self.used += bytes;
    }

    /// What the agent does each second.
    fn tick(&mut self) {
        let (now, shown) = (self.now(), i64::from(self.truth) + self.skew);
        self.clock
            .handle_time(now, Wall::sane(u64::try_from(shown).unwrap_or(0)));
        let bytes = self.passed - core::mem::replace(&mut self.read, self.passed);
        let day = self.clock.booking(now).map(|w| w.day(PLAN.zone));
        *self.book.entry(day.unwrap_or_default()).or_default() += bytes;
        self.cap.handle_used(bytes);
        let book = &self.book;
        let since = |from| {
            let counts = |b: &(&Day, &u64)| *b.0 >= from || *b.0 == Day::UNKNOWN;
            book.iter().filter(counts).map(|b| b.1).sum()
        };
        if let Some(wall) = self.clock.believed(now) {
            let settled = self.clock.is_settled(now);
            self.cap
                .handle_day(&PLAN, wall.day(PLAN.zone), settled, since);
        }
        if self.writing.is_none() && self.cap.wants_promise(&PLAN) {
            self.cap.promise(&PLAN, false);
            let mut cap = [0; Cap::EMITTED];
            self.cap.emit(&mut Writer::new(&mut cap)).unwrap();
            self.writing = Some(Kept {
                cap,
                wall: self.clock.believed(now),
                book: self.book.clone(),
                counter: self.read,
            });
        }
        self.left = match self.cap.pace(&PLAN, self.clock.believed(now)) {
            Pace::Stop => 0,
            _ => self.cap.left(&PLAN),
        };
    }

    fn seconds(&mut self, seconds: u32) {
        (self.truth, self.mono) = (self.truth + seconds, self.mono + u64::from(seconds));
        let period = Wall(self.truth).day(PLAN.zone).period_start(PLAN.reset_day);
        if period != core::mem::replace(&mut self.period, period) {
            self.used = 0;
        }
    }

    fn restart(&mut self, counted: bool) {
        let kept = self.disk.clone();
        self.writing = None;
        self.cap = kept.as_ref().map_or(Cap::default(), |k| {
            Cap::read(&mut Reader::new(&k.cap), counted).unwrap()
        });
        let wall = kept.as_ref().and_then(|k| k.wall);
        self.book = kept.as_ref().map_or(BTreeMap::new(), |k| k.book.clone());
        self.clock = Clock::new(self.now(), wall);
        self.read = match &kept {
            Some(kept) if counted => kept.counter,
            _ => self.passed,
        };
        self.left = 0;
        self.tick();
    }

    fn handle(&mut self, event: &Event) {
        match *event {
            Event::Lend(kb) => {
                let bytes = (u64::from(kb) * 1_000).min(self.left);
                if self.used >= PLAN.bytes {
                    self.lent_past += bytes;
                }
                self.left -= bytes;
                self.pass(bytes);
            }
            // At most 32 MB between two readings.
            Event::Own(kb) => self.pass(u64::from(kb) * 500),
            Event::OwnAndLend(kb) => {
                self.pass(u64::from(kb) * 500);
                self.handle(&Event::Lend(u16::MAX));
            }
            Event::Pass(hours) => {
                for _ in 0..u32::from(hours) * 30 {
                    self.seconds(120);
                    self.tick();
                }
            }
            Event::Jump(days, hours) => {
                self.skew = i64::from(days) * 86_400;
                self.tick();
                self.handle(&Event::Lend(u16::MAX));
                for _ in 0..u32::from(hours % 6) * 30 {
                    self.seconds(119);
                    self.tick();
                    self.handle(&Event::Lend(u16::MAX));
                }
                self.skew = 0;
                self.tick();
            }
            Event::Written(good) => {
                if let Some(kept) = self.writing.take() {
                    if good {
                        self.disk = Some(kept);
                    }
                    self.cap.handle_written(good);
                }
            }
            Event::Crash => self.restart(true),
            Event::PowerCut(hours) => {
                self.seconds(u32::from(hours) * 3_600);
                self.restart(false);
            }
        }
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let one = prop_oneof![
        8 => any::<u16>().prop_map(Event::Lend),
        4 => any::<u16>().prop_map(Event::Own),
        2 => any::<u16>().prop_map(Event::OwnAndLend),
        8 => Just(Event::Pass(1)),
        1 => any::<u8>().prop_map(Event::Pass),
        2 => (-70i16..70, any::<u8>()).prop_map(|(d, h)| Event::Jump(d, h)),
        6 => prop::bool::weighted(0.9).prop_map(Event::Written),
        1 => Just(Event::Crash),
        1 => any::<u8>().prop_map(Event::PowerCut),
    ];
    proptest::collection::vec(one, 1..250)
}

proptest! {
    #[test]
    fn whatever_happens_no_more_than_a_megabyte_is_lent_past_the_cap(events in events()) {
        let mut world = World::new();
        for event in &events {
            world.handle(event);
            world.tick();
            // The household uses at most 32 MB between two readings, and the disk keeps up with it: a disk that fails while it
            // uses more loses what a power cut must know.
            if matches!(event, Event::Own(_) | Event::OwnAndLend(_)) {
                world.handle(&Event::Written(true));
                world.tick();
                world.handle(&Event::Written(true));
            }
            if world.used < PLAN.bytes {
                world.lent_past = 0;
            }
            prop_assert!(world.lent_past <= 1_000_000, "{} lent past the cap", world.lent_past);
        }
    }
}

#[test]
fn the_strictest_limit_holds_and_none_is_none() {
    assert_eq!(limit(0, Pace::Free, 0), 0);
    assert_eq!(limit(5_000, Pace::Slow(2_000), 3_000), 2_000);
    assert_eq!(limit(5_000, Pace::Free, 3_000), 3_000);
    assert_eq!(limit(1_000, Pace::Stop, 0), 1_000);
}
