//! SipHash (Aumasson, Bernstein 2012) with any number of rounds, in one loop: on MIPS a fifth of the library's, whose two variants with
//! their rounds unrolled have 3.5 KB. Tests compare it with the library's.

/// SipHash-c-d of `bytes`: `c` rounds for every eight bytes, `d` at the end.
#[inline(never)]
pub fn sip(key: &[u8; 16], bytes: &[u8], c: u8, d: u8) -> u64 {
    let [k0, k1] = halves(key);
    let mut state = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let mut left = bytes;
    while let Some((word, rest)) = left.split_first_chunk() {
        absorb(&mut state, u64::from_le_bytes(*word), c);
        left = rest;
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(left) {
        *to = *from;
    }
    // The last byte is the length's.
    last[7] = bytes.len() as u8;
    absorb(&mut state, u64::from_le_bytes(last), c);
    state[2] ^= 0xff;
    rounds(&mut state, d);
    state.into_iter().fold(0, core::ops::BitXor::bitxor)
}

fn halves(key: &[u8; 16]) -> [u64; 2] {
    let number = u128::from_le_bytes(*key);
    [number as u64, (number >> 64) as u64]
}

fn absorb(state: &mut [u64; 4], word: u64, c: u8) {
    state[3] ^= word;
    rounds(state, c);
    state[0] ^= word;
}

#[inline(never)]
fn rounds(state: &mut [u64; 4], count: u8) {
    let [mut v0, mut v1, mut v2, mut v3] = *state;
    for _ in 0..count {
        v0 = v0.wrapping_add(v1);
        v1 = v1.rotate_left(13) ^ v0;
        v0 = v0.rotate_left(32);
        v2 = v2.wrapping_add(v3);
        v3 = v3.rotate_left(16) ^ v2;
        v0 = v0.wrapping_add(v3);
        v3 = v3.rotate_left(21) ^ v0;
        v2 = v2.wrapping_add(v1);
        v1 = v1.rotate_left(17) ^ v2;
        v2 = v2.rotate_left(32);
    }
    *state = [v0, v1, v2, v3];
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use siphasher::sip::{SipHasher13, SipHasher24};

    #[test]
    fn the_hash_is_that_of_the_paper() {
        let key: [u8; 16] = core::array::from_fn(|i| i as u8);
        let message: [u8; 15] = core::array::from_fn(|i| i as u8);
        assert_eq!(sip(&key, &message, 2, 4), 0xa129_ca61_49be_45e5);
    }

    proptest! {
        #[test]
        fn it_hashes_as_the_library_does(key: [u8; 16], bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(sip(&key, &bytes, 2, 4), SipHasher24::new_with_key(&key).hash(&bytes));
            prop_assert_eq!(sip(&key, &bytes, 1, 3), SipHasher13::new_with_key(&key).hash(&bytes));
        }
    }
}
