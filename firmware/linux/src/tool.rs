//! Running a system tool, without allocating and without hanging.

use crate::error::{Error, Result, check};
use crate::fd::{Fd, pipe, retry};
use crate::signal;
use core::ffi::{CStr, c_char};

/// The status of a child that found no tool.
const NOT_FOUND: i32 = 127;
/// So much of what a tool says is kept: its first complaint, in an error that is still small.
const SAID: usize = 96;

/// A tool that runs. One that is dropped is ended.
#[derive(Debug)]
pub(crate) struct Running {
    child: libc::pid_t,
    /// What it says; at its end when it has ended.
    output: Fd,
    said: heapless::Vec<u8, SAID>,
}

/// A tool that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    /// Its exit status; 0: all is well.
    pub status: i32,
    said: heapless::Vec<u8, SAID>,
}

impl Done {
    /// What it said, as far as it was kept.
    pub fn words(&self) -> &str {
        // A cut may fall into the middle of a letter: what stands before it is still readable.
        match core::str::from_utf8(&self.said) {
            Ok(words) => words,
            Err(error) => self
                .said
                .get(..error.valid_up_to())
                .and_then(|words| core::str::from_utf8(words).ok())
                .unwrap_or(""),
        }
    }
}

impl Running {
    /// Readable when [`Self::poll`] has something to do.
    pub fn fd(&self) -> &Fd {
        &self.output
    }

    /// Takes what it has said so far; how it ended, once it has.
    pub fn poll(&mut self) -> Option<Result<Done>> {
        let mut buf = [0; 256];
        loop {
            match self.output.read(&mut buf) {
                Ok(None) => return None,
                Ok(Some(length)) if length > 0 => {
                    let room = self.said.capacity() - self.said.len();
                    let kept = buf.get(..length.min(room)).unwrap_or_default();
                    let _ = self.said.extend_from_slice(kept);
                }
                // Nobody holds the other end any more.
                Ok(Some(_)) | Err(_) => return Some(self.end()),
            }
        }
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Result<Done> {
        loop {
            if let Some(done) = self.poll() {
                return done;
            }
            self.output.wait_readable(-1)?;
        }
    }

    fn end(&mut self) -> Result<Done> {
        let mut status = 0;
        let child = core::mem::replace(&mut self.child, 0);
        // SAFETY: our own child, a valid status.
        if retry(|| unsafe { libc::waitpid(child, &mut status, 0) } as libc::ssize_t) < 0 {
            return Err(Error::last("wait for a tool"));
        }
        let status = if libc::WIFEXITED(status) {
            libc::WEXITSTATUS(status)
        } else {
            1
        };
        match status {
            NOT_FOUND => Err(Error::new("find the tool", libc::ENOENT)),
            status => Ok(Done {
                status,
                said: core::mem::take(&mut self.said),
            }),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child > 0 {
            // SAFETY: our own child, which was not waited for.
            unsafe { libc::kill(self.child, libc::SIGKILL) };
            let _ = self.end();
        }
    }
}

/// Starts the first of `places` that exists, with `input` as its standard input.
/// `arguments` end in null, and point to strings that end in zero.
pub(crate) fn start(
    places: &[&CStr],
    arguments: &[*const c_char],
    input: &[u8],
) -> Result<Running> {
    debug_assert!(arguments.last().is_some_and(|last| last.is_null()));
    // A file in memory instead of a pipe: however long the input is, nobody waits until it is read.
    let script = memory_file()?;
    script.write_all(input)?;
    let (output, childs) = pipe()?;
    // SAFETY: plain calls; the child only makes async-signal-safe ones and ends in exec or _exit.
    let child = unsafe {
        check(
            "rewind a script",
            libc::lseek(script.raw(), 0, libc::SEEK_SET) as libc::c_int,
        )?;
        let child = check("start a tool", libc::fork())?;
        if child == 0 {
            exec(places, arguments, &script, &childs);
        }
        child
    };
    Ok(Running {
        child,
        output,
        said: heapless::Vec::new(),
    })
}

/// As [`start`], and waits for its end.
pub(crate) fn run(places: &[&CStr], arguments: &[*const c_char], input: &[u8]) -> Result<Done> {
    start(places, arguments, input)?.wait()
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
