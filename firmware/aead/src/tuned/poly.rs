//! Poly1305 (RFC 8439, section 2.5) with four limbs of 32 bits and a small fifth: 16 multiplications a block, where five
//! limbs of 26 bits need 25. The order is Horner's turned round, h = h * r + block: so a block joins the sums of products,
//! and its carries are theirs.

#[cfg(target_arch = "mips")]
mod mips;
#[cfg(any(test, not(target_arch = "mips")))]
mod portable;

use super::words;
use crate::{BLOCK, Mac};
#[cfg(target_arch = "mips")]
use mips::steps;
#[cfg(not(target_arch = "mips"))]
use portable::steps;
use zeroize::Zeroize;

/// A sum of blocks modulo 2^130 - 5, and what each step multiplies it with: h = h * r + block + top * 2^128.
#[repr(C)]
#[cfg_attr(test, derive(Clone))]
struct Sum {
    /// The multiplier, clamped: each limb is below 2^28, and all but the first are multiples of 4.
    r: [u32; 4],
    /// 5/4 of `r`'s upper limbs. As 2^128 * 4 = 5 modulo 2^130 - 5, what passes the fourth limb comes back times 5/4.
    s: [u32; 3],
    /// What stands above a block, 0 or 1.
    top: u32,
    /// Below 5 * 2^128; the last limb is at most 4.
    h: [u32; 5],
}

impl Sum {
    fn new([r0, r1, r2, r3]: [u32; 4]) -> Self {
        let r = [
            r0 & 0x0fff_ffff,
            r1 & 0x0fff_fffc,
            r2 & 0x0fff_fffc,
            r3 & 0x0fff_fffc,
        ];
        let [_, s1, s2, s3] = r.map(|limb| limb + (limb >> 2));
        Self {
            r,
            s: [s1, s2, s3],
            top: 1,
            h: [0; 5],
        }
    }
}

impl Drop for Sum {
    fn drop(&mut self) {
        self.r.zeroize();
        self.s.zeroize();
        self.h.zeroize();
    }
}

/// An authenticator under way. Its key is for one packet. Wiped when dropped.
pub struct Poly1305 {
    sum: Sum,
    /// Added at the end.
    pad: [u32; 4],
}

impl Poly1305 {
    /// With the one-time key, which is the first 32 bytes of `key`.
    pub fn new(key: &[u8]) -> Self {
        let [r0, r1, r2, r3, pad @ ..] = words::<8>(key);
        Self {
            sum: Sum::new([r0, r1, r2, r3]),
            pad,
        }
    }

    /// Takes the last block of a message that ends within it, a one behind its end. The AEAD has no such messages.
    #[cfg(test)]
    pub fn absorb_partial(&mut self, block: [u8; BLOCK]) {
        self.sum.top = 0;
        self.absorb(&[block]);
    }
}

impl Mac for Poly1305 {
    fn absorb(&mut self, blocks: &[[u8; BLOCK]]) {
        steps(&mut self.sum, blocks);
    }

    fn finish(mut self) -> [u8; BLOCK] {
        // The last block is not multiplied yet.
        self.sum.top = 0;
        self.absorb(&[[0; BLOCK]]);
        let [h0, h1, h2, h3, h4] = self.sum.h;
        // h + 5 reaches 2^130 where h >= p; then the tag is of h - p = h + 5 - 2^130. h is below 2p.
        let (_, carry) = add([h0, h1, h2, h3], [5, 0, 0, 0]);
        let passes = (h4 + carry) >> 2;
        let (reduced, _) = add([h0, h1, h2, h3], [passes * 5, 0, 0, 0]);
        let (tag, _) = add(reduced, self.pad);
        let mut bytes = [0; BLOCK];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(tag) {
            *bytes = word.to_le_bytes();
        }
        bytes
    }
}

impl Drop for Poly1305 {
    fn drop(&mut self) {
        self.pad.zeroize();
    }
}

/// The sum modulo 2^128, and its carry.
fn add(a: [u32; 4], b: [u32; 4]) -> ([u32; 4], u32) {
    let (mut out, mut carry) = ([0; 4], 0);
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        let limb = u64::from(a) + u64::from(b) + u64::from(carry);
        *out = limb as u32;
        carry = (limb >> 32) as u32;
    }
    (out, carry)
}
