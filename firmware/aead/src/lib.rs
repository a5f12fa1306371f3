//! ChaCha20-Poly1305 (RFC 8439) as every packet is sealed with it: on MIPS the [`tuned`] one, elsewhere RustCrypto's, which
//! has vector code there. Same algorithm, same traits, same behaviour; only the number of instructions differs.
//!
//! The tuned one is compiled for every processor all the same, so that tests compare the two everywhere.
#![no_std]
#![deny(unsafe_code)]
#![deny(missing_docs)]

#[cfg(test)]
extern crate std;

pub mod tuned;

pub use chacha20poly1305::{AeadCore, AeadInPlace, Error, Key, KeyInit, KeySizeUser, Nonce, Tag};

#[cfg(not(target_arch = "mips"))]
pub use chacha20poly1305::ChaCha20Poly1305;
#[cfg(target_arch = "mips")]
pub use tuned::ChaCha20Poly1305;
