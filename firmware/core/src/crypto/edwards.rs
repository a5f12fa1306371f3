//! Verification of Ed25519 (RFC 8032) in little code, upon the field of [`super::x25519`].
//!
//! For MIPS, where the library's takes 37 KB: it multiplies 128 bits at a time. Compiled for tests everywhere, which compare the two.
//! Nothing here is secret, so nothing takes the same time.

use super::sha512;
use super::x25519::{Element, ONE, add, bytes, element, inverse, multiply, power, subtract};

/// The curve's constant, -121665/121666.
const D: Element = [
    0x1359_78a3,
    0x75eb_4dca,
    0x4141_d8ab,
    0x0070_0a4d,
    0x7779_e898,
    0x8cc7_4079,
    0x2b6f_fe73,
    0x5203_6cee,
];
/// A square root of -1.
const ROOT: Element = [
    0x4a0e_a0b0,
    0xc4ee_1b27,
    0xad2f_e478,
    0x2f43_1806,
    0x3dfb_d7a7,
    0x2b4d_0099,
    0x4fc1_df0b,
    0x2b83_2480,
];
/// The order of the base point.
const ORDER: [u32; 8] = [
    0x5cf5_d3ed,
    0x5812_631a,
    0xa2f7_9cd6,
    0x14de_f9de,
    0x0000_0000,
    0x0000_0000,
    0x0000_0000,
    0x1000_0000,
];
/// The base point as it is written: y = 4/5, and x even.
const BASE: [u8; 32] = {
    let mut point = [0x66; 32];
    point[0] = 0x58;
    point
};

/// X, Y, Z and T of a point (X/Z, Y/Z), with T = XY/Z.
type Point = [Element; 4];

const NOWHERE: Point = [[0; 8], ONE, ONE, [0; 8]];

/// Whether the parts, one after the other, were signed by whoever has the secret of this key: S B = R + k A. Strict: encodings
/// that are not canonical, and keys and points R of small order, verify nothing.
#[inline(never)]
pub fn verify(key: &[u8; 32], parts: &[&[u8]], signature: &[u8; 64]) -> bool {
    let (Some((r, s)), Some(base)) = (signature.split_first_chunk::<32>(), decode(&BASE)) else {
        return false;
    };
    let (Some(a), Some(point), Ok(s)) = (decode(key), decode(r), s.try_into()) else {
        return false;
    };
    let s = element(s);
    if small(&a) || small(&point) || !less(&s, &ORDER) {
        return false;
    }
    let mut all: heapless::Vec<&[u8], 8> = heapless::Vec::new();
    let fits = all
        .extend_from_slice(&[r, key])
        .and_then(|()| all.extend_from_slice(parts));
    if fits.is_err() {
        return false;
    }
    let k = reduced(&sha512::hash(&all));
    let minus_a = negative(&a);
    let table = [NOWHERE, base, minus_a, sum(&base, &minus_a)];
    let mut at = NOWHERE;
    for t in (0..256).rev() {
        at = sum(&at, &at);
        let which = bit(&s, t) | bit(&k, t) << 1;
        if let Some(more) = table.get(which as usize).filter(|_| which != 0) {
            at = sum(&at, more);
        }
    }
    encode(&at) == *r
}

/// The points' sum, whichever they are (Hisil, Wong, Carter, Dawson 2008, 3.1).
#[inline(never)]
fn sum([x1, y1, z1, t1]: &Point, [x2, y2, z2, t2]: &Point) -> Point {
    let a = multiply(&subtract(y1, x1), &subtract(y2, x2));
    let b = multiply(&add(y1, x1), &add(y2, x2));
    let c = multiply(&multiply(t1, t2), &add(&D, &D));
    let d = multiply(z1, z2);
    let d = add(&d, &d);
    let (e, f, g, h) = (subtract(&b, &a), subtract(&d, &c), add(&d, &c), add(&b, &a));
    [
        multiply(&e, &f),
        multiply(&g, &h),
        multiply(&f, &g),
        multiply(&e, &h),
    ]
}

fn negative([x, y, z, t]: &Point) -> Point {
    [subtract(&[0; 8], x), *y, *z, subtract(&[0; 8], t)]
}

/// Whether eight times the point is nowhere.
fn small(point: &Point) -> bool {
    let mut eight = *point;
    for _ in 0..3 {
        eight = sum(&eight, &eight);
    }
    bytes(eight[0]) == [0; 32]
}

/// The point of these 32 bytes (RFC 8032, section 5.1.3), which must be the canonical ones.
#[inline(never)]
fn decode(from: &[u8; 32]) -> Option<Point> {
    let mut plain = *from;
    plain[31] &= 0x7f;
    let y = element(&plain);
    if bytes(y) != plain {
        return None;
    }
    let square = multiply(&y, &y);
    let (u, v) = (subtract(&square, &ONE), add(&multiply(&square, &D), &ONE));
    // x = u v^3 (u v^7)^((p - 5) / 8), or that times the root of -1.
    let cube = multiply(&multiply(&v, &v), &v);
    let seventh = multiply(&multiply(&cube, &cube), &v);
    let high = power(&multiply(&u, &seventh), 251, &[1]);
    let mut x = multiply(&multiply(&u, &cube), &high);
    let check = bytes(multiply(&v, &multiply(&x, &x)));
    if check != bytes(u) {
        if check != bytes(subtract(&[0; 8], &u)) {
            return None;
        }
        x = multiply(&x, &ROOT);
    }
    let (odd, wanted) = (bytes(x)[0] & 1, from[31] >> 7);
    if wanted == 1 && bytes(x) == [0; 32] {
        return None;
    }
    if odd != wanted {
        x = subtract(&[0; 8], &x);
    }
    Some([x, y, ONE, multiply(&x, &y)])
}

fn encode([x, y, z, _]: &Point) -> [u8; 32] {
    let inverted = inverse(z);
    let mut out = bytes(multiply(y, &inverted));
    out[31] |= bytes(multiply(x, &inverted))[0] << 7;
    out
}

/// The number modulo the base point's order, bit by bit from the top.
fn reduced(number: &[u8; 64]) -> [u32; 8] {
    let mut rest = [0; 8];
    for byte in number.iter().rev() {
        for t in (0..8).rev() {
            let mut carry = u32::from(byte >> t & 1);
            for word in &mut rest {
                let next = *word >> 31;
                *word = *word << 1 | carry;
                carry = next;
            }
            // Twice what is less than the order, and one more, is less than twice the order.
            if !less(&rest, &ORDER) {
                take(&mut rest, &ORDER);
            }
        }
    }
    rest
}

fn less(a: &[u32; 8], b: &[u32; 8]) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

/// `from` less `what`, which is not more.
fn take(from: &mut [u32; 8], what: &[u32; 8]) {
    let mut carry = 0;
    for (word, less) in from.iter_mut().zip(what) {
        let difference = i64::from(*word) - i64::from(*less) + carry;
        *word = difference as u32;
        carry = difference >> 32;
    }
}

fn bit(number: &[u32; 8], t: u32) -> u32 {
    let word = number.get((t / 32) as usize).copied().unwrap_or(0);
    word >> (t % 32) & 1
}

#[cfg(test)]
mod tests;
