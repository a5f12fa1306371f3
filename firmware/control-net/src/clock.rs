//! embassy-time's clock: set by whoever calls [`crate::Net`], so that it is the caller's time, virtual or not.
//!
//! One for the program (embassy-time knows no other way), and used by one thread: in two halves, because routers have no 64-bit
//! atomics.

use burstmesh_core::time::Instant;
use core::task::Waker;
use embassy_time_driver::{Driver, time_driver_impl};

#[cfg(not(test))]
mod cells {
    use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

    static HALVES: [AtomicU32; 4] = [const { AtomicU32::new(0) }; 4];

    pub fn write(at: usize, value: u64) {
        if let Some([high, low]) = HALVES.get(at..at + 2) {
            high.store((value >> 32) as u32, Relaxed);
            low.store(value as u32, Relaxed);
        }
    }

    pub fn read(at: usize) -> u64 {
        match HALVES.get(at..at + 2) {
            Some([high, low]) => u64::from(high.load(Relaxed)) << 32 | u64::from(low.load(Relaxed)),
            _ => 0,
        }
    }
}

/// Tests run at once, each in its own time.
#[cfg(test)]
mod cells {
    use std::cell::Cell;

    std::thread_local!(static CELLS: [Cell<u64>; 4] = const { [const { Cell::new(0) }; 4] });

    pub fn write(at: usize, value: u64) {
        CELLS.with(|cells| cells[at].set(value));
    }

    pub fn read(at: usize) -> u64 {
        CELLS.with(|cells| cells[at].get())
    }
}

const NOW: usize = 0;
const WAKE: usize = 2;

struct Clock;

impl Driver for Clock {
    fn now(&self) -> u64 {
        cells::read(NOW)
    }
    fn schedule_wake(&self, at: u64, _: &Waker) {
        cells::write(WAKE, at.min(cells::read(WAKE)));
    }
}

time_driver_impl!(static CLOCK: Clock = Clock);

/// Now it is `now`, and nobody waits.
pub fn set(now: Instant) {
    cells::write(NOW, now.as_micros());
    cells::write(WAKE, u64::MAX);
}

/// When somebody wants to be called, of those who said so since [`set`].
pub fn wake_at() -> Instant {
    match cells::read(WAKE) {
        u64::MAX => Instant::FAR,
        at => Instant::from_micros(at),
    }
}
