//! What happens when: events by their time, and of one moment in the order in which they were made.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// The events to come.
#[derive(Clone, Debug)]
pub struct Agenda<E> {
    events: BinaryHeap<Reverse<Due<E>>>,
    made: u64,
}

impl<E> Agenda<E> {
    /// Nothing is to come.
    pub fn new() -> Self {
        Self {
            events: BinaryHeap::new(),
            made: 0,
        }
    }

    /// Something happens at `when`, us.
    pub fn push(&mut self, when: u64, event: E) {
        self.made += 1;
        let number = self.made;
        self.events.push(Reverse(Due {
            when,
            number,
            event,
        }));
    }

    /// When the next event is due; `None` if there is none.
    pub fn next(&self) -> Option<u64> {
        self.events.peek().map(|e| e.0.when)
    }

    /// Takes the next event that is due by `now`.
    pub fn take_due(&mut self, now: u64) -> Option<E> {
        let due = self.next().is_some_and(|when| when <= now);
        let first = due.then(|| self.events.pop()).flatten();
        first.map(|Reverse(due)| due.event)
    }
}

impl<E> Default for Agenda<E> {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Clone, Debug)]
struct Due<E> {
    when: u64,
    number: u64,
    event: E,
}

impl<E> Due<E> {
    fn rank(&self) -> (u64, u64) {
        (self.when, self.number)
    }
}

impl<E> PartialEq for Due<E> {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}
impl<E> Eq for Due<E> {}
impl<E> PartialOrd for Due<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<E> Ord for Due<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_by_time_and_then_in_the_order_in_which_it_was_made() {
        let mut agenda = Agenda::new();
        for (when, event) in [(20, 'c'), (10, 'a'), (30, 'e'), (20, 'd'), (10, 'b')] {
            agenda.push(when, event);
        }
        let due: String = std::iter::from_fn(|| agenda.take_due(20)).collect();
        assert_eq!((due.as_str(), agenda.next()), ("abcd", Some(30)));
    }
}
