//! Poly1305 (RFC 8439, section 2.5) with four limbs of 32 bits and a small fifth: 16 multiplications a block, where five
//! limbs of 26 bits need 25. The order is Horner's turned round, h = h * r + block: so a block joins the sums of products,
//! and its carries are theirs.

use super::words;
use zeroize::Zeroize;

/// Bytes of a block, and of the tag.
pub const BLOCK: usize = 16;

/// An authenticator under way. Its key is for one packet. Wiped when dropped.
pub struct Poly1305 {
    /// The multiplier, clamped: each limb is below 2^28, and all but the first are multiples of 4.
    r: [u32; 4],
    /// Added at the end.
    s: [u32; 4],
    /// The sum so far, below 5 * 2^128; the last limb is at most 4.
    h: [u32; 5],
}

impl Poly1305 {
    /// With the one-time key, which is the first 32 bytes of `key`.
    pub fn new(key: &[u8]) -> Self {
        let [r0, r1, r2, r3, s0, s1, s2, s3] = words(key);
        Self {
            r: [
                r0 & 0x0fff_ffff,
                r1 & 0x0fff_fffc,
                r2 & 0x0fff_fffc,
                r3 & 0x0fff_fffc,
            ],
            s: [s0, s1, s2, s3],
            h: [0; 5],
        }
    }

    /// Takes `data`, its last block filled up with zeros.
    pub fn absorb_padded(&mut self, data: &[u8]) {
        let (blocks, rest) = data.as_chunks();
        self.absorb(blocks);
        if !rest.is_empty() {
            let mut last = [0; BLOCK];
            last.split_at_mut(rest.len()).0.copy_from_slice(rest);
            self.absorb(&[last]);
        }
    }

    /// Takes whole blocks.
    pub fn absorb(&mut self, blocks: &[[u8; BLOCK]]) {
        self.steps(blocks, 1);
    }

    /// Takes the last block of a message that ends within it, a one behind its end. The AEAD has no such messages.
    #[cfg(test)]
    pub fn absorb_partial(&mut self, block: [u8; BLOCK]) {
        self.steps(&[block], 0);
    }

    /// h = h * r + block + top * 2^128, for each block; `top` is 0 or 1.
    #[inline(never)]
    fn steps(&mut self, blocks: &[[u8; BLOCK]], top: u32) {
        let [r0, r1, r2, r3] = self.r;
        // 2^128 * 4 = 5 modulo 2^130 - 5: what passes the fourth limb comes back times 5/4.
        let [s1, s2, s3] = [r1, r2, r3].map(|r| r + (r >> 2));
        let [mut h0, mut h1, mut h2, mut h3, mut h4] = self.h;
        for block in blocks {
            let [m0, m1, m2, m3] = words(block).map(u64::from);
            // Each sum stays below 2^63, and each sum of u32 below 2^32, as h4 <= 4 (debug builds would notice).
            let d3 =
                m3 + u64::from(h4 * s3) + mul(h0, r3) + mul(h1, r2) + mul(h2, r1) + mul(h3, r0);
            let over = high(d3) + h4 * r0 + top;
            let back = (over & !3) + (over >> 2);
            let d0 = m0 + u64::from(back) + mul(h0, r0) + mul(h1, s3) + mul(h2, s2) + mul(h3, s1);
            let d1 = m1
                + u64::from(h4 * s1 + high(d0))
                + mul(h0, r1)
                + mul(h1, r0)
                + mul(h2, s3)
                + mul(h3, s2);
            let d2 = m2
                + u64::from(h4 * s2 + high(d1))
                + mul(h0, r2)
                + mul(h1, r1)
                + mul(h2, r0)
                + mul(h3, s3);
            let (sum, carry) = low(d3).overflowing_add(high(d2));
            [h0, h1, h2, h3] = [low(d0), low(d1), low(d2), sum];
            h4 = (over & 3) + u32::from(carry);
        }
        self.h = [h0, h1, h2, h3, h4];
    }

    /// The tag of what was absorbed.
    pub fn finish(mut self) -> [u8; BLOCK] {
        // The last block is not multiplied yet.
        self.steps(&[[0; BLOCK]], 0);
        let [h0, h1, h2, h3, h4] = self.h;
        // h + 5 reaches 2^130 where h >= p; then the tag is of h - p = h + 5 - 2^130. h is below 2p.
        let (_, carry) = sum([h0, h1, h2, h3], [5, 0, 0, 0]);
        let passes = (h4 + carry) >> 2;
        let (reduced, _) = sum([h0, h1, h2, h3], [passes * 5, 0, 0, 0]);
        let (tag, _) = sum(reduced, self.s);
        let mut bytes = [0; BLOCK];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(tag) {
            *bytes = word.to_le_bytes();
        }
        bytes
    }
}

impl Drop for Poly1305 {
    fn drop(&mut self) {
        self.r.zeroize();
        self.s.zeroize();
        self.h.zeroize();
    }
}

#[inline(always)]
fn mul(a: u32, b: u32) -> u64 {
    u64::from(a) * u64::from(b)
}

#[inline(always)]
fn low(x: u64) -> u32 {
    x as u32
}

#[inline(always)]
fn high(x: u64) -> u32 {
    (x >> 32) as u32
}

/// The sum modulo 2^128, and its carry.
fn sum(a: [u32; 4], b: [u32; 4]) -> ([u32; 4], u32) {
    let (mut out, mut carry) = ([0; 4], 0);
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        let limb = u64::from(a) + u64::from(b) + u64::from(carry);
        *out = low(limb);
        carry = high(limb);
    }
    (out, carry)
}
