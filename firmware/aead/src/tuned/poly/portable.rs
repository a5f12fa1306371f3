//! The steps in Rust, for any processor.

use super::super::words;
use super::{BLOCK, Sum};

/// Takes `blocks`.
#[inline(never)]
pub fn steps(sum: &mut Sum, blocks: &[[u8; BLOCK]]) {
    let ([r0, r1, r2, r3], [s1, s2, s3]) = (sum.r, sum.s);
    let [mut h0, mut h1, mut h2, mut h3, mut h4] = sum.h;
    for block in blocks {
        let [m0, m1, m2, m3] = words(block).map(u64::from);
        // Each sum stays below 2^63, and each sum of u32 below 2^32, as h4 <= 4 (debug builds would notice).
        let d3 = m3 + u64::from(h4 * s3) + mul(h0, r3) + mul(h1, r2) + mul(h2, r1) + mul(h3, r0);
        let over = high(d3) + h4 * r0 + sum.top;
        let back = (over & !3) + (over >> 2);
        let d0 = m0 + u64::from(back) + mul(h0, r0) + mul(h1, s3) + mul(h2, s2) + mul(h3, s1);
        let small1 = u64::from(h4 * s1 + high(d0));
        let d1 = m1 + small1 + mul(h0, r1) + mul(h1, r0) + mul(h2, s3) + mul(h3, s2);
        let small2 = u64::from(h4 * s2 + high(d1));
        let d2 = m2 + small2 + mul(h0, r2) + mul(h1, r1) + mul(h2, r0) + mul(h3, s3);
        let (last, carry) = low(d3).overflowing_add(high(d2));
        [h0, h1, h2, h3] = [low(d0), low(d1), low(d2), last];
        h4 = (over & 3) + u32::from(carry);
    }
    sum.h = [h0, h1, h2, h3, h4];
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
