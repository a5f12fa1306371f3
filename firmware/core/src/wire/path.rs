//! Path messages: sealed challenges and answers that open a path, keep it alive, measure it and find its MTU.
//!
//! ```text
//! | kind | connection ID u32 | path u16 | key phase u8 | counter u32 | sealed body | tag 16 |
//! ```
//! Before the receiver's connection ID of the path is known the session's one is used. The path ID and counter, with
//! the top bit of the path word set, are the nonce; these counters are apart from those of the data frames.

use super::bytes::{Reader, Writer};
use super::{Kind, MAJOR, classify};
use crate::error::Refusal;

/// Bytes before the sealed body.
pub const HEADER: usize = 12;
/// Bytes of the body without padding.
pub const BODY: usize = 23;
/// Smallest path message in bytes.
pub const MIN_LEN: usize = HEADER + BODY + super::frame::TAG;

/// The flag of a lent path in the body's first byte.
const LENT: u8 = 0x80;

/// In the rate that a gateway's challenge tells: the path is for when no other one carries anything.
pub const METERED: u32 = 1 << 31;

/// What the use of a line costs, as its owner sees it: a dearer one stands by while cheaper ones have room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cost(u8);

impl Cost {
    /// Of a line about which nothing was said.
    pub const LEAST: Self = Self(0);
    /// The dearest of those that step in when the cheaper ones are full.
    pub const MOST: Self = Self(3);
    /// Each byte costs money: for when no other line carries anything.
    pub const METERED: Self = Self(4);

    /// The cost of this level; [`Self::METERED`] for all that is more.
    pub const fn new(level: u8) -> Self {
        if level < Self::METERED.0 {
            Self(level)
        } else {
            Self::METERED
        }
    }

    /// From 0 to 4.
    pub const fn level(self) -> u8 {
        self.0
    }

    /// Is it for when no other line carries anything?
    pub const fn is_metered(self) -> bool {
        self.0 == Self::METERED.0
    }
}

/// The clear part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The receiver's connection ID.
    pub cid: u32,
    /// The path, numbered by the gateway; never used twice in a session.
    pub path: u16,
    /// Key phase, 0 or 1.
    pub phase: u8,
    /// Number of this message on this path and direction.
    pub counter: u32,
}

impl Header {
    /// Reads the clear part.
    pub fn parse(datagram: &[u8]) -> Result<Self, Refusal> {
        if classify(datagram)? != Kind::Path || datagram.len() < MIN_LEN {
            return Err(Refusal::Malformed);
        }
        let mut r = Reader::new(datagram);
        r.u8()?;
        let h = Self {
            cid: r.u32()?,
            path: r.u16()?,
            phase: r.u8()?,
            counter: r.u32()?,
        };
        if h.phase > 1 {
            Err(Refusal::Malformed)
        } else {
            Ok(h)
        }
    }

    /// Writes the clear part.
    pub fn emit(&self, out: &mut [u8]) -> Result<(), Refusal> {
        let mut w = Writer::new(out);
        w.u8((MAJOR << 4) | Kind::Path as u8)?;
        w.u32(self.cid)?;
        w.u16(self.path)?;
        w.u8(self.phase)?;
        w.u32(self.counter)
    }
}

/// Question or answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// "Answer with my token."
    Challenge,
    /// "Here is your token."
    Response,
    /// Both ends forget the path.
    Close,
}

/// The sealed body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body {
    /// Question or answer.
    pub ask: Ask,
    /// The path goes over a lender's uplink: whoever sends on it yields to the lender's household.
    pub lent: bool,
    /// Unguessable; an answer repeats the question's.
    pub token: u64,
    /// The connection ID under which the author wants to receive on this path.
    pub cid: u32,
    /// The author's clock in us.
    pub time: u32,
    /// Response: the challenge's `time`. Challenge: a rate in kbit/s, 0 where there is nothing to say. A gateway says what may
    /// be sent to it over the path at most, and by [`METERED`] that its volume costs money; an exit what it found that the path
    /// carries.
    pub echo: u32,
    /// Response: length of the challenge's datagram as it arrived, in bytes (path MTU). Challenge of a gateway: what the path
    /// costs ([`Cost`]); otherwise 0.
    pub size: u16,
}

impl Body {
    /// Reads the opened body; padding after it is ignored.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let mut r = Reader::new(body);
        let first = r.u8()?;
        let ask = match first & !LENT {
            1 => Ask::Challenge,
            2 => Ask::Response,
            3 => Ask::Close,
            _ => return Err(Refusal::Malformed),
        };
        Ok(Self {
            ask,
            lent: first & LENT != 0,
            token: r.u64()?,
            cid: r.u32()?,
            time: r.u32()?,
            echo: r.u32()?,
            size: r.u16()?,
        })
    }

    /// Writes the body.
    pub fn emit(&self, out: &mut [u8]) -> Result<(), Refusal> {
        let mut w = Writer::new(out);
        let ask = match self.ask {
            Ask::Challenge => 1,
            Ask::Response => 2,
            Ask::Close => 3,
        };
        w.u8(if self.lent { ask | LENT } else { ask })?;
        w.u64(self.token)?;
        w.u32(self.cid)?;
        w.u32(self.time)?;
        w.u32(self.echo)?;
        w.u16(self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::seal::{Keys, PATH_MESSAGES};
    use crate::wire::examples;

    #[test]
    fn the_documents_example_is_what_is_written_and_read() {
        let head = Header {
            cid: 0x0a0b_0c0d,
            path: 5,
            phase: 0,
            counter: 9,
        };
        let answer = Body {
            ask: Ask::Response,
            lent: true,
            token: 0x1122_3344_5566_7788,
            cid: 0x1a1b_1c1d,
            time: 3_000_000,
            echo: 2_000_000,
            size: 1452,
        };
        let mut plain = [0; BODY];
        answer.emit(&mut plain).unwrap();
        examples::check("path-body", &plain);
        let read = Body::parse(&examples::bytes("path-body"));
        assert_eq!(read, Ok(answer));

        let mut message = [0; MIN_LEN];
        message[HEADER..HEADER + BODY].copy_from_slice(&plain);
        head.emit(&mut message).unwrap();
        let (mut sender, mut receiver) = (Keys::default(), Keys::default());
        sender.install(&[1; 32], &[2; 32], true);
        receiver.install(&[2; 32], &[1; 32], false);
        let word = PATH_MESSAGES | u32::from(head.path);
        let (header, rest) = message.split_at_mut(HEADER);
        let (body, tag) = rest.split_at_mut(BODY);
        tag.copy_from_slice(&sender.seal(0, word, 9, header, body).unwrap());
        examples::check("path", &message);

        let mut message = examples::bytes("path");
        assert_eq!(Header::parse(&message), Ok(head));
        let (header, rest) = message.split_at_mut(HEADER);
        let (body, tag) = rest.split_at_mut(BODY);
        let opened = receiver.open(0, word, 9, header, body, tag);
        assert_eq!((opened, &*body), (Ok(()), &plain[..]));
    }

    #[test]
    fn what_is_dearer_than_any_cost_is_metered() {
        let levels = [0, 3, 4, 255].map(Cost::new);
        assert_eq!(
            levels,
            [Cost::LEAST, Cost::MOST, Cost::METERED, Cost::METERED]
        );
        assert_eq!(levels.map(Cost::is_metered), [false, false, true, true]);
        assert!(Cost::LEAST < Cost::new(1) && Cost::MOST < Cost::METERED);
    }

    #[test]
    fn header_and_body_read_back_as_written() {
        let h = Header {
            cid: 7,
            path: 3,
            phase: 1,
            counter: 9,
        };
        let b = Body {
            ask: Ask::Response,
            lent: true,
            token: 1 << 60,
            cid: 8,
            time: 5,
            echo: 4,
            size: 1400,
        };
        let mut out = [0u8; MIN_LEN];
        h.emit(&mut out).unwrap();
        b.emit(&mut out[HEADER..]).unwrap();
        assert_eq!(Header::parse(&out), Ok(h));
        assert_eq!(Body::parse(&out[HEADER..]), Ok(b));
    }
}
