//! A file descriptor that closes itself.

use crate::error::{Result, check, transfer};

/// An owned file descriptor.
#[derive(Debug)]
pub struct Fd(i32);

impl Fd {
    /// Owns what a system call returned, or gives its error.
    pub(crate) fn from_call(op: &'static str, value: libc::c_int) -> Result<Self> {
        check(op, value).map(Self)
    }

    /// The number, for [`crate::poll::Poll`].
    pub const fn raw(&self) -> i32 {
        self.0
    }

    /// Reads once; `None` if there is nothing yet, `Some(0)` at the end.
    pub fn read(&self, buf: &mut [u8]) -> Result<Option<usize>> {
        // SAFETY: the buffer is ours for the length given.
        transfer(
            "read",
            retry(|| unsafe { libc::read(self.0, buf.as_mut_ptr().cast(), buf.len()) }),
        )
    }

    /// Writes once; `None` if there is no room now.
    pub fn write(&self, bytes: &[u8]) -> Result<Option<usize>> {
        // SAFETY: the bytes are readable for the length given.
        transfer(
            "write",
            retry(|| unsafe { libc::write(self.0, bytes.as_ptr().cast(), bytes.len()) }),
        )
    }

    /// Writes all of it to a blocking descriptor.
    pub fn write_all(&self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let written = self.write(bytes)?.unwrap_or(0);
            if written == 0 {
                return Err(crate::Error::new("write", libc::EAGAIN));
            }
            bytes = bytes.get(written..).unwrap_or(&[]);
        }
        Ok(())
    }

    /// The system call as it is: the C library's own translates what kernels before 5.6 lack, 1.2 KB.
    ///
    /// # Safety
    /// `argument` is what `request` wants: a number, or a pointer to what it reads and writes.
    pub(crate) unsafe fn ioctl<T>(
        &self,
        op: &'static str,
        request: u32,
        argument: *mut T,
    ) -> Result<()> {
        // SAFETY: the caller's.
        let got = unsafe { libc::syscall(libc::SYS_ioctl, self.0, request, argument) };
        check(op, got as libc::c_int).map(drop)
    }

    /// Waits until it can be read (or has ended), at most `millis`; says whether it can.
    pub fn wait_readable(&self, millis: i32) -> Result<bool> {
        let mut poll = libc::pollfd {
            fd: self.0,
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one valid pollfd.
        let ready = retry(|| unsafe { libc::poll(&mut poll, 1, millis) } as libc::ssize_t);
        check("poll", ready as libc::c_int).map(|ready| ready > 0)
    }
}

impl Drop for Fd {
    #[inline(never)]
    fn drop(&mut self) {
        // SAFETY: owned, closed once. A failing close leaves nothing to do.
        unsafe { libc::close(self.0) };
    }
}

/// Repeats a call that a signal interrupted.
pub(crate) fn retry(mut call: impl FnMut() -> libc::ssize_t) -> libc::ssize_t {
    loop {
        let value = call();
        if value >= 0 || crate::error::errno() != libc::EINTR {
            return value;
        }
    }
}

/// Two connected sockets, non-blocking, closed on exec.
pub(crate) fn socket_pair() -> Result<(Fd, Fd)> {
    let mut ends = [0; 2];
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: room for two descriptors.
    check("connect two processes", unsafe {
        libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr())
    })?;
    Ok((Fd(ends[0]), Fd(ends[1])))
}

/// A pipe, closed on exec: its reading end, non-blocking, and its writing end.
pub(crate) fn pipe() -> Result<(Fd, Fd)> {
    let (mut ends, mut on) = ([0; 2], 1);
    // SAFETY: room for two descriptors; then a request that reads one integer.
    unsafe {
        check(
            "make a pipe",
            libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC),
        )?;
        let ends = (Fd(ends[0]), Fd(ends[1]));
        ends.0
            .ioctl::<libc::c_int>("make a pipe", libc::FIONBIO as u32, &mut on)?;
        Ok(ends)
    }
}

/// A non-blocking event counter that is closed on exec.
pub(crate) fn event() -> Result<Fd> {
    // SAFETY: no pointers.
    Fd::from_call("make an event counter", unsafe {
        libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK)
    })
}

/// A socket, non-blocking, closed on exec.
pub(crate) fn socket(op: &'static str, domain: i32, kind: i32, protocol: i32) -> Result<Fd> {
    // SAFETY: no pointers.
    Fd::from_call(op, unsafe {
        libc::socket(
            domain,
            kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
            protocol,
        )
    })
}

/// Sets one socket option from a plain value.
pub(crate) fn set_option<T: Copy>(
    op: &'static str,
    fd: &Fd,
    level: i32,
    name: i32,
    value: &T,
) -> Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: `value` is readable for its own size.
    check(op, unsafe {
        libc::setsockopt(fd.raw(), level, name, (value as *const T).cast(), length)
    })
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_descriptor_is_closed() {
        let (read, write) = socket_pair().unwrap();
        assert_eq!(read.read(&mut [0; 4]).unwrap(), None);
        write.write_all(b"ab").unwrap();
        drop(write);
        let mut buf = [0; 4];
        assert_eq!(read.read(&mut buf).unwrap(), Some(2));
        assert_eq!(read.read(&mut buf).unwrap(), Some(0));
    }
}
