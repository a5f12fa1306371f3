//! Published vectors, and RustCrypto's implementation as the reference.

mod against_rustcrypto;
mod rfc8439;
mod wycheproof;

use super::{ChaCha20Poly1305, words};
use chacha20poly1305::aead::consts::{U12, U16, U32};
use chacha20poly1305::{AeadInPlace, Key, KeyInit, Nonce, Tag};
use std::vec::Vec;

/// An implementation that is tested.
trait Cipher: KeyInit<KeySize = U32> + AeadInPlace<NonceSize = U12, TagSize = U16> {}

impl<C: KeyInit<KeySize = U32> + AeadInPlace<NonceSize = U12, TagSize = U16>> Cipher for C {}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .filter_map(|c| c.to_digit(16).map(|d| d as u8))
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// One sealed message.
struct Sealed {
    key: Vec<u8>,
    nonce: Vec<u8>,
    associated_data: Vec<u8>,
    text: Vec<u8>,
    sealed: Vec<u8>,
    tag: Vec<u8>,
}

impl Sealed {
    fn assert_seals(&self) {
        self.assert_sealed_by::<ChaCha20Poly1305>();
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        self.assert_sealed_by::<crate::wide::ChaCha20Poly1305>();
    }

    fn assert_sealed_by<C: Cipher>(&self) {
        let mut buffer = self.text.clone();
        let cipher = C::new(Key::from_slice(&self.key));
        let nonce = Nonce::from_slice(&self.nonce);
        let tag = cipher.encrypt_in_place_detached(nonce, &self.associated_data, &mut buffer);
        assert_eq!(buffer, self.sealed);
        assert_eq!(tag.unwrap().as_slice(), self.tag);
    }

    /// The text, or the buffer as it was left where the message was refused.
    fn open(&self) -> Result<Vec<u8>, Vec<u8>> {
        let opened = self.open_by::<ChaCha20Poly1305>();
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        assert_eq!(self.open_by::<crate::wide::ChaCha20Poly1305>(), opened);
        opened
    }

    fn open_by<C: Cipher>(&self) -> Result<Vec<u8>, Vec<u8>> {
        let mut buffer = self.sealed.clone();
        let cipher = C::new(Key::from_slice(&self.key));
        let (nonce, tag) = (Nonce::from_slice(&self.nonce), Tag::from_slice(&self.tag));
        let data = &self.associated_data;
        match cipher.decrypt_in_place_detached(nonce, data, &mut buffer, tag) {
            Ok(()) => Ok(buffer),
            Err(_) => Err(buffer),
        }
    }
}
