//! What a UDP socket is told before it is bound.

use crate::error::{Error, Result, check};
use crate::fd::{Fd, set_option};
use crate::path::InterfaceName;
use libc::{c_int, c_uint};

/// Settings of a [`super::UdpSocket`]; the default asks for nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Send and receive on this interface only.
    pub device: Option<&'a str>,
    /// The firewall mark of everything it sends; 0: none.
    pub mark: u32,
    /// Share the port with other sockets that ask for it.
    pub reuse_address: bool,
    /// An IPv6 socket that leaves IPv4 alone.
    pub v6_only: bool,
    /// Tell the interface and the local address of each datagram received.
    pub packet_info: bool,
    /// Tell the traffic class (DSCP and ECN) of each datagram received.
    pub traffic_class: bool,
    /// Let the kernel glue datagrams of one sender together; slots must then hold up to 64 KiB.
    pub gro: bool,
    /// The DSCP of everything it sends.
    pub dscp: u8,
    /// Bytes of receive buffer; 0: the kernel's default. Beyond the system's limit only with privileges.
    pub receive_buffer: u32,
    /// Bytes of send buffer; 0: the kernel's default.
    pub send_buffer: u32,
}

impl Options<'_> {
    pub(super) fn apply(&self, fd: &Fd, v6: bool) -> Result<()> {
        let on: c_int = 1;
        if v6 {
            set_option(
                "limit a socket to IPv6",
                fd,
                libc::IPPROTO_IPV6,
                libc::IPV6_V6ONLY,
                &c_int::from(self.v6_only),
            )?;
        }
        if let Some(device) = self.device {
            bind_to_device(fd, device)?;
        }
        if self.mark != 0 {
            set_option(
                "mark a socket",
                fd,
                libc::SOL_SOCKET,
                libc::SO_MARK,
                &(self.mark as c_uint),
            )?;
        }
        if self.reuse_address {
            set_option(
                "share a port",
                fd,
                libc::SOL_SOCKET,
                libc::SO_REUSEADDR,
                &on,
            )?;
        }
        if self.gro {
            // A kernel before 5.0 does not know it, and gives single datagrams: nothing is lost.
            let _ = set_option(
                "receive glued datagrams",
                fd,
                libc::SOL_UDP,
                libc::UDP_GRO,
                &on,
            );
        }
        self.apply_ip(fd, v6)?;
        size_buffer(
            fd,
            self.receive_buffer,
            libc::SO_RCVBUFFORCE,
            libc::SO_RCVBUF,
        )?;
        size_buffer(fd, self.send_buffer, libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)
    }

    /// Options of the IP layer. A dual-stack socket gets both families'.
    fn apply_ip(&self, fd: &Fd, v6: bool) -> Result<()> {
        let on: c_int = 1;
        let class = c_int::from(self.dscp) << 2;
        if v6 {
            let set = |name, value: c_int| {
                set_option("set an IPv6 option", fd, libc::IPPROTO_IPV6, name, &value)
            };
            set(libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_PROBE)?;
            known(set(libc::IPV6_DONTFRAG, on))?;
            set(libc::IPV6_RECVPKTINFO, c_int::from(self.packet_info))?;
            known(set(libc::IPV6_RECVTCLASS, c_int::from(self.traffic_class)))?;
            known(set(libc::IPV6_TCLASS, class))?;
        }
        if !v6 || !self.v6_only {
            let set = |name, value: c_int| {
                set_option("set an IPv4 option", fd, libc::IPPROTO_IP, name, &value)
            };
            set(libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)?;
            set(libc::IP_RECVTOS, c_int::from(self.traffic_class))?;
            set(libc::IP_TOS, class)?;
            if !v6 {
                set(libc::IP_PKTINFO, c_int::from(self.packet_info))?;
            }
        }
        Ok(())
    }
}

/// Every kernel has these options, but not every user-mode emulator: there it goes without.
pub(super) fn known(result: Result<()>) -> Result<()> {
    match result {
        Err(Error {
            errno: libc::ENOPROTOOPT,
            ..
        }) => Ok(()),
        result => result,
    }
}

fn bind_to_device(fd: &Fd, device: &str) -> Result<()> {
    let name = InterfaceName::new(device)?;
    let bytes = name.with_zero();
    let (level, option) = (libc::SOL_SOCKET, libc::SO_BINDTODEVICE);
    // SAFETY: the name is readable for its length.
    let done = unsafe {
        libc::setsockopt(
            fd.raw(),
            level,
            option,
            bytes.as_ptr().cast(),
            bytes.len() as _,
        )
    };
    check("bind a socket to an interface", done).map(drop)
}

/// The forced variant needs privileges and passes the system's limit; the other is cut to the limit.
fn size_buffer(fd: &Fd, bytes: u32, forced: c_int, limited: c_int) -> Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    let bytes =
        c_int::try_from(bytes).map_err(|_| Error::new("size a socket buffer", libc::EINVAL))?;
    set_option("size a socket buffer", fd, libc::SOL_SOCKET, forced, &bytes).or_else(|_| {
        set_option(
            "size a socket buffer",
            fd,
            libc::SOL_SOCKET,
            limited,
            &bytes,
        )
    })
}
