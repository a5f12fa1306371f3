//! How fast each path was in the last two minutes, for a page that opens now: it asks once and then follows the counters itself.

use burstmesh_core::data::path::Path;
use burstmesh_core::data::tunnel::MAX_PATHS;
use burstmesh_core::time::{Duration, Instant};
use core::fmt::{self, Write};

/// Readings that are kept.
const READINGS: usize = 60;
/// The time between two of them, or a little more.
const STEP: Duration = Duration::from_secs(2);

/// Received, sent; in bytes per millisecond.
type Speeds = [u16; 2];

#[derive(Clone, Copy, Debug)]
struct Line {
    id: u16,
    last: [u64; 2],
    speeds: [Speeds; READINGS],
}

/// 2 KB: the speeds by the path's place.
#[derive(Debug)]
pub struct History {
    lines: [Line; MAX_PATHS],
    /// The oldest reading, which is overwritten next.
    oldest: usize,
    last: Instant,
}

impl History {
    pub const fn new(now: Instant) -> Self {
        Self {
            lines: [Line::NONE; MAX_PATHS],
            oldest: 0,
            last: now,
        }
    }

    /// The passing of time: reads the counters when it is time to.
    pub fn handle_time<'a>(
        &mut self,
        now: Instant,
        paths: impl Iterator<Item = (usize, &'a Path)>,
    ) {
        let passed = now.since(self.last);
        if passed < STEP {
            return;
        }
        self.last = now;
        let millis = u32::try_from(passed.as_millis()).unwrap_or(u32::MAX);
        for line in &mut self.lines {
            if let Some(now) = line.speeds.get_mut(self.oldest) {
                *now = [0; 2];
            }
        }
        for (at, path) in paths {
            if let Some(line) = self.lines.get_mut(at) {
                let c = path.counters();
                line.read(self.oldest, path.id(), [c.rx_bytes, c.tx_bytes], millis);
            }
        }
        self.oldest = (self.oldest + 1) % READINGS;
    }

    /// As JSON: by the path's number what it received and sent, the oldest reading first.
    pub fn tell<'a>(&self, paths: impl Iterator<Item = (usize, &'a Path)>, out: &mut dyn Write) {
        let _ = self.json(paths, out);
    }

    fn json<'a>(
        &self,
        paths: impl Iterator<Item = (usize, &'a Path)>,
        out: &mut dyn Write,
    ) -> fmt::Result {
        write!(out, "{{\"step_ms\":{},\"paths\":[", STEP.as_millis())?;
        let mut comma = "";
        for (at, path) in paths {
            let Some(line) = self.lines.get(at).filter(|line| line.id == path.id()) else {
                continue;
            };
            write!(out, "{comma}{{\"id\":{},\"speeds\":[", line.id)?;
            comma = "";
            for n in self.oldest..self.oldest + READINGS {
                let [down, up] = line.speeds.get(n % READINGS).unwrap_or(&[0; 2]);
                write!(out, "{comma}{down},{up}")?;
                comma = ",";
            }
            out.write_str("]}")?;
        }
        out.write_str("]}")
    }
}

impl Line {
    const NONE: Self = Self {
        id: 0,
        last: [0; 2],
        speeds: [[0; 2]; READINGS],
    };

    fn read(&mut self, at: usize, id: u16, counters: [u64; 2], millis: u32) {
        let ([rx, tx], [last_rx, last_tx]) = (counters, self.last);
        // Another path in this place, or the same of a new session, counts from nothing.
        if self.id != id || rx < last_rx || tx < last_tx {
            (self.id, self.last) = (id, [0; 2]);
            self.speeds = [[0; 2]; READINGS];
        }
        if let Some(speeds) = self.speeds.get_mut(at) {
            let [last_rx, last_tx] = self.last;
            *speeds = [speed(rx - last_rx, millis), speed(tx - last_tx, millis)];
        }
        self.last = counters;
    }
}

#[inline(never)]
fn speed(bytes: u64, millis: u32) -> u16 {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    u16::try_from(bytes / millis).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_what_came_since_the_last_one_by_the_time_between() {
        let mut line = Line::NONE;
        line.read(0, 0, [4_000_000, 0], 2_000);
        line.read(1, 0, [4_250_000, 600_000], 2_500);
        assert_eq!(line.speeds[..3], [[2_000, 0], [100, 240], [0, 0]]);
    }

    #[test]
    fn a_path_that_begins_anew_has_no_past_and_no_spike() {
        let mut line = Line::NONE;
        line.read(0, 0, [4_000_000, 1_000], 2_000);
        line.read(1, 0, [100_000, 1_000], 2_000);
        assert_eq!(line.speeds[..2], [[0, 0], [50, 0]]);
        line.read(2, 7, [5_000_000_000_000, 0], 2_000);
        assert_eq!(line.speeds[..3], [[0, 0], [0, 0], [u16::MAX, 0]]);
    }

    #[test]
    fn the_oldest_reading_is_told_first() {
        let mut history = History::new(Instant::default());
        for n in 1..=READINGS as u64 + 1 {
            history.handle_time(Instant::default() + STEP.times(n), core::iter::empty());
        }
        assert_eq!(history.oldest, 1);
        let mut told = String::new();
        history.tell(core::iter::empty(), &mut told);
        assert_eq!(told, "{\"step_ms\":2000,\"paths\":[]}");
    }
}
