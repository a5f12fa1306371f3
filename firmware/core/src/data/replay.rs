//! The replay window of one path and direction (RFC 4303, 3.4.3, as a bitmap that slides), which also remembers what
//! to report: the same bits are the receiver's feedback.

use crate::error::Refusal;
use crate::wire::feedback::{MAX_RANGES, Range};
use heapless::Vec;

/// Packet numbers that the window spans. At 300 Mbit/s this is 80 ms of full packets.
pub const WINDOW: u64 = 2048;
const WORDS: usize = (WINDOW / 32) as usize;

/// Which packet numbers arrived.
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    /// One more than the highest number seen.
    next: u64,
    bits: [u32; WORDS],
}

impl Default for ReplayWindow {
    fn default() -> Self {
        Self {
            next: 0,
            bits: [0; WORDS],
        }
    }
}

impl ReplayWindow {
    /// One more than the highest packet number seen; 0 before the first.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Would `counter` be accepted? Cheap: ask before opening the frame.
    pub fn check(&self, counter: u64) -> Result<(), Refusal> {
        if counter >= self.next {
            return Ok(());
        }
        if self.next - counter > WINDOW || self.bit(counter) {
            Err(Refusal::Replayed)
        } else {
            Ok(())
        }
    }

    /// Remembers an authenticated packet number. Call only after the frame opened.
    pub fn insert(&mut self, counter: u64) -> Result<(), Refusal> {
        self.check(counter)?;
        if counter >= self.next {
            self.slide_to(counter + 1);
        }
        if let Some(word) = self.bits.get_mut(word_of(counter)) {
            *word |= 1 << (counter as u32 & 31);
        }
        Ok(())
    }

    fn slide_to(&mut self, next: u64) {
        let advance = (next - self.next).min(WINDOW);
        for counter in next - advance..next {
            if let Some(word) = self.bits.get_mut(word_of(counter)) {
                *word &= !(1 << (counter as u32 & 31));
            }
        }
        self.next = next;
    }

    fn bit(&self, counter: u64) -> bool {
        self.bits
            .get(word_of(counter))
            .is_some_and(|w| w & (1 << (counter as u32 & 31)) != 0)
    }

    /// The newest received runs, newest first, at most `span` packet numbers back.
    pub fn ranges(&self, span: u64) -> Vec<Range, MAX_RANGES> {
        let mut out = Vec::new();
        let floor = self.next.saturating_sub(span.min(WINDOW));
        let mut at = self.next;
        while at > floor {
            let gap = self.run(&mut at, floor, false);
            let len = self.run(&mut at, floor, true);
            if len == 0 || out.push(Range { gap, len }).is_err() {
                break;
            }
        }
        out
    }

    /// Walks `at` down while the bit below it is `value`; returns how far.
    fn run(&self, at: &mut u64, floor: u64, value: bool) -> u16 {
        let from = *at;
        while *at > floor && self.bit(*at - 1) == value {
            *at -= 1;
        }
        (from - *at) as u16
    }
}

fn word_of(counter: u64) -> usize {
    (counter as u32 as usize >> 5) & (WORDS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_is_accepted_once_and_not_when_older_than_the_window() {
        let mut w = ReplayWindow::default();
        w.insert(5000).unwrap();
        assert_eq!(w.insert(5000), Err(Refusal::Replayed));
        assert_eq!(w.insert(5001 - WINDOW), Ok(()));
        assert_eq!(w.insert(5000 - WINDOW), Err(Refusal::Replayed));
    }

    #[test]
    fn ranges_tell_gaps_newest_first() {
        let mut w = ReplayWindow::default();
        for c in [0, 1, 2, 5, 6, 9] {
            w.insert(c).unwrap();
        }
        assert_eq!(
            w.ranges(100)[..],
            [
                Range { gap: 0, len: 1 },
                Range { gap: 2, len: 2 },
                Range { gap: 2, len: 3 }
            ]
        );
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_set_for_any_arrivals(steps in proptest::collection::vec(0u64..6000, 1..300)) {
            let mut w = ReplayWindow::default();
            let mut seen = std::collections::BTreeSet::new();
            for c in steps {
                let high = seen.last().copied().unwrap_or(0);
                let fresh = !seen.contains(&c) && (seen.is_empty() || c + WINDOW > high);
                prop_assert_eq!(w.insert(c).is_ok(), fresh);
                if fresh { seen.insert(c); }
            }
        }
    }
}
