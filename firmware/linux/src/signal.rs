//! Signals as events to wait for.

use crate::error::{Result, check};
use crate::fd::Fd;

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
