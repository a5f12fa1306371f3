//! The last lines of the log, for `burstmesh log`: a ring in memory, so that nothing is written to flash. What is in it are lines of
//! text, or frames.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Release};

/// Bytes that are kept.
pub const KEPT: usize = 4096;

/// What was written last; `written` counts all of it, and its place is that modulo [`KEPT`].
struct Ring {
    bytes: [u8; KEPT],
    written: usize,
}

struct Shared {
    ring: UnsafeCell<Ring>,
    taken: AtomicBool,
}

// SAFETY: the ring is touched by whoever has taken it.
unsafe impl Sync for Shared {}

static RECENT: Shared = Shared {
    ring: UnsafeCell::new(Ring {
        bytes: [0; KEPT],
        written: 0,
    }),
    taken: AtomicBool::new(false),
};

impl Shared {
    /// Two threads log, both rarely and shortly: whoever finds it taken goes without.
    fn with(&self, act: impl FnOnce(&mut Ring)) {
        if self.take() {
            // SAFETY: taken, so nobody else is here.
            act(unsafe { &mut *self.ring.get() });
            self.taken.store(false, Release);
        }
    }

    fn take(&self) -> bool {
        !self.taken.swap(true, Acquire)
    }
}

/// Takes the ring, for several pieces that belong together; `false` where another thread has it.
#[cfg(feature = "defmt")]
pub(super) fn take() -> bool {
    RECENT.take()
}

/// # Safety
/// This thread has taken the ring.
#[cfg(feature = "defmt")]
pub(super) unsafe fn push(bytes: &[u8]) {
    // SAFETY: the caller's promise.
    unsafe { &mut *RECENT.ring.get() }.push(bytes);
}

/// # Safety
/// This thread has taken the ring.
#[cfg(feature = "defmt")]
pub(super) unsafe fn give_back() {
    RECENT.taken.store(false, Release);
}

/// Keeps a line with its end, in place of the oldest bytes.
#[cfg(not(feature = "defmt"))]
pub(super) fn keep(line: &[u8]) {
    RECENT.with(|ring| ring.push(line));
}

/// Hands over what is kept, oldest first. Of text the first line may have lost its beginning; a frame that has would be misread.
pub fn recent(mut each: impl FnMut(&[u8])) {
    RECENT.with(|ring| {
        let (mut old, mut new) = ring.halves();
        if cfg!(feature = "defmt") && !old.is_empty() {
            (old, new) = without_first(old, new);
        }
        each(old);
        each(new);
    });
}

/// Writes what is kept from place `from` on to `room`, and gives its length and the place behind it. Places count from the first byte
/// ever written; what is not kept any more is left out.
pub fn recent_from(from: u32, room: &mut [u8]) -> (usize, u32) {
    let mut told = (0, from);
    RECENT.with(|ring| {
        let oldest = ring.written.saturating_sub(KEPT);
        let mut at = (from as usize).max(oldest);
        for place in room {
            let Some(byte) = ring.bytes.get(at % KEPT).filter(|_| at < ring.written) else {
                break;
            };
            *place = *byte;
            at += 1;
            told.0 += 1;
        }
        told.1 = at as u32;
    });
    told
}

/// What comes behind the end of the first frame: each ends in a zero, and has none within.
fn without_first<'a>(old: &'a [u8], new: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    let behind = |bytes: &'a [u8]| {
        let end = bytes.iter().position(|byte| *byte == 0)?;
        bytes.get(end + 1..)
    };
    match behind(old) {
        Some(rest) => (rest, new),
        None => (&[], behind(new).unwrap_or(&[])),
    }
}

impl Ring {
    fn push(&mut self, line: &[u8]) {
        for &byte in line {
            if let Some(place) = self.bytes.get_mut(self.written % KEPT) {
                *place = byte;
            }
            // Never back to less than a full ring.
            self.written = self.written.checked_add(1).unwrap_or(KEPT);
        }
    }

    fn halves(&self) -> (&[u8], &[u8]) {
        if self.written <= KEPT {
            return (&[], self.bytes.get(..self.written).unwrap_or(&[]));
        }
        let (new, old) = self
            .bytes
            .split_at_checked(self.written % KEPT)
            .unwrap_or((&[], &[]));
        (old, new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(ring: &Ring) -> Vec<u8> {
        let (old, new) = ring.halves();
        [old, new].concat()
    }

    #[test]
    fn the_last_bytes_are_kept_in_their_order() {
        let mut ring = Ring {
            bytes: [0; KEPT],
            written: 0,
        };
        assert!(all(&ring).is_empty());
        let mut told = Vec::new();
        for number in 0..1000 {
            let line = format!("line {number}\n");
            ring.push(line.as_bytes());
            told.extend_from_slice(line.as_bytes());
            let kept = told.len().min(KEPT);
            assert_eq!(all(&ring), &told[told.len() - kept..]);
        }
    }

    #[cfg(not(feature = "defmt"))]
    #[test]
    fn what_is_kept_is_told_in_pieces_from_a_place_on() {
        crate::testing::in_child(|| {
            for number in 0..300 {
                keep(format!("line {number:010}\n").as_bytes());
            }
            let (mut at, mut text) = (0, Vec::new());
            loop {
                let mut room = [0; 200];
                let (len, next) = recent_from(at, &mut room);
                text.extend_from_slice(&room[..len]);
                at = next;
                if len == 0 {
                    break;
                }
            }
            let mut all = Vec::new();
            recent(|bytes| all.extend_from_slice(bytes));
            assert_eq!((text.len(), at), (KEPT, 300 * 16));
            assert_eq!(text, all);
        });
    }

    #[test]
    fn a_frame_that_has_lost_its_beginning_is_left_out() {
        for (old, new, rest) in [
            (&b"cut\0ab\0"[..], &b"c\0"[..], &b"ab\0c\0"[..]),
            (b"cu", b"t\0ab\0", b"ab\0"),
            (b"\0", b"ab\0", b"ab\0"),
            (b"c", b"ut", b""),
        ] {
            let (old, new) = without_first(old, new);
            assert_eq!([old, new].concat(), rest);
        }
    }

    #[cfg(not(feature = "defmt"))]
    #[test]
    fn a_line_that_was_logged_can_be_fetched() {
        crate::testing::in_child(|| {
            crate::error!("remember {}", 7);
            let mut text = Vec::new();
            recent(|bytes| text.extend_from_slice(bytes));
            assert!(
                String::from_utf8(text)
                    .unwrap()
                    .ends_with("error: remember 7\n")
            );
        });
    }
}
