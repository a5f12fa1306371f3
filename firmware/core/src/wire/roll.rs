//! Control messages about admission, of a fixed layout, in sealed frames of both kinds of sessions.
//!
//! | first byte | message | then |
//! |---|---|---|
//! | `fe` | Part: a part of the list of revocations that the author holds | number 8, length of the whole list 2, where the part begins 2, the part |
//! | `fd` | From: give me the list from there on; at its end: I have it | number 8, where 2 |
//! | `fc` | Member: the admin's word for you, from an exit | certificate 80 |

use super::admission::{Certificate, Revocations};
use super::bytes::{Reader, Writer};
use super::control::MAX_LEN;
use crate::error::Refusal;
use heapless::Vec;

const PART: u8 = 0xfe;
const FROM: u8 = 0xfd;
const MEMBER: u8 = 0xfc;

/// Most bytes of a list in one message.
pub const MOST: usize = 128;

/// A message about admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A part of the author's list; the first one says that he holds it.
    Part {
        /// The list's number.
        number: u64,
        /// Bytes of the whole list.
        total: u16,
        /// Where the part begins.
        at: u16,
        /// At most [`MOST`] bytes.
        bytes: &'a [u8],
    },
    /// What the author of a Part is to send next.
    From {
        /// The list's number.
        number: u64,
        /// From this byte on; at the end of the list: nothing.
        at: u16,
    },
    /// The reader is a member.
    Member(Certificate),
}

impl<'a> Message<'a> {
    /// Whether it is one at all: no other control message begins so.
    #[must_use]
    pub fn is_one(message: &[u8]) -> bool {
        matches!(message.first(), Some(&(PART | FROM | MEMBER)))
    }

    /// Reads one. Bytes behind a From or a Member are ignored.
    ///
    /// # Errors
    /// [`Refusal::Malformed`].
    pub fn parse(message: &'a [u8]) -> Result<Self, Refusal> {
        let mut r = Reader::new(message);
        match r.u8()? {
            PART => Ok(Self::Part {
                number: r.u64()?,
                total: r.u16()?,
                at: r.u16()?,
                bytes: Some(r.rest())
                    .filter(|part| part.len() <= MOST)
                    .ok_or(Refusal::Malformed)?,
            }),
            FROM => Ok(Self::From {
                number: r.u64()?,
                at: r.u16()?,
            }),
            MEMBER => Certificate::read(&mut r).map(Self::Member),
            _ => Err(Refusal::Malformed),
        }
    }

    /// The part of a list that begins there; `None` past its end.
    #[must_use]
    pub fn part(list: &'a Revocations, at: u16) -> Option<Self> {
        let rest = list.bytes().get(usize::from(at)..)?;
        let bytes = rest.get(..MOST).unwrap_or(rest);
        (!bytes.is_empty()).then(|| Self::Part {
            number: list.number(),
            total: list.bytes().len() as u16,
            at,
            bytes,
        })
    }

    /// Writes it.
    #[must_use]
    pub fn emit(&self) -> Vec<u8, MAX_LEN> {
        let mut out = Vec::new();
        // The longest, a Part, has 141 bytes.
        let _ = out.resize(MAX_LEN, 0);
        let mut w = Writer::new(&mut out);
        let written = match self {
            Self::Part {
                number,
                total,
                at,
                bytes,
            } => w
                .u8(PART)
                .and_then(|()| w.u64(*number))
                .and_then(|()| w.u16(*total))
                .and_then(|()| w.u16(*at))
                .and_then(|()| w.put(bytes)),
            Self::From { number, at } => w
                .u8(FROM)
                .and_then(|()| w.u64(*number))
                .and_then(|()| w.u16(*at)),
            Self::Member(certificate) => w.u8(MEMBER).and_then(|()| w.put(&certificate.bytes())),
        };
        let len = written.map_or(0, |()| w.len());
        out.truncate(len);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::CommunityId;
    use crate::identity::NodeId;
    use crate::wire::admission::AdminSecret;
    use crate::wire::examples;
    use proptest::prelude::*;

    #[test]
    fn the_documents_examples_are_what_is_written_and_read() {
        let number = 1_800_000_000;
        let messages = [
            (
                "control-part",
                Message::Part {
                    number,
                    total: 80,
                    at: 64,
                    bytes: &[0, 0, 0, 0, 0x6b, 0x49, 0xd2, 0, 1, 2, 3, 4, 5, 6, 7, 8],
                },
            ),
            ("control-from", Message::From { number, at: 80 }),
        ];
        for (name, message) in messages {
            examples::check(name, &message.emit());
            assert_eq!(Message::parse(&examples::bytes(name)), Ok(message));
        }
    }

    #[test]
    fn the_parts_of_the_longest_list_are_the_list() {
        let admin = AdminSecret::new([7; 32]).unwrap();
        let nodes: Vec<NodeId, 64> = (0..64).map(|n| NodeId([n; 8])).collect();
        let list = admin.revoke(CommunityId([1; 8]), 9, &nodes).unwrap();
        let (mut got, mut at) = (std::vec::Vec::new(), 0);
        while let Some(part) = Message::part(&list, at) {
            let bytes = part.emit();
            let Ok(Message::Part { total, bytes, .. }) = Message::parse(&bytes) else {
                panic!("{bytes:?}");
            };
            assert_eq!(usize::from(total), list.bytes().len());
            got.extend_from_slice(bytes);
            at = got.len() as u16;
        }
        assert_eq!(Revocations::parse(&got), Ok(list));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_that_is_written_alike_or_malformed(
            body in proptest::collection::vec(any::<u8>(), 0..150),
            first in 0xfau8..=0xff,
        ) {
            let bytes: std::vec::Vec<u8> = [first].into_iter().chain(body).collect();
            if let Ok(message) = Message::parse(&bytes) {
                prop_assert!(Message::is_one(&bytes));
                let written = message.emit();
                prop_assert_eq!(&bytes[..written.len()], &written[..]);
            }
        }
    }
}
