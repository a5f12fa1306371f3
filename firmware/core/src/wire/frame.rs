//! Data frames: 8 bytes in clear (authenticated), then sealed records, then a 16-byte tag.
//!
//! ```text
//! 0        1                5            8              n-16
//! | kind   | connection ID  | counter    | records ...  | tag |
//! ```
//! The connection ID is the one that the receiver chose for this path, so a relay and the receiver find the path
//! by five bytes. The counter is the low 24 bits of the path's packet number, which is also the AEAD nonce.

use super::bytes::{Reader, Writer};
use super::{Kind, MAJOR, classify};
use crate::error::Refusal;

/// Bytes before the sealed records.
pub const HEADER: usize = 8;
/// Bytes of the AEAD tag (Poly1305, RFC 8439).
pub const TAG: usize = 16;
/// What a data frame adds to its records.
pub const OVERHEAD: usize = HEADER + TAG;

/// The clear part of a data frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Key phase, 0 or 1: which of the session's two newest keys seals the frame.
    pub phase: u8,
    /// The receiver's connection ID for this path.
    pub cid: u32,
    /// The low 24 bits of the path's packet number.
    pub counter: u32,
}

impl Header {
    /// Reads the header of a data frame; the frame must have room for a tag.
    pub fn parse(frame: &[u8]) -> Result<Self, Refusal> {
        let phase = match classify(frame)? {
            Kind::Data0 => 0,
            Kind::Data1 => 1,
            _ => return Err(Refusal::Malformed),
        };
        if frame.len() < OVERHEAD {
            return Err(Refusal::Malformed);
        }
        let mut r = Reader::new(frame);
        r.u8()?;
        let cid = r.u32()?;
        let [a, b, c] = r.array::<3>()?;
        Ok(Self {
            phase,
            cid,
            counter: u32::from_be_bytes([0, a, b, c]),
        })
    }

    /// Writes the 8 bytes.
    pub fn emit(&self, out: &mut [u8]) -> Result<(), Refusal> {
        let kind = if self.phase == 0 {
            Kind::Data0
        } else {
            Kind::Data1
        };
        let mut w = Writer::new(out);
        w.u8((MAJOR << 4) | kind as u8)?;
        w.u32(self.cid)?;
        let [_, a, b, c] = self.counter.to_be_bytes();
        w.put(&[a, b, c])
    }
}

/// The connection ID of any message that answers to one (data, path, response, cookie): bytes 1 to 4.
pub fn cid_of(datagram: &[u8]) -> Result<u32, Refusal> {
    let mut r = Reader::new(datagram);
    r.u8()?;
    r.u32()
}

/// The full packet number that is nearest to `expected` and ends in the 24 bits `low`.
///
/// As QUIC does it (RFC 9000, appendix A.3) with a window of 2^24.
pub fn expand_counter(low: u32, expected: u64) -> u64 {
    const WINDOW: u64 = 1 << 24;
    let candidate = (expected & !(WINDOW - 1)) | u64::from(low);
    if candidate + WINDOW / 2 <= expected {
        candidate + WINDOW
    } else if candidate > expected + WINDOW / 2 && candidate >= WINDOW {
        candidate - WINDOW
    } else {
        candidate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::seal::Keys;
    use crate::wire::examples;

    #[test]
    fn the_documents_example_is_what_is_written_and_read() {
        let head = Header {
            phase: 0,
            cid: 0x0a0b_0c0d,
            counter: 0x02_0304,
        };
        let records = examples::bytes("records");
        let mut frame = vec![0; records.len() + OVERHEAD];
        frame[HEADER..HEADER + records.len()].copy_from_slice(&records);
        head.emit(&mut frame).unwrap();
        let (mut sender, mut receiver) = (Keys::default(), Keys::default());
        sender.install(&[1; 32], &[2; 32], true);
        receiver.install(&[2; 32], &[1; 32], false);
        let (header, rest) = frame.split_at_mut(HEADER);
        let (body, tag) = rest.split_at_mut(records.len());
        tag.copy_from_slice(&sender.seal(0, 5, 0x102_0304, header, body).unwrap());
        examples::check("data", &frame);

        let mut frame = examples::bytes("data");
        assert_eq!(Header::parse(&frame), Ok(head));
        let number = expand_counter(head.counter, 0x102_0000);
        let (header, rest) = frame.split_at_mut(HEADER);
        let (body, tag) = rest.split_at_mut(records.len());
        let opened = receiver.open(0, 5, number, header, body, tag);
        assert_eq!((opened, &*body), (Ok(()), &*records));
    }

    #[test]
    fn a_header_reads_back_as_written() {
        let h = Header {
            phase: 1,
            cid: 0xdead_beef,
            counter: 0x00ab_cdef,
        };
        let mut out = [0u8; OVERHEAD];
        h.emit(&mut out).unwrap();
        assert_eq!(Header::parse(&out), Ok(h));
        assert_eq!(cid_of(&out), Ok(0xdead_beef));
    }

    #[test]
    fn a_frame_without_room_for_a_tag_is_malformed() {
        let mut out = [0u8; OVERHEAD];
        Header {
            phase: 0,
            cid: 1,
            counter: 1,
        }
        .emit(&mut out)
        .unwrap();
        assert_eq!(Header::parse(&out[..OVERHEAD - 1]), Err(Refusal::Malformed));
    }

    #[test]
    fn counters_expand_across_the_wrap_in_both_directions() {
        for expected in [0u64, 5, 0xff_ffff, 0x100_0000, 0x1ff_fff0, 1 << 40] {
            for delta in [-1000i64, -1, 0, 1, 1000, 100_000] {
                let full = expected.wrapping_add_signed(delta);
                if expected as i64 + delta < 0 {
                    continue;
                }
                assert_eq!(
                    expand_counter((full & 0xff_ffff) as u32, expected),
                    full,
                    "{expected} {delta}"
                );
            }
        }
    }
}
