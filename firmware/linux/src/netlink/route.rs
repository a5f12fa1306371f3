//! Routes.

use super::message::{Attributes, Message, u16_at, u32_at};
use super::socket::{ASK, LIST, Rtnl};
use super::{Family, MAIN_TABLE, ip_from};
use crate::error::Result;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const FIXED: usize = 12;
const RTA_VIA: u16 = 18;

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Its first address.
    pub ip: IpAddr,
    /// Length, in bits.
    pub len: u8,
}

impl Prefix {
    /// All of IPv4.
    pub const ALL_V4: Self = Self {
        ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        len: 0,
    };
    /// All of IPv6.
    pub const ALL_V6: Self = Self {
        ip: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        len: 0,
    };

    /// All of a family.
    pub const fn all(family: Family) -> Self {
        match family {
            Family::V4 => Self::ALL_V4,
            Family::V6 => Self::ALL_V6,
        }
    }
}

/// A route by way of an interface, behind no router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// What it is for; [`Prefix::ALL_V4`] or [`Prefix::ALL_V6`] for a default route.
    pub destination: Prefix,
    /// The interface.
    pub ifindex: u32,
    /// The table it stands in.
    pub table: u32,
}

/// Where the default route of an interface leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextHop {
    /// The router; `None` on a point-to-point link.
    pub via: Option<IpAddr>,
    /// The metric of that route.
    pub metric: u32,
}

impl Rtnl {
    /// Adds a route, or changes the one with the same destination and table.
    pub fn replace_route(&mut self, route: &Route) -> Result<()> {
        self.0.change("set a route", message(route), &[])
    }

    /// Where the default route in `table` by way of the interface leads: that with the lowest metric.
    pub fn default_gateway(
        &mut self,
        family: Family,
        ifindex: u32,
        table: u32,
    ) -> Result<Option<NextHop>> {
        let mut best: Option<NextHop> = None;
        self.routes(family, ifindex, table, |to, hop| {
            if to.len == 0 && best.is_none_or(|best| hop.metric < best.metric) {
                best = Some(hop);
            }
        })?;
        Ok(best)
    }

    /// Hands `each` the ranges in the main table whose addresses stand on the interface's own link, behind no router. Single
    /// addresses are left out, and what is wider than any link: that is a way to say "everywhere".
    pub fn on_link(&mut self, ifindex: u32, mut each: impl FnMut(Prefix)) -> Result<()> {
        for family in Family::BOTH {
            self.routes(family, ifindex, MAIN_TABLE, |to, hop| {
                let bits = if to.ip.is_ipv4() { 32 } else { 128 };
                if hop.via.is_none() && (16..bits).contains(&to.len) {
                    each(to);
                }
            })?;
        }
        Ok(())
    }

    /// Hands `each` the routes in `table` by way of the interface.
    fn routes(
        &mut self,
        family: Family,
        ifindex: u32,
        table: u32,
        mut each: impl FnMut(Prefix, NextHop),
    ) -> Result<()> {
        let mut fixed = [0; FIXED];
        fixed[0] = family.number();
        self.0.query(
            "list routes",
            Message::new(libc::RTM_GETROUTE, LIST, &fixed),
            |_, payload| {
                if let Some((len, to, hop)) = parse(payload, ifindex, table) {
                    let ip = to.unwrap_or(Prefix::all(family).ip);
                    each(Prefix { ip, len }, hop);
                }
            },
        )
    }
}

fn message(route: &Route) -> Message {
    let flags = ASK | libc::NLM_F_CREATE | libc::NLM_F_REPLACE;
    let to = route.destination;
    let scope = if to.ip.is_ipv4() {
        libc::RT_SCOPE_LINK
    } else {
        libc::RT_SCOPE_UNIVERSE
    };
    // family, lengths of destination and source, class, table (in an attribute), protocol, scope, kind, flags
    let mut fixed = [0; FIXED];
    [fixed[0], fixed[1]] = [Family::of(to.ip).number(), to.len];
    [fixed[5], fixed[6], fixed[7]] = [libc::RTPROT_STATIC, scope, libc::RTN_UNICAST];
    let mut message = Message::new(libc::RTM_NEWROUTE, flags, &fixed);
    message.attribute_u32(libc::RTA_TABLE, route.table);
    if to.len > 0 {
        message.attribute_ip(libc::RTA_DST, to.ip);
    }
    message.attribute_u32(libc::RTA_OIF, route.ifindex);
    message
}

/// Where it leads to, and the next hop by way of `ifindex`, if this is a route in `table`.
fn parse(payload: &[u8], ifindex: u32, table: u32) -> Option<(u8, Option<IpAddr>, NextHop)> {
    let [
        _family,
        length,
        _source,
        _class,
        short_table,
        _protocol,
        _scope,
        kind,
    ] = *payload.first_chunk()?;
    if kind != libc::RTN_UNICAST {
        return None;
    }
    let (mut in_table, mut metric) = (u32::from(short_table), 0);
    let (mut hop, mut to) = (Hop::default(), None);
    let mut found = None;
    for (kind, value) in Attributes::behind(payload, FIXED) {
        match kind {
            libc::RTA_TABLE => in_table = u32_at(value, 0)?,
            libc::RTA_PRIORITY => metric = u32_at(value, 0)?,
            libc::RTA_DST => to = ip_from(value),
            libc::RTA_MULTIPATH => found = hops(value).find(|hop| hop.ifindex == ifindex),
            _ => hop.read(kind, value),
        }
    }
    if hop.ifindex == ifindex {
        found = Some(hop);
    }
    let found = found.filter(|_| in_table == table)?;
    let via = found.via;
    Some((length, to, NextHop { via, metric }))
}

#[derive(Clone, Copy, Default)]
struct Hop {
    ifindex: u32,
    via: Option<IpAddr>,
}

impl Hop {
    fn read(&mut self, kind: u16, value: &[u8]) {
        match kind {
            libc::RTA_OIF => self.ifindex = u32_at(value, 0).unwrap_or(0),
            libc::RTA_GATEWAY => self.via = ip_from(value),
            // A router of the other family: its family in front of the address.
            RTA_VIA => self.via = value.get(2..).and_then(ip_from),
            _ => {}
        }
    }
}

/// The next hops of a route that has several.
fn hops(mut bytes: &[u8]) -> impl Iterator<Item = Hop> {
    core::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let this = bytes.get(..length)?;
        let mut hop = Hop {
            ifindex: u32_at(this, 4)?,
            via: None,
        };
        for (kind, value) in Attributes::behind(this, 8) {
            hop.read(kind, value);
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some(hop)
    })
}
