//! Congestion control of the flows inside: CUBIC (RFC 9438), with or without the delay half of HyStart as Linux has it, and
//! Reno (RFC 5681). Windows are in packets.
//!
//! Why not smoltcp's TCP: its CUBIC counts in bytes where the law counts in segments, so that the window falls to two
//! kilobytes every 100 ms; on a loss it sends everything again from there on; and it has no SACK at the sender. It would
//! measure itself.

/// Which law.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    Cubic,
    /// CUBIC that leaves slow start when the round trip grows, as Linux does.
    Linux,
    Reno,
}

const BETA: f64 = 0.7;
const C: f64 = 0.4;
/// HyStart looks at the first round-trip samples of each round.
const SAMPLES: u32 = 8;

/// The window of one flow.
#[derive(Clone, Debug)]
pub struct Congestion {
    law: Law,
    window: f64,
    threshold: f64,
    w_max: f64,
    epoch: Option<u64>,
    k: f64,
    /// The window where the epoch began, and what Reno would have by now.
    origin: f64,
    friendly: f64,
    round_ends: u64,
    round_least: u64,
    sampled: u32,
}

impl Congestion {
    pub fn new(law: Law) -> Self {
        Self {
            law,
            window: 10.0,
            threshold: f64::INFINITY,
            w_max: 0.0,
            epoch: None,
            k: 0.0,
            origin: 0.0,
            friendly: 0.0,
            round_ends: 0,
            round_least: u64::MAX,
            sampled: 0,
        }
    }

    pub fn window(&self) -> u64 {
        self.window as u64
    }

    /// A round-trip sample of the packet with this serial; `next` is the serial that will be sent next.
    pub fn sample(&mut self, serial: u64, next: u64, rtt: u64, least: u64) {
        if self.law != Law::Linux || self.window >= self.threshold {
            return;
        }
        if serial >= self.round_ends {
            (self.round_ends, self.round_least, self.sampled) = (next, u64::MAX, 0);
        }
        self.round_least = self.round_least.min(rtt);
        self.sampled += 1;
        // 16 packets is where kernels begin to look.
        if self.sampled == SAMPLES
            && self.window >= 16.0
            && self.round_least > least + (least / 8).clamp(4_000, 16_000)
        {
            self.threshold = self.window;
        }
    }

    /// Packets were acknowledged while the window was full.
    pub fn acked(&mut self, now: u64, packets: u64, rtt: u64) {
        for _ in 0..packets {
            if self.window < self.threshold {
                self.window += 1.0;
            } else if self.law == Law::Reno {
                self.window += 1.0 / self.window;
            } else {
                self.cubic(now, rtt);
            }
        }
    }

    fn cubic(&mut self, now: u64, rtt: u64) {
        if self.epoch.is_none() {
            self.epoch = Some(now);
            self.friendly = self.window;
            (self.k, self.origin) = if self.window < self.w_max {
                (((self.w_max - self.window) / C).cbrt(), self.w_max)
            } else {
                (0.0, self.window)
            };
        }
        let t = (now - self.epoch.unwrap_or(now) + rtt) as f64 / 1e6;
        let target = (self.origin + C * (t - self.k).powi(3)).min(self.window * 1.5);
        self.friendly += 3.0 * (1.0 - BETA) / (1.0 + BETA) / self.window;
        if target > self.window {
            self.window += (target - self.window) / self.window;
        } else {
            self.window += 0.01 / self.window;
        }
        self.window = self.window.max(self.friendly);
    }

    /// A loss, once per round trip.
    pub fn reduce(&mut self) {
        let keep = if self.law == Law::Reno { 0.5 } else { BETA };
        // Fast convergence (RFC 9438, 4.7).
        self.w_max = if self.window < self.w_max {
            self.window * (1.0 + BETA) / 2.0
        } else {
            self.window
        };
        self.window = (self.window * keep).max(2.0);
        self.threshold = self.window;
        self.epoch = None;
    }

    /// Nothing came for so long that everything counts as lost.
    pub fn collapse(&mut self) {
        self.reduce();
        self.window = 1.0;
    }
}
