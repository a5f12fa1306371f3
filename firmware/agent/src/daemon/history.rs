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
        let line = Line {
            id: 0,
            last: [0; 2],
            speeds: [[0; 2]; READINGS],
        };
        Self {
            lines: [line; MAX_PATHS],
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

    /// As JSON: by the path's number the readings of both directions, the oldest first.
    pub fn tell<'a>(&self, paths: impl Iterator<Item = (usize, &'a Path)>, out: &mut dyn Write) {
        let _ = self.json(paths, out);
    }

    fn json<'a>(
        &self,
        paths: impl Iterator<Item = (usize, &'a Path)>,
        out: &mut dyn Write,
    ) -> fmt::Result {
        write!(out, "{{\"step_ms\":{},\"paths\":[", STEP.as_millis())?;
        let known =
            paths.filter_map(|(at, path)| self.lines.get(at).filter(|line| line.id == path.id()));
        for (n, line) in known.enumerate() {
            write!(out, "{}{{\"id\":{}", if n == 0 { "" } else { "," }, line.id)?;
            for (name, way) in [("down", 0), ("up", 1)] {
                write!(out, ",\"{name}\":[")?;
                let (new, old) = line
                    .speeds
                    .split_at_checked(self.oldest)
                    .unwrap_or_default();
                for (n, speeds) in old.iter().chain(new).enumerate() {
                    let comma = if n == 0 { "" } else { "," };
                    write!(out, "{comma}{}", speeds.get(way).unwrap_or(&0))?;
                }
                out.write_char(']')?;
            }
            out.write_char('}')?;
        }
        writeln!(out, "]}}")
    }
}

impl Line {
    fn read(&mut self, at: usize, id: u16, counters: [u64; 2], millis: u32) {
        // Another path in this place, or the same of a new session, counts from nothing.
        if self.id != id || counters.iter().zip(&self.last).any(|(new, old)| new < old) {
            (self.id, self.last) = (id, [0; 2]);
            self.speeds = [[0; 2]; READINGS];
        }
        if let Some(speeds) = self.speeds.get_mut(at) {
            for ((speed, new), old) in speeds.iter_mut().zip(counters).zip(self.last) {
                let bytes = u32::try_from(new - old).unwrap_or(u32::MAX);
                *speed = u16::try_from(bytes / millis).unwrap_or(u16::MAX);
            }
        }
        self.last = counters;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Line = Line {
        id: 0,
        last: [0; 2],
        speeds: [[0; 2]; READINGS],
    };

    #[test]
    fn a_reading_is_what_came_since_the_last_one_by_the_time_between() {
        let mut line = NOTHING;
        line.read(0, 0, [4_000_000, 0], 2_000);
        line.read(1, 0, [4_250_000, 600_000], 2_500);
        assert_eq!(line.speeds[..3], [[2_000, 0], [100, 240], [0, 0]]);
    }

    #[test]
    fn a_path_that_begins_anew_has_no_past_and_no_spike() {
        let mut line = NOTHING;
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
        assert_eq!(told, "{\"step_ms\":2000,\"paths\":[]}\n");
    }
}
