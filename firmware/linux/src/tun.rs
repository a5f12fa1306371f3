//! The TUN device: the clients' packets, one IP packet per read or write.

use crate::error::{Result, check, transfer};
use crate::fd::{Fd, retry};
use crate::path::InterfaceName;

/// What stands before each packet. With `IFF_VNET_HDR` the kernel would hand over large TCP segments behind a
/// virtio-net header; that framing gets its own variant, and `read` and `write` keep their shape (the header is part
/// of the bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Plain,
}

impl Framing {
    const fn flags(self) -> libc::c_int {
        match self {
            Self::Plain => libc::IFF_TUN | libc::IFF_NO_PI,
        }
    }
}

/// An open TUN device. It is not persistent: it goes when this is dropped or the process dies, and its routes with it.
#[derive(Debug)]
pub struct Tun {
    fd: Fd,
    name: InterfaceName,
}

impl Tun {
    /// Creates the device `name` (a `%d` in it is replaced by the first free number by the kernel).
    /// It is down and without addresses: see [`crate::netlink::route`].
    pub fn open(name: &str) -> Result<Self> {
        const DEVICE: &core::ffi::CStr = c"/dev/net/tun";
        let flags = libc::O_RDWR | libc::O_CLOEXEC | libc::O_NONBLOCK;
        // SAFETY: a constant path.
        let fd = Fd::from_call("open the tunnel driver", unsafe {
            libc::open(DEVICE.as_ptr(), flags)
        })?;
        // SAFETY: plain old data.
        let mut request: libc::ifreq = unsafe { core::mem::zeroed() };
        request.ifr_name = InterfaceName::new(name)?.to_kernel();
        request.ifr_ifru.ifru_flags = Framing::Plain.flags() as _;
        // SAFETY: the request is a valid ifreq, in and out.
        check("create the tunnel device", unsafe {
            libc::ioctl(fd.raw(), libc::TUNSETIFF as _, &mut request)
        })?;
        Ok(Self {
            fd,
            name: InterfaceName::from_kernel(&request.ifr_name),
        })
    }

    /// The name the kernel gave it.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// To wait for packets on.
    pub fn fd(&self) -> &Fd {
        &self.fd
    }

    /// One packet from the clients, its length; `None` when there is none. A packet longer than `buf` is cut.
    pub fn read(&self, buf: &mut [u8]) -> Result<Option<usize>> {
        // SAFETY: the buffer is ours for the length given.
        let got =
            retry(|| unsafe { libc::read(self.fd.raw(), buf.as_mut_ptr().cast(), buf.len()) });
        transfer("read from the tunnel device", got)
    }

    /// One packet to the clients; false when the kernel has no room for it now.
    pub fn write(&self, packet: &[u8]) -> Result<bool> {
        // SAFETY: the packet is readable for the length given.
        let sent =
            retry(|| unsafe { libc::write(self.fd.raw(), packet.as_ptr().cast(), packet.len()) });
        transfer("write to the tunnel device", sent).map(|sent| sent.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{in_namespace, run};

    #[test]
    fn a_tunnel_device_exists_exactly_as_long_as_it_is_open() {
        in_namespace(|| {
            let tun = Tun::open("bmt%d").unwrap();
            assert_eq!(tun.name(), "bmt0");
            assert!(run("ip -o link").contains("bmt0"));
            assert_eq!(tun.read(&mut [0; 64]).unwrap(), None);
            drop(tun);
            assert!(!run("ip -o link").contains("bmt0"));
        });
    }
}
