//! Ed25519 (RFC 8032), strict: keys and points of small order and encodings that are not canonical verify nothing. On MIPS
//! [`super::edwards`] verifies in its place.

use ed25519_compact::{KeyPair, Seed};

/// The most that is ever signed, bytes.
const MESSAGE: usize = 640;

/// Whether the parts, one after the other, were signed by whoever has the secret of this key. Two scalar multiplications.
#[cfg(any(not(target_arch = "mips"), test))]
#[inline(never)]
pub fn verify(key: &[u8; 32], parts: &[&[u8]], signature: &[u8; 64]) -> bool {
    use ed25519_compact::{PublicKey, Signature};
    let signature = Signature::new(*signature);
    let Ok(mut state) = PublicKey::new(*key).verify_incremental(&signature) else {
        return false;
    };
    for part in parts {
        state.absorb(part);
    }
    state.verify().is_ok()
}

/// Signs the parts, at most [`MESSAGE`] bytes. `None`: they are more, or the seed is all zeros and no secret.
pub fn sign(seed: &[u8; 32], parts: &[&[u8]]) -> Option<[u8; 64]> {
    let pair = KeyPair::try_from_seed(Seed::new(*seed)).ok()?;
    let mut message = heapless::Vec::<u8, MESSAGE>::new();
    for part in parts {
        message.extend_from_slice(part).ok()?;
    }
    Some(*pair.sk.sign(message, None))
}

/// The public half. `None`: the seed is all zeros.
pub fn public(seed: &[u8; 32]) -> Option<[u8; 32]> {
    let pair = KeyPair::try_from_seed(Seed::new(*seed)).ok()?;
    Some(*pair.pk)
}
