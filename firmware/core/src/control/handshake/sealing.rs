//! Noise's cipher: ChaCha20-Poly1305 (RFC 8439) as the packets are sealed with it, so that a router carries one copy.

use burstmesh_aead::{AeadInPlace, ChaCha20Poly1305, KeyInit, Nonce};
use noise_protocol::Cipher;
use noise_rust_crypto::sensitive::Sensitive;

/// For the type of a handshake's state only.
#[derive(Debug)]
pub(super) enum Sealing {}

/// Bytes of its authenticator.
const TAG: usize = 16;

impl Cipher for Sealing {
    type Key = Sensitive<[u8; 32]>;

    fn name() -> &'static str {
        "ChaChaPoly"
    }

    fn encrypt(key: &Self::Key, nonce: u64, ad: &[u8], plaintext: &[u8], out: &mut [u8]) {
        let (text, _) = out.split_at_mut(plaintext.len());
        text.copy_from_slice(plaintext);
        Self::encrypt_in_place(key, nonce, ad, out, plaintext.len());
    }

    fn encrypt_in_place(
        key: &Self::Key,
        nonce: u64,
        ad: &[u8],
        in_out: &mut [u8],
        plaintext_len: usize,
    ) -> usize {
        let (text, rest) = in_out.split_at_mut(plaintext_len);
        let (place, _) = rest.split_at_mut(TAG);
        // Fails beyond 256 GB only, and then with a tag that nobody accepts.
        let tag = cipher(key).encrypt_in_place_detached(&nonce_of(nonce), ad, text);
        place.copy_from_slice(&tag.unwrap_or_default());
        plaintext_len + TAG
    }

    fn decrypt(
        key: &Self::Key,
        nonce: u64,
        ad: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<(), ()> {
        let (text, tag) = ciphertext.split_last_chunk::<TAG>().ok_or(())?;
        let out = out.get_mut(..text.len()).ok_or(())?;
        out.copy_from_slice(text);
        open(key, nonce, ad, out, tag)
    }

    fn decrypt_in_place(
        key: &Self::Key,
        nonce: u64,
        ad: &[u8],
        in_out: &mut [u8],
        ciphertext_len: usize,
    ) -> Result<usize, ()> {
        let sealed = in_out.get_mut(..ciphertext_len).ok_or(())?;
        let (text, tag) = sealed.split_last_chunk_mut::<TAG>().ok_or(())?;
        open(key, nonce, ad, text, tag).map(|()| text.len())
    }
}

fn open(
    key: &Sensitive<[u8; 32]>,
    nonce: u64,
    ad: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG],
) -> Result<(), ()> {
    cipher(key)
        .decrypt_in_place_detached(&nonce_of(nonce), ad, text, tag.into())
        .map_err(|_| ())
}

fn cipher(key: &Sensitive<[u8; 32]>) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new((&**key).into())
}

/// Four zero bytes and the number, little-endian (Noise, section 12.3).
fn nonce_of(number: u64) -> Nonce {
    let mut nonce = Nonce::default();
    let (_, low) = nonce.split_at_mut(4);
    low.copy_from_slice(&number.to_le_bytes());
    nonce
}
