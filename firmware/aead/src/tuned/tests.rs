//! Published vectors, and RustCrypto's implementation as the reference.

mod against_rustcrypto;
mod rfc8439;
mod wycheproof;

use super::{ChaCha20Poly1305, words};
use chacha20poly1305::{AeadInPlace, Key, KeyInit, Nonce, Tag};
use std::vec::Vec;

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
    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(Key::from_slice(&self.key))
    }

    fn assert_seals(&self) {
        let mut buffer = self.text.clone();
        let nonce = Nonce::from_slice(&self.nonce);
        let tag =
            self.cipher()
                .encrypt_in_place_detached(nonce, &self.associated_data, &mut buffer);
        assert_eq!(buffer, self.sealed);
        assert_eq!(tag.unwrap().as_slice(), self.tag);
    }

    /// The text, or the buffer as it was left where the message was refused.
    fn open(&self) -> Result<Vec<u8>, Vec<u8>> {
        let mut buffer = self.sealed.clone();
        let nonce = Nonce::from_slice(&self.nonce);
        let tag = Tag::from_slice(&self.tag);
        match self.cipher().decrypt_in_place_detached(
            nonce,
            &self.associated_data,
            &mut buffer,
            tag,
        ) {
            Ok(()) => Ok(buffer),
            Err(_) => Err(buffer),
        }
    }
}
