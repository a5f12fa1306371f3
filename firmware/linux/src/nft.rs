//! Firewall rules, applied by the `nft` tool: one script is one transaction.

use crate::error::{Error, Result, check};
use crate::fd::{Fd, retry};
use crate::signal;
use core::ffi::CStr;
use core::fmt;

/// Where the tool may be, in this order: daemons are often started with a bare PATH.
const PLACES: [&CStr; 4] = [c"/usr/sbin/nft", c"/sbin/nft", c"/usr/bin/nft", c"/usr/local/sbin/nft"];

/// Why a script was not applied; nothing of it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure<'a> {
    /// The tool could not be run.
    Run(Error),
    /// The tool refused, with these words.
    Refused(&'a str),
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(error) => write!(f, "cannot run nft: {error}"),
            Self::Refused(words) => write!(f, "nft refused: {}", words.trim_end()),
        }
    }
}

/// Applies `script`; on refusal `complaint` holds the tool's words.
pub fn apply<'a>(script: &[u8], complaint: &'a mut [u8]) -> core::result::Result<(), Failure<'a>> {
    let (status, words) = run(script).map_err(Failure::Run)?;
    if status == NOT_FOUND {
        return Err(Failure::Run(Error::new("find nft", libc::ENOENT)));
    }
    if status == 0 {
        return Ok(());
    }
    // SAFETY: the buffer is ours for the length given.
    let length = unsafe { libc::pread(words.raw(), complaint.as_mut_ptr().cast(), complaint.len(), 0) };
    let words = complaint.get(..length.max(0) as usize).unwrap_or(&[]);
    // A cut may fall into the middle of a letter: what stands before it is still readable.
    let readable = match core::str::from_utf8(words) {
        Ok(words) => words,
        Err(error) => words.get(..error.valid_up_to()).and_then(|words| core::str::from_utf8(words).ok()).unwrap_or(""),
    };
    Err(Failure::Refused(readable))
}

/// The status of a child that found no tool.
const NOT_FOUND: i32 = 127;

/// Runs the tool with `script` as its input: its exit status, and a file of what it said.
fn run(script: &[u8]) -> Result<(i32, Fd)> {
    // Files in memory instead of pipes: neither side can block the other, however long script or complaint are.
    let (input, words) = (memory_file()?, memory_file()?);
    input.write_all(script)?;
    // SAFETY: plain calls; the child only makes async-signal-safe ones and ends in exec or _exit.
    let child = unsafe {
        check("rewind a script", libc::lseek(input.raw(), 0, libc::SEEK_SET) as libc::c_int)?;
        let child = check("start nft", libc::fork())?;
        if child == 0 {
            exec(&input, &words);
        }
        child
    };
    let mut status = 0;
    // SAFETY: our own child, a valid status.
    if retry(|| unsafe { libc::waitpid(child, &mut status, 0) } as libc::ssize_t) < 0 {
        return Err(Error::last("wait for nft"));
    }
    Ok((if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 1 }, words))
}

fn memory_file() -> Result<Fd> {
    // SAFETY: a constant name. Through the raw call: old C libraries lack the wrapper.
    Fd::from_call("make a file in memory", unsafe {
        libc::syscall(libc::SYS_memfd_create, c"nft".as_ptr(), libc::MFD_CLOEXEC as libc::c_uint) as libc::c_int
    })
}

/// The child's part: never returns.
fn exec(input: &Fd, words: &Fd) -> ! {
    signal::reset_for_exec();
    let none = core::ptr::null();
    // SAFETY: constant strings and arrays that end in null; async-signal-safe calls only.
    unsafe {
        libc::dup2(input.raw(), 0);
        libc::dup2(words.raw(), 1);
        libc::dup2(words.raw(), 2);
        let arguments = [c"nft".as_ptr(), c"-f".as_ptr(), c"-".as_ptr(), none];
        let environment = [c"PATH=/usr/sbin:/usr/bin:/sbin:/bin".as_ptr(), c"LC_ALL=C".as_ptr(), none];
        for place in PLACES {
            libc::execve(place.as_ptr(), arguments.as_ptr(), environment.as_ptr());
        }
        libc::_exit(NOT_FOUND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{in_namespace, run as shell};

    #[test]
    fn a_script_is_applied_whole() {
        in_namespace(|| {
            let mut script = String::from("table inet t {\nchain c {\n");
            for port in 1..5000 {
                script += &format!("tcp dport {port} accept\n");
            }
            script += "}\n}\n";
            assert_eq!(apply(script.as_bytes(), &mut [0; 64]), Ok(()));
            assert_eq!(shell("nft list ruleset | grep -c accept").trim(), "4999");
        });
    }

    #[test]
    fn a_refused_script_gives_the_tools_words_and_changes_nothing() {
        in_namespace(|| {
            let mut complaint = [0; 400];
            let failure = apply(b"add table inet t\nadd chain nowhere x y\n", &mut complaint).unwrap_err();
            assert!(failure.to_string().starts_with("nft refused: /dev/stdin:2:"), "{failure}");
            assert_eq!(shell("nft list ruleset"), "");
            let mut little = [0; 5];
            assert_eq!(apply(b"nonsense\n", &mut little), Err(Failure::Refused("/dev/")));
        });
    }
}
