//! What was last heard from whom: the replay protection of messages that come before, or without, a session.

use crate::error::Refusal;
use crate::identity::PublicKey;
use crate::time::{Duration, Instant};

/// The newest (epoch, sequence) of up to `N` keys; 56 bytes each. A message counts only if its pair is greater than
/// the last one of its key.
#[derive(Debug, Default)]
pub struct Heard<const N: usize> {
    entries: heapless::Vec<Entry, N>,
}

/// How a message that counts relates to what was heard of its sender before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Nothing was heard of this key before.
    New,
    /// The key began a new life: its node was restarted.
    Restarted,
    /// The same life goes on.
    Same,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: PublicKey,
    epoch: u64,
    seq: u64,
    at: Instant,
}

impl<const N: usize> Heard<N> {
    /// Nothing heard yet.
    pub const fn new() -> Self {
        Self {
            entries: heapless::Vec::new(),
        }
    }

    /// Notes a message whose authenticity was checked.
    ///
    /// # Errors
    /// [`Refusal::Replayed`] if the pair is not greater than the last one, [`Refusal::Full`] if the key is new and
    /// there is no room.
    pub fn note(
        &mut self,
        now: Instant,
        key: PublicKey,
        epoch: u64,
        seq: u64,
    ) -> Result<Life, Refusal> {
        let entry = Entry {
            key,
            epoch,
            seq,
            at: now,
        };
        let Some(last) = self.entries.iter_mut().find(|e| e.key == key) else {
            self.entries.push(entry).map_err(|_| Refusal::Full)?;
            return Ok(Life::New);
        };
        if (epoch, seq) <= (last.epoch, last.seq) {
            return Err(Refusal::Replayed);
        }
        let life = if epoch == last.epoch {
            Life::Same
        } else {
            Life::Restarted
        };
        *last = entry;
        Ok(life)
    }

    /// Forgets one key, for instance of a member who was excluded.
    pub fn forget(&mut self, key: &PublicKey) {
        self.entries.retain(|e| e.key != *key);
    }

    /// Forgets all keys of which nothing was heard for `silence`: old messages of theirs count again.
    pub fn forget_silent(&mut self, now: Instant, silence: Duration) {
        self.entries.retain(|e| now.since(e.at) < silence);
    }

    /// How many keys are remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a new key would be refused.
    pub fn is_full(&self) -> bool {
        self.entries.is_full()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PublicKey = PublicKey([1; 32]);
    const B: PublicKey = PublicKey([2; 32]);

    #[test]
    fn only_a_greater_pair_counts() {
        let mut heard = Heard::<2>::new();
        let mut note = |key, epoch, seq| heard.note(Instant::ZERO, key, epoch, seq);
        assert_eq!(note(A, 5, 1), Ok(Life::New));
        assert_eq!(note(A, 5, 1), Err(Refusal::Replayed));
        assert_eq!(note(A, 5, 9), Ok(Life::Same));
        assert_eq!(note(A, 5, 8), Err(Refusal::Replayed));
        assert_eq!(note(A, 4, 10), Err(Refusal::Replayed));
        assert_eq!(note(A, 6, 1), Ok(Life::Restarted));
        assert_eq!(note(B, 1, 1), Ok(Life::New), "keys are apart");
    }

    #[test]
    fn a_full_table_refuses_new_keys_and_keeps_the_old() {
        let mut heard = Heard::<1>::new();
        heard.note(Instant::ZERO, A, 1, 1).unwrap();
        assert_eq!(heard.note(Instant::ZERO, B, 1, 1), Err(Refusal::Full));
        assert_eq!(heard.note(Instant::ZERO, A, 1, 2), Ok(Life::Same));
        heard.forget(&A);
        assert_eq!(heard.note(Instant::ZERO, B, 1, 1), Ok(Life::New));
    }

    #[test]
    fn the_silent_are_forgotten() {
        let mut heard = Heard::<2>::new();
        heard.note(Instant::from_millis(0), A, 1, 1).unwrap();
        heard.note(Instant::from_millis(900), B, 1, 1).unwrap();
        heard.forget_silent(Instant::from_millis(1000), Duration::from_millis(1000));
        assert_eq!(heard.len(), 1);
    }
}
