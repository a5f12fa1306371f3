//! A monthly cap: how much of an uplink's volume may still be lent. The owner is never cut.
//!
//! What is used counts as used also after a crash or a power cut: before anything is lent, a *promise* of some more use is
//! written ahead, and lending stops at the promise. Whoever restarts without its counters takes the promise for used. So a
//! cut costs at most a promise's worth of lending, never a byte past the cap.

use crate::calendar::{Day, Wall, Zone};
use crate::error::Refusal;
use crate::wire::bytes::{Reader, Writer};

/// Lending stops so much before the cap: what is on its way then still arrives.
const MARGIN: u64 = 512 * 1024;
/// No promise is smaller: half of it is what a fast household may use before the next one is on the disk.
const SMALLEST_PROMISE: u64 = 64 << 20;
/// So near the cap a household may pass it between two readings of the counters. Then little is lent at a time.
const NEAR: u64 = 64 << 20;
const AT_A_TIME: u64 = 384 * 1024;
/// The slowest that is lent near the cap.
const SLOWEST: u32 = 64;

/// The owner's rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Bytes per period, the household's own and lent together.
    pub bytes: u64,
    /// Day of the month on which a period begins, 1 to 31; in a shorter month its last day.
    pub reset_day: u8,
    /// Where midnight is.
    pub zone: Zone,
}

/// How fast may be lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As fast as the line is idle.
    Free,
    /// At most so many kbit/s in each direction: past 80 % of the cap four times what would use the rest up evenly until the
    /// period ends, past 90 % twice, past 95 % once.
    Slow(u32),
    /// Nothing is lent any more.
    Stop,
}

/// What has been used of one uplink in the current period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cap {
    /// When the period began; unknown until a clock was right.
    from: Day,
    used: u64,
    /// Part of it: used, or taken for used at a power cut, since nobody knows for sure which day it is.
    unsettled: u64,
    /// So much counts as used after a power cut: it stands on the disk.
    promised: u64,
    /// What stands on the disk once the write under way has ended.
    writing: u64,
}

impl Cap {
    /// Bytes passed the uplink, whosever they were.
    pub fn handle_used(&mut self, bytes: u64) {
        self.used = self.used.saturating_add(bytes);
        self.unsettled = self.unsettled.saturating_add(bytes);
    }

    /// It is `today`, by the believed clock; `settled`: the system's clock says the same. `used_since` says what the ledger
    /// knows of a span that begins elsewhere than the one that was counted.
    pub fn handle_day(
        &mut self,
        plan: &Plan,
        today: Day,
        settled: bool,
        used_since: impl FnOnce(Day) -> u64,
    ) {
        let unsettled = self.unsettled;
        if settled {
            self.unsettled = 0;
        }
        let start = today.period_start(plan.reset_day);
        if start == self.from {
            return;
        }
        let known = core::mem::replace(&mut self.from, start);
        // What was used while the clocks disagreed may all belong to the new period, under whatever day it was booked.
        let used = used_since(start).max(unsettled);
        if known == Day::UNKNOWN || start < known {
            // A clock set back, or another reset day: nothing that was counted is given back.
            self.used = self.used.max(used);
        } else {
            self.used = used;
        }
        if known != Day::UNKNOWN {
            // What stands on the disk is about the other period.
            (self.promised, self.writing) = (0, 0);
        }
    }

    /// Bytes used in this period.
    pub fn used(&self) -> u64 {
        self.used
    }

    /// Bytes that may be lent until the counters are read again.
    pub fn left(&self, plan: &Plan) -> u64 {
        let left = self.promised.min(stop(plan)).saturating_sub(self.used);
        if self.is_near(plan) {
            left.min(AT_A_TIME)
        } else {
            left
        }
    }

    /// The counters are to be read several times a second now.
    pub fn is_near(&self, plan: &Plan) -> bool {
        let room = stop(plan).saturating_sub(self.used);
        (1..NEAR).contains(&room)
    }

    /// Whether the next promise is to be written: half of the last one is used. Past the cap nothing is lent, so nothing need be
    /// promised; but while the clocks disagree, what is used may belong to a period that has just begun.
    pub fn wants_promise(&self, plan: &Plan) -> bool {
        (self.promised < plan.bytes || self.unsettled > 0)
            && self.used.saturating_add(chunk(plan) / 2) > self.promised
            && self.writing == 0
    }

    /// What is kept from now on holds a new promise. Where the agent stops in the regular way (`last`), nothing is promised
    /// beyond what was used.
    pub fn promise(&mut self, plan: &Plan, last: bool) {
        let ahead = if last { 0 } else { chunk(plan) };
        self.writing = self.used.saturating_add(ahead).max(1);
    }

    /// What was promised is on the disk; or it failed, and may be tried again.
    pub fn handle_written(&mut self, good: bool) {
        if good {
            self.promised = self.promised.max(self.writing);
        }
        self.writing = 0;
    }

    /// How fast may be lent; `now` by the believed clock.
    pub fn pace(&self, plan: &Plan, now: Option<Wall>) -> Pace {
        if self.used >= stop(plan) {
            return Pace::Stop;
        }
        let past = |percent| self.used.saturating_mul(100) >= plan.bytes.saturating_mul(percent);
        let times = match (past(80), past(90), past(95)) {
            (_, _, true) => 1,
            (_, true, _) => 2,
            (true, ..) => 4,
            _ => return Pace::Free,
        };
        // Without a clock the period may have just begun.
        let seconds = now.map_or(31 * 86_400, |now| {
            let next = now.day(plan.zone).next_period(plan.reset_day);
            now.until(next, plan.zone).max(60)
        });
        // Half in each direction: bytes to kbit/s is a division by 125.
        let even = (plan.bytes - self.used) / (250 * u64::from(seconds));
        let kbit = u32::try_from(even.saturating_mul(times)).unwrap_or(u32::MAX);
        Pace::Slow(coarse(kbit, 2).max(SLOWEST))
    }

    /// Bytes that [`Self::emit`] writes.
    pub const EMITTED: usize = 26;

    /// Writes what must outlive the agent.
    pub fn emit(&self, out: &mut Writer<'_>) -> Result<(), Refusal> {
        out.u16(self.from.0)?;
        out.u64(self.used)?;
        out.u64(self.unsettled)?;
        out.u64(match self.writing {
            0 => self.promised,
            promise => promise,
        })
    }

    /// Reads it. `counted`: the counters of the interface went on meanwhile, so that everything since will be found there.
    pub fn read(from: &mut Reader<'_>, counted: bool) -> Result<Self, Refusal> {
        let (day, used, unsettled) = (Day(from.u16()?), from.u64()?, from.u64()?);
        let promised = from.u64()?;
        let more = match counted {
            true => 0,
            false => promised.saturating_sub(used),
        };
        Ok(Self {
            from: day,
            used: used.saturating_add(more),
            unsettled: unsettled.saturating_add(more),
            promised,
            writing: 0,
        })
    }
}

/// The most that is lent, in kbit/s: the strictest of the owner's rule, the cap's pace and what is offered. 0: no limit, also in
/// what is given.
pub fn limit(rule: u32, pace: Pace, offered: u32) -> u32 {
    let slow = match pace {
        Pace::Slow(kbit) => kbit,
        Pace::Free | Pace::Stop => 0,
    };
    let stated = [rule, slow, offered].into_iter().filter(|kbit| *kbit > 0);
    stated.min().unwrap_or(0)
}

/// Where lending stops.
fn stop(plan: &Plan) -> u64 {
    plan.bytes - MARGIN.min(plan.bytes >> 4)
}

/// Bytes of a promise.
fn chunk(plan: &Plan) -> u64 {
    (plan.bytes >> 6).max(SMALLEST_PROMISE)
}

/// Only the first `bits` bits that count, so that a limit changes rarely.
pub(crate) fn coarse(kbit: u32, bits: u32) -> u32 {
    let drop = (32 - bits).saturating_sub(kbit.leading_zeros());
    kbit >> drop << drop
}

#[cfg(test)]
mod tests;
