//! Relayed datagrams that came together and leave together: they are not copied, but sent from where they came in.

use super::{Output, Via};
use crate::data::pieces::Pieces;
use crate::wire::relay;
use core::net::SocketAddr;
use heapless::Vec;

/// Most datagrams of a train: as many as the kernel glues.
const MOST: usize = 64;
/// Bytes of what may stand in front of one: for its receiver, and for who passes it on.
const HEAD: usize = 2 * relay::HEADER;

/// How a datagram leaves that came for somebody else.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Way {
    via: Via,
    to: Option<SocketAddr>,
    /// Bytes in front of it, and how many of its own are left out there.
    head: usize,
    skip: usize,
}

/// The train that those make which are to leave, as long as they stand one after the other and leave alike.
pub(super) struct Leaving {
    /// How the next one leaves, and those that wait.
    next: Way,
    like: Option<Way>,
    /// Of those that wait, and after `kept` bytes of the next one.
    heads: Vec<u8, { (MOST + 1) * HEAD }>,
    kept: usize,
    from: usize,
    to: usize,
    stride: usize,
}

impl Leaving {
    /// Of a run in which a datagram begins every so many bytes.
    pub fn new(stride: usize) -> Self {
        Self {
            next: Way {
                via: Via::Mesh(0),
                to: None,
                head: 0,
                skip: 0,
            },
            like: None,
            heads: Vec::new(),
            kept: 0,
            from: 0,
            to: 0,
            stride,
        }
    }

    /// The next one leaves there, without so many bytes of its start. See [`Self::push`].
    pub fn set(&mut self, via: Via, to: Option<SocketAddr>, skip: usize) {
        self.heads.truncate(self.kept);
        self.next = Way {
            via,
            to,
            head: 0,
            skip,
        };
    }

    /// And with this in front of it, behind what was said before: two relay headers at most.
    pub fn put(&mut self, head: &[u8]) {
        let room = self.next.head + head.len() <= HEAD;
        if room && self.heads.extend_from_slice(head).is_ok() {
            self.next.head += head.len();
        }
    }

    /// The one at this place of the run leaves as was said; those before it at once, if it is not one of their train.
    pub fn push(&mut self, run: &[u8], at: usize, out: &mut impl Output) {
        let full = self.to - self.from >= MOST * self.stride;
        if self.like.is_some() && (at != self.to || full || self.like != Some(self.next)) {
            let mut head = [0; HEAD];
            let new = self.heads.get(self.kept..).unwrap_or_default();
            let head = head.get_mut(..new.len()).unwrap_or_default();
            head.copy_from_slice(new);
            self.go(run, out);
            // There is room in what is empty.
            let _ = self.heads.extend_from_slice(head);
        }
        if self.like.is_none() {
            (self.like, self.from) = (Some(self.next), at);
        }
        self.to = (at + self.stride).min(run.len());
        self.kept = self.heads.len();
    }

    /// All leave that are waiting.
    pub fn go(&mut self, run: &[u8], out: &mut impl Output) {
        if let (Some(like), Some(bodies)) = (self.like.take(), run.get(self.from..self.to)) {
            let train = Pieces {
                heads: self.heads.get(..self.kept).unwrap_or_default(),
                head: like.head,
                bodies,
                stride: self.stride,
                skip: like.skip,
            };
            out.forward_train(like.via, like.to, train);
        }
        self.heads.clear();
        self.kept = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Gone(std::vec::Vec<(Via, usize, std::vec::Vec<u8>)>);

    impl Output for Gone {
        fn deliver(&mut self, _: &[u8]) {}
        fn forward(&mut self, via: Via, _: Option<SocketAddr>, header: &[u8], body: &[u8]) {
            self.0.push((via, 1, [header, body].concat()));
        }
        fn forward_train(&mut self, via: Via, _: Option<SocketAddr>, train: Pieces<'_>) {
            let bytes = train.datagrams().flat_map(|(h, b)| [h, b].concat());
            self.0.push((via, train.count(), bytes.collect()));
        }
    }

    fn push(l: &mut Leaving, run: &[u8], at: usize, mesh: u8, head: &[u8], out: &mut Gone) {
        // One that was refused in the end leaves nothing behind.
        l.set(Via::Mesh(9), None, 9);
        l.put(b"refused");
        l.set(Via::Mesh(mesh), None, 1);
        l.put(head);
        l.push(run, at, out);
    }

    #[test]
    fn what_stands_together_and_leaves_alike_is_one_train_and_the_last_may_be_shorter() {
        let run = *b"abcdefghijk";
        let (mut gone, mut leaving) = (Gone::default(), Leaving::new(3));
        for (at, head) in [(0, b"1"), (3, b"2"), (6, b"3"), (9, b"4")] {
            push(&mut leaving, &run, at, 0, head, &mut gone);
        }
        leaving.go(&run, &mut gone);
        leaving.go(&run, &mut gone);
        assert_eq!(gone.0, [(Via::Mesh(0), 4, b"1bc2ef3hi4k".to_vec())]);
    }

    #[test]
    fn one_that_leaves_otherwise_or_stands_behind_a_gap_begins_a_train() {
        let run = *b"aAbBcCdDeE";
        let (mut gone, mut leaving) = (Gone::default(), Leaving::new(2));
        for (at, mesh, head) in [(0, 0, "1"), (4, 0, "2"), (6, 1, "3"), (8, 1, "45")] {
            push(&mut leaving, &run, at, mesh, head.as_bytes(), &mut gone);
        }
        leaving.go(&run, &mut gone);
        let gone: std::vec::Vec<_> = gone
            .0
            .iter()
            .map(|(via, n, b)| (*via, *n, &b[..]))
            .collect();
        let (m0, m1) = (Via::Mesh(0), Via::Mesh(1));
        let wanted = [
            (m0, 1, &b"1A"[..]),
            (m0, 1, b"2C"),
            (m1, 1, b"3D"),
            (m1, 1, b"45E"),
        ];
        assert_eq!(gone, wanted);
    }

    #[test]
    fn no_train_is_longer_than_the_room_for_its_heads() {
        let run = [7; 2 * (2 * MOST + 1)];
        let (mut gone, mut leaving) = (Gone::default(), Leaving::new(2));
        for at in 0..run.len() / 2 {
            push(&mut leaving, &run, 2 * at, 0, &[at as u8; HEAD], &mut gone);
        }
        leaving.go(&run, &mut gone);
        let counts: std::vec::Vec<_> = gone.0.iter().map(|(_, n, _)| *n).collect();
        assert_eq!(counts, [MOST, MOST, 1]);
        assert_eq!(gone.0[1].2[..HEAD], [MOST as u8; HEAD]);
    }
}
