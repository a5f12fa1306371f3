//! ChaCha20-Poly1305 for processors with 32-bit words, some two dozen registers and no vectors: MIPS32r2 (24K, 74K, 1004K).
//!
//! No branch, index or address depends on a key or on text. Words are taken from bytes, never by unaligned loads.

mod chacha;
mod poly;

use crate::authenticate;
use chacha::Stream;
use chacha20poly1305::aead::{self, consts};
use chacha20poly1305::{AeadCore, AeadInPlace, Error, Key, KeyInit, KeySizeUser, Tag};
use poly::Poly1305;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The key, 32 bytes, wiped when dropped. In place of [`chacha20poly1305::ChaCha20Poly1305`].
#[derive(Clone)]
pub struct ChaCha20Poly1305 {
    key: [u32; 8],
}

impl core::fmt::Debug for ChaCha20Poly1305 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ChaCha20Poly1305(..)")
    }
}

impl KeySizeUser for ChaCha20Poly1305 {
    type KeySize = consts::U32;
}

impl KeyInit for ChaCha20Poly1305 {
    fn new(key: &Key) -> Self {
        Self {
            key: words(key.as_ref()),
        }
    }
}

impl AeadCore for ChaCha20Poly1305 {
    type NonceSize = consts::U12;
    type TagSize = consts::U16;
    type CiphertextOverhead = consts::U0;
}

impl AeadInPlace for ChaCha20Poly1305 {
    fn encrypt_in_place_detached(
        &self,
        nonce: &aead::Nonce<Self>,
        associated_data: &[u8],
        buffer: &mut [u8],
    ) -> Result<Tag, Error> {
        within_limit(buffer)?;
        let mut stream = Stream::new(&self.key, nonce.as_ref());
        let mac = authenticator(&mut stream);
        stream.apply(buffer);
        Ok(authenticate(mac, associated_data, buffer).into())
    }

    fn decrypt_in_place_detached(
        &self,
        nonce: &aead::Nonce<Self>,
        associated_data: &[u8],
        buffer: &mut [u8],
        tag: &Tag,
    ) -> Result<(), Error> {
        within_limit(buffer)?;
        let mut stream = Stream::new(&self.key, nonce.as_ref());
        let mac = authenticator(&mut stream);
        let computed = authenticate(mac, associated_data, buffer);
        if !bool::from(computed.ct_eq(tag.as_ref())) {
            return Err(Error);
        }
        stream.apply(buffer);
        Ok(())
    }
}

impl Drop for ChaCha20Poly1305 {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl ZeroizeOnDrop for ChaCha20Poly1305 {}

/// The block counter has 32 bits, and block 0 is the authenticator's key. The bound is RustCrypto's.
fn within_limit(buffer: &[u8]) -> Result<(), Error> {
    if buffer.len() as u64 / 64 < u64::from(u32::MAX) {
        Ok(())
    } else {
        Err(Error)
    }
}

/// Its key is the first block of the key stream (RFC 8439, section 2.6).
fn authenticator(stream: &mut Stream) -> Poly1305 {
    let mut key = stream.block();
    let mac = Poly1305::new(&key);
    key.zeroize();
    mac
}

/// `N` little-endian words from `bytes`; zeros where there are fewer.
fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}

#[cfg(test)]
mod tests;
