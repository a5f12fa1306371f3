//! What arrived of a flow, and when to say so.

use std::collections::{BTreeMap, VecDeque};

/// Runs of numbers, each from its start to before its end.
#[derive(Debug, Default)]
pub struct Runs(BTreeMap<u64, u64>);

impl Runs {
    /// Adds a number; `false` if it was there.
    pub fn insert(&mut self, n: u64) -> bool {
        let before = self.0.range(..=n).next_back().map(|(a, b)| (*a, *b));
        if before.is_some_and(|(_, end)| n < end) {
            return false;
        }
        let start = match before {
            Some((start, end)) if end == n => start,
            _ => n,
        };
        let end = self.0.remove(&(n + 1)).unwrap_or(n + 1);
        self.0.insert(start, end);
        true
    }

    /// The run that begins at or before `n` and holds it.
    pub fn around(&self, n: u64) -> Option<(u64, u64)> {
        let run = self.0.range(..=n).next_back().map(|(a, b)| (*a, *b));
        run.filter(|(_, end)| n < *end)
    }

    /// The highest runs, at most so many, highest first.
    pub fn highest(&self, most: usize) -> Vec<(u64, u64)> {
        let runs = self.0.iter().rev().take(most);
        runs.map(|(a, b)| (*a, *b)).collect()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn remove(&mut self, start: u64) {
        self.0.remove(&start);
    }

    fn trim(&mut self, most: usize) {
        while self.0.len() > most {
            self.0.pop_first();
        }
    }
}

/// The receiving end of a bulk flow.
#[derive(Debug)]
pub struct Receiver {
    /// In order below this chunk.
    pub next: u64,
    ahead: Runs,
    /// Where the latest arrivals ahead were, latest first.
    recent: VecDeque<u64>,
    /// Serials, for acknowledgements by packet number.
    serials: Runs,
    pending: u32,
    due: u64,
    patience: u64,
    /// Chunks that came twice.
    pub twice: u64,
    /// Chunks that came behind a later one.
    pub behind: u64,
}

impl Receiver {
    /// Acknowledges every second packet, or after `patience` us.
    pub fn new(patience: u64) -> Self {
        Self {
            next: 0,
            ahead: Runs::default(),
            recent: VecDeque::new(),
            serials: Runs::default(),
            pending: 0,
            due: u64::MAX,
            patience,
            twice: 0,
            behind: 0,
        }
    }

    /// A chunk came; returns how many more are in order now.
    pub fn take(&mut self, now: u64, serial: u64, chunk: u64) -> u64 {
        self.pending += 1;
        self.due = self.due.min(now + self.patience);
        self.serials.insert(serial);
        self.serials.trim(64);
        let from = self.next;
        let waiting = !self.ahead.is_empty();
        if chunk < self.next || !self.ahead.insert(chunk) {
            self.twice += 1;
            self.due = now;
            return 0;
        }
        if chunk == self.next {
            self.behind += u64::from(waiting);
            if let Some((start, end)) = self.ahead.around(chunk) {
                self.ahead.remove(start);
                self.next = end;
            }
        } else {
            let run = self.ahead.around(chunk).unwrap_or((chunk, chunk + 1));
            self.recent.retain(|r| !(run.0..run.1).contains(r));
            self.recent.push_front(chunk);
            self.recent.truncate(8);
        }
        // A hole is told at once, and so is its end (RFC 5681, 4.2).
        if self.pending >= 2 || waiting || !self.ahead.is_empty() {
            self.due = now;
        }
        self.next - from
    }

    pub fn timeout(&self) -> u64 {
        self.due
    }

    /// An acknowledgement is due: what it says of chunks ahead (as SACK blocks, the latest first) and of serials.
    #[allow(clippy::type_complexity)] // two lists of runs
    pub fn poll(&mut self, now: u64) -> Option<(Vec<(u64, u64)>, Vec<(u64, u64)>)> {
        if now < self.due {
            return None;
        }
        (self.pending, self.due) = (0, u64::MAX);
        let mut blocks: Vec<(u64, u64)> = Vec::new();
        for recent in &self.recent {
            if let Some(run) = self.ahead.around(*recent)
                && !blocks.contains(&run)
                && blocks.len() < 3
            {
                blocks.push(run);
            }
        }
        Some((blocks, self.serials.highest(8)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_told_at_once_and_closed_when_filled() {
        let mut r = Receiver::new(40_000);
        assert_eq!(r.take(0, 0, 0), 1);
        assert_eq!(r.poll(0), None);
        assert_eq!(r.poll(40_000), Some((vec![], vec![(0, 1)])));
        assert_eq!(r.take(50_000, 2, 2), 0);
        assert_eq!(r.take(50_000, 3, 3), 0);
        assert_eq!(r.poll(50_000), Some((vec![(2, 4)], vec![(2, 4), (0, 1)])));
        assert_eq!(r.take(60_000, 4, 1), 3);
        assert_eq!((r.next, r.behind), (4, 1));
        assert_eq!(r.take(60_000, 5, 2), 0);
        assert_eq!(r.twice, 1);
    }
}
