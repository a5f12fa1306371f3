//! The command line's side.

use super::{address, send};
use crate::error::{Error, Result, check};
use crate::fd::{Fd, socket};

/// A daemon that says nothing for so long hangs. It waits up to 7.5 s for another member's next word.
const PATIENCE_MS: i32 = 10_000;

/// Asks the daemon at `path` one line, and hands the answer to `each`, piece by piece as it comes.
///
/// `ENOENT`, `ECONNREFUSED`: no daemon runs there; `ETIMEDOUT`: it hangs.
pub fn request(path: &str, line: &str, each: &mut impl FnMut(&[u8])) -> Result<()> {
    let fd = connect(path)?;
    for mut bytes in [line.as_bytes(), b"\n"] {
        while !bytes.is_empty() {
            let sent = send(&fd, bytes)?.ok_or(Error::new("ask the daemon", libc::EAGAIN))?;
            bytes = bytes.get(sent..).unwrap_or(&[]);
        }
    }
    let mut buf = [0; 1024];
    loop {
        if !fd.wait_readable(PATIENCE_MS)? {
            return Err(Error::new("ask the daemon", libc::ETIMEDOUT));
        }
        match fd.read(&mut buf)? {
            None => {}
            Some(0) => return Ok(()),
            Some(length) => each(buf.get(..length).unwrap_or(&[])),
        }
    }
}

pub(super) fn connect(path: &str) -> Result<Fd> {
    let fd = socket("open a socket", libc::AF_UNIX, libc::SOCK_STREAM, 0)?;
    let (addr, length) = address(path)?;
    // SAFETY: an address of that length.
    check("connect to the daemon", unsafe {
        libc::connect(fd.raw(), (&raw const addr).cast(), length)
    })?;
    Ok(fd)
}
