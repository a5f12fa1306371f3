//! How a household uses an uplink: now, and by hour of the week. From that, what is likely to stay idle.
//!
//! Rates are kbit/s at the interface, towards the Internet first. No floats, and nothing here is called per packet: the shell
//! reports once a second.

use crate::calendar::{Wall, Zone};
use crate::error::Refusal;
use crate::ledger::cap::{Pace, coarse, limit};
use crate::wire::bytes::{Reader, Writer};

/// Hours of a week.
const HOURS: usize = 168;
/// Kept rates are multiples of so many kbit/s: up to 1 Gbit/s in 16 bits.
const UNIT: u32 = 16;
/// A new week counts a quarter: a changed habit is learned within a month or so.
const WEEK_WEIGHT: u32 = 4;
/// An hour counts when so much of it was seen, in milliseconds.
const ENOUGH: u32 = 20 * 60 * 1_000;
/// The forecast is for the next minutes: so near its end an hour's successor counts as well.
const AHEAD: u16 = 10;
/// Use below this part of the line is nothing to make room for.
const NOTABLE: u32 = 8;

/// So much more of the line than was ever seen of it may be lent: more than what rounding takes away.
const MORE: u32 = 4;

/// The least that is said of a line, in kbit/s: 0 stands for something else.
const LEAST: u32 = 64;

/// A rate towards the Internet, and one from it, in kbit/s.
pub type Rates = [u32; 2];

/// What is known of one hour of the week, in [`UNIT`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bin {
    mean: [u16; 2],
    /// Mean distance of a week from the mean.
    spread: [u16; 2],
    weeks: u8,
}

/// One uplink's household.
#[derive(Clone, Debug)]
pub struct Usage {
    bins: Bins,
    /// The hour being measured, the household's bytes in it, and how much of it was seen.
    hour: Option<u8>,
    bytes: [u64; 2],
    millis: u32,
    /// The household's use over the last half minute or so.
    now: Rates,
    /// All use over the last seconds, and the most that it ever was: what the line can do.
    busy: Rates,
    peak: Rates,
}

#[derive(Clone, Debug)]
struct Bins([Bin; HOURS]);

impl Default for Usage {
    fn default() -> Self {
        Self::new()
    }
}

/// What is expected of the next minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    /// The household's use now.
    pub now: Rates,
    /// The use that room is kept for: what is used now, or what is usual as far as it is sure, whichever is more.
    pub expected: Rates,
    /// How sure what is usual is, in percent: more weeks are surer, weeks that differ less.
    pub confidence: u8,
    /// The most to be lent; 0: whatever is idle, also as long as nothing is known.
    pub offered: Rates,
    /// What is likely to be left over: what the line was seen to carry, less what is expected. For borrowers to choose by, and
    /// no limit; 0: unknown.
    pub idle: Rates,
    /// The most that the line was ever seen to carry; 0: nothing was seen yet.
    pub peak: Rates,
    /// Nothing is to be lent: see [`Self::keep`].
    pub kept: bool,
}

impl Forecast {
    /// Offers no more than what is over beside a part of the line that is always kept for its household (0: none is). `found`: what
    /// the line was measured to carry, which counts where it is more than what was ever seen on it. Where one way nothing worth
    /// lending is over, or nobody knows yet what the line carries, all of it is kept.
    pub fn keep(&mut self, reserve: Rates, found: Rates) {
        let seen = self.peak.into_iter().zip(found);
        let both = self.offered.iter_mut().zip(seen);
        for ((offered, (peak, found)), reserve) in both.zip(reserve) {
            if reserve > 0 {
                let room = coarse(peak.max(found).saturating_sub(reserve), 4);
                self.kept |= room < LEAST;
                *offered = limit(room, Pace::Free, *offered);
            }
        }
    }
}

impl Usage {
    /// Nothing is known. All zero, so that a static of it costs no space in the binary.
    pub const fn new() -> Self {
        const UNSEEN: Bin = Bin {
            mean: [0; 2],
            spread: [0; 2],
            weeks: 0,
        };
        Self {
            bins: Bins([UNSEEN; HOURS]),
            hour: None,
            bytes: [0; 2],
            millis: 0,
            now: [0; 2],
            busy: [0; 2],
            peak: [0; 2],
        }
    }

    /// In `millis` the household used `own` bytes, and everybody together `all`. `now` as far as anybody knows it.
    pub fn handle_use(
        &mut self,
        now: Option<(Wall, Zone)>,
        own: [u64; 2],
        all: [u64; 2],
        millis: u32,
    ) {
        let hour = now.map(|(wall, zone)| wall.hour_of_week(zone));
        if hour != self.hour {
            self.close_hour();
            self.hour = hour;
        }
        self.millis = self.millis.saturating_add(millis);
        let kept = self.bytes.iter_mut().zip(&mut self.now);
        for ((sum, now), own) in kept.zip(own) {
            *sum = sum.saturating_add(own);
            approach(now, kbit(own, millis), 32);
        }
        let line = self.busy.iter_mut().zip(&mut self.peak);
        for ((busy, peak), all) in line.zip(all) {
            approach(busy, kbit(all, millis), 4);
            *peak = (*busy).max(*peak);
        }
    }

    /// The most that the line was seen to carry, kbit/s.
    pub fn peak(&self) -> Rates {
        self.peak
    }

    /// What is likely in the next minutes.
    pub fn forecast(&self, now: Option<(Wall, Zone)>) -> Forecast {
        let mut forecast = Forecast {
            now: self.now,
            expected: self.now,
            peak: self.peak,
            ..Forecast::default()
        };
        if let Some((wall, zone)) = now {
            let hour = wall.hour_of_week(zone);
            let soon = wall.minute_of_day(zone) % 60 + AHEAD >= 60;
            let bins = [self.bins.of(hour), self.bins.of(hour.wrapping_add(1))];
            forecast.confidence = bins[0].confidence();
            for bin in bins.iter().take(1 + usize::from(soon)) {
                let usual = bin.mean.iter().zip(bin.spread);
                for (expected, (mean, spread)) in forecast.expected.iter_mut().zip(usual) {
                    let usual = u32::from(mean.saturating_add(spread)) * UNIT;
                    let usual = usual / 100 * u32::from(bin.confidence());
                    *expected = usual.max(*expected);
                }
            }
        }
        let left = forecast.idle.iter_mut().zip(forecast.expected);
        for ((idle, expected), peak) in left.zip(self.peak) {
            if peak > 0 {
                *idle = coarse(peak.saturating_sub(expected), 3).max(LEAST);
            }
        }
        // Whoever has no habits yet is served by what yields to him packet by packet, as it does anyway.
        if forecast.confidence > 0 {
            let room = forecast.offered.iter_mut().zip(forecast.expected);
            for ((offered, expected), peak) in room.zip(self.peak) {
                *offered = offer(peak, expected);
            }
        }
        forecast
    }

    /// The hour is over: what was seen of it joins what is usual.
    fn close_hour(&mut self) {
        let (bytes, millis) = (
            core::mem::take(&mut self.bytes),
            core::mem::take(&mut self.millis),
        );
        let bin = self.hour.and_then(|h| self.bins.0.get_mut(usize::from(h)));
        if let Some(bin) = bin.filter(|_| millis >= ENOUGH) {
            bin.learn(bytes.map(|bytes| kbit(bytes, millis) / UNIT));
        }
    }

    /// Bytes that [`Self::emit`] writes.
    pub const EMITTED: usize = HOURS * 9 + 8;

    /// Writes what must outlive the agent: what is usual, and what the line can do. The hour under way is not kept.
    pub fn emit(&self, out: &mut Writer<'_>) -> Result<(), Refusal> {
        for bin in &self.bins.0 {
            for number in bin.mean.iter().chain(&bin.spread) {
                out.u16(*number)?;
            }
            out.u8(bin.weeks)?;
        }
        self.peak.iter().try_for_each(|peak| out.u32(*peak))
    }

    /// Reads it.
    pub fn read(&mut self, from: &mut Reader<'_>) -> Result<(), Refusal> {
        *self = Self::default();
        for bin in &mut self.bins.0 {
            for number in bin.mean.iter_mut().chain(&mut bin.spread) {
                *number = from.u16()?;
            }
            bin.weeks = from.u8()?;
        }
        self.peak = [from.u32()?, from.u32()?];
        Ok(())
    }
}

impl Bins {
    fn of(&self, hour: u8) -> Bin {
        let hour = usize::from(hour) % HOURS;
        self.0.get(hour).copied().unwrap_or_default()
    }
}

impl Bin {
    fn learn(&mut self, seen: Rates) {
        let known = self.mean.iter_mut().zip(&mut self.spread);
        for ((mean, spread), seen) in known.zip(seen) {
            let seen = u16::try_from(seen).unwrap_or(u16::MAX);
            if self.weeks == 0 {
                *mean = seen;
                continue;
            }
            blend(spread, mean.abs_diff(seen));
            blend(mean, seen);
        }
        self.weeks = self.weeks.saturating_add(1);
    }

    /// In percent; a week alone says half.
    fn confidence(&self) -> u8 {
        let weeks = u32::from(self.weeks.min(99));
        let (mean, spread) = (
            self.mean.iter().map(|n| u32::from(*n)).sum::<u32>() + 1,
            self.spread.iter().map(|n| u32::from(*n)).sum::<u32>(),
        );
        let seen = 100 * weeks / (weeks + 1);
        (seen * mean / (mean + spread)) as u8
    }
}

/// The most to be lent where so much of a line is expected to be used; 0: no need for a limit. A little more than what the
/// line was ever seen to do is allowed, so that one that nobody has filled yet is not taken for a slow one for ever. Only the
/// first three bits count: a limit that changes by the second would be one that nobody can fill.
fn offer(peak: u32, expected: u32) -> u32 {
    if expected <= peak / NOTABLE {
        return 0;
    }
    let idle = peak - expected.min(peak);
    coarse(idle.saturating_add(peak / MORE), 3).max(LEAST)
}

/// A part of the way to the new week's number.
fn blend(known: &mut u16, seen: u16) {
    let sum = u32::from(*known) * (WEEK_WEIGHT - 1) + u32::from(seen) + WEEK_WEIGHT / 2;
    *known = (sum / WEEK_WEIGHT) as u16;
}

/// One of `steps` steps towards a new reading; rounded towards it, so that it is reached.
fn approach(known: &mut u32, seen: u32, steps: u32) {
    let step = known.abs_diff(seen).div_ceil(steps);
    *known = if seen > *known {
        *known + step
    } else {
        *known - step
    };
}

/// Bytes in milliseconds as kbit/s.
pub fn kbit(bytes: u64, millis: u32) -> u32 {
    let rate = bytes.saturating_mul(8) / u64::from(millis.max(1));
    u32::try_from(rate).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
