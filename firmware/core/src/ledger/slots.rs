//! Two slots of a file, written in turn: whatever moment the power goes, one of them is whole.
//!
//! A slot: magic `BMs1`, sequence number (u32), length of the body (u32), body, CRC-32C of all before it (u32). Numbers are
//! big-endian. Slot 0 begins the file, slot 1 follows at [`SLOT`]. A body is written into the slot that its sequence number
//! names, so never into the one that was read last.

use crate::error::Refusal;
use crate::wire::bytes::Reader;
use crc::{CRC_32_ISCSI, Crc, NoTable};

/// Bytes of a slot.
pub const SLOT: usize = 16 * 1024;
/// Bytes in front of the body.
pub const HEAD: usize = 12;
/// Largest body.
pub const BODY: usize = SLOT - HEAD - 4;
const MAGIC: &[u8; 4] = b"BMs1";

/// Where the slot of this sequence number begins in the file.
pub const fn offset(sequence: u32) -> u32 {
    (sequence & 1) * SLOT as u32
}

/// Finishes a slot of which `body` bytes behind [`HEAD`] are written; gives its length.
pub fn seal(slot: &mut [u8; SLOT], sequence: u32, body: usize) -> usize {
    let end = HEAD + body.min(BODY);
    let (head, _) = slot.split_at_mut(HEAD);
    let number = (sequence.to_be_bytes(), ((end - HEAD) as u32).to_be_bytes());
    let fields = MAGIC.iter().chain(&number.0).chain(&number.1);
    head.iter_mut()
        .zip(fields)
        .for_each(|(place, byte)| *place = *byte);
    let check = checksum(slot.get(..end).unwrap_or_default());
    if let Some(place) = slot.get_mut(end..end + 4) {
        place.copy_from_slice(&check.to_be_bytes());
    }
    end + 4
}

/// Reads a slot; what was not written to its end is [`Refusal::Malformed`].
pub fn open(slot: &[u8]) -> Result<(u32, &[u8]), Refusal> {
    let mut read = Reader::new(slot);
    if read.take(4)? != MAGIC {
        return Err(Refusal::Malformed);
    }
    let (sequence, length) = (read.u32()?, read.u32()? as usize);
    let body = read.take(length)?;
    let written = slot.get(..HEAD + length).ok_or(Refusal::Malformed)?;
    if read.u32()? != checksum(written) {
        return Err(Refusal::Malformed);
    }
    Ok((sequence, body))
}

/// Whether `a` was written after `b`.
pub const fn newer(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) > 0
}

fn checksum(bytes: &[u8]) -> u32 {
    const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISCSI);
    CRC.checksum(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    /// A file as the reader of it sees it.
    fn newest(file: &[u8]) -> Option<(u32, Vec<u8>)> {
        let slots = [0, SLOT].map(|at| file.get(at..).unwrap_or_default());
        let mut read = slots
            .iter()
            .filter_map(|s| open(&s[..s.len().min(SLOT)]).ok());
        let first = read.next()?;
        let best = read.fold(first, |a, b| if newer(b.0, a.0) { b } else { a });
        Some((best.0, best.1.to_vec()))
    }

    fn sealed(sequence: u32, body: &[u8]) -> Vec<u8> {
        let mut slot = [0; SLOT];
        slot[HEAD..HEAD + body.len()].copy_from_slice(body);
        let n = seal(&mut slot, sequence, body.len());
        slot[..n].to_vec()
    }

    fn write(file: &mut Vec<u8>, sequence: u32, bytes: &[u8]) {
        let at = offset(sequence) as usize;
        file.resize(file.len().max(at + bytes.len()), 0);
        file[at..at + bytes.len()].copy_from_slice(bytes);
    }

    #[test]
    fn the_check_value_is_the_standard_one() {
        assert_eq!(checksum(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_write_cut_at_any_byte_leaves_the_body_of_before_or_the_new_one() {
        let bodies: Vec<Vec<u8>> = (0..4u8)
            .map(|n| (0..700).map(|i| (i as u8).wrapping_mul(n + 1)).collect())
            .collect();
        let mut file = Vec::new();
        for (n, body) in bodies.iter().enumerate() {
            let (sequence, slot) = (n as u32 + 7, sealed(n as u32 + 7, body));
            for cut in 0..slot.len() {
                let mut torn = file.clone();
                write(&mut torn, sequence, &slot[..cut]);
                let before = n.checked_sub(1).map(|b| (sequence - 1, bodies[b].clone()));
                assert_eq!(newest(&torn), before, "cut after {cut} bytes");
                // Flash may also keep the end and lose the beginning.
                let mut torn = file.clone();
                write(&mut torn, sequence, &slot);
                let at = offset(sequence) as usize;
                torn[at..=at + cut].fill(0xff);
                assert_eq!(newest(&torn), before, "lost up to byte {cut}");
            }
            write(&mut file, sequence, &slot);
            assert_eq!(newest(&file), Some((sequence, body.clone())));
        }
    }

    #[test]
    fn the_number_goes_round() {
        assert!(newer(0, u32::MAX) && !newer(u32::MAX, 0) && !newer(3, 3));
        assert_ne!(offset(0), offset(u32::MAX));
    }

    proptest! {
        #[test]
        fn any_bytes_open_or_are_malformed(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = open(&bytes);
        }

        #[test]
        fn a_flipped_bit_is_seen(at in 0usize..60, bit in 0u8..8) {
            let mut slot = sealed(3, &[7; 44]);
            slot[at] ^= 1 << bit;
            prop_assert!(open(&slot).is_err());
        }
    }
}
