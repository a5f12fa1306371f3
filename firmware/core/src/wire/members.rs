//! Members messages: whom a gateway reaches over the mesh. A control message of a fixed layout, in sealed frames between gateways.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | `ff` |
//! | 1 | 35 each | key 32, hops from the author 1, round trip from the author 2 (ms) |

use super::bytes::{Reader, Writer};
use super::control::MAX_LEN;
use crate::error::Refusal;
use crate::identity::PublicKey;

/// What such a message begins with: never a variant of the others.
const MEMBERS: u8 = 0xff;
const ENTRY: usize = 35;

/// Somebody whom the author reaches over the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub key: PublicKey,
    /// Mesh hops from the author to him, from 1.
    pub hops: u8,
    /// Round trip between both over all of these hops, ms.
    pub rtt_ms: u16,
}

/// The members in a message; `None` if it is another kind of message. What is shorter than a member, at the end, is ignored.
pub fn parse(message: &[u8]) -> Option<impl Iterator<Item = Member>> {
    let (kind, entries) = message.split_first()?;
    (*kind == MEMBERS).then(|| entries.chunks_exact(ENTRY).filter_map(Member::parse))
}

impl Member {
    fn parse(entry: &[u8]) -> Option<Self> {
        let mut r = Reader::new(entry);
        Some(Self {
            key: PublicKey(r.array().ok()?),
            hops: r.u8().ok()?,
            rtt_ms: r.u16().ok()?,
        })
    }

    /// Adds the member to a message that begins here, or has begun.
    ///
    /// # Errors
    /// [`Refusal::Full`]: it belongs in another message.
    pub fn emit(&self, message: &mut heapless::Vec<u8, MAX_LEN>) -> Result<(), Refusal> {
        let mut entry = [0; ENTRY];
        let mut w = Writer::new(&mut entry);
        w.put(&self.key.0)?;
        w.u8(self.hops)?;
        w.u16(self.rtt_ms)?;
        if message.is_empty() {
            message.push(MEMBERS).map_err(|_| Refusal::Full)?;
        }
        message.extend_from_slice(&entry).map_err(|_| Refusal::Full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::control::Message;
    use crate::wire::examples;
    use proptest::prelude::*;

    fn member(byte: u8) -> Member {
        Member {
            key: PublicKey([byte; 32]),
            hops: 1,
            rtt_ms: 300,
        }
    }

    #[test]
    fn the_documents_example_is_what_is_written_and_read() {
        let mut message = heapless::Vec::new();
        member(0xa5).emit(&mut message).unwrap();
        examples::check("control-members", &message);
        let read = parse(&message).unwrap();
        assert_eq!(read.collect::<Vec<_>>(), [member(0xa5)]);
    }

    #[test]
    fn four_fit_a_message_and_no_other_message_begins_so() {
        let mut message = heapless::Vec::new();
        let fit = (0..9).take_while(|n| member(*n).emit(&mut message).is_ok());
        assert_eq!(fit.count(), 4);
        assert_eq!(parse(&message).unwrap().count(), 4);
        assert!(Message::parse(&message).is_err());
        assert!(parse(&examples::bytes("control-bye")).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_members_or_another_message(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(members) = parse(&body) {
                prop_assert_eq!(members.count(), (body.len() - 1) / ENTRY);
            }
        }
    }
}
