//! Failing open: a small process that undoes what the agent did to the router when the agent hangs or is gone.
//!
//! The agent cannot clean up after a SIGKILL, nor answer while it is stopped. The child lives from start to end beside
//! it, hears its beats, and acts when they stay away. It holds nothing of the agent's open: a device that shall go with
//! the agent goes.

use crate::error::{Error, Result, check, transfer};
use crate::fd::{Fd, retry, socket_pair};
use crate::signal;
use burstmesh_core::time::Duration;

const BEAT: u8 = b'b';
const LEAVE: u8 = b'q';
const WITHDREW: u8 = b'w';

/// Why the child acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No beat for the time-out. The agent may come back.
    Hung,
    /// The agent is gone.
    Gone,
}

/// The agent's end.
#[derive(Debug)]
pub struct Watchdog {
    link: Fd,
    child: libc::pid_t,
}

impl Watchdog {
    /// Starts the child. When no beat comes for `timeout` it calls `act(&context, Cause::Hung)`, once; when the agent is
    /// gone for whatever reason, `act(&context, Cause::Gone)`, and ends.
    ///
    /// To be called early: before threads start (the child has only the caller's), privileges are dropped (the child
    /// keeps them), and files open.
    pub fn start<C>(timeout: Duration, context: C, act: fn(&C, Cause)) -> Result<Self> {
        let (link, childs) = socket_pair()?;
        // A signal to the whole group must not meet the child before it is deaf.
        let before = signal::mask_all(None);
        // SAFETY: the child never returns from `watch`, and shares no memory with us.
        let child = check("start the watchdog", unsafe { libc::fork() });
        if child != Ok(0) {
            signal::mask_all(Some(&before));
        }
        let child = child?;
        if child == 0 {
            drop(link);
            watch(&childs, timeout, &|cause| act(&context, cause));
        }
        Ok(Self { link, child })
    }

    /// "I am well." True if the child has withdrawn everything since the last beat: it is to be set up again.
    ///
    /// An error means that the child itself is gone: start another.
    pub fn beat(&self) -> Result<bool> {
        // Full is fine: the child has not yet heard the earlier ones.
        send(&self.link, BEAT)?;
        let mut notes = [0; 16];
        match self.link.read(&mut notes)? {
            None => Ok(false),
            Some(0) => Err(Error::new("reach the watchdog", libc::EPIPE)),
            Some(length) => Ok(notes.iter().take(length).any(|&note| note == WITHDREW)),
        }
    }

    /// The agent has cleaned up by itself: the child ends without acting.
    pub fn leave(self) {
        let _ = send(&self.link, LEAVE);
        let mut status = 0;
        // SAFETY: our own child, a valid status.
        retry(|| unsafe { libc::waitpid(self.child, &mut status, 0) } as libc::ssize_t);
    }

    /// The child's number.
    pub fn child(&self) -> u32 {
        self.child as u32
    }
}

impl Drop for Watchdog {
    /// Leaves no zombie of a child that has ended by itself.
    fn drop(&mut self) {
        let mut status = 0;
        // SAFETY: our own child, a valid status.
        unsafe { libc::waitpid(self.child, &mut status, libc::WNOHANG) };
    }
}

fn send(link: &Fd, note: u8) -> Result<()> {
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    // SAFETY: one readable byte.
    let sent = retry(|| unsafe { libc::send(link.raw(), (&raw const note).cast(), 1, flags) });
    transfer("reach the watchdog", sent).map(drop)
}

/// The child's whole life.
fn watch(link: &Fd, timeout: Duration, act: &dyn Fn(Cause)) -> ! {
    detach(link);
    let timeout = libc::c_int::try_from(timeout.as_millis())
        .unwrap_or(libc::c_int::MAX)
        .max(1);
    let mut withdrawn = false;
    loop {
        let heard = link.wait_readable(if withdrawn { -1 } else { timeout });
        if matches!(heard, Ok(false)) {
            act(Cause::Hung);
            withdrawn = true;
            let _ = send(link, WITHDREW);
            continue;
        }
        let mut notes = [0; 64];
        match link.read(&mut notes) {
            Ok(None) => {}
            Ok(Some(length)) if length > 0 => {
                withdrawn = false;
                if notes.iter().take(length).any(|&note| note == LEAVE) {
                    crate::process::exit(0);
                }
            }
            Ok(Some(_)) | Err(_) => {
                act(Cause::Gone);
                crate::process::exit(0);
            }
        }
    }
}

/// Out of the agent's session, deaf to the signals that end it, with nothing of it open but standard error.
fn detach(link: &Fd) {
    // SAFETY: a constant string and plain calls on this process alone.
    unsafe {
        libc::setsid();
        libc::prctl(libc::PR_SET_NAME, c"burstmesh-watch".as_ptr(), 0, 0, 0);
        for signal in [
            libc::SIGTERM,
            libc::SIGINT,
            libc::SIGHUP,
            libc::SIGQUIT,
            libc::SIGUSR1,
            libc::SIGUSR2,
            libc::SIGPIPE,
        ] {
            libc::signal(signal, libc::SIG_IGN);
        }
    }
    signal::unmask_all();
    // Not closed: pipes to the tools that the action starts must not land on the standard numbers.
    // SAFETY: a constant path; plain descriptors.
    unsafe {
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        libc::dup2(null, 0);
        libc::dup2(null, 1);
    }
    close_between(3, link.raw() - 1);
    close_between(link.raw().max(2) + 1, libc::c_int::MAX);
}

/// More descriptors than the agent ever has.
const MANY: libc::c_int = 1024;

fn close_between(first: libc::c_int, last: libc::c_int) {
    if first > last {
        return;
    }
    // SAFETY: the child uses none of these.
    unsafe {
        if libc::syscall(libc::SYS_close_range, first, last, 0) == 0 {
            return;
        }
        // A kernel before 5.9. Numbers are given out from below, and the agent has far fewer open.
        for fd in first..=last.min(MANY) {
            libc::close(fd);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TempDir, in_child};
    use std::time::{Duration as Span, Instant};

    const SHORT: Duration = Duration::from_millis(300);
    /// Never reached, also on a busy machine.
    const LONG: Duration = Duration::from_secs(30);

    /// Notes what the child did in a file.
    fn note(path: &String, cause: Cause) {
        let already = std::fs::read_to_string(path).unwrap_or_default();
        std::fs::write(path, format!("{already}{cause:?} ")).unwrap();
    }

    fn notes(path: &str) -> String {
        std::fs::read_to_string(path).unwrap_or_default()
    }

    fn until(what: &str, mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + Span::from_secs(10);
        while !holds() {
            assert!(Instant::now() < end, "{what}");
            std::thread::sleep(Span::from_millis(5));
        }
    }

    fn is_alive(pid: u32) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
    }

    /// An "agent" in a process of its own, which beats until it is told otherwise: (agent, watchdog's child).
    fn agent(path: &str, timeout: Duration) -> (libc::pid_t, u32) {
        let (mine, its) = socket_pair().unwrap();
        // SAFETY: the child never returns.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let dog = Watchdog::start(timeout, path.to_owned(), note).unwrap();
            its.write_all(&dog.child().to_ne_bytes()).unwrap();
            loop {
                if dog.beat().unwrap() {
                    std::fs::write(format!("{path}.told"), "").unwrap();
                }
                std::thread::sleep(Span::from_millis(20));
            }
        }
        assert!(mine.wait_readable(5000).unwrap());
        let mut child = [0; 4];
        mine.read(&mut child).unwrap();
        (pid, u32::from_ne_bytes(child))
    }

    #[test]
    fn a_stopped_agent_is_withdrawn_once_and_learns_of_it_when_it_goes_on() {
        in_child(|| {
            let dir = TempDir::new();
            let path = dir.path("notes");
            let (agent, dog) = agent(&path, SHORT);
            std::thread::sleep(Span::from_millis(600));
            assert_eq!(notes(&path), "", "acted although the agent beats");
            assert_eq!(
                std::fs::read_to_string(format!("/proc/{dog}/comm")).unwrap(),
                "burstmesh-watch\n"
            );
            // SAFETY: our own child.
            unsafe { libc::kill(agent, libc::SIGSTOP) };
            until("the hang is noticed", || notes(&path) == "Hung ");
            std::thread::sleep(Span::from_millis(600));
            assert_eq!(notes(&path), "Hung ");
            unsafe { libc::kill(agent, libc::SIGCONT) };
            until("the agent is told", || {
                crate::file::exists(&format!("{path}.told"))
            });
            unsafe { libc::kill(agent, libc::SIGSTOP) };
            until("the second hang is noticed", || {
                notes(&path) == "Hung Hung "
            });
            unsafe { libc::kill(agent, libc::SIGKILL) };
            until("the end is noticed", || notes(&path) == "Hung Hung Gone ");
            until("the child ends", || !is_alive(dog));
        });
    }

    #[test]
    fn a_killed_agent_is_cleaned_up_after_and_the_child_does_not_linger() {
        in_child(|| {
            let dir = TempDir::new();
            let path = dir.path("notes");
            let (agent, dog) = agent(&path, LONG);
            // SAFETY: our own children; the group gets what a terminal or an init system sends.
            unsafe {
                libc::kill(dog as i32, libc::SIGTERM);
                libc::kill(dog as i32, libc::SIGINT);
                assert!(is_alive(dog));
                libc::kill(agent, libc::SIGKILL);
            }
            until("the end is noticed", || notes(&path) == "Gone ");
            until("the child ends", || !is_alive(dog));
        });
    }

    #[test]
    fn an_agent_that_cleaned_up_leaves_quietly() {
        in_child(|| {
            let dir = TempDir::new();
            let path = dir.path("notes");
            let dog = Watchdog::start(LONG, path.clone(), note).unwrap();
            let child = dog.child();
            assert!(!dog.beat().unwrap());
            dog.leave();
            assert!(!is_alive(child));
            assert_eq!(notes(&path), "");
        });
    }

    #[test]
    fn a_lost_child_is_an_error_of_the_next_beat() {
        in_child(|| {
            let dog = Watchdog::start(LONG, (), |(), _| {}).unwrap();
            // SAFETY: our own child.
            unsafe { libc::kill(dog.child() as i32, libc::SIGKILL) };
            until("the loss is noticed", || dog.beat().is_err());
        });
    }
}
