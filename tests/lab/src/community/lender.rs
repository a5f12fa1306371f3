//! A lender: what the core's own code lets him lend at each moment.

use super::people::{Person, Role};
use super::{LEARNED, Mode, sessions};
use burstmesh_core::calendar::{Wall, Zone};
use burstmesh_core::ledger::Cap;
use burstmesh_core::ledger::cap::{Pace, Plan, limit};
use burstmesh_core::usage::Usage;
use burstmesh_core::wire::bytes::{Reader, Writer};

/// Monday 2026-11-23 0:00 UTC: the week begins.
const MONDAY: u32 = 1_795_392_000;
const UTC: Zone = Zone(0);
/// What a liar says of his line, and what he gives, kbit/s.
const BOAST: u32 = 1_000_000;
const GIVES: u32 = 1_000;

/// A cap and what really happened.
struct Capped {
    cap: Cap,
    plan: Plan,
    disk: [u8; Cap::EMITTED],
    writing: bool,
    /// Bytes since the period began, as nobody but the simulation knows for sure.
    truth: f64,
    from: u16,
}

pub struct Lender {
    usage: Usage,
    capped: Option<Capped>,
    role: Role,
    line: [u32; 2],
    /// Seconds in which nothing happened and that were not told yet.
    quiet: u32,
    restless: bool,
    hour: u32,
    /// What holds until the next second: whether, at most how much in kbit/s (0: what is idle), what is said to be over, and
    /// how many bytes.
    pub lends: bool,
    pub limit: [u32; 2],
    pub stated: [u32; 2],
    pub left: f64,
    pub past_cap: f64,
    pub stops: u32,
}

/// The time at a moment of the simulated week.
fn wall(now: u64) -> Wall {
    Wall(MONDAY + (now / 1_000_000) as u32)
}

impl Lender {
    /// One that has lived here for weeks.
    pub fn new(seed: u64, who: usize, person: &Person) -> Self {
        let mut lender = Self {
            usage: Usage::new(),
            capped: person
                .cap
                .map(|(times, day)| Capped::new(person, times, day)),
            role: person.role,
            line: person.line.map(|bits| (bits / 1e3) as u32),
            quiet: 0,
            restless: true,
            hour: 0,
            lends: false,
            limit: [0; 2],
            stated: [0; 2],
            left: f64::INFINITY,
            past_cap: 0.0,
            stops: 0,
        };
        lender.learn(seed, who, person);
        lender
    }

    fn learn(&mut self, seed: u64, who: usize, person: &Person) {
        let hours = LEARNED * 168;
        let mut used = vec![[0.0; 2]; hours + 1];
        for hour in 0..hours {
            for session in sessions::hour(seed, who, person, hour) {
                let (bits, span) = (sessions::volume(session.what), sessions::span(session.what));
                let parts = (span / 600.0).ceil().max(1.0);
                for part in 0..parts as usize {
                    let at = session.at + span * part as f64 / parts;
                    if let Some(there) = used.get_mut((at / 3_600.0) as usize) {
                        there[0] += bits[0] / parts / 8.0;
                        there[1] += bits[1] / parts / 8.0;
                    }
                }
            }
        }
        let begin = MONDAY - LEARNED as u32 * 7 * 86_400;
        for (hour, used) in used.iter().take(hours).enumerate() {
            let now = Some((Wall(begin + hour as u32 * 3_600), UTC));
            let own = used.map(|bytes| bytes as u64);
            self.usage.handle_use(now, own, own, 3_600_000);
        }
        // In four weeks the line was full at some time.
        let full = self.line.map(|kbit| u64::from(kbit) * 125);
        for _ in 0..30 {
            self.usage.handle_use(None, [0; 2], full, 1_000);
        }
    }

    /// A second has passed in which so many bytes went by. True if what may be lent is another now.
    pub fn tick(&mut self, now: u64, mode: Mode, own: [f64; 2], lent: [f64; 2]) -> bool {
        let (all, hour) = (
            own[0] + own[1] + lent[0] + lent[1],
            (now / 3_600_000_000) as u32,
        );
        self.quiet += 1;
        if all < 1.0 && !self.restless && hour == self.hour && self.capped.is_none() {
            return false;
        }
        self.hour = hour;
        let when = Some((wall(now), UTC));
        let whole = |bytes: [f64; 2]| bytes.map(|b| b.round() as u64);
        let sum = [own[0] + lent[0], own[1] + lent[1]];
        self.usage.handle_use(
            when,
            whole(own),
            whole(sum),
            std::mem::take(&mut self.quiet) * 1_000,
        );
        let pace = match &mut self.capped {
            Some(capped) => {
                let (used, lent) = (own[0] + own[1], lent[0] + lent[1]);
                self.past_cap += capped.tick(now, used, lent);
                self.left = capped.cap.left(&capped.plan) as f64;
                capped.cap.pace(&capped.plan, when.map(|w| w.0))
            }
            None => Pace::Free,
        };
        self.follow(now, mode, pace)
    }

    fn follow(&mut self, now: u64, mode: Mode, pace: Pace) -> bool {
        let forecast = self.usage.forecast(Some((wall(now), UTC)));
        self.restless = forecast.now != [0, 0];
        let lends = self.role != Role::Rider && pace != Pace::Stop && mode != Mode::Alone;
        let (offered, stated) = match mode {
            Mode::On => (forecast.offered, forecast.idle),
            _ => ([0; 2], self.line),
        };
        let most = [0, 1].map(|way| limit(0, pace, offered[way]));
        let (limit, stated) = match self.role {
            Role::Liar => ([GIVES; 2], [BOAST; 2]),
            _ => (
                most,
                [0, 1].map(|way| {
                    if most[way] > 0 {
                        stated[way].min(most[way])
                    } else {
                        stated[way]
                    }
                }),
            ),
        };
        self.stops += u32::from(self.lends && pace == Pace::Stop);
        let before = (self.lends, self.limit, self.stated);
        (self.lends, self.limit, self.stated) = (lends, limit, stated);
        before != (lends, limit, stated)
    }

    /// The power fails: what is known is what stands on the disk.
    pub fn power_cut(&mut self) {
        self.lends = false;
        if let Some(capped) = &mut self.capped {
            capped.cap = Cap::read(&mut Reader::new(&capped.disk), false).unwrap();
            capped.writing = false;
        }
    }
}

impl Capped {
    fn new(person: &Person, times: f64, reset_day: u8) -> Self {
        let month = (person.volume / 8.0 / 7.0 * 30.0) * 1.1;
        let plan = Plan {
            bytes: (month * times) as u64,
            reset_day,
            zone: UTC,
        };
        let today = wall(0).day(UTC);
        let from = today.period_start(reset_day).0;
        // The period is nearly over, and lending has used its part of it.
        let used = plan.bytes as f64 * 0.93;
        let mut cap = Cap::default();
        cap.handle_day(&plan, today, true, |_| used as u64);
        let mut capped = Self {
            cap,
            plan,
            disk: [0; Cap::EMITTED],
            writing: false,
            truth: used,
            from,
        };
        capped.write();
        capped
    }

    fn write(&mut self) {
        self.cap.promise(&self.plan, false);
        self.cap.emit(&mut Writer::new(&mut self.disk)).unwrap();
        self.writing = true;
    }

    /// Bytes that passed; gives those that were lent past the cap.
    fn tick(&mut self, now: u64, own: f64, lent: f64) -> f64 {
        if std::mem::take(&mut self.writing) {
            self.cap.handle_written(true);
        }
        let today = wall(now).day(UTC);
        let from = today.period_start(self.plan.reset_day).0;
        if from != self.from {
            (self.from, self.truth) = (from, 0.0);
        }
        self.truth += own + lent;
        let past = (self.truth - self.plan.bytes as f64).clamp(0.0, lent);
        self.cap.handle_used((own + lent).ceil() as u64);
        self.cap.handle_day(&self.plan, today, true, |_| 0);
        if self.cap.wants_promise(&self.plan) {
            self.write();
        }
        past
    }
}
