//! Pacing: when the next datagram of a path may leave, without a division per packet.

use crate::time::{Duration, Instant};

/// How far ahead of its schedule a path may send in one go: timers on a router fire late, and a run of datagrams
/// in one system call is cheaper than single ones.
pub const AHEAD: Duration = Duration::from_micros(1_500);
/// A run begins when the schedule has come this near: timers fire late. Then it goes on until [`AHEAD`] is used up, so that
/// what a path may send in one go leaves in one go.
const SLACK: Duration = Duration::from_micros(300);
/// What does not wait for a burst may still not outrun the path for long, or what was sent before it would wait in its queue. Light
/// flows may go this far ahead,
pub const LIGHT: Duration = Duration::from_micros(15_000);
/// bursts that have just run empty this far: light flows go past them,
pub const URGENT: Duration = Duration::from_micros(10_000);
/// and repairs this far: what was on a path that fell silent takes the others for a long while.
pub const REPAIR: Duration = Duration::from_micros(5_000);
/// How much unused time a path may catch up on.
const CATCH_UP: Duration = Duration::from_micros(4_000);

/// A token-bucket pacer in terms of time.
#[derive(Clone, Copy, Debug)]
pub struct Pacer {
    /// Microseconds per byte, 20 fractional bits.
    us_per_byte: u32,
    rate: u32,
    free_at: Instant,
}

impl Pacer {
    /// At `rate` bytes per second.
    pub fn new(rate: u32) -> Self {
        let mut p = Self {
            us_per_byte: 0,
            rate: 0,
            free_at: Instant::ZERO,
        };
        p.set_rate(rate);
        p
    }

    /// The rate in bytes per second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Changes the rate (bytes per second, at least 2,000). The one division, some tens of times a second.
    pub fn set_rate(&mut self, rate: u32) {
        self.rate = rate.max(2_000);
        self.us_per_byte = ((1_000_000u64 << 20) / u64::from(self.rate)) as u32;
    }

    /// When the path is free by its schedule.
    pub fn free_at(&self) -> Instant {
        self.free_at
    }

    /// May a run of datagrams begin now?
    pub fn ready(&self, now: Instant) -> bool {
        self.free_at <= now + SLACK
    }

    /// May a run that has begun go on?
    pub fn goes_on(&self, now: Instant) -> bool {
        self.free_at <= now + AHEAD
    }

    /// May something that goes so far ahead leave now?
    pub fn ready_for(&self, now: Instant, ahead: Duration) -> bool {
        self.free_at <= now + ahead
    }

    /// When [`Self::ready`] will be true.
    pub fn ready_at(&self) -> Instant {
        self.free_at - SLACK
    }

    /// When [`Self::ready_for`] will be true.
    pub fn ready_for_at(&self, ahead: Duration) -> Instant {
        self.free_at - ahead
    }

    /// Time that `bytes` take at this rate.
    pub fn time_for(&self, bytes: usize) -> Duration {
        Duration::from_micros((bytes as u64 * u64::from(self.us_per_byte)) >> 20)
    }

    /// Accounts for a datagram of `bytes` (with its IP and UDP headers).
    pub fn sent(&mut self, now: Instant, bytes: usize) {
        let from = self.free_at.max(now - CATCH_UP);
        self.free_at = from + self.time_for(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_sending_carries_the_rate() {
        let mut p = Pacer::new(2_500_000);
        let (mut now, mut sent) = (Instant::from_millis(1000), 0usize);
        while now < Instant::from_millis(2000) {
            while p.ready(now) {
                p.sent(now, 1500);
                sent += 1500;
            }
            now += Duration::from_micros(700);
        }
        assert!((2_490_000..2_525_000).contains(&sent), "{sent}");
    }

    #[test]
    fn what_repairs_have_filled_takes_a_burst_that_ran_empty_and_then_light_flows() {
        let mut p = Pacer::new(1_250_000);
        let now = Instant::from_millis(1_000);
        for (full, open) in [(REPAIR, URGENT), (URGENT, LIGHT)] {
            while p.ready_for(now, full) {
                p.sent(now, 1_500);
            }
            assert!(p.ready_for_at(full) > now && p.ready_for(now, open));
        }
    }

    #[test]
    fn idle_time_is_not_saved_up_into_a_burst() {
        let mut p = Pacer::new(1_250_000);
        let now = Instant::from_millis(60_000);
        let mut sent = 0;
        while p.ready(now) {
            p.sent(now, 1500);
            sent += 1;
        }
        assert!(sent <= 6, "{sent}");
    }
}
