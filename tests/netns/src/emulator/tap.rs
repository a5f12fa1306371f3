//! TAP devices: an Ethernet port in a namespace, its frames in our hands.

use std::fs::File;
use std::io::{Error, ErrorKind};
use std::os::fd::{AsRawFd as _, FromRawFd as _, RawFd};

use anyhow::{Context as _, Result, bail};

use crate::sys;

/// A TAP device; it disappears when this is dropped.
#[derive(Debug)]
pub struct Tap {
    file: File,
}

impl Tap {
    /// Makes the device `name` with hardware address `mac` in the namespace open as `netns`, link still down.
    pub fn create(netns: &File, name: &str, mac: [u8; 6]) -> Result<Self> {
        if name.is_empty() || name.len() >= libc::IFNAMSIZ {
            bail!(
                "interface name \"{name}\" must have 1 to {} characters",
                libc::IFNAMSIZ - 1
            );
        }
        sys::in_namespace(netns, || Self::create_here(name, mac))
            .with_context(|| format!("cannot make TAP {name}"))
    }

    fn create_here(name: &str, mac: [u8; 6]) -> Result<Self> {
        // SAFETY: a constant, terminated path; the result is checked before use.
        let fd = unsafe {
            libc::open(
                c"/dev/net/tun".as_ptr(),
                libc::O_RDWR | libc::O_NONBLOCK | libc::O_CLOEXEC,
            )
        };
        if fd < 0 {
            return Err(Error::last_os_error()).context("open /dev/net/tun");
        }
        // SAFETY: the descriptor was just opened and belongs to no one else.
        let tap = Self {
            file: unsafe { File::from_raw_fd(fd) },
        };
        let mut request = interface_request(name);
        request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as i16;
        tap.ioctl(libc::TUNSETIFF as _, &raw mut request)
            .context("TUNSETIFF")?;
        let mut request = interface_request(name);
        let mut address = libc::sockaddr {
            sa_family: libc::ARPHRD_ETHER,
            sa_data: [0; 14],
        };
        for (to, from) in address.sa_data.iter_mut().zip(mac) {
            *to = from as libc::c_char;
        }
        request.ifr_ifru.ifru_hwaddr = address;
        tap.ioctl(libc::SIOCSIFHWADDR as _, &raw mut request)
            .context("SIOCSIFHWADDR")?;
        Ok(tap)
    }

    /// Plugs or pulls the cable: the interface stays up but has no carrier.
    pub fn set_carrier(&self, on: bool) -> Result<()> {
        let mut value = libc::c_int::from(on);
        self.ioctl(libc::TUNSETCARRIER as _, &raw mut value)
            .context("TUNSETCARRIER")
    }

    /// Reads one frame; `None` when there is none now.
    pub fn receive(&self, buffer: &mut [u8]) -> Option<usize> {
        // SAFETY: the pointer and length describe `buffer`, which outlives the call.
        let got = unsafe {
            libc::read(
                self.file.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
            )
        };
        usize::try_from(got).ok().filter(|length| *length > 0)
    }

    /// Gives a frame to the namespace; false when it did not take it (the interface is down).
    pub fn send(&self, frame: &[u8]) -> bool {
        loop {
            // SAFETY: the pointer and length describe `frame`, which outlives the call.
            let sent =
                unsafe { libc::write(self.file.as_raw_fd(), frame.as_ptr().cast(), frame.len()) };
            if sent >= 0 {
                return true;
            }
            if Error::last_os_error().kind() != ErrorKind::Interrupted {
                return false;
            }
        }
    }

    /// The descriptor to wait on.
    pub fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    fn ioctl<T>(&self, request: libc::Ioctl, argument: *mut T) -> Result<()> {
        // SAFETY: each caller passes the structure its request is defined for, alive during the call.
        let result = unsafe { libc::ioctl(self.file.as_raw_fd(), request, argument) };
        if result < 0 {
            Err(Error::last_os_error().into())
        } else {
            Ok(())
        }
    }
}

fn interface_request(name: &str) -> libc::ifreq {
    // SAFETY: all-zero is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request
}
