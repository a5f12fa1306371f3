//! Talking to the kernel's network configuration.
//!
//! [`Rtnl`] reads and changes links, addresses, routes and rules; every change may be repeated: what is already so is
//! no error. [`Monitor`] tells that something changed; [`conntrack`] lists and forgets connections by their mark; [`counter`]
//! reads what a firewall rule counted.

pub mod address;
pub mod conntrack;
pub mod counter;
pub mod link;
mod message;
pub mod monitor;
pub mod route;
pub mod rule;
mod socket;
#[cfg(test)]
mod tests;

pub use address::Address;
pub use link::{Counters, Link};
pub use monitor::{Changes, Monitor};
pub use route::{NextHop, Prefix, Route};
pub use rule::Rule;
pub use socket::Rtnl;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The routing table every ordinary route is in.
pub const MAIN_TABLE: u32 = 254;

/// An IP family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, in the order in which they are tried.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The family of `ip`.
    pub const fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    const fn number(self) -> u8 {
        match self {
            Self::V4 => libc::AF_INET as u8,
            Self::V6 => libc::AF_INET6 as u8,
        }
    }
}

/// An address as it stands in an attribute.
#[inline(never)]
fn ip_from(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => bytes
            .first_chunk::<4>()
            .map(|octets| IpAddr::V4(Ipv4Addr::from(*octets))),
        16 => bytes
            .first_chunk::<16>()
            .map(|octets| IpAddr::V6(Ipv6Addr::from(*octets))),
        _ => None,
    }
}
