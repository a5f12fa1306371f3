//! The TUN device: the clients' packets, one IP packet or one large segment per read or write.
//!
//! Where the kernel has it, a virtio-net header stands before each packet (virtio 1.2, 5.1.6): the kernel then hands
//! over, and takes, up to 64 KB of one flow at a time, without checksums. One crossing is what makes a tunnel dear.

use crate::error::{Error, Result, transfer};
use crate::fd::{Fd, retry};
use crate::path::InterfaceName;
use burstmesh_core::data::coalesce::Takes;
use burstmesh_core::data::segment::{Kind, Large, Offload, Partial};

/// Bytes of the header.
const HEADER: usize = 10;
const NEEDS_CHECKSUM: u8 = 1;
/// Kinds of large segments; the top bit says that some packet of it has CWR set.
const TCP4: u8 = 1;
const TCP6: u8 = 4;
const UDP: u8 = 5;
const ECN: u8 = 0x80;

/// An open TUN device. It is not persistent: it goes when this is dropped or the process dies, and its routes with it.
#[derive(Debug)]
pub struct Tun {
    fd: Fd,
    name: InterfaceName,
    framing: Framing,
}

/// What stands before each packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Plain,
    Header(Takes),
}

impl Tun {
    /// Creates the device `name` (a `%d` in it is replaced by the first free number by the kernel), with large segments
    /// if the kernel has them. It is down and without addresses: see [`crate::netlink::route`].
    pub fn open(name: &str) -> Result<Self> {
        Self::open_large(name).or_else(|_| Self::open_plain(name))
    }

    /// Creates it without large segments: one IP packet per crossing.
    pub fn open_plain(name: &str) -> Result<Self> {
        let (fd, name) = create(name, 0)?;
        Ok(Self {
            fd,
            name,
            framing: Framing::Plain,
        })
    }

    fn open_large(name: &str) -> Result<Self> {
        let (fd, name) = create(name, libc::IFF_VNET_HDR)?;
        let set = |request, mut value: libc::c_int| {
            // SAFETY: the request reads one integer.
            unsafe { fd.ioctl("set the tunnel device's framing", request, &mut value) }
        };
        set(libc::TUNSETVNETHDRSZ as _, HEADER as libc::c_int)?;
        // One order on every machine, also where an emulator stands between us and the kernel.
        set(libc::TUNSETVNETLE as _, 1)?;
        let tcp = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN;
        let udp = libc::TUN_F_USO4 | libc::TUN_F_USO6;
        let offload = |features: libc::c_uint| {
            // SAFETY: the argument is no pointer.
            let op = "let the kernel hand over large segments";
            let number = core::ptr::without_provenance_mut::<u8>(features as usize);
            unsafe { fd.ioctl(op, libc::TUNSETOFFLOAD as _, number) }
        };
        // UDP since 6.2.
        let takes = if offload(tcp | udp).is_ok() {
            Takes {
                tcp: true,
                udp: true,
            }
        } else {
            offload(tcp)?;
            Takes {
                tcp: true,
                udp: false,
            }
        };
        Ok(Self {
            fd,
            name,
            framing: Framing::Header(takes),
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

    /// What it takes, and gives, in large pieces.
    pub fn takes(&self) -> Takes {
        match self.framing {
            Framing::Plain => Takes::default(),
            Framing::Header(takes) => takes,
        }
    }

    /// One packet or large segment from the clients: its length, and what is left to do with it; `None` when there is
    /// none. What is longer than `buf` is cut: 64 KB hold everything.
    pub fn read(&self, buf: &mut [u8]) -> Result<Option<(usize, Offload)>> {
        const READ: &str = "read from the tunnel device";
        let mut header = [0; HEADER];
        let pieces = [piece(&mut header), piece(buf)];
        let (first, count) = match self.framing {
            Framing::Plain => (1, 1),
            Framing::Header(_) => (0, 2),
        };
        let got = retry(|| {
            // SAFETY: the pieces are ours to write for their lengths.
            unsafe { libc::readv(self.fd.raw(), pieces.as_ptr().add(first), count) }
        });
        let Some(got) = transfer(READ, got)? else {
            return Ok(None);
        };
        if self.framing == Framing::Plain {
            return Ok(Some((got, Offload::default())));
        }
        // What was not asked for is nothing that anybody could read: no bytes.
        let offload = parse(&header);
        let len = offload.map_or(0, |_| got.saturating_sub(HEADER));
        Ok(Some((len, offload.unwrap_or_default())))
    }

    /// One packet or large segment to the clients; false when the kernel has no room for it now.
    pub fn write(&self, packet: &[u8], offload: Offload) -> Result<bool> {
        const WRITE: &str = "write to the tunnel device";
        let mut header = emit(offload);
        let body = libc::iovec {
            iov_base: packet.as_ptr().cast_mut().cast(),
            iov_len: packet.len(),
        };
        let pieces = [piece(&mut header), body];
        let (first, count) = match self.framing {
            Framing::Plain if offload != Offload::default() => {
                return Err(Error::new(WRITE, libc::EMSGSIZE));
            }
            Framing::Plain => (1, 1),
            Framing::Header(_) => (0, 2),
        };
        let sent = retry(|| {
            // SAFETY: the pieces are readable for their lengths; the kernel does not write to them.
            unsafe { libc::writev(self.fd.raw(), pieces.as_ptr().add(first), count) }
        });
        transfer(WRITE, sent).map(|sent| sent.is_some())
    }
}

fn create(name: &str, more: libc::c_int) -> Result<(Fd, InterfaceName)> {
    const DEVICE: &core::ffi::CStr = c"/dev/net/tun";
    let flags = libc::O_RDWR | libc::O_CLOEXEC | libc::O_NONBLOCK;
    // SAFETY: a constant path.
    let fd = Fd::from_call("open the tunnel driver", unsafe {
        libc::open(DEVICE.as_ptr(), flags)
    })?;
    // SAFETY: plain old data.
    let mut request: libc::ifreq = unsafe { core::mem::zeroed() };
    request.ifr_name = InterfaceName::new(name)?.to_kernel();
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI | more) as _;
    // SAFETY: the request is a valid ifreq, in and out.
    unsafe {
        fd.ioctl(
            "create the tunnel device",
            libc::TUNSETIFF as _,
            &mut request,
        )
    }?;
    let name = InterfaceName::from_kernel(&request.ifr_name);
    Ok((fd, name))
}

fn piece(bytes: &mut [u8]) -> libc::iovec {
    libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    }
}

/// `None`: a kind of segment that was not asked for.
fn parse(header: &[u8; HEADER]) -> Option<Offload> {
    let [flags, kind, h0, h1, s0, s1, c0, c1, o0, o1] = *header;
    let kind = match kind & !ECN {
        0 => None,
        TCP4 => Some(Kind::Tcp4),
        TCP6 => Some(Kind::Tcp6),
        UDP => Some(Kind::Udp),
        _ => return None,
    };
    let partial = Partial {
        start: u16::from_le_bytes([c0, c1]),
        offset: u16::from_le_bytes([o0, o1]),
    };
    Some(Offload {
        large: kind.map(|kind| Large {
            kind,
            size: u16::from_le_bytes([s0, s1]),
            headers: u16::from_le_bytes([h0, h1]),
        }),
        checksum: (flags & NEEDS_CHECKSUM != 0).then_some(partial),
    })
}

fn emit(offload: Offload) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let [flags, kind, h0, h1, s0, s1, c0, c1, o0, o1] = &mut header;
    if let Some(partial) = offload.checksum {
        *flags = NEEDS_CHECKSUM;
        [*c0, *c1] = partial.start.to_le_bytes();
        [*o0, *o1] = partial.offset.to_le_bytes();
    }
    if let Some(large) = offload.large {
        *kind = match large.kind {
            Kind::Tcp4 => TCP4,
            Kind::Tcp6 => TCP6,
            Kind::Udp => UDP,
        };
        [*h0, *h1] = large.headers.to_le_bytes();
        [*s0, *s1] = large.size.to_le_bytes();
    }
    header
}

#[cfg(test)]
mod tests;
