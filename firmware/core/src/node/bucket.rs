//! A token bucket: what holds a borrower or a guest to what it was given.

use crate::error::Refusal;
use crate::time::{Duration, Instant};

/// Whatever its rate, a bucket is full after this; its microseconds fit 32 bits.
const LONG: Duration = Duration::from_secs(1_000);

/// A token bucket over datagrams, in bits: a kbit/s is a bit per millisecond. Holds 100 ms, one for
/// several more of them, and at least two full datagrams.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    /// 0 = unlimited.
    kbit: u32,
    level: u32,
    /// How much it holds.
    ms: u32,
    at: Instant,
}

impl Bucket {
    pub(super) const UNLIMITED: Self = Self {
        kbit: 0,
        level: 0,
        ms: 100,
        at: Instant::ZERO,
    };
    /// For all who borrow a line together: the trains by which two of them begin to measure it at the same time fit.
    pub(super) const SHARED: Self = Self {
        ms: 250,
        ..Self::UNLIMITED
    };

    pub(super) fn new(now: Instant, kbit: u32) -> Self {
        let mut bucket = Self {
            kbit,
            at: now,
            ..Self::UNLIMITED
        };
        bucket.level = bucket.most();
        bucket
    }
    fn most(&self) -> u32 {
        self.kbit.saturating_mul(self.ms).max(24_000)
    }
    /// Another rate from now on; what was saved up counts as far as it fits.
    pub(super) fn set_rate(&mut self, kbit: u32) {
        self.kbit = kbit;
        self.level = self.level.min(self.most());
    }
    /// 0 = unlimited.
    pub(super) fn kbit(&self) -> u32 {
        self.kbit
    }
    pub(super) fn spend(&mut self, now: Instant, bytes: usize) -> Result<(), Refusal> {
        if self.kbit == 0 {
            return Ok(());
        }
        self.fill(now);
        let level = self.level.checked_sub(bytes as u32 * 8);
        self.level = level.ok_or(Refusal::Forbidden)?;
        Ok(())
    }
    /// Whether there is more than half of what it holds.
    pub(super) fn is_half_full(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.kbit == 0 || self.level > self.most() / 2
    }
    /// Spends what there is of so many bytes: they pass anyhow.
    pub(super) fn drain(&mut self, now: Instant, bytes: usize) {
        self.fill(now);
        self.level = self.level.saturating_sub(bytes as u32 * 8);
    }
    fn fill(&mut self, now: Instant) {
        if now.since(self.at) > LONG {
            // It is full, and no more than that.
            (self.at, self.level) = (now, self.most());
        }
        let ms = now.since(self.at).as_micros() as u32 / 1_000;
        if ms > 0 {
            let more = self.kbit.saturating_mul(ms);
            self.level = self.level.saturating_add(more).min(self.most());
            // The rest of a millisecond is not given away.
            self.at += Duration::from_millis(u64::from(ms));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_lay_idle_for_a_day_lets_through_what_it_holds_and_no_more() {
        let day = Instant::from_millis(86_400_000);
        for mut bucket in [Bucket::new(Instant::ZERO, 800), Bucket::UNLIMITED] {
            bucket.set_rate(800);
            let passed = (0..500).filter(|_| bucket.spend(day, 1_000).is_ok());
            assert_eq!(passed.count(), 10);
        }
    }

    #[test]
    fn a_limit_lets_through_what_it_says_however_small_the_steps() {
        for kbit in [64, 800, 2_000] {
            let mut bucket = Bucket::new(Instant::ZERO, kbit);
            // A kilobit every 370 us is 2.7 Mbit/s.
            let steps = (0..20_000_000 / 370).map(|n| Instant::from_micros(n * 370));
            let carried = steps.filter(|now| bucket.spend(*now, 125).is_ok()).count() as u32 / 20;
            assert!(
                carried.abs_diff(kbit) <= kbit / 50 + 1,
                "{carried} of {kbit} kbit/s"
            );
        }
    }
}
