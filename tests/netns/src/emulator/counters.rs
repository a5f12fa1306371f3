//! Counters that can be read while packets fly.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Packets and their IP-level bytes.
#[derive(Debug, Default)]
pub(super) struct Tally {
    packets: AtomicU64,
    bytes: AtomicU64,
}

impl Tally {
    pub(super) fn add(&self, bytes: u32) {
        // One writer (the emulator's thread), so load and store are cheaper than a locked addition.
        self.packets.store(self.packets.load(Relaxed) + 1, Relaxed);
        self.bytes
            .store(self.bytes.load(Relaxed) + u64::from(bytes), Relaxed);
    }

    fn read(&self) -> Count {
        Count {
            packets: self.packets.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
        }
    }
}

/// A reading of packets and their IP-level bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes from the IP header on.
    pub bytes: u64,
}

/// The live counters of what one port sends.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) offered: Tally,
    pub(super) delivered: Tally,
    pub(super) queue_full: Tally,
    pub(super) lost: Tally,
    pub(super) silenced: Tally,
    pub(super) too_large: Tally,
}

impl Counters {
    pub(super) fn read(&self) -> Traffic {
        Traffic {
            offered: self.offered.read(),
            delivered: self.delivered.read(),
            queue_full: self.queue_full.read(),
            lost: self.lost.read(),
            silenced: self.silenced.read(),
            too_large: self.too_large.read(),
        }
    }
}

/// What became of the packets that one end sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Given to the line by this end.
    pub offered: Count,
    /// Carried to the other end (on a mesh: once, however many heard it).
    pub delivered: Count,
    /// Dropped at a full queue.
    pub queue_full: Count,
    /// Lost at random.
    pub lost: Count,
    /// Dropped because the line was silent or down.
    pub silenced: Count,
    /// Swallowed by a path MTU black hole.
    pub too_large: Count,
}

impl Traffic {
    /// Packets that did not arrive, whatever the reason.
    pub fn dropped(&self) -> u64 {
        self.queue_full.packets + self.lost.packets + self.silenced.packets + self.too_large.packets
    }
}

const BUCKET_US: u64 = 50;
const BUCKETS: usize = 400;

/// How late packets left the emulator, in steps of 50 microseconds.
#[derive(Debug)]
pub(super) struct Lateness {
    buckets: Vec<AtomicU64>,
}

impl Lateness {
    pub(super) fn new() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    pub(super) fn add(&self, nanos: u64) {
        let index = ((nanos / 1000 / BUCKET_US) as usize).min(BUCKETS - 1);
        if let Some(bucket) = self.buckets.get(index) {
            bucket.store(bucket.load(Relaxed) + 1, Relaxed);
        }
    }

    pub(super) fn read(&self) -> LatenessReading {
        LatenessReading {
            buckets: self
                .buckets
                .iter()
                .map(|bucket| bucket.load(Relaxed))
                .collect(),
        }
    }
}

/// A reading of how late packets left the emulator: the emulator's own noise.
#[derive(Debug, Clone)]
pub struct LatenessReading {
    buckets: Vec<u64>,
}

impl LatenessReading {
    /// What happened between `earlier` and this reading.
    pub fn since(&self, earlier: &Self) -> Self {
        let buckets = self
            .buckets
            .iter()
            .zip(&earlier.buckets)
            .map(|(now, then)| now - then)
            .collect();
        Self { buckets }
    }

    /// The lateness that `percent` of the packets stayed within (rounded up to 50 us; 20 ms stands for "or more").
    pub fn percentile(&self, percent: f64) -> Duration {
        let total: u64 = self.buckets.iter().sum();
        let wanted = (total as f64 * percent / 100.0).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_micros((index as u64 + 1) * BUCKET_US);
            }
        }
        Duration::ZERO
    }

    /// Packets counted.
    pub fn packets(&self) -> u64 {
        self.buckets.iter().sum()
    }
}
