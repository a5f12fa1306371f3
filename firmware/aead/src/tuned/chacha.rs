//! ChaCha20 (RFC 8439, section 2.3). All sixteen words stay in registers over the rounds, and each block is combined with the
//! text as it comes out of them. What does not depend on the block counter is computed once for a packet: three of the
//! first round's four columns.

use super::words;
use zeroize::Zeroize;

/// Bytes of one block of the key stream.
pub const BLOCK: usize = 64;
/// Where the state has its block counter.
const COUNTER: usize = 12;

/// The key stream of one packet, from where it has come to. Wiped when dropped.
pub struct Stream {
    /// The state before the rounds, with the number of the next block.
    start: [u32; 16],
    /// `start` after the first round's columns 1 to 3.
    head: [u32; 16],
}

impl Stream {
    /// At block 0.
    pub fn new(key: &[u32; 8], nonce: &[u8]) -> Self {
        let [k0, k1, k2, k3, k4, k5, k6, k7] = *key;
        let [n0, n1, n2] = words(nonce);
        // "expand 32-byte k"
        let start = [
            0x6170_7865,
            0x3320_646e,
            0x7962_2d32,
            0x6b20_6574,
            k0,
            k1,
            k2,
            k3,
            k4,
            k5,
            k6,
            k7,
            0,
            n0,
            n1,
            n2,
        ];
        let mut head = start;
        quarter_round(&mut head, 1, 5, 9, 13);
        quarter_round(&mut head, 2, 6, 10, 14);
        quarter_round(&mut head, 3, 7, 11, 15);
        Self { start, head }
    }

    /// The next block of the key stream itself.
    pub fn block(&mut self) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        self.apply_blocks(core::slice::from_mut(&mut block));
        block
    }

    /// Combines `text` with the key stream. Only the last call for a packet may have a length that is no multiple of [`BLOCK`].
    pub fn apply(&mut self, text: &mut [u8]) {
        let (blocks, rest) = text.as_chunks_mut();
        self.apply_blocks(blocks);
        if rest.is_empty() {
            return;
        }
        let mut last = [0; BLOCK];
        let (used, _) = last.split_at_mut(rest.len());
        used.copy_from_slice(rest);
        self.apply_blocks(core::slice::from_mut(&mut last));
        rest.copy_from_slice(last.split_at(rest.len()).0);
        // What is left in it is key stream.
        last.zeroize();
    }

    #[inline(never)]
    fn apply_blocks(&mut self, blocks: &mut [[u8; BLOCK]]) {
        let start = &mut self.start;
        for block in blocks {
            let mut x = self.head;
            x[COUNTER] = start[COUNTER];
            quarter_round(&mut x, 0, 4, 8, 12);
            diagonal_round(&mut x);
            // Three double rounds a turn: fewer turns cost fewer branches, and all nine at once would be 4 KB of code.
            for _ in 0..3 {
                double_round(&mut x);
                double_round(&mut x);
                double_round(&mut x);
            }
            let (words, _) = block.as_chunks_mut();
            for ((word, x), start) in words.iter_mut().zip(x).zip(&*start) {
                *word = (u32::from_le_bytes(*word) ^ x.wrapping_add(*start)).to_le_bytes();
            }
            start[COUNTER] = start[COUNTER].wrapping_add(1);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.start.zeroize();
        self.head.zeroize();
    }
}

#[inline(always)]
fn double_round(x: &mut [u32; 16]) {
    quarter_round(x, 0, 4, 8, 12);
    quarter_round(x, 1, 5, 9, 13);
    quarter_round(x, 2, 6, 10, 14);
    quarter_round(x, 3, 7, 11, 15);
    diagonal_round(x);
}

#[inline(always)]
fn diagonal_round(x: &mut [u32; 16]) {
    quarter_round(x, 0, 5, 10, 15);
    quarter_round(x, 1, 6, 11, 12);
    quarter_round(x, 2, 7, 8, 13);
    quarter_round(x, 3, 4, 9, 14);
}

/// RFC 8439, section 2.1. The indices are constants of the callers.
#[inline(always)]
fn quarter_round(x: &mut [u32; 16], a: usize, b: usize, c: usize, d: usize) {
    x[a] = x[a].wrapping_add(x[b]);
    x[d] = (x[d] ^ x[a]).rotate_left(16);
    x[c] = x[c].wrapping_add(x[d]);
    x[b] = (x[b] ^ x[c]).rotate_left(12);
    x[a] = x[a].wrapping_add(x[b]);
    x[d] = (x[d] ^ x[a]).rotate_left(8);
    x[c] = x[c].wrapping_add(x[d]);
    x[b] = (x[b] ^ x[c]).rotate_left(7);
}
