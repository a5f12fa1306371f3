//! Which header of a flow the far end remembers, as far as its sender knows.
//!
//! A header is told of once a report says that the packet with it arrived, and until a newer one has arrived likewise. So a loss
//! costs nothing, and a far end that has forgotten it (its table was full) is noticed by what it does not take.

#[cfg(test)]
mod tests;

use super::pool::Meta;
use crate::wire::headers::{Context, How, Prefix, REACH, length_at};
use crate::wire::record::Order;

/// A header is sent anew after so many packets: what has changed for good since then is told no more. Packets told by the one
/// that it replaces have come by then, or are too late for their flow (`resequence::WINDOW`).
const RENEW: u16 = 4_096;
/// The second one replaces none, and what begins a flow is seldom what follows. Nor does a flow that has changed wait for longer:
/// timestamps of a slow one reach no further than a minute.
const SECOND: u16 = 256;
/// After so many packets in which no header has arrived none is told by one any more: orders wrap.
const STALE: u16 = REACH as u16;
/// So many packets in a row that cannot be told show that the flow has changed.
const MISSES: u8 = 4;
/// So many packets are told until one of them has arrived: a far end whose table is full does not take them.
const TRIALS: u8 = 2;
/// The far end has taken one.
const PROVED: u8 = u8::MAX;
/// So many packets in a row are lost when the far end does not have the header any more.
const LOSSES: u8 = 8;
/// And when that has happened so often in a row, it has no room.
const FAILURES: u8 = 3;

/// Sender's knowledge of one flow's headers.
#[derive(Clone, Copy, Debug)]
pub struct Headers {
    pair: [Context; 2],
    /// The one that the far end has: its place + 1; 0 = none.
    known: u8,
    /// The one that arrived last, likewise. The next one takes the other place: by this one is told what is still on its way.
    newest: u8,
    /// The one that is on its way, likewise.
    pending: u8,
    /// What has changed since the known one.
    changed: How,
    /// Packets since one arrived.
    since: u16,
    misses: u8,
    /// Packets that were told before the far end has taken one; [`PROVED`] once it has.
    trials: u8,
    losses: u8,
    failures: u8,
    /// Bytes that the last packet was shorter.
    saved: u8,
}

/// What takes the place of a packet's first bytes.
#[derive(Debug)]
pub struct Short {
    /// Is sent instead.
    pub prefix: Prefix,
    /// Bytes that are not sent.
    pub instead: usize,
}

impl Headers {
    /// Nothing known.
    pub const NONE: Self = Self {
        pair: [Context::NONE; 2],
        known: 0,
        newest: 0,
        pending: 0,
        changed: How(0),
        since: 0,
        misses: 0,
        trials: 0,
        losses: 0,
        failures: 0,
        saved: 0,
    };

    /// The far end may have forgotten what it knew.
    pub fn forget(&mut self) {
        (self.known, self.trials, self.losses) = (0, 0, 0);
    }

    /// How many bytes the flow's next packet is likely to be shorter.
    pub fn saves(&self) -> usize {
        if self.pending == 0 && self.since + 1 >= self.lasts() {
            return 0;
        }
        usize::from(self.saved)
    }

    /// After how many packets a header is sent anew.
    fn lasts(&self) -> u16 {
        if self.replaces() { RENEW } else { SECOND }
    }

    /// The next one replaces another.
    fn replaces(&self) -> bool {
        self.pair.get(self.next()).is_some_and(|c| !c.is_empty())
    }

    /// The place of the next one.
    fn next(&self) -> usize {
        usize::from(self.newest == 1)
    }

    /// How to send the packet at this place, of `total` bytes that begin with `front`; `newest` if no later one has been
    /// numbered. `None`: as it is.
    pub fn shorten(
        &mut self,
        (order, newest): (Order, bool),
        how: How,
        front: &[u8],
        total: usize,
    ) -> Option<Short> {
        self.saved = 0;
        self.since = (self.since + 1).min(STALE);
        if self.awaits(order) {
            // It did not fit where it was to go, and was not sent.
            self.pending = 0;
        }
        let begun = self.pair.iter().any(|c| !c.is_empty());
        if self.failures >= FAILURES || (begun && self.since >= STALE) {
            return None;
        }
        let due = self.since >= self.lasts();
        let tried = self.trials == TRIALS;
        let told = if tried {
            None
        } else {
            self.tell(order, how, front, total)
        };
        self.misses = match told {
            None if !tried => self.misses.saturating_add(1),
            _ => 0,
        };
        let wanted = match told {
            Some(_) => due,
            None if self.known == 0 => true,
            None if tried => due,
            None => self.misses >= MISSES && (self.since >= SECOND || !self.replaces()),
        };
        // Only by the newest one can orders tell which packets are told by which header.
        if wanted && newest && self.pending == 0 {
            return self.send_header(order, how, front, total);
        }
        let short = told?;
        if self.trials < TRIALS {
            self.trials += 1;
        }
        self.saved = (short.instead - short.prefix.len()) as u8;
        Some(short)
    }

    fn tell(&mut self, order: Order, how: How, front: &[u8], total: usize) -> Option<Short> {
        let context = self.known().filter(|c| c.reaches(order))?;
        let how = How(how.0 | self.changed.0).with(How::SECOND, self.known == 2);
        let (instead, prefix) = (context.len(), context.tell(how, front, total)?);
        self.changed = How(prefix.first()? & How::CHANGING.0);
        Some(Short { prefix, instead })
    }

    fn send_header(&mut self, order: Order, how: How, front: &[u8], total: usize) -> Option<Short> {
        let context = Context::of(order, front, total)?;
        let at = self.next();
        *self.pair.get_mut(at)? = context;
        self.pending = at as u8 + 1;
        let length = length_at(*front.first()?)?;
        let how = How(how.0 | How::WHOLE.0).with(How::SECOND, at == 1);
        let mut prefix = Prefix::from_slice(&[how.0]).ok()?;
        prefix.extend_from_slice(front.get(..length)?).ok()?;
        Some(Short {
            prefix,
            instead: length + 2,
        })
    }

    /// A packet that was `saved` bytes shorter has arrived.
    pub fn arrived(&mut self, meta: &Meta, saved: u8) {
        if saved > 1 {
            (self.trials, self.losses, self.failures) = (PROVED, 0, 0);
        } else if self.awaits(meta.order) {
            (self.known, self.newest, self.pending) = (self.pending, self.pending, 0);
            (self.changed, self.losses, self.since) = (How(0), 0, 0);
            if self.trials != PROVED {
                self.trials = 0;
            }
        }
    }

    /// One has not.
    pub fn lost(&mut self, meta: &Meta, saved: u8) {
        if saved > 1 {
            // Those told by the one before say nothing about this one.
            let of_it = self.known().is_some_and(|c| c.reaches(meta.order));
            self.losses += u8::from(of_it);
            let most = if self.trials == PROVED {
                LOSSES
            } else {
                TRIALS
            };
            if self.losses >= most {
                self.forget();
                self.failures = self.failures.saturating_add(1);
            }
        } else if self.awaits(meta.order) {
            self.pending = 0;
        }
    }

    fn known(&self) -> Option<&Context> {
        let at = usize::from(self.known).checked_sub(1)?;
        self.pair.get(at)
    }

    /// The packet at this place has the header that is on its way.
    fn awaits(&self, order: Order) -> bool {
        let at = usize::from(self.pending).checked_sub(1);
        let awaited = at.and_then(|at| self.pair.get(at)?.order());
        awaited == Some(order)
    }
}
