//! Sleeping until something happens or the next deadline, to the microsecond.

use crate::error::{Error, Result, check};
use crate::fd::Fd;
use burstmesh_core::time::Duration;

/// Never given out by a caller: the timer that stands in for a precise time-out on old kernels.
const TIMER: u64 = u64::MAX;

/// What to wake up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Only failure and end, which always wake.
    Nothing,
    /// Something to read.
    Read,
    /// Something to read, or room to write.
    ReadWrite,
}

impl Interest {
    const fn bits(self) -> u32 {
        match self {
            Self::Nothing => 0,
            Self::Read => libc::EPOLLIN as u32,
            Self::ReadWrite => (libc::EPOLLIN | libc::EPOLLOUT) as u32,
        }
    }
}

/// Something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which descriptor, by the token it was added with.
    pub token: u32,
    /// It can be read, or has ended.
    pub readable: bool,
    /// It can be written.
    pub writable: bool,
    /// It has failed or its peer is gone: reading tells how.
    pub failed: bool,
}

/// Room for `N` events of one wait.
pub struct Events<const N: usize = 32> {
    raw: [libc::epoll_event; N],
    filled: usize,
}

impl<const N: usize> Events<N> {
    /// Empty.
    pub const fn new() -> Self {
        Self {
            raw: [libc::epoll_event { events: 0, u64: 0 }; N],
            filled: 0,
        }
    }

    /// What the last wait brought; nothing after a time-out.
    pub fn iter(&self) -> impl Iterator<Item = Event> {
        self.raw.iter().take(self.filled).filter_map(|&raw| {
            let (token, bits) = (raw.u64, raw.events as libc::c_int);
            (token != TIMER).then_some(Event {
                token: token as u32,
                readable: bits & (libc::EPOLLIN | libc::EPOLLHUP | libc::EPOLLERR) != 0,
                writable: bits & libc::EPOLLOUT != 0,
                failed: bits & (libc::EPOLLHUP | libc::EPOLLERR) != 0,
            })
        })
    }
}

impl<const N: usize> Default for Events<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// A set of descriptors to wait on, level-triggered.
#[derive(Debug)]
pub struct Poll {
    epoll: Fd,
    /// Present where the kernel has no epoll_pwait2 (before 5.11, and some emulators).
    timer: Option<Fd>,
}

impl Poll {
    /// An empty set.
    pub fn new() -> Result<Self> {
        let mut poll = Self::with_precise_wait()?;
        let mut probe = Events::<1>::new();
        if poll
            .wait_precisely(&mut probe, Some(Duration::ZERO))
            .is_err()
        {
            poll.use_timer()?;
        }
        Ok(poll)
    }

    fn with_precise_wait() -> Result<Self> {
        // SAFETY: no pointers.
        let epoll = Fd::from_call("make a poll set", unsafe {
            libc::epoll_create1(libc::EPOLL_CLOEXEC)
        })?;
        Ok(Self { epoll, timer: None })
    }

    fn use_timer(&mut self) -> Result<()> {
        // SAFETY: no pointers.
        let raw = unsafe {
            libc::timerfd_create(
                libc::CLOCK_MONOTONIC,
                libc::TFD_CLOEXEC | libc::TFD_NONBLOCK,
            )
        };
        let timer = Fd::from_call("make a timer", raw)?;
        self.control(libc::EPOLL_CTL_ADD, &timer, TIMER, Interest::Read)?;
        self.timer = Some(timer);
        Ok(())
    }

    /// The set itself as a descriptor: readable when something in it is.
    pub fn fd(&self) -> &Fd {
        &self.epoll
    }

    /// Adds `fd`; its events carry `token`. A descriptor leaves the set when it is closed.
    pub fn add(&self, fd: &Fd, token: u32, interest: Interest) -> Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token.into(), interest)
    }

    /// As [`Self::add`], for a descriptor that belongs to the standard library or another crate.
    pub fn add_raw(&self, fd: i32, token: u32, interest: Interest) -> Result<()> {
        self.control_raw(libc::EPOLL_CTL_ADD, fd, token.into(), interest)
    }

    /// Changes what to wake up for.
    pub fn modify(&self, fd: &Fd, token: u32, interest: Interest) -> Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token.into(), interest)
    }

    /// Takes `fd` out again.
    pub fn remove(&self, fd: &Fd) -> Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, Interest::Read)
    }

    fn control(&self, op: libc::c_int, fd: &Fd, token: u64, interest: Interest) -> Result<()> {
        self.control_raw(op, fd.raw(), token, interest)
    }

    fn control_raw(&self, op: libc::c_int, fd: i32, token: u64, interest: Interest) -> Result<()> {
        let mut event = libc::epoll_event {
            events: interest.bits(),
            u64: token,
        };
        // SAFETY: one valid event.
        check("change a poll set", unsafe {
            libc::epoll_ctl(self.epoll.raw(), op, fd, &mut event)
        })
        .map(drop)
    }

    /// Waits at most `timeout` (`None`: for ever; more than an hour may end early). A signal ends the wait early, with no
    /// events.
    pub fn wait<const N: usize>(
        &mut self,
        events: &mut Events<N>,
        timeout: Option<Duration>,
    ) -> Result<()> {
        events.filled = 0;
        match &self.timer {
            None => self.wait_precisely(events, timeout),
            Some(timer) => {
                let millis = match timeout {
                    None => -1,
                    Some(timeout) if timeout == Duration::ZERO => 0,
                    Some(timeout) => arm(timer, timeout)?,
                };
                // SAFETY: N writable events.
                let got = unsafe {
                    libc::epoll_wait(self.epoll.raw(), events.raw.as_mut_ptr(), N as _, millis)
                };
                if millis == -1 && timeout.is_some() {
                    let _ = arm(timer, Duration::ZERO);
                }
                events.take(got.into())
            }
        }
    }

    fn wait_precisely<const N: usize>(
        &self,
        events: &mut Events<N>,
        timeout: Option<Duration>,
    ) -> Result<()> {
        /// The kernel's own layout, on every architecture and C library.
        #[repr(C)]
        struct Span {
            seconds: i64,
            nanos: i64,
        }
        let span = timeout.map(|timeout| {
            let (seconds, nanos) = split(timeout);
            Span {
                seconds: seconds.into(),
                nanos: nanos.into(),
            }
        });
        let span = span.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
        let (epoll, raw, no_mask) = (
            self.epoll.raw(),
            events.raw.as_mut_ptr(),
            core::ptr::null::<libc::sigset_t>(),
        );
        // SAFETY: N writable events; the span lives until the call returns.
        let got = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                epoll,
                raw,
                N as libc::c_int,
                span,
                no_mask,
                0usize,
            )
        };
        events.take(got)
    }
}

impl<const N: usize> Events<N> {
    fn take(&mut self, got: libc::c_long) -> Result<()> {
        if got >= 0 {
            self.filled = got as usize;
            return Ok(());
        }
        let error = Error::last("wait for events");
        if error.interrupted() {
            Ok(())
        } else {
            Err(error)
        }
    }
}

/// Seconds and nanoseconds, cut at 71 minutes: so that 32 bits hold the division, which runs before every wait.
fn split(timeout: Duration) -> (u32, u32) {
    let micros = timeout.as_micros().min(u32::MAX.into()) as u32;
    (micros / 1_000_000, micros % 1_000_000 * 1_000)
}

/// Sets the timer, once; zero disarms it. Gives the time-out to pass beside it: none.
fn arm(timer: &Fd, timeout: Duration) -> Result<libc::c_int> {
    let (seconds, nanos) = split(timeout);
    // SAFETY: plain old data of the C library's own layout.
    let mut spec: libc::itimerspec = unsafe { core::mem::zeroed() };
    spec.it_value.tv_sec = seconds as _;
    spec.it_value.tv_nsec = nanos as _;
    // SAFETY: a valid specification; the old one is not asked for. Setting also clears an expiry not yet read.
    check("set a timer", unsafe {
        libc::timerfd_settime(timer.raw(), 0, &spec, core::ptr::null_mut())
    })?;
    Ok(-1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock, fd};

    fn both_kinds() -> [Poll; 2] {
        let mut with_timer = Poll::with_precise_wait().unwrap();
        with_timer.use_timer().unwrap();
        [Poll::new().unwrap(), with_timer]
    }

    #[test]
    fn a_readable_descriptor_wakes_with_its_token() {
        for mut poll in both_kinds() {
            let (read, write) = fd::socket_pair().unwrap();
            poll.add(&read, 7, Interest::Read).unwrap();
            let mut events = Events::<8>::new();
            poll.wait(&mut events, Some(Duration::ZERO)).unwrap();
            assert_eq!(events.iter().count(), 0);
            write.write_all(b"x").unwrap();
            for timeout in [None, Some(Duration::ZERO), Some(Duration::from_secs(5))] {
                poll.wait(&mut events, timeout).unwrap();
                let event = Event {
                    token: 7,
                    readable: true,
                    writable: false,
                    failed: false,
                };
                assert_eq!(events.iter().collect::<Vec<_>>(), [event]);
            }
            drop(write);
            poll.wait(&mut events, None).unwrap();
            assert!(events.iter().next().unwrap().failed);
            poll.remove(&read).unwrap();
            poll.wait(&mut events, Some(Duration::ZERO)).unwrap();
            assert_eq!(events.iter().count(), 0);
        }
    }

    #[test]
    fn a_time_out_below_a_millisecond_is_kept() {
        for mut poll in both_kinds() {
            let mut events = Events::<8>::new();
            let mut shortest = u64::MAX;
            for _ in 0..20 {
                let start = clock::now();
                poll.wait(&mut events, Some(Duration::from_micros(300)))
                    .unwrap();
                shortest = shortest.min(clock::now().since(start).as_micros());
                assert_eq!(events.iter().count(), 0);
            }
            // The best of many: the machine may be busy with others' work.
            assert!((299..950).contains(&shortest), "{shortest}");
        }
    }

    #[test]
    fn an_old_time_out_does_not_cut_the_next_wait_short() {
        for mut poll in both_kinds() {
            let (read, write) = fd::socket_pair().unwrap();
            poll.add(&read, 1, Interest::Read).unwrap();
            write.write_all(b"x").unwrap();
            let mut events = Events::<8>::new();
            poll.wait(&mut events, Some(Duration::from_millis(5)))
                .unwrap();
            read.read(&mut [0; 4]).unwrap();
            let start = clock::now();
            poll.wait(&mut events, Some(Duration::from_millis(40)))
                .unwrap();
            assert!(clock::now().since(start).as_micros() >= 40_000);
        }
    }
}
