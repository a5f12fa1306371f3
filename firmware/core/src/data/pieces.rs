//! Datagrams that leave together: described where they stand, so that nobody copies them before the kernel does.

use core::iter;

/// Datagrams of one length, the last may be shorter: each is its head, if there are any, and what is left of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pieces<'a> {
    /// What stands in front of each, one after the other.
    pub heads: &'a [u8],
    /// Bytes of each head; 0: none.
    pub head: usize,
    /// The bodies, `stride` bytes each.
    pub bodies: &'a [u8],
    /// From one body to the next.
    pub stride: usize,
    /// Bytes at the start of each body that are left out.
    pub skip: usize,
}

impl<'a> Pieces<'a> {
    /// A run that stands in one piece.
    pub fn of_run(run: &'a [u8], stride: usize) -> Self {
        Self {
            heads: &[],
            head: 0,
            bodies: run,
            stride,
            skip: 0,
        }
    }

    /// Bytes of each datagram but the last.
    #[inline]
    pub fn length(&self) -> usize {
        self.head + self.stride.saturating_sub(self.skip)
    }

    /// How many they are.
    #[inline]
    pub fn count(&self) -> usize {
        self.bodies.len().div_ceil(self.stride.max(1))
    }

    /// The same, so many at a time.
    pub fn parts(self, many: usize) -> impl Iterator<Item = Self> {
        let heads = self.heads.chunks((self.head * many).max(1));
        let bodies = self.bodies.chunks((self.stride * many).max(1));
        bodies
            .zip(heads.chain(iter::repeat(&[][..])))
            .map(move |(bodies, heads)| Self {
                heads,
                bodies,
                ..self
            })
    }

    /// Head and body of each.
    pub fn datagrams(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let bodies = self.bodies.chunks(self.stride.max(1));
        bodies.enumerate().map(move |(at, body)| {
            let head = self.heads.get(at * self.head..(at + 1) * self.head);
            let body = body.get(self.skip..).unwrap_or_default();
            (head.unwrap_or_default(), body)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const PIECES: Pieces<'static> = Pieces {
        heads: b"123",
        head: 1,
        bodies: b"xabxcdxe",
        stride: 3,
        skip: 1,
    };

    fn whole(pieces: Pieces<'_>) -> Vec<u8> {
        pieces
            .datagrams()
            .flat_map(|(h, b)| [h, b].concat())
            .collect()
    }

    #[test]
    fn each_datagram_is_its_head_and_its_body_without_its_start() {
        let all: Vec<_> = PIECES.datagrams().map(|(h, b)| [h, b].concat()).collect();
        assert_eq!(all, [&b"1ab"[..], b"2cd", b"3e"]);
        assert_eq!((PIECES.count(), PIECES.length()), (3, 3));
        assert_eq!(whole(Pieces::of_run(b"abcde", 2)), b"abcde");
    }

    #[test]
    fn parts_are_the_same_datagrams_so_many_at_a_time() {
        for many in 1..5 {
            let parts: Vec<_> = PIECES.parts(many).collect();
            assert_eq!(parts.len(), 3usize.div_ceil(many));
            assert!(parts.iter().all(|part| part.count() <= many));
            let all: Vec<u8> = parts.into_iter().flat_map(whole).collect();
            assert_eq!(all, whole(PIECES));
        }
    }
}
