//! X25519 (RFC 7748) in little code: one field multiplication of eight words, in loops, and the RFC's ladder.
//!
//! For MIPS, where the library's unrolled multiplication of ten limbs takes 14 KB more, and 5.6 million instructions for a public key
//! instead of 5.4. Compiled for tests everywhere, which compare the two. Neither branches nor addresses depend on secrets.

use zeroize::Zeroize;

/// A number modulo p = 2^255 - 19, little end first. Any that is less than 2^255 + 2^24 stands for one; [`bytes`] makes it the least.
pub(super) type Element = [u32; 8];

pub(super) const ONE: Element = [1, 0, 0, 0, 0, 0, 0, 0];
/// (486662 - 2) / 4, the curve's constant.
const A24: u32 = 121_665;

/// The scalar multiplication of RFC 7748, section 5: clamps the secret, ignores the top bit of the point.
#[inline(never)]
pub fn x25519(secret: &[u8; 32], point: &[u8; 32]) -> [u8; 32] {
    let mut x1 = element(point);
    x1[7] &= 0x7fff_ffff;
    let mut scalar = element(secret);
    scalar[0] &= !7;
    scalar[7] = scalar[7] & 0x7fff_ffff | 0x4000_0000;
    let mut ladder = [ONE, [0; 8], x1, ONE];
    let mut swapped = 0;
    for t in (0..255u32).rev() {
        let word = scalar.get((t / 32) as usize).copied().unwrap_or(0);
        let bit = word >> (t % 32) & 1;
        swap(swapped ^ bit, &mut ladder);
        swapped = bit;
        step(&x1, &mut ladder);
    }
    swap(swapped, &mut ladder);
    let [x, z, ..] = &ladder;
    let shared = bytes(multiply(x, &inverse(z)));
    scalar.zeroize();
    ladder.zeroize();
    shared
}

/// One step of the ladder; the names are the RFC's.
fn step(x1: &Element, [x2, z2, x3, z3]: &mut [Element; 4]) {
    let (a, b) = (add(x2, z2), subtract(x2, z2));
    let (c, d) = (add(x3, z3), subtract(x3, z3));
    let (da, cb) = (multiply(&d, &a), multiply(&c, &b));
    let (aa, bb) = (multiply(&a, &a), multiply(&b, &b));
    let e = subtract(&aa, &bb);
    let (sum, difference) = (add(&da, &cb), subtract(&da, &cb));
    *x3 = multiply(&sum, &sum);
    *z3 = multiply(x1, &multiply(&difference, &difference));
    *x2 = multiply(&aa, &bb);
    // aa + a24 e, in place.
    let mut factor = aa;
    let carry = add_multiple(&mut factor, &e, A24);
    fold(&mut factor, carry);
    *z2 = multiply(&e, &factor);
}

/// Swaps the two points if `bit` is 1, and takes the same time if it is 0.
fn swap(bit: u32, [x2, z2, x3, z3]: &mut [Element; 4]) {
    // Not to be seen by an optimiser that would make a branch of it.
    let mask = core::hint::black_box(bit.wrapping_neg());
    for (a, b) in x2.iter_mut().chain(z2).zip(x3.iter_mut().chain(z3)) {
        let differing = (*a ^ *b) & mask;
        *a ^= differing;
        *b ^= differing;
    }
}

/// Takes `carry`, which stands for so many times 2^256, and bit 255: each 2^255 is 19 modulo p.
fn fold(number: &mut Element, carry: u32) {
    let above = carry << 1 | number[7] >> 31;
    number[7] &= 0x7fff_ffff;
    add_small(number, above * 19);
}

fn add_small(number: &mut Element, small: u32) {
    let mut carry = small;
    for word in number {
        let (sum, over) = word.overflowing_add(carry);
        (*word, carry) = (sum, u32::from(over));
    }
}

pub(super) fn add(a: &Element, b: &Element) -> Element {
    sum(a, b, 0, 0)
}

/// With 2 p more, so that it is not negative: a - b + 2^256 - 38 is a - 37 and all of b's bits turned over.
pub(super) fn subtract(a: &Element, b: &Element) -> Element {
    sum(a, b, u32::MAX, -37)
}

#[inline(never)]
fn sum(a: &Element, b: &Element, turned: u32, mut carry: i64) -> Element {
    let mut out = *a;
    for (word, other) in out.iter_mut().zip(b) {
        carry += i64::from(*word) + i64::from(*other ^ turned);
        *word = carry as u32;
        carry >>= 32;
    }
    fold(&mut out, carry as u32);
    out
}

#[inline(never)]
pub(super) fn multiply(a: &Element, b: &Element) -> Element {
    let mut product = [0; 16];
    for (i, &x) in a.iter().enumerate() {
        if let Some([places @ .., top]) =
            product.get_mut(i..).and_then(|p| p.first_chunk_mut::<9>())
        {
            *top = add_multiple(places, b, x);
        }
    }
    let (mut low, mut high) = ([0; 8], [0; 8]);
    low.copy_from_slice(&product[..8]);
    high.copy_from_slice(&product[8..]);
    let carry = add_multiple(&mut low, &high, 38);
    fold(&mut low, carry);
    low
}

/// Adds `factor` times `number`; what does not fit is the answer.
#[inline(never)]
fn add_multiple(places: &mut [u32; 8], number: &Element, factor: u32) -> u32 {
    let mut carry = 0;
    for (place, &word) in places.iter_mut().zip(number) {
        // At most (2^32 - 1)^2 + 2 (2^32 - 1) = 2^64 - 1.
        let sum = u64::from(word) * u64::from(factor) + u64::from(*place) + carry;
        *place = sum as u32;
        carry = sum >> 32;
    }
    carry as u32
}

/// The number to the power of p - 2, whose bits are all 1 but the second and the fourth.
pub(super) fn inverse(a: &Element) -> Element {
    power(a, 254, &[2, 4])
}

/// The number to a power of which bit `top` is the highest, and all others are 1 but those named.
#[inline(never)]
pub(super) fn power(a: &Element, top: u8, zeros: &[u8]) -> Element {
    let mut power = *a;
    for bit in (0..top).rev() {
        power = multiply(&power, &power);
        if !zeros.contains(&bit) {
            power = multiply(&power, a);
        }
    }
    power
}

pub(super) fn element(bytes: &[u8; 32]) -> Element {
    let mut out = [0; 8];
    for (word, chunk) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*chunk);
    }
    out
}

/// The least number that is the same modulo p.
pub(super) fn bytes(mut number: Element) -> [u8; 32] {
    // Leaves less than p + 38.
    fold(&mut number, 0);
    // 19 more reach bit 255 exactly from p on.
    let mut more = number;
    add_small(&mut more, 19);
    add_small(&mut number, (more[7] >> 31) * 19);
    number[7] &= 0x7fff_ffff;
    let mut out = [0; 32];
    for (chunk, word) in out.as_chunks_mut::<4>().0.iter_mut().zip(number) {
        *chunk = word.to_le_bytes();
    }
    out
}

#[cfg(test)]
mod tests;
