//! Relay frames: a sealed datagram on its way over the mesh, with a small authenticator for the lender.
//!
//! ```text
//! | kind | relay ID u32 | counter u32 | authenticator 8 | datagram ... |
//! ```
//! The authenticator is SipHash-2-4 (Aumasson, Bernstein 2012) with the pair's direction key over the first nine
//! bytes, the datagram's length and its first 16 bytes. It proves to the lender that a member may spend this
//! grant, before any more work is done; the datagram itself is sealed end to end and means nothing to the lender.

use super::bytes::{Reader, Writer};
use super::{Kind, MAJOR, classify};
use crate::crypto;
use crate::error::Refusal;

/// Bytes before the relayed datagram.
pub const HEADER: usize = 17;
const AUTHENTICATED: usize = 9;
const SAMPLE: usize = 16;

/// The fields before the authenticator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The lender's name for the grant.
    pub relay: u32,
    /// Number of this frame in this direction of the pair's grant; checked against a replay window.
    pub counter: u32,
}

impl Header {
    /// Reads the header without checking the authenticator.
    pub fn parse(frame: &[u8]) -> Result<Self, Refusal> {
        if classify(frame)? != Kind::Relay || frame.len() <= HEADER {
            return Err(Refusal::Malformed);
        }
        let mut r = Reader::new(frame);
        r.u8()?;
        Ok(Self {
            relay: r.u32()?,
            counter: r.u32()?,
        })
    }

    /// Header and authenticator to put in front of `datagram`, which may stand elsewhere: nothing is copied.
    pub fn seal(&self, datagram: &[u8], key: &[u8; 16]) -> [u8; HEADER] {
        self.seal_start(datagram, datagram.len(), key)
    }

    /// The same for a datagram of `length` bytes of which only the start is at hand: at least 16 bytes, or all.
    pub fn seal_start(&self, start: &[u8], length: usize, key: &[u8; 16]) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        if let Some((head, tag)) = out.split_at_mut_checked(AUTHENTICATED) {
            let mut w = Writer::new(head);
            let written = w
                .u8((MAJOR << 4) | Kind::Relay as u8)
                .and_then(|()| w.u32(self.relay))
                .and_then(|()| w.u32(self.counter));
            debug_assert!(written.is_ok());
            tag.copy_from_slice(&authenticator(head, start, length, key));
        }
        out
    }

    /// Writes header and authenticator in front of the datagram that already stands at `frame[HEADER..]`.
    pub fn emit(&self, frame: &mut [u8], key: &[u8; 16]) -> Result<(), Refusal> {
        let (head, datagram) = frame.split_at_mut_checked(HEADER).ok_or(Refusal::Full)?;
        head.copy_from_slice(&self.seal(datagram, key));
        Ok(())
    }
}

/// Checks the authenticator; the datagram is then `frame[HEADER..]`.
pub fn verify(frame: &[u8], key: &[u8; 16]) -> Result<(), Refusal> {
    let (head, datagram) = frame.split_at_checked(HEADER).ok_or(Refusal::Malformed)?;
    let (head, got) = head
        .split_at_checked(AUTHENTICATED)
        .ok_or(Refusal::Malformed)?;
    let expected = authenticator(head, datagram, datagram.len(), key);
    if bool::from(subtle::ConstantTimeEq::ct_eq(got, &expected[..])) {
        Ok(())
    } else {
        Err(Refusal::Forged)
    }
}

fn authenticator(head: &[u8], start: &[u8], total: usize, key: &[u8; 16]) -> [u8; 8] {
    let mut covered = [0; AUTHENTICATED + 2 + SAMPLE];
    let sample = start.get(..SAMPLE).unwrap_or(start);
    let (first, rest) = covered.split_at_mut(AUTHENTICATED);
    let (length, last) = rest.split_at_mut(2);
    for (to, from) in first.iter_mut().zip(head) {
        *to = *from;
    }
    // A fixed width and byte order, whatever the machine's.
    length.copy_from_slice(&(total as u16).to_be_bytes());
    for (to, from) in last.iter_mut().zip(sample) {
        *to = *from;
    }
    let used = AUTHENTICATED + 2 + sample.len();
    crypto::sip24(key, covered.get(..used).unwrap_or_default()).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::examples;

    #[test]
    fn the_documents_example_is_what_is_written_and_read() {
        let head = Header {
            relay: 0x0102_0304,
            counter: 6,
        };
        let inside = examples::bytes("data");
        let mut frame = vec![0; HEADER + inside.len()];
        frame[HEADER..].copy_from_slice(&inside);
        head.emit(&mut frame, &[9; 16]).unwrap();
        examples::check("relay-header", &frame[..HEADER]);
        let frame = [examples::bytes("relay-header"), inside].concat();
        assert_eq!(Header::parse(&frame), Ok(head));
        assert_eq!(verify(&frame, &[9; 16]), Ok(()));
    }

    #[test]
    fn a_flipped_bit_in_header_or_sample_or_a_changed_length_is_forged() {
        let key = [9; 16];
        let mut frame = [0x55u8; HEADER + 40];
        Header {
            relay: 1,
            counter: 2,
        }
        .emit(&mut frame, &key)
        .unwrap();
        assert_eq!(verify(&frame, &key), Ok(()));
        for at in 0..HEADER + SAMPLE {
            let mut bad = frame;
            bad[at] ^= 1;
            assert_eq!(verify(&bad, &key), Err(Refusal::Forged), "byte {at}");
        }
        assert_eq!(verify(&frame[..HEADER + 39], &key), Err(Refusal::Forged));
        assert_eq!(verify(&frame, &[8; 16]), Err(Refusal::Forged));
    }
}
