//! The standard primitives this crate is built on, in the few shapes it needs. Nothing is invented here.

use blake2::digest::consts::{U16, U32};
use blake2::digest::{Digest, FixedOutput, KeyInit, Update};
use blake2::{Blake2s256, Blake2sMac};
use subtle::ConstantTimeEq;

/// Bytes of a message authenticator on the wire.
pub(crate) const MAC_LEN: usize = 16;

/// BLAKE2s-256 over the parts in order (RFC 7693).
pub(crate) fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut state = Blake2s256::new();
    for part in parts {
        Digest::update(&mut state, part);
    }
    state.finalize().into()
}

/// Keyed BLAKE2s with 32 bytes of output: the pseudorandom function all keys are derived with.
pub(crate) fn prf(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut state = <Blake2sMac<U32> as KeyInit>::new(key.into());
    for part in parts {
        state.update(part);
    }
    state.finalize_fixed().into()
}

/// Keyed BLAKE2s with 16 bytes of output: the authenticator of messages.
pub(crate) fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; MAC_LEN] {
    let mut state = <Blake2sMac<U16> as KeyInit>::new(key.into());
    for part in parts {
        state.update(part);
    }
    state.finalize_fixed().into()
}

/// Compares without telling by its time where the difference is.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    bool::from(a.ct_eq(b))
}

/// The first `N` bytes of a 32-byte digest.
pub(crate) fn first<const N: usize>(digest: &[u8; 32]) -> [u8; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(digest) {
        *to = *from;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_blake2s_as_in_rfc_7693() {
        assert_eq!(hash(&[b"a", b"bc"])[..4], [0x50, 0x8c, 0x5e, 0x8c]);
    }

    #[test]
    fn parts_are_concatenated_and_the_key_and_length_matter() {
        assert_eq!(mac(&[1; 32], &[b"ab", b"c"]), mac(&[1; 32], &[b"abc"]));
        assert_ne!(mac(&[1; 32], &[b"abc"]), mac(&[2; 32], &[b"abc"]));
        assert_ne!(mac(&[1; 32], &[b"abc"])[..], prf(&[1; 32], &[b"abc"])[..16]);
    }
}
