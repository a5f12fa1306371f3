//! The bytes that transfers carry: every eight of them follow from their offset, so that a receiver can check any
//! part without a copy, and moved, repeated or damaged bytes show.

use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};

/// The eight bytes at `index * 8`.
fn word(index: u64) -> [u8; 8] {
    let mixed = (index ^ 0x5bd1_e995_9e37_79b9).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 29))
        .wrapping_mul(0x94d0_49bb_1331_11eb)
        .to_le_bytes()
}

/// The first `len` bytes of the pattern.
pub fn beginning(len: usize) -> Vec<u8> {
    (0..).flat_map(word).take(len).collect()
}

/// Whether `data` is the pattern from `offset` on.
pub fn matches(offset: u64, data: &[u8]) -> bool {
    let skip = (offset % 8) as usize;
    let first = word(offset / 8);
    let (head, rest) = data.split_at(data.len().min((8 - skip) % 8));
    if !head.is_empty() && first.get(skip..skip + head.len()) != Some(head) {
        return false;
    }
    let begin = offset.div_ceil(8);
    rest.chunks(8)
        .zip(begin..)
        .all(|(chunk, index)| word(index).get(..chunk.len()) == Some(chunk))
}

/// Writes `bytes` bytes of the pattern to a file.
pub fn write_file(path: &Path, bytes: u64) -> Result<()> {
    let mut file = BufWriter::with_capacity(
        1 << 20,
        File::create(path).context("cannot make a file to send")?,
    );
    for index in 0..bytes / 8 {
        file.write_all(&word(index))?;
    }
    let rest = (bytes % 8) as usize;
    file.write_all(word(bytes / 8).get(..rest).unwrap_or_default())?;
    Ok(file.flush()?)
}

/// Whether a file holds exactly `bytes` bytes of the pattern.
pub fn file_matches(path: &Path, bytes: u64) -> Result<bool> {
    let mut file = File::open(path)?;
    let (mut buffer, mut offset) = (vec![0; 1 << 20], 0);
    loop {
        let got = file.read(&mut buffer)?;
        if got == 0 {
            return Ok(offset == bytes);
        }
        if !matches(offset, buffer.get(..got).unwrap_or_default()) {
            return Ok(false);
        }
        offset += got as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_is_recognized_and_any_damage_shows() {
        let all: Vec<u8> = (0..100).flat_map(word).collect();
        for (begin, end) in [(0, 800), (3, 5), (3, 20), (8, 16), (7, 799), (8, 8)] {
            assert!(matches(begin as u64, &all[begin..end]), "{begin}..{end}");
        }
        let mut damaged = all.clone();
        damaged[401] ^= 1;
        assert!(!matches(0, &damaged));
        assert!(!matches(8, &all), "moved bytes show");
    }
}
