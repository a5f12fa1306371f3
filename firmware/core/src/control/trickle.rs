//! The Trickle timer (RFC 6206): quick when something changed, quiet when nothing does.
//!
//! Time is cut into intervals of length I, Imin <= I <= Imax. In each, one moment of the second half is drawn; there
//! the owner transmits unless it has heard `redundancy` consistent messages in that interval. Each interval is twice
//! as long as the one before. Something inconsistent sets I back to Imin.
//!
//! One thing is added to the RFC: what a node says here is about itself, so that neighbours cannot say it for it.
//! After every reset a node *owes* two transmissions, which nothing suppresses.

use super::jitter::Jitter;
use crate::time::{Duration, Instant};

/// The constants of RFC 6206 section 4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Imin, the shortest interval; more than 1 µs, less than an hour.
    pub shortest: Duration,
    /// Imax as a number of doublings of Imin, at most 20.
    pub doublings: u8,
    /// k: as many consistent messages in an interval make the own one redundant.
    pub redundancy: u16,
}

/// Transmissions after a reset that nothing suppresses: two, because a multicast may be lost.
const OWED: u8 = 2;

/// The state of the timer.
#[derive(Clone, Debug)]
pub struct Trickle {
    config: Config,
    jitter: Jitter,
    /// I.
    interval: Duration,
    /// When the current interval ends.
    ends: Instant,
    /// t, until it has passed.
    fires: Option<Instant>,
    /// c.
    heard: u16,
    owed: u8,
}

impl Trickle {
    /// Starts with the shortest interval. Different nodes take different seeds.
    pub fn new(now: Instant, config: Config, seed: u64) -> Self {
        let mut timer = Self {
            config,
            jitter: Jitter::new(seed),
            interval: config.shortest,
            ends: now,
            fires: None,
            heard: 0,
            owed: OWED,
        };
        timer.begin(now);
        timer
    }

    /// A message came that says what was expected (rule 3).
    pub fn hear_consistent(&mut self) {
        self.heard = self.heard.saturating_add(1);
    }

    /// Something changed, here or at a neighbour (rule 6). A timer that is already at its quickest is left alone, so
    /// that a stream of changes does not put off the next transmission for ever.
    pub fn reset(&mut self, now: Instant) {
        self.owed = OWED;
        if self.interval > self.config.shortest {
            self.interval = self.config.shortest;
            self.begin(now);
        }
    }

    /// Passes time; true if the owner is to transmit now. Call when [`Self::poll_timeout`] has come.
    #[must_use]
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        let mut transmit = false;
        if self.fires.is_some_and(|at| at <= now) {
            self.fires = None;
            transmit = self.owed > 0 || self.heard < self.config.redundancy;
            if transmit {
                self.owed = self.owed.saturating_sub(1);
            }
        }
        if self.ends <= now {
            let longest = self
                .config
                .shortest
                .times(1 << self.config.doublings.min(20));
            self.interval = self.interval.times(2).min(longest);
            self.begin(now);
        }
        transmit
    }

    /// When to call [`Self::handle_timeout`] next: there is always such a time.
    pub fn poll_timeout(&self) -> Instant {
        self.fires.unwrap_or(self.ends)
    }

    /// The current interval.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    fn begin(&mut self, now: Instant) {
        let half = self.interval.shr(1);
        let within = Duration::from_micros(self.jitter.below(half.as_micros()));
        self.heard = 0;
        self.fires = Some(now + half + within);
        self.ends = now + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: Config = Config {
        shortest: Duration::from_millis(100),
        doublings: 4,
        redundancy: 2,
    };

    /// Runs the timer until `until` with `neighbours` consistent messages before each of its moments; gives when it transmitted.
    fn run(timer: &mut Trickle, until: Instant, neighbours: u16) -> Vec<Instant> {
        let mut sent = Vec::new();
        while timer.poll_timeout() <= until {
            for _ in 0..neighbours {
                timer.hear_consistent();
            }
            let now = timer.poll_timeout();
            if timer.handle_timeout(now) {
                sent.push(now);
            }
        }
        sent
    }

    #[test]
    fn a_lonely_node_transmits_once_in_the_second_half_of_every_doubling_interval() {
        let mut timer = Trickle::new(Instant::ZERO, CONFIG, 7);
        let sent = run(&mut timer, Instant::from_millis(1599 + 1600), 0);
        // Intervals of 100, 200, 400, 800, 1600 and 1600 ms.
        let begins = [0, 100, 300, 700, 1500, 3100];
        for (i, at) in sent.iter().enumerate() {
            let half = (50 << i).min(800);
            let (first, last) = (begins[i] + half, begins[i] + 2 * half);
            let range = Instant::from_millis(first)..Instant::from_millis(last);
            assert!(range.contains(at), "{i}: {at:?} not in {range:?}");
        }
        assert_eq!(sent.len(), 5);
        assert_eq!(timer.interval(), Duration::from_millis(1600));
    }

    #[test]
    fn enough_neighbours_suppress_all_but_what_is_owed() {
        let mut timer = Trickle::new(Instant::ZERO, CONFIG, 7);
        let minute = Instant::from_millis(60_000);
        assert_eq!(run(&mut timer, minute, 2).len(), usize::from(OWED));
        assert!(
            run(&mut timer, minute + Duration::from_secs(60), 1).len() > 30,
            "one is not enough"
        );
    }

    #[test]
    fn a_reset_brings_the_shortest_interval_at_once_and_owes_again() {
        let mut timer = Trickle::new(Instant::ZERO, CONFIG, 7);
        run(&mut timer, Instant::from_millis(10_000), 2);
        let now = Instant::from_millis(10_001);
        timer.reset(now);
        assert!(timer.poll_timeout() < now + CONFIG.shortest);
        let sent = run(&mut timer, now + Duration::from_millis(300), 2);
        assert_eq!(sent.len(), usize::from(OWED));
    }

    #[test]
    fn a_stream_of_resets_does_not_put_off_the_transmission() {
        let mut timer = Trickle::new(Instant::ZERO, CONFIG, 7);
        let mut sent = 0;
        for ms in 0..1000 {
            let now = Instant::from_millis(ms);
            timer.reset(now);
            sent += u32::from(timer.handle_timeout(now));
        }
        assert!((5..=20).contains(&sent), "{sent}");
    }

    #[test]
    fn a_late_caller_loses_nothing_but_time() {
        let mut timer = Trickle::new(Instant::ZERO, CONFIG, 7);
        let late = Instant::from_millis(100_000);
        assert!(timer.handle_timeout(late));
        assert!(!timer.handle_timeout(late));
        assert!(timer.poll_timeout() > late);
    }
}
