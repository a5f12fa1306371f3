//! Socket addresses between Rust and the kernel.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// The kernel's form of an address, either family.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) union Raw {
    pub family: libc::sa_family_t,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

/// Room for the longest address we use.
pub(crate) const RAW_LEN: libc::socklen_t = size_of::<Raw>() as libc::socklen_t;

impl Raw {
    pub const fn empty() -> Self {
        // SAFETY: all fields are integers; zero is the unspecified family.
        unsafe { core::mem::zeroed() }
    }

    /// With the length to pass beside it.
    pub fn new(addr: SocketAddr) -> (Self, libc::socklen_t) {
        let mut raw = Self::empty();
        match addr {
            SocketAddr::V4(addr) => {
                raw.v4 = libc::sockaddr_in {
                    sin_family: libc::AF_INET as _,
                    sin_port: addr.port().to_be(),
                    sin_addr: libc::in_addr {
                        s_addr: u32::from_ne_bytes(addr.ip().octets()),
                    },
                    sin_zero: [0; 8],
                };
                (raw, size_of::<libc::sockaddr_in>() as _)
            }
            SocketAddr::V6(addr) => {
                raw.v6 = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as _,
                    sin6_port: addr.port().to_be(),
                    sin6_flowinfo: addr.flowinfo().to_be(),
                    sin6_addr: libc::in6_addr {
                        s6_addr: addr.ip().octets(),
                    },
                    sin6_scope_id: addr.scope_id(),
                };
                (raw, size_of::<libc::sockaddr_in6>() as _)
            }
        }
    }

    /// `None` for a family we do not speak.
    pub fn parse(&self) -> Option<SocketAddr> {
        // SAFETY: the family says which arm the kernel wrote; all arms are integers and were zeroed before.
        unsafe {
            match i32::from(self.family) {
                libc::AF_INET => {
                    let ip = Ipv4Addr::from(self.v4.sin_addr.s_addr.to_ne_bytes());
                    Some(SocketAddr::V4(SocketAddrV4::new(
                        ip,
                        u16::from_be(self.v4.sin_port),
                    )))
                }
                libc::AF_INET6 => Some(SocketAddr::V6(SocketAddrV6::new(
                    Ipv6Addr::from(self.v6.sin6_addr.s6_addr),
                    u16::from_be(self.v6.sin6_port),
                    u32::from_be(self.v6.sin6_flowinfo),
                    self.v6.sin6_scope_id,
                ))),
                _ => None,
            }
        }
    }
}

/// The kernel's number for the family of `ip`.
pub(crate) fn family(ip: IpAddr) -> i32 {
    if ip.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_way_to_the_kernel_and_back() {
        for text in ["192.0.2.7:51820", "[2001:db8::1]:7", "[fe80::1%3]:9"] {
            let addr: SocketAddr = text.parse().unwrap();
            assert_eq!(Raw::new(addr).0.parse(), Some(addr));
        }
        assert_eq!(Raw::empty().parse(), None);
    }
}
