//! ChaCha20-Poly1305 for processors with wide words and vectors (x86-64, 64-bit ARM): RustCrypto's ChaCha20, and a Poly1305 of 64-bit
//! words, put together for packets.
//!
//! The vector code makes four key stream blocks at a time, or sixteen, and for a single one it takes as long as for four. RustCrypto's
//! AEAD asks for single blocks: the authenticator's key, and each block of the end. Here all are taken from whole groups.

pub(crate) mod poly;

use crate::authenticate;
use chacha20_wide::ChaCha20;
use chacha20_wide::cipher::{KeyIvInit, StreamCipher};
use chacha20poly1305::aead::{self, consts};
use chacha20poly1305::{AeadCore, AeadInPlace, Error, Key, KeyInit, KeySizeUser, Tag};
use poly::Poly1305;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// What a block of key stream is long.
const BLOCK: usize = 64;
/// The smallest group that is made in one go,
const GROUP: usize = 4 * BLOCK;
/// and the largest.
const LARGE: usize = 16 * BLOCK;

/// The key, wiped when dropped. In place of [`chacha20poly1305::ChaCha20Poly1305`].
#[derive(Clone)]
pub struct ChaCha20Poly1305 {
    key: [u8; 32],
}

impl KeySizeUser for ChaCha20Poly1305 {
    type KeySize = consts::U32;
}

impl KeyInit for ChaCha20Poly1305 {
    fn new(key: &Key) -> Self {
        Self { key: (*key).into() }
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
        let mut stream = Stream::new(self, nonce, buffer)?;
        let mac = stream.authenticator();
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
        let mut stream = Stream::new(self, nonce, buffer)?;
        let computed: Tag = authenticate(stream.authenticator(), associated_data, buffer).into();
        if !bool::from(computed.ct_eq(tag)) {
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

/// The key stream of one message.
struct Stream {
    cipher: ChaCha20,
    /// Its first group: the block with the authenticator's key (RFC 8439, section 2.6), then what the text begins with. Its
    /// room serves the last group too.
    room: [u8; LARGE],
    first: usize,
}

impl Stream {
    fn new(
        key: &ChaCha20Poly1305,
        nonce: &aead::Nonce<ChaCha20Poly1305>,
        text: &[u8],
    ) -> Result<Self, Error> {
        // The block counter has 32 bits, and there are blocks beside the text's. The bound is RustCrypto's, less a group.
        if text.len() as u64 / BLOCK as u64 >= u64::from(u32::MAX) - (LARGE / BLOCK) as u64 {
            return Err(Error);
        }
        let nonce: [u8; 12] = (*nonce).into();
        let mut stream = Self {
            cipher: ChaCha20::new(&key.key.into(), &nonce.into()),
            room: [0; LARGE],
            first: groups(BLOCK + text.len()),
        };
        let first = stream.room.get_mut(..stream.first).unwrap_or_default();
        stream.cipher.apply_keystream(first);
        Ok(stream)
    }

    /// Before [`Self::apply`], which may use the room anew.
    fn authenticator(&self) -> Poly1305 {
        let key = self.room.first_chunk::<32>().unwrap_or(&[0; 32]);
        Poly1305::new(key)
    }

    /// Once, to the whole text.
    fn apply(&mut self, text: &mut [u8]) {
        let (start, rest) = text.split_at_mut(text.len().min(self.first - BLOCK));
        let first = self.room.get(BLOCK..).unwrap_or_default();
        mix(start, first);
        let (whole, end) = rest.split_at_mut(rest.len() / LARGE * LARGE);
        if !whole.is_empty() {
            self.cipher.apply_keystream(whole);
        }
        if let Some(last) = self.room.get_mut(..groups(end.len())) {
            last.fill(0);
            self.cipher.apply_keystream(last);
            mix(end, last);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // The authenticator's key. The rest of the stream says no more than text and message do.
        if let Some(key) = self.room.first_chunk_mut::<BLOCK>() {
            key.zeroize();
        }
    }
}

/// So many bytes in whole groups, as far as they fit the room.
fn groups(bytes: usize) -> usize {
    bytes.next_multiple_of(GROUP).min(LARGE)
}

/// By words: where all is linked for size, loops over bytes stay what they are.
fn mix(text: &mut [u8], stream: &[u8]) {
    let (words, end) = text.as_chunks_mut::<8>();
    let (keys, _) = stream.as_chunks::<8>();
    let behind = stream.get(words.len() * 8..).unwrap_or_default();
    for (word, key) in words.iter_mut().zip(keys) {
        *word = (u64::from_ne_bytes(*word) ^ u64::from_ne_bytes(*key)).to_ne_bytes();
    }
    for (byte, key) in end.iter_mut().zip(behind) {
        *byte ^= key;
    }
}
