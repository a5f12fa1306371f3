//! The few system calls of the lab that the standard library does not have.

use std::ffi::CString;
use std::fs::File;
use std::io::{Error, Result as IoResult};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};

/// Priority of the lab's programs.
const NICE: libc::c_int = -15;

/// Runs `work` in a thread of its own inside the network namespace open as `netns`.
pub fn in_namespace<T: Send>(netns: &File, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let fd = netns.as_raw_fd();
    let run = move || {
        enter(fd).context("setns")?;
        work()
    };
    std::thread::scope(|scope| {
        scope
            .spawn(run)
            .join()
            .map_err(|_| anyhow!("a thread inside a namespace panicked"))?
    })
}

/// Moves the calling thread into a network namespace.
fn enter(netns: RawFd) -> IoResult<()> {
    // SAFETY: plain integers; affects the calling thread only.
    check(unsafe { libc::setns(netns, libc::CLONE_NEWNET) })
}

/// What a child process sees of the file system besides the host's own.
#[derive(Debug, Clone)]
pub struct View {
    netns: RawFd,
    binds: Vec<(CString, CString)>,
}

impl View {
    /// The view from the network namespace `netns`, each pair of `binds` being (what, where).
    pub fn new(netns: &File, binds: &[(&Path, &Path)]) -> Result<Self> {
        let text = |path: &Path| {
            CString::new(path.as_os_str().as_bytes()).context("a path with a zero byte")
        };
        let binds = binds
            .iter()
            .map(|(what, on)| Ok((text(what)?, text(on)?)))
            .collect::<Result<_>>()?;
        Ok(Self {
            netns: netns.as_raw_fd(),
            binds,
        })
    }

    /// Enters the view. Runs between fork and exec: only system calls, no allocation.
    pub fn enter(&self) -> IoResult<()> {
        enter(self.netns)?;
        // SAFETY: constant, terminated strings; null where the call allows it. Affects the calling process only.
        unsafe {
            check(libc::unshare(libc::CLONE_NEWNS))?;
            let private = libc::MS_SLAVE | libc::MS_REC;
            check(libc::mount(
                std::ptr::null(),
                c"/".as_ptr(),
                std::ptr::null(),
                private,
                std::ptr::null(),
            ))?;
            // /sys shows the interfaces of the namespace that mounted it.
            libc::umount2(c"/sys".as_ptr(), libc::MNT_DETACH);
            check(libc::mount(
                c"sysfs".as_ptr(),
                c"/sys".as_ptr(),
                c"sysfs".as_ptr(),
                0,
                std::ptr::null(),
            ))?;
        }
        // The lab goes before whatever else the machine does, such as a build; that only makes it quieter.
        // SAFETY: plain integers; refused at worst.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
        for (what, on) in &self.binds {
            // SAFETY: both strings are terminated and outlive the call.
            let result = unsafe {
                libc::mount(
                    what.as_ptr(),
                    on.as_ptr(),
                    std::ptr::null(),
                    libc::MS_BIND,
                    std::ptr::null(),
                )
            };
            check(result)?;
        }
        Ok(())
    }
}

/// Sends `signal` to one process.
pub fn signal(pid: u32, signal: i32) -> IoResult<()> {
    // SAFETY: plain integers.
    check(unsafe { libc::kill(pid as libc::pid_t, signal) })
}

/// Whether a process with this id exists.
pub fn alive(pid: u32) -> bool {
    signal(pid, 0).is_ok()
}

/// A socket that sends and receives IPv4 UDP with its header in the payload, from whatever port: as somebody on the way
/// between two others could. Belongs to the namespace of the calling thread.
pub fn raw_udp() -> IoResult<UdpSocket> {
    // SAFETY: plain integers; the descriptor is new and ours alone.
    unsafe {
        let fd = libc::socket(
            libc::AF_INET,
            libc::SOCK_RAW | libc::SOCK_CLOEXEC,
            libc::IPPROTO_UDP,
        );
        check(fd)?;
        Ok(UdpSocket::from_raw_fd(fd))
    }
}

/// A stream socket of the calling thread's namespace: TCP or multipath TCP, with this congestion control.
pub fn stream_socket(multipath: bool, congestion: &str) -> IoResult<OwnedFd> {
    let protocol = if multipath {
        libc::IPPROTO_MPTCP
    } else {
        libc::IPPROTO_TCP
    };
    // SAFETY: plain integers; the descriptor is new and ours alone. The option is read from a slice of the given length.
    unsafe {
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
        let fd = libc::socket(libc::AF_INET, kind, protocol);
        check(fd)?;
        let socket = OwnedFd::from_raw_fd(fd);
        check(libc::setsockopt(
            fd,
            libc::IPPROTO_TCP,
            libc::TCP_CONGESTION,
            congestion.as_ptr().cast(),
            congestion.len() as libc::socklen_t,
        ))?;
        Ok(socket)
    }
}

/// Connects a stream socket.
pub fn connect(socket: &OwnedFd, to: SocketAddrV4) -> IoResult<()> {
    let address = raw_address(to);
    let (at, len) = (&raw const address, size_of_val(&address) as libc::socklen_t);
    // SAFETY: the address is valid for reading and has the length that is said.
    check(unsafe { libc::connect(socket.as_raw_fd(), at.cast(), len) })
}

/// Lets a stream socket listen on a port of all addresses, also while connections of an earlier one linger.
pub fn listen(socket: &OwnedFd, port: u16) -> IoResult<()> {
    let address = raw_address(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port));
    let (at, len) = (&raw const address, size_of_val(&address) as libc::socklen_t);
    let yes: libc::c_int = 1;
    // SAFETY: address and option are valid for reading and have the lengths that are said.
    unsafe {
        check(libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_REUSEADDR,
            (&raw const yes).cast(),
            size_of_val(&yes) as libc::socklen_t,
        ))?;
        check(libc::bind(socket.as_raw_fd(), at.cast(), len))?;
        check(libc::listen(socket.as_raw_fd(), 64))
    }
}

fn raw_address(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from(*address.ip()).to_be(),
        },
        sin_zero: [0; 8],
    }
}

/// Whether we are root.
pub fn root() -> bool {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Nanoseconds of the monotonic clock.
pub fn monotonic() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for writing.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Lets the calling thread run before ordinary ones and wake without slack; quietly does what it may.
pub fn prefer_this_thread() {
    let priority = libc::sched_param { sched_priority: 5 };
    // SAFETY: `priority` is valid for reading; both calls affect the calling thread only.
    unsafe {
        libc::sched_setscheduler(
            0,
            libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK,
            &raw const priority,
        );
        libc::prctl(libc::PR_SET_TIMERSLACK, 1);
    }
}

/// Processor time that the process `pid` has used since it began, of all its threads, also those that have ended.
pub fn processor_time(pid: u32) -> Result<Duration> {
    let (mut clock, mut time) = (
        0,
        libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
    );
    // SAFETY: two valid places to write to.
    let got = unsafe {
        libc::clock_getcpuclockid(pid as libc::pid_t, &raw mut clock) == 0
            && libc::clock_gettime(clock, &raw mut time) == 0
    };
    ensure!(got, "process {pid} is gone");
    Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// Clock ticks per second in /proc/PID/stat.
pub fn clock_ticks() -> u64 {
    // SAFETY: plain integer.
    unsafe { libc::sysconf(libc::_SC_CLK_TCK) as u64 }
}

fn check(result: libc::c_int) -> IoResult<()> {
    if result < 0 {
        Err(Error::last_os_error())
    } else {
        Ok(())
    }
}
