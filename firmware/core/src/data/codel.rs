//! CoDel (RFC 8289) for one flow's queue, with a target for bursts that is long enough to ride out a repair.

use crate::time::{Duration, Instant};

/// Standing delay that a bulk flow's queue is allowed. Not 5 ms: see docs/transport.md.
pub const TARGET: Duration = Duration::from_millis(50);
/// How long the delay must stand before the first drop.
pub const INTERVAL: Duration = Duration::from_millis(100);
/// While a path's rate is still being found a drop would throw the flow out of slow start: wait this long.
pub const PATIENCE: Duration = Duration::from_millis(300);

/// What one look at a queue is held against.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    /// Standing delay that is allowed.
    pub target: Duration,
    /// How long it must stand.
    pub interval: Duration,
}

impl Measure {
    /// Where nothing else is known.
    pub const USUAL: Self = Self {
        target: TARGET,
        interval: INTERVAL,
    };
}

/// State of the control law.
#[derive(Clone, Copy, Debug, Default)]
pub struct Codel {
    above_since: Option<Instant>,
    dropping: bool,
    drop_next: Instant,
    count: u32,
    last_count: u32,
}

impl Codel {
    /// Nothing seen yet.
    pub const fn new() -> Self {
        Self {
            above_since: None,
            dropping: false,
            drop_next: Instant::ZERO,
            count: 0,
            last_count: 0,
        }
    }

    /// Should the packet that waited `sojourn` be dropped (or marked)? Ask at each dequeue.
    /// `small` says that less than one full packet stands behind it.
    pub fn drop(&mut self, now: Instant, sojourn: Duration, small: bool, measure: Measure) -> bool {
        let interval = measure.interval;
        if sojourn < measure.target || small {
            self.above_since = None;
            self.dropping = false;
            return false;
        }
        let since = *self.above_since.get_or_insert(now);
        if self.dropping {
            if now < self.drop_next {
                return false;
            }
            self.count += 1;
            self.drop_next += spacing(interval, self.count);
            return true;
        }
        if now.since(since) < interval {
            return false;
        }
        self.dropping = true;
        // Come back near the old drop rate if the last dropping phase ended only just now.
        let recent = now.since(self.drop_next) < interval.times(8);
        let delta = self.count.saturating_sub(self.last_count);
        self.count = if recent && delta > 1 { delta } else { 1 };
        self.last_count = self.count;
        self.drop_next = now + spacing(interval, self.count);
        true
    }
}

/// `interval / sqrt(count)` with integers: this runs once per drop, not per packet.
fn spacing(interval: Duration, count: u32) -> Duration {
    let root = (u64::from(count) << 16).isqrt().max(1);
    Duration::from_micros((interval.as_micros() << 8) / root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_burst_is_not_punished_and_a_standing_queue_is() {
        let mut c = Codel::default();
        let mut drops = Vec::new();
        for ms in 0..1000 {
            let sojourn = if ms < 50 {
                60
            } else if ms < 60 {
                0
            } else {
                60
            };
            if c.drop(
                Instant::from_millis(ms),
                Duration::from_millis(sojourn),
                false,
                Measure::USUAL,
            ) {
                drops.push(ms);
            }
        }
        assert_eq!(drops[0], 160);
        assert!(drops.len() > 10, "{drops:?}");
        assert!(drops.windows(2).all(|w| w[1] - w[0] <= 101));
    }
}
