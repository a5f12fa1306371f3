//! Books what members use, by day: from the counters of their sessions, looked at once a second and written once a minute.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use burstmesh_core::identity::PublicKey;

use crate::leases::Book;
use crate::lifecycle::lock;
use crate::status::Board;
use crate::store::{Use, now};

const LOOK: Duration = Duration::from_secs(1);
/// Looks between two times that it is written.
const LOOKS: u32 = 60;

/// A member of a community.
type Who = (String, PublicKey);

/// What is not booked yet.
#[derive(Debug, Default)]
struct Tally {
    /// What the sessions' counters said last.
    seen: HashMap<Who, [u64; 2]>,
    unbooked: HashMap<Who, [u64; 2]>,
}

impl Tally {
    /// Takes what all sessions have moved since each began. One that moved less than before has begun anew.
    fn look(&mut self, sessions: Vec<(Who, [u64; 2])>) {
        let mut seen = HashMap::new();
        for (who, counted) in sessions {
            let before = self.seen.get(&who).copied();
            let [up, down] = before
                .filter(|before| before.iter().zip(&counted).all(|(b, c)| b <= c))
                .unwrap_or_default();
            let more = [counted[0] - up, counted[1] - down];
            if more != [0, 0] {
                self.add(&who, more);
            }
            seen.insert(who, counted);
        }
        self.seen = seen;
    }

    fn add(&mut self, who: &Who, [up, down]: [u64; 2]) {
        let sum = self.unbooked.entry(who.clone()).or_default();
        *sum = [sum[0].saturating_add(up), sum[1].saturating_add(down)];
    }
}

/// The book and what goes into it next.
pub struct Ledger {
    board: Arc<Board>,
    book: Arc<Book>,
    tally: Mutex<Tally>,
}

impl Ledger {
    /// Looks and writes on a thread of its own: the store may have to be waited for.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(board: Arc<Board>, book: Arc<Book>) -> Result<Arc<Self>> {
        let tally = Mutex::default();
        let ledger = Arc::new(Self { board, book, tally });
        let keeper = ledger.clone();
        let keep = move || {
            loop {
                for _ in 0..LOOKS {
                    thread::sleep(LOOK);
                    keeper.look();
                }
                keeper.write();
            }
        };
        thread::Builder::new().name("ledger".into()).spawn(keep)?;
        Ok(ledger)
    }

    /// The last look and the last write, before the exit ends.
    pub fn close(&self) {
        self.look();
        self.write();
        // What the keeper has taken to write a moment ago is in the store when this is had.
        self.book.with(|_| ());
    }

    fn look(&self) {
        lock(&self.tally).look(self.board.sessions());
    }

    fn write(&self) {
        let unbooked = std::mem::take(&mut lock(&self.tally).unbooked);
        let used: Vec<Use> = unbooked
            .iter()
            .map(|((community, key), [up, down])| Use {
                community: community.clone(),
                key: *key,
                up: *up,
                down: *down,
            })
            .collect();
        if used.is_empty() {
            return;
        }
        if let Err(error) = self.book.with(|store| store.book(now(), &used)) {
            tracing::warn!("what members use is not booked yet: {error}");
            let mut tally = lock(&self.tally);
            for (who, amounts) in unbooked {
                tally.add(&who, amounts);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(n: u8) -> Who {
        ("Elm Street".into(), PublicKey([n; 32]))
    }

    #[test]
    fn each_byte_is_booked_once_over_renewed_and_ended_sessions() {
        let mut tally = Tally::default();
        tally.look(vec![(who(1), [100, 1_000]), (who(2), [5, 5])]);
        tally.look(vec![(who(1), [150, 3_000]), (who(2), [5, 5])]);
        assert_eq!(tally.unbooked[&who(1)], [150, 3_000]);
        assert_eq!(tally.unbooked[&who(2)], [5, 5]);
        tally.unbooked.clear();
        // Nothing more is nothing to write.
        tally.look(vec![(who(1), [150, 3_000]), (who(2), [5, 5])]);
        assert!(tally.unbooked.is_empty());
        // One begins anew, the other is gone and comes back.
        tally.look(vec![(who(1), [10, 20])]);
        tally.look(vec![(who(1), [10, 30]), (who(2), [7, 8])]);
        assert_eq!(tally.unbooked[&who(1)], [10, 30]);
        assert_eq!(tally.unbooked[&who(2)], [7, 8]);
    }
}
