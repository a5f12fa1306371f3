//! The control socket: a command line asks the running daemon.
//!
//! One line in, an answer of any length out, then the connection ends.

mod client;
mod server;
#[cfg(test)]
mod tests;

pub use client::request;
pub use server::{Response, Server};

use crate::error::{Error, Result, transfer};
use crate::fd::{Fd, retry};

/// The longest request line, in bytes.
pub const MAX_REQUEST: usize = 256;

/// The kernel's form of a Unix socket's path, with the length to pass beside it.
pub(crate) fn address(path: &str) -> Result<(libc::sockaddr_un, libc::socklen_t)> {
    // SAFETY: plain old data.
    let mut addr: libc::sockaddr_un = unsafe { core::mem::zeroed() };
    addr.sun_family = libc::AF_UNIX as _;
    // One byte stays zero: the end.
    if path.is_empty() || path.len() >= addr.sun_path.len() || path.contains('\0') {
        return Err(Error::new("use a socket's path", libc::ENAMETOOLONG));
    }
    for (place, byte) in addr.sun_path.iter_mut().zip(path.bytes()) {
        *place = byte as libc::c_char;
    }
    Ok((addr, size_of::<libc::sockaddr_un>() as libc::socklen_t))
}

/// Sends without waiting, and without the signal when the other side is gone.
pub(crate) fn send(fd: &Fd, bytes: &[u8]) -> Result<Option<usize>> {
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    // SAFETY: the bytes are readable for their length.
    transfer(
        "write to a socket",
        retry(|| unsafe { libc::send(fd.raw(), bytes.as_ptr().cast(), bytes.len(), flags) }),
    )
}
