//! Signals as events to wait for.

use crate::error::{Result, check};
use crate::fd::Fd;
use crate::log::{self, Level};
use core::ffi::{c_int, c_void};

/// A signal that the agent answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT: clean up and leave.
    Stop,
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGUSR1: write what is known to the log.
    Dump,
}

/// Whoever reads our output may have enough: the process then ends without a word, as others do. Rust ignores the signal.
pub fn end_with_the_reader() {
    // SAFETY: the kernel's own answer to the signal.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// The signals the process is told through a descriptor instead of a handler.
#[derive(Debug)]
pub struct Signals(Fd);

impl Signals {
    /// From now on the signals wait here. To be called before any thread starts. Also makes SIGPIPE harmless.
    pub fn open() -> Result<Self> {
        let mut set = empty_set();
        // SAFETY: valid set; changes this process' own signal handling only.
        unsafe {
            for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGUSR1] {
                libc::sigaddset(&mut set, signal);
            }
            libc::signal(libc::SIGPIPE, libc::SIG_IGN);
            check(
                "block signals",
                libc::sigprocmask(libc::SIG_BLOCK, &set, core::ptr::null_mut()),
            )?;
            Fd::from_call(
                "wait for signals",
                libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK),
            )
            .map(Self)
        }
    }

    /// To wait on.
    pub fn fd(&self) -> &Fd {
        &self.0
    }

    /// The next signal that came; `None` when there is none left.
    pub fn next(&self) -> Option<Signal> {
        // The number of the signal is the first field, a u32 in host order, whatever follows.
        let mut info = [0u8; size_of::<libc::signalfd_siginfo>()];
        self.0.read(&mut info).ok()??;
        let number = u32::from_ne_bytes(info.first_chunk().copied()?);
        match number as libc::c_int {
            libc::SIGTERM | libc::SIGINT => Some(Signal::Stop),
            libc::SIGHUP => Some(Signal::Reload),
            _ => Some(Signal::Dump),
        }
    }
}

/// From now on a crash leaves its place in the code in the log. Router builds carry no texts of panics, which would be 13 KB: there
/// a panic is such a crash, and the place is found in the file with the symbols (`docs/building.md`).
pub fn report_crashes() {
    // SAFETY: the handler has the signature that SA_SIGINFO asks for and stays for the process' life.
    unsafe {
        let mut action: libc::sigaction = core::mem::zeroed();
        action.sa_sigaction = on_crash as *const () as usize;
        // Back to the default: the instruction is tried again when the handler returns, and ends the process.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESETHAND;
        for signal in [libc::SIGTRAP, libc::SIGILL, libc::SIGSEGV, libc::SIGBUS] {
            libc::sigaction(signal, &action, core::ptr::null_mut());
        }
    }
}

/// Where the kernel's `ucontext` has the program counter.
const PC: usize = if cfg!(target_arch = "mips") {
    32
} else if cfg!(target_arch = "arm") {
    92
} else if cfg!(target_arch = "aarch64") {
    440
} else {
    168
};

/// MIPS keeps registers in 64 bits whatever their size.
#[cfg(target_arch = "mips")]
type Register = u64;
#[cfg(not(target_arch = "mips"))]
type Register = usize;

extern "C" fn on_crash(signal: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel hands over a whole `ucontext`.
    let at = unsafe { context.byte_add(PC).cast::<Register>().read_unaligned() };
    // Neither allocates nor waits.
    log::write(
        Level::Error,
        format_args!("a bug: signal {signal} at {at:#x}; please report it with the version"),
    );
}

/// Undoes what [`Signals::open`] did, in a child that becomes another program.
pub(crate) fn reset_for_exec() {
    // SAFETY: async-signal-safe.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    unmask_all();
}

/// Lets every signal through again.
pub(crate) fn unmask_all() {
    // SAFETY: async-signal-safe call on a valid set.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &empty_set(), core::ptr::null_mut()) };
}

/// Blocks every signal of the calling thread, or restores `previous`.
pub(crate) fn mask_all(previous: Option<&libc::sigset_t>) -> libc::sigset_t {
    let (mut full, mut before) = (empty_set(), empty_set());
    // SAFETY: valid sets.
    unsafe {
        libc::sigfillset(&mut full);
        libc::pthread_sigmask(libc::SIG_SETMASK, previous.unwrap_or(&full), &mut before);
    }
    before
}

fn empty_set() -> libc::sigset_t {
    // SAFETY: plain old data, then set up by the C library's own call.
    unsafe {
        let mut set = core::mem::zeroed();
        libc::sigemptyset(&mut set);
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::in_child;

    #[test]
    fn a_crash_says_where_and_still_ends_the_process() {
        let (read, write) = crate::fd::socket_pair().unwrap();
        // SAFETY: the child ends by the signal.
        let child = unsafe { libc::fork() };
        if child == 0 {
            report_crashes();
            // SAFETY: descriptors of this child only; a signal to this very thread.
            unsafe {
                libc::dup2(write.raw(), 2);
                libc::raise(libc::SIGILL);
                libc::raise(libc::SIGILL);
                libc::_exit(0);
            }
        }
        let mut status = 0;
        // SAFETY: our own child.
        unsafe { libc::waitpid(child, &mut status, 0) };
        assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGILL);
        let mut text = [0; 512];
        let length = read.read(&mut text).unwrap().unwrap_or(0);
        let text = core::str::from_utf8(&text[..length]).unwrap();
        let place = text.split("at 0x").nth(1).and_then(|t| t.split(';').next());
        let place = u64::from_str_radix(place.unwrap(), 16).unwrap();
        assert!(place > 4096, "{text}");
    }

    #[test]
    fn signals_wait_until_they_are_read() {
        in_child(|| {
            let signals = Signals::open().unwrap();
            assert_eq!(signals.next(), None);
            for (number, meaning) in [
                (libc::SIGTERM, Signal::Stop),
                (libc::SIGINT, Signal::Stop),
                (libc::SIGHUP, Signal::Reload),
                (libc::SIGUSR1, Signal::Dump),
            ] {
                // SAFETY: a signal to this very thread.
                unsafe { libc::raise(number) };
                assert!(signals.fd().wait_readable(1000).unwrap());
                assert_eq!(signals.next(), Some(meaning));
            }
            // SAFETY: as above; ignored.
            unsafe { libc::raise(libc::SIGPIPE) };
            assert_eq!(signals.next(), None);
        });
    }
}
