//! Poly1305 (RFC 8439, section 2.5) for 64-bit words: three limbs of 44, 44 and 42 bits, whose products are added up in 128, and two
//! blocks a step, h = (h + block) * r^2 + next block * r, so that both wait for one carry only.
//!
//! No branch, index or address depends on the key or on what is authenticated.

use crate::{BLOCK, Mac};
use zeroize::Zeroize;

/// Blocks of a step.
const STEP: usize = 2;
/// What the first two limbs hold, and the third.
const LOW: u64 = (1 << 44) - 1;
const HIGH: u64 = (1 << 42) - 1;

/// A number modulo 2^130 - 5, in limbs of 44, 44 and 42 bits or little more.
type Limbs = [u64; 3];

/// What a sum is multiplied with.
#[derive(Clone, Copy)]
struct Factor {
    r: Limbs,
    /// The upper limbs times 20: what passes 2^132 comes back times 5 * 4, since 2^130 = 5.
    s: [u64; 2],
}

impl Factor {
    fn new(r: Limbs) -> Self {
        let [_, r1, r2] = r;
        Self {
            r,
            s: [r1 * 20, r2 * 20],
        }
    }

    /// Adds the product with `h` to the sums of each limb.
    fn add_product(&self, [h0, h1, h2]: Limbs, [d0, d1, d2]: [u128; 3]) -> [u128; 3] {
        let ([r0, r1, r2], [s1, s2]) = (self.r, self.s);
        [
            d0 + wide(h0, r0) + wide(h1, s2) + wide(h2, s1),
            d1 + wide(h0, r1) + wide(h1, r0) + wide(h2, s2),
            d2 + wide(h0, r2) + wide(h1, r1) + wide(h2, r0),
        ]
    }

    fn times(&self, h: Limbs) -> Limbs {
        carried(self.add_product(h, [0; 3]))
    }
}

fn wide(a: u64, b: u64) -> u128 {
    u128::from(a) * u128::from(b)
}

/// Sums of products as limbs again; the second may be a bit longer than its 44.
fn carried([d0, d1, d2]: [u128; 3]) -> Limbs {
    let d1 = d1 + u128::from((d0 >> 44) as u64);
    let d2 = d2 + u128::from((d1 >> 44) as u64);
    let h0 = (d0 as u64 & LOW) + (d2 >> 42) as u64 * 5;
    [h0 & LOW, (d1 as u64 & LOW) + (h0 >> 44), d2 as u64 & HIGH]
}

/// `block`, with `top` times 2^128 above it.
fn limbs(block: &[u8; BLOCK], top: u64) -> Limbs {
    let number = u128::from_le_bytes(*block);
    let (low, high) = (number as u64, (number >> 64) as u64);
    [
        low & LOW,
        (low >> 44 | high << 20) & LOW,
        high >> 24 | top << 40,
    ]
}

fn sum([a0, a1, a2]: Limbs, [b0, b1, b2]: Limbs) -> Limbs {
    [a0 + b0, a1 + b1, a2 + b2]
}

/// An authenticator under way. Its key is for one message. Wiped when dropped.
pub struct Poly1305 {
    /// r squared, and r.
    powers: [Factor; STEP],
    h: Limbs,
    /// Added at the end.
    pad: u128,
}

impl Poly1305 {
    /// With the one-time key.
    pub fn new(key: &[u8; 32]) -> Self {
        let (halves, _) = key.as_chunks::<BLOCK>();
        let [r, pad] = [0, 1].map(|i| halves.get(i).map_or(0, |half| u128::from_le_bytes(*half)));
        let r = r & 0x0fff_fffc_0fff_fffc_0fff_fffc_0fff_ffff;
        let first = Factor::new(limbs(&r.to_le_bytes(), 0));
        let second = Factor::new(first.times(first.r));
        Self {
            powers: [second, first],
            h: [0; 3],
            pad,
        }
    }

    fn add(&mut self, block: &[u8; BLOCK], top: u64) {
        let [.., first] = &self.powers;
        self.h = first.times(sum(self.h, limbs(block, top)));
    }

    /// Takes the last block of a message that ends within it, a one behind its end. The AEAD has no such messages.
    #[cfg(test)]
    pub fn absorb_partial(&mut self, block: [u8; BLOCK]) {
        self.add(&block, 0);
    }
}

impl Mac for Poly1305 {
    fn absorb(&mut self, blocks: &[[u8; BLOCK]]) {
        let (steps, rest) = blocks.as_chunks::<STEP>();
        for [b0, b1] in steps {
            let [second, first] = &self.powers;
            let d = first.add_product(limbs(b1, 1), [0; 3]);
            self.h = carried(second.add_product(sum(self.h, limbs(b0, 1)), d));
        }
        for block in rest {
            self.add(block, 1);
        }
    }

    fn finish(self) -> [u8; BLOCK] {
        // Whole carries, so that each limb keeps to its bits and h is below 2^130.
        let [mut h0, mut h1, mut h2] = self.h;
        for _ in 0..2 {
            h1 += h0 >> 44;
            h2 += h1 >> 44;
            h0 = (h0 & LOW) + (h2 >> 42) * 5;
            (h1, h2) = (h1 & LOW, h2 & HIGH);
        }
        h1 += h0 >> 44;
        h0 &= LOW;
        // h + 5 reaches 2^130 where h >= p; then the tag is of h - p = h + 5 - 2^130, of which 128 bits count.
        let passes = (h2 + ((h1 + ((h0 + 5) >> 44)) >> 44)) >> 42;
        let upper = (u128::from(h1) << 44).wrapping_add(u128::from(h2) << 88);
        upper
            .wrapping_add(u128::from(h0 + passes * 5))
            .wrapping_add(self.pad)
            .to_le_bytes()
    }
}

impl Drop for Poly1305 {
    fn drop(&mut self) {
        for power in &mut self.powers {
            power.r.zeroize();
            power.s.zeroize();
        }
        self.h.zeroize();
        self.pad.zeroize();
    }
}
