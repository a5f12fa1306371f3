//! Control messages beside a datagram: written for sending, read after receiving.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Room for every control message used at once, aligned as the kernel wants it.
pub(super) type Control = [u64; 16];

/// What the kernel said about a received datagram.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Received {
    pub ifindex: u32,
    pub local: Option<IpAddr>,
    pub class: u8,
    pub segment: usize,
}

/// Appends one control message to `header`, whose control buffer has room for it; `used` counts the bytes.
///
/// # Safety
/// `header.msg_control` points to a zeroed [`Control`], and `used` is what earlier calls left.
pub(super) unsafe fn push<T: Copy>(
    header: &mut libc::msghdr,
    used: &mut usize,
    level: i32,
    kind: i32,
    value: T,
) {
    // SAFETY: CMSG_SPACE and CMSG_LEN only compute; the total of all messages ever pushed is far below a Control.
    unsafe {
        let space = libc::CMSG_SPACE(size_of::<T>() as _) as usize;
        let message = header
            .msg_control
            .cast::<u8>()
            .add(*used)
            .cast::<libc::cmsghdr>();
        (*message).cmsg_len = libc::CMSG_LEN(size_of::<T>() as _) as _;
        (*message).cmsg_level = level;
        (*message).cmsg_type = kind;
        core::ptr::write_unaligned(libc::CMSG_DATA(message).cast::<T>(), value);
        *used += space;
        header.msg_controllen = *used as _;
    }
}

/// Reads what the kernel wrote.
///
/// # Safety
/// `header` is as recvmsg left it, its control buffer still alive.
pub(super) unsafe fn parse(header: &libc::msghdr) -> Received {
    let mut received = Received::default();
    // SAFETY: the macros walk within msg_controllen; data is copied out unaligned, of the type its kind defines.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            let data = libc::CMSG_DATA(message);
            match ((*message).cmsg_level, (*message).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                    received.ifindex = info.ipi_ifindex as u32;
                    received.local = Some(IpAddr::V4(Ipv4Addr::from(
                        info.ipi_addr.s_addr.to_ne_bytes(),
                    )));
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    received.ifindex = info.ipi6_ifindex as u32;
                    received.local = Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr)));
                }
                (libc::IPPROTO_IP, libc::IP_TOS) => received.class = data.read(),
                (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                    received.class = data.cast::<libc::c_int>().read_unaligned() as u8;
                }
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    received.segment = data.cast::<libc::c_int>().read_unaligned() as usize;
                }
                _ => {}
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    received
}
