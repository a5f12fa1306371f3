//! Which address everyone has: a pure function of the order in the topology.
//!
//! The "public" addresses look like any network's on purpose: an exit rightly refuses documentation, private and
//! shared ranges, and the lab is not connected to anything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The namespace of the Internet's core, which is every provider's router as well.
pub const CORE: &str = "core";
/// Most homes, exits and hosts each.
pub const MOST: usize = 60;
/// The modem's page, the same behind every home's line.
pub const MODEM: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 1);
/// The providers' resolver.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(88, 255, 0, 53);
/// The providers' resolver over IPv6.
pub const RESOLVER6: Ipv6Addr = Ipv6Addr::new(0x2a00, 0x88, 0xff, 0, 0, 0, 0, 0x53);
/// The gateway's address in every household.
pub const LAN_GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
/// The client's address in every household.
pub const LAN_CLIENT: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 10);

/// A link between the core and somebody: /30 and /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The core's end.
    pub core4: Ipv4Addr,
    /// The other end.
    pub v4: Ipv4Addr,
    /// The core's end.
    pub core6: Ipv6Addr,
    /// The other end.
    pub v6: Ipv6Addr,
}

impl Link {
    /// The other end's address of the same family as `like`.
    pub fn same_family(&self, like: IpAddr) -> IpAddr {
        if like.is_ipv4() {
            self.v4.into()
        } else {
            self.v6.into()
        }
    }
}

/// The access line of home number `index`; `cgnat` gives it a shared address.
pub fn home(index: usize, cgnat: bool) -> Link {
    let (first, second) = if cgnat { (100, 64) } else { (88, 10) };
    link(first, second, 0x10, index)
}

/// The link of exit number `index`.
pub fn exit(index: usize) -> Link {
    link(88, 200, 0x200, index)
}

/// The link of host number `index`.
pub fn host(index: usize) -> Link {
    link(88, 220, 0x220, index)
}

/// The /64 that the provider routes to home number `index`.
pub fn home_prefix(index: usize) -> Ipv6Addr {
    Ipv6Addr::new(0x2a00, 0x88, 0x10, 0x100 + index as u16, 0, 0, 0, 0)
}

/// The unique local /64 of home number `index`.
pub fn local_prefix(index: usize) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0x88, 0x10, 0x100 + index as u16, 0, 0, 0, 0)
}

/// The /48 that the Internet routes to exit number `index`, for prefixes of its members.
pub fn exit_prefix(index: usize) -> Ipv6Addr {
    Ipv6Addr::new(0x2a00, 0x89, index as u16, 0, 0, 0, 0, 0)
}

/// Address number `number` of a prefix.
pub fn in_prefix(prefix: Ipv6Addr, number: u16) -> Ipv6Addr {
    Ipv6Addr::from(u128::from(prefix) | u128::from(number))
}

fn link(first: u8, second: u8, third6: u16, index: usize) -> Link {
    let index = index as u16 + 1;
    let v4 = |last| Ipv4Addr::new(first, second, index as u8, last);
    let v6 = |last| Ipv6Addr::new(0x2a00, 0x88, third6, index, 0, 0, 0, last);
    Link {
        core4: v4(1),
        v4: v4(2),
        core6: v6(1),
        v6: v6(2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_prefixes_of_different_homes_do_not_overlap() {
        assert_eq!(home(0, false).v4, Ipv4Addr::new(88, 10, 1, 2));
        assert_eq!(home(1, true).v4, Ipv4Addr::new(100, 64, 2, 2));
        let mut prefixes: Vec<_> = (0..MOST)
            .flat_map(|i| [home_prefix(i), home(i, false).v6])
            .collect();
        prefixes.sort();
        prefixes.dedup_by_key(|address| u128::from(*address) >> 64);
        assert_eq!(prefixes.len(), 2 * MOST);
    }
}
