//! What failed and the kernel's reason.

use core::fmt;

/// A failed system call: which operation, and the `errno` it left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// What was being done, as a person would say it.
    pub op: &'static str,
    /// The kernel's reason.
    pub errno: i32,
}

/// The result of everything in this crate that can fail.
pub type Result<T> = core::result::Result<T, Error>;

impl Error {
    /// The network says that nobody is there: refused, no route, device gone or down.
    pub const fn is_unreachable(&self) -> bool {
        matches!(
            self.errno,
            libc::ECONNREFUSED
                | libc::ENETUNREACH
                | libc::EHOSTUNREACH
                | libc::ENETDOWN
                | libc::ENODEV
        )
    }

    /// An error with a known reason.
    pub const fn new(op: &'static str, errno: i32) -> Self {
        Self { op, errno }
    }

    /// The reason of the system call that has just failed on this thread.
    pub fn last(op: &'static str) -> Self {
        Self { op, errno: errno() }
    }

    /// Would the call have slept?
    pub fn would_block(&self) -> bool {
        self.errno == libc::EAGAIN || self.errno == libc::EWOULDBLOCK
    }

    /// Was the call cut short by a signal?
    pub fn interrupted(&self) -> bool {
        self.errno == libc::EINTR
    }
}

/// What a router's kernel does answer, in the C library's words; all of that library's texts would be 2 KB.
const REASONS: [(i32, &str); 20] = [
    (libc::EPERM, "Operation not permitted"),
    (libc::ENOENT, "No such file or directory"),
    (libc::EIO, "I/O error"),
    (libc::EBADF, "Bad file descriptor"),
    (libc::ENOMEM, "Out of memory"),
    (libc::EACCES, "Permission denied"),
    (libc::EBUSY, "Resource busy"),
    (libc::EEXIST, "File exists"),
    (libc::ENODEV, "No such device"),
    (libc::ENOTDIR, "Not a directory"),
    (libc::EINVAL, "Invalid argument"),
    (libc::ENOSPC, "No space left on device"),
    (libc::EROFS, "Read-only file system"),
    (libc::EOPNOTSUPP, "Not supported"),
    (libc::EADDRINUSE, "Address in use"),
    (libc::EADDRNOTAVAIL, "Address not available"),
    (libc::ENETUNREACH, "Network unreachable"),
    (libc::ECONNREFUSED, "Connection refused"),
    (libc::ETIMEDOUT, "Operation timed out"),
    (libc::ENOBUFS, "No buffer space available"),
];

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match REASONS.iter().find(|(errno, _)| *errno == self.errno) {
            Some((_, text)) => write!(f, "{}: {text}", self.op),
            None => write!(f, "{}: error {}", self.op, self.errno),
        }
    }
}

impl core::error::Error for Error {}

/// `errno` of the calling thread.
#[inline(never)]
pub(crate) fn errno() -> i32 {
    // SAFETY: the C library's pointer to this thread's errno is always valid.
    unsafe { *libc::__errno_location() }
}

/// Turns the -1 convention into a result.
pub(crate) fn check(op: &'static str, value: libc::c_int) -> Result<libc::c_int> {
    if value < 0 {
        Err(Error::last(op))
    } else {
        Ok(value)
    }
}

/// The same for calls that count bytes; `None` when the call would have slept.
pub(crate) fn transfer(op: &'static str, value: libc::ssize_t) -> Result<Option<usize>> {
    if value >= 0 {
        return Ok(Some(value as usize));
    }
    let error = Error::last(op);
    if error.would_block() {
        Ok(None)
    } else {
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_failed_and_why() {
        assert_eq!(
            Error::new("open the tunnel device", libc::EPERM).to_string(),
            "open the tunnel device: Operation not permitted"
        );
    }

    #[test]
    fn a_rare_reason_is_said_by_its_number() {
        let rare = Error::new("read a file", libc::EISDIR);
        assert_eq!(
            rare.to_string(),
            format!("read a file: error {}", libc::EISDIR)
        );
    }
}
