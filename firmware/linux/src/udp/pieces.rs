//! Datagrams that are sent together, gathered by the kernel from where they stand.

use core::iter;

/// Datagrams of one length, the last may be shorter: each is its head, if there are any, and what is left of its body.
#[derive(Clone, Copy, Debug)]
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
    pub(super) fn length(&self) -> usize {
        self.head + self.stride.saturating_sub(self.skip)
    }

    pub(super) fn count(&self) -> usize {
        self.bodies.len().div_ceil(self.stride.max(1))
    }

    /// The same, so many at a time.
    pub(super) fn parts(self, many: usize) -> impl Iterator<Item = Self> {
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

    /// Where the kernel finds them, one after the other.
    pub(super) fn places(self) -> impl Iterator<Item = libc::iovec> {
        let whole = self.head == 0 && self.skip == 0;
        let many = if whole { self.count() } else { 1 };
        self.parts(many).flat_map(|one| {
            let body = one.bodies.get(one.skip..).unwrap_or_default();
            [one.heads, body].into_iter().filter_map(place)
        })
    }
}

fn place(bytes: &[u8]) -> Option<libc::iovec> {
    (!bytes.is_empty()).then(|| libc::iovec {
        iov_base: bytes.as_ptr().cast_mut().cast(),
        iov_len: bytes.len(),
    })
}
