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
//! | 1400 | 58578, 58891 | 32525, 32750 | 23.2, 23.4 |
//! | 64 | 5203, 5433 | 3735, 3960 | 58.4, 61.9 |
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

/// What both authenticate last: the lengths of associated data and text (RFC 8439, section 2.8).
fn lengths(associated_data: &[u8], text: &[u8]) -> [u8; 16] {
    let mut lengths = [0; 16];
    let (first, second) = lengths.split_at_mut(8);
    first.copy_from_slice(&(associated_data.len() as u64).to_le_bytes());
    second.copy_from_slice(&(text.len() as u64).to_le_bytes());
    lengths
}
