//! UDP sockets: batched receiving, runs of equal-sized datagrams sent in one system call.

mod cmsg;
mod options;
mod receive;
mod send;
#[cfg(test)]
mod tests;

pub use options::Options;
pub use receive::{Datagram, RecvBatch};
pub use send::Source;

use crate::error::{Result, check};
use crate::fd::{Fd, set_option, socket};
use crate::sockaddr::{RAW_LEN, Raw, family};
use core::net::{Ipv6Addr, SocketAddr};
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Does segmentation by the kernel work at all on this machine? Tried on the loopback interface, with no other traffic.
/// (Some emulators take the request and do something else.) False also where it cannot be tried.
pub fn segmentation_works() -> bool {
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let try_it = || -> Result<bool> {
        let receiver = UdpSocket::bind(local, &Options::default())?;
        let sender = UdpSocket::bind(local, &Options::default())?;
        // 0x0180 reads as 0x8001 the other way round: a length far above the run's.
        let sent = sender.send_run(&[0; 1024], 384, Some(receiver.local_addr()?))?;
        let mut batch = RecvBatch::<4, 1024>::new();
        let mut whole = receiver.fd().wait_readable(100)? && receiver.recv_batch(&mut batch)? == 3;
        whole &= batch
            .datagrams()
            .map(|datagram| datagram.bytes.len())
            .eq([384, 384, 256]);
        Ok(sent == 3 && whole && sender.gso_enabled())
    };
    try_it().unwrap_or(false)
}

/// A non-blocking UDP socket that never lets the kernel fragment: what does not fit fails with `EMSGSIZE`.
///
/// On a connected socket an ICMP error of an earlier datagram is reported once, by the next call; nothing handed
/// over in that call was sent, and calling again is right.
#[derive(Debug)]
pub struct UdpSocket {
    fd: Fd,
    segmentation: AtomicBool,
}

impl UdpSocket {
    /// A socket bound to `addr`. Segmentation by the kernel starts enabled; the first refusal switches it off.
    pub fn bind(addr: SocketAddr, options: &Options<'_>) -> Result<Self> {
        let fd = socket("open a UDP socket", family(addr.ip()), libc::SOCK_DGRAM, 0)?;
        options.apply(&fd, addr.is_ipv6())?;
        let (raw, length) = Raw::new(addr);
        // SAFETY: `raw` holds an address of that length.
        check("bind a UDP socket", unsafe {
            libc::bind(fd.raw(), (&raw const raw).cast(), length)
        })?;
        Ok(Self {
            fd,
            segmentation: AtomicBool::new(true),
        })
    }

    /// To wait on.
    pub fn fd(&self) -> &Fd {
        &self.fd
    }

    /// Fixes the peer: the route and source address are chosen now, and only the peer is heard.
    pub fn connect(&self, peer: SocketAddr) -> Result<()> {
        let (raw, length) = Raw::new(peer);
        // SAFETY: `raw` holds an address of that length.
        check("connect a UDP socket", unsafe {
            libc::connect(self.fd.raw(), (&raw const raw).cast(), length)
        })
        .map(drop)
    }

    /// The address it is bound to; after [`Self::connect`] also the source address of what it sends.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        let mut raw = Raw::empty();
        let mut length = RAW_LEN;
        // SAFETY: `raw` has room for `length` bytes.
        let done = unsafe { libc::getsockname(self.fd.raw(), (&raw mut raw).cast(), &mut length) };
        check("read a socket's address", done)?;
        raw.parse().ok_or(crate::Error::new(
            "read a socket's address",
            libc::EAFNOSUPPORT,
        ))
    }

    /// Hears `group` on the interface `ifindex`.
    pub fn join_multicast_v6(&self, group: Ipv6Addr, ifindex: u32) -> Result<()> {
        let membership = libc::ipv6_mreq {
            ipv6mr_multiaddr: libc::in6_addr {
                s6_addr: group.octets(),
            },
            ipv6mr_interface: ifindex as _,
        };
        let name = libc::IPV6_ADD_MEMBERSHIP;
        set_option(
            "join a multicast group",
            &self.fd,
            libc::IPPROTO_IPV6,
            name,
            &membership,
        )
    }

    /// Where multicast of this socket leaves, how far it goes, and whether this machine hears it too.
    pub fn set_multicast_v6(&self, ifindex: u32, hops: u8, heard_here: bool) -> Result<()> {
        let set = |name, value: libc::c_int| {
            set_option(
                "set up multicast",
                &self.fd,
                libc::IPPROTO_IPV6,
                name,
                &value,
            )
        };
        // Where it is not known, the scope in the destination and the bound device say the same.
        options::known(set(libc::IPV6_MULTICAST_IF, ifindex as libc::c_int))?;
        set(libc::IPV6_MULTICAST_HOPS, libc::c_int::from(hops))?;
        set(libc::IPV6_MULTICAST_LOOP, libc::c_int::from(heard_here))
    }

    /// Does this socket hand runs to the kernel in one piece (UDP_SEGMENT)?
    pub fn gso_enabled(&self) -> bool {
        self.segmentation.load(Relaxed)
    }

    /// Switches segmentation by the kernel on or off, e.g. when an end-to-end probe lost segments.
    pub fn set_gso(&self, enabled: bool) {
        self.segmentation.store(enabled, Relaxed);
    }
}
