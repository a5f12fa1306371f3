//! ChaCha20-Poly1305 (RFC 8439) as every packet is sealed with it: on MIPS the [`tuned`] one, elsewhere RustCrypto's, which
//! has vector code there; on x86-64 and 64-bit ARM its ChaCha20, so that this code works in full width, with a Poly1305 of 64-bit words
//! (`wide`). Same algorithm, same traits, same behaviour; only the number of instructions differs.
//!
//! The tuned one is compiled for every processor all the same, so that tests compare the two everywhere.
//!
//! Instructions per packet on big-endian MIPS32r2 with 8 bytes of associated data, counted by `cargo xtask count-aead`:
//!
//! | bytes | RustCrypto seal, open | tuned seal, open | tuned, per byte |
//! |---|---|---|---|
//! | 1400 | 67625, 67817 | 32822, 33058 | 23.4, 23.6 |
//! | 64 | 6070, 6262 | 4035, 4271 | 63.0, 66.7 |
//!
//! Of a full packet's, ChaCha20 takes 18.1 per byte (1089 a block, and one block for the authenticator's key), Poly1305 4.5 (64 a
//! block; its portable steps 128), what is left is paid once a packet.
#![no_std]
#![deny(unsafe_code)]
#![deny(missing_docs)]

#[cfg(test)]
extern crate std;

pub mod tuned;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub mod wide;

pub use chacha20poly1305::{AeadCore, AeadInPlace, Error, Key, KeyInit, KeySizeUser, Nonce, Tag};

#[cfg(not(any(target_arch = "mips", target_arch = "x86_64", target_arch = "aarch64")))]
pub use chacha20poly1305::ChaCha20Poly1305;
#[cfg(target_arch = "mips")]
pub use tuned::ChaCha20Poly1305;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub use wide::ChaCha20Poly1305;

/// Bytes of a block of the authenticator, and of the tag.
const BLOCK: usize = 16;

/// Poly1305 of one message, as each of ours is used.
trait Mac {
    /// Takes whole blocks.
    fn absorb(&mut self, blocks: &[[u8; BLOCK]]);
    /// The tag of what was absorbed.
    fn finish(self) -> [u8; BLOCK];

    /// Takes `data`, its last block filled up with zeros.
    fn absorb_padded(&mut self, data: &[u8]) {
        let (blocks, rest) = data.as_chunks();
        self.absorb(blocks);
        if !rest.is_empty() {
            let mut last = [0; BLOCK];
            last.split_at_mut(rest.len()).0.copy_from_slice(rest);
            self.absorb(&[last]);
        }
    }
}

/// RFC 8439, section 2.8: associated data and text, each filled up with zeros, then their lengths.
fn authenticate(mut mac: impl Mac, associated_data: &[u8], text: &[u8]) -> [u8; BLOCK] {
    mac.absorb_padded(associated_data);
    mac.absorb_padded(text);
    mac.absorb(&[lengths(associated_data, text)]);
    mac.finish()
}

fn lengths(associated_data: &[u8], text: &[u8]) -> [u8; BLOCK] {
    let mut lengths = [0; BLOCK];
    let (first, second) = lengths.split_at_mut(8);
    first.copy_from_slice(&(associated_data.len() as u64).to_le_bytes());
    second.copy_from_slice(&(text.len() as u64).to_le_bytes());
    lengths
}
