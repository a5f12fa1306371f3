//! Running a system tool, without allocating and without hanging.

use crate::error::{Error, Result, check};
use crate::fd::{Fd, retry};
use crate::signal;
use core::ffi::{CStr, c_char};

/// The status of a child that found no tool.
const NOT_FOUND: i32 = 127;

/// A tool that has ended.
pub(crate) struct Done {
    /// Its exit status; 0: all is well.
    pub status: i32,
    output: Fd,
}

impl Done {
    /// What it said, as far as it fits into `buf`.
    pub fn words<'a>(&self, buf: &'a mut [u8]) -> &'a str {
        // SAFETY: the buffer is ours for the length given.
        let length =
            unsafe { libc::pread(self.output.raw(), buf.as_mut_ptr().cast(), buf.len(), 0) };
        let words = buf.get(..length.max(0) as usize).unwrap_or(&[]);
        // A cut may fall into the middle of a letter: what stands before it is still readable.
        match core::str::from_utf8(words) {
            Ok(words) => words,
            Err(error) => words
                .get(..error.valid_up_to())
                .and_then(|words| core::str::from_utf8(words).ok())
                .unwrap_or(""),
        }
    }
}

/// Runs the first of `places` that exists, with `input` as its standard input, and waits for its end.
/// `arguments` end in null, and point to strings that end in zero.
pub(crate) fn run(places: &[&CStr], arguments: &[*const c_char], input: &[u8]) -> Result<Done> {
    debug_assert!(arguments.last().is_some_and(|last| last.is_null()));
    // Files in memory instead of pipes: neither side can block the other, however long input or output are.
    let (script, output) = (memory_file()?, memory_file()?);
    script.write_all(input)?;
    // SAFETY: plain calls; the child only makes async-signal-safe ones and ends in exec or _exit.
    let child = unsafe {
        check(
            "rewind a script",
            libc::lseek(script.raw(), 0, libc::SEEK_SET) as libc::c_int,
        )?;
        let child = check("start a tool", libc::fork())?;
        if child == 0 {
            exec(places, arguments, &script, &output);
        }
        child
    };
    let mut status = 0;
    // SAFETY: our own child, a valid status.
    if retry(|| unsafe { libc::waitpid(child, &mut status, 0) } as libc::ssize_t) < 0 {
        return Err(Error::last("wait for a tool"));
    }
    match if libc::WIFEXITED(status) {
        libc::WEXITSTATUS(status)
    } else {
        1
    } {
        NOT_FOUND => Err(Error::new("find the tool", libc::ENOENT)),
        status => Ok(Done { status, output }),
    }
}

fn memory_file() -> Result<Fd> {
    // SAFETY: a constant name. Through the raw call: old C libraries lack the wrapper.
    Fd::from_call("make a file in memory", unsafe {
        libc::syscall(
            libc::SYS_memfd_create,
            c"tool".as_ptr(),
            libc::MFD_CLOEXEC as libc::c_uint,
        ) as libc::c_int
    })
}

/// The child's part: never returns.
fn exec(places: &[&CStr], arguments: &[*const c_char], script: &Fd, output: &Fd) -> ! {
    signal::reset_for_exec();
    // SAFETY: strings that end in zero, arrays that end in null; async-signal-safe calls only.
    unsafe {
        libc::dup2(script.raw(), 0);
        libc::dup2(output.raw(), 1);
        libc::dup2(output.raw(), 2);
        let environment = [
            c"PATH=/usr/sbin:/usr/bin:/sbin:/bin".as_ptr(),
            c"LC_ALL=C".as_ptr(),
            core::ptr::null(),
        ];
        for place in places {
            libc::execve(place.as_ptr(), arguments.as_ptr(), environment.as_ptr());
        }
        libc::_exit(NOT_FOUND)
    }
}
