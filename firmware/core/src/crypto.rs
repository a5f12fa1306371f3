//! The standard primitives this crate is built on, in the few shapes it needs. Nothing is invented here.
//!
//! Each has one entrance that is never inlined: a router's flash is small, and none of them is short.

use blake2::Blake2sVarCore;
use blake2::digest::core_api::{Buffer, UpdateCore, VariableOutputCore};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

mod ed25519;
#[cfg(any(target_arch = "mips", test, feature = "differential"))]
mod edwards;
#[cfg(any(target_arch = "mips", test, feature = "differential"))]
mod sha512;
mod sip;
#[cfg(any(target_arch = "mips", test, feature = "differential"))]
mod x25519;

#[cfg(target_arch = "mips")]
pub(crate) use x25519::x25519;

#[cfg(not(target_arch = "mips"))]
pub(crate) use ed25519::verify;
pub(crate) use ed25519::{public as ed25519_public, sign};
#[cfg(target_arch = "mips")]
pub(crate) use edwards::verify;

/// The crate's own primitives beside the library's, for fuzzing: they must be of one opinion whatever the bytes.
#[cfg(all(feature = "differential", not(target_arch = "mips")))]
pub mod differential {
    pub use super::ed25519::{public as ed25519_public, sign, verify as library_verify};
    pub use super::edwards::verify as own_verify;
    pub use super::x25519::x25519 as own_x25519;

    /// The library's product of a scalar and a point.
    pub fn library_x25519(secret: &[u8; 32], point: &[u8; 32]) -> [u8; 32] {
        super::x25519(secret, point)
    }
}

/// Bytes of a message authenticator on the wire.
pub(crate) const MAC_LEN: usize = 16;
/// Bytes of a block of BLAKE2s.
const BLOCK: usize = 64;

/// BLAKE2s under way (RFC 7693).
#[derive(Clone)]
pub(crate) struct Blake2s {
    core: Blake2sVarCore,
    buffer: Buffer<Blake2sVarCore>,
}

impl Blake2s {
    /// `key` may be empty and has 32 bytes at most; so has the output, of which only the first `size` count.
    #[inline(never)]
    pub fn new(key: &[u8], size: usize) -> Self {
        let mut state = Self {
            core: Blake2sVarCore::new_with_params(&[], &[], key.len(), size),
            buffer: Buffer::<Blake2sVarCore>::default(),
        };
        let mut block = [0; BLOCK];
        if let Some(start) = block.get_mut(..key.len()).filter(|s| !s.is_empty()) {
            start.copy_from_slice(key);
            state.update(&block);
            wipe(&mut block);
        }
        state
    }

    #[inline(never)]
    pub fn update(&mut self, data: &[u8]) {
        let Self { core, buffer } = self;
        buffer.digest_blocks(data, |blocks| core.update_blocks(blocks));
    }

    #[inline(never)]
    pub fn finish(mut self) -> [u8; 32] {
        let mut out = blake2::digest::Output::<blake2::Blake2s256>::default();
        self.core.finalize_variable_core(&mut self.buffer, &mut out);
        out.into()
    }
}

impl Default for Blake2s {
    fn default() -> Self {
        Self::new(&[], 32)
    }
}

/// X25519 (RFC 7748).
#[cfg(not(target_arch = "mips"))]
pub(crate) fn x25519(secret: &[u8; 32], point: &[u8; 32]) -> [u8; 32] {
    x25519_dalek::x25519(*secret, *point)
}

/// The point that public keys are multiples of.
pub(crate) const BASE_POINT: [u8; 32] = {
    let mut point = [0; 32];
    point[0] = 9;
    point
};

fn blake2s(key: &[u8], size: usize, parts: &[&[u8]]) -> [u8; 32] {
    let mut state = Blake2s::new(key, size);
    for part in parts {
        state.update(part);
    }
    state.finish()
}

/// BLAKE2s-256 over the parts in order (RFC 7693).
pub(crate) fn hash(parts: &[&[u8]]) -> [u8; 32] {
    blake2s(&[], 32, parts)
}

/// Keyed BLAKE2s with 32 bytes of output: the pseudorandom function all keys are derived with.
pub(crate) fn prf(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    blake2s(key, 32, parts)
}

/// Keyed BLAKE2s with 16 bytes of output: the authenticator of messages.
pub(crate) fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; MAC_LEN] {
    first(&blake2s(key, MAC_LEN, parts))
}

/// SipHash-2-4 (Aumasson, Bernstein 2012): a PRF for short inputs.
pub(crate) fn sip24(key: &[u8; 16], bytes: &[u8]) -> u64 {
    sip::sip(key, bytes, 2, 4)
}

/// SipHash-1-3: for tables whose keys strangers choose.
pub(crate) fn sip13(key: &[u8; 16], bytes: &[u8]) -> u64 {
    sip::sip(key, bytes, 1, 3)
}

/// Overwrites a secret that is not needed any more.
#[inline(never)]
pub(crate) fn wipe(secret: &mut [u8]) {
    secret.zeroize();
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
    fn keyed_hashes_are_the_librarys_own() {
        use blake2::Blake2sMac;
        use blake2::digest::consts::{U16, U32};
        use blake2::digest::{FixedOutput, KeyInit, Update};
        for length in [0, 1, 63, 64, 65, 200] {
            let data = vec![0xa5; length];
            let long = <Blake2sMac<U32> as KeyInit>::new(&[3; 32].into()).chain(&data);
            assert_eq!(prf(&[3; 32], &[&data])[..], long.finalize_fixed()[..]);
            let short = <Blake2sMac<U16> as KeyInit>::new(&[3; 32].into()).chain(&data);
            assert_eq!(mac(&[3; 32], &[&data])[..], short.finalize_fixed()[..]);
        }
    }

    #[test]
    fn parts_are_concatenated_and_the_key_and_length_matter() {
        assert_eq!(mac(&[1; 32], &[b"ab", b"c"]), mac(&[1; 32], &[b"abc"]));
        assert_ne!(mac(&[1; 32], &[b"abc"]), mac(&[2; 32], &[b"abc"]));
        assert_ne!(mac(&[1; 32], &[b"abc"])[..], prf(&[1; 32], &[b"abc"])[..16]);
    }
}
