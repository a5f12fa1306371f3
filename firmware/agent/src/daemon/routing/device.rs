//! The tunnel's device as the router sees it: its MTU, its addresses, the default routes over it.

use super::{Applied, TABLE, note};
use burstmesh_core::data::reset::Near;
use burstmesh_core::node::gateway::MAX_PEERS;
use burstmesh_linux::netlink::{Family, Prefix, Route, Rtnl};
use core::net::IpAddr;

/// Gives it all that `want` asks for, in place of what `before` did.
pub fn set(rtnl: &mut Rtnl, index: u32, before: &Applied, want: &Applied) {
    note(rtnl.set_link(index, true, Some(u32::from(want.mtu.max(1280)))));
    set_addresses(rtnl, index, before.lease, want.lease);
    for place in 0..MAX_PEERS {
        let near = (before.spread.near(place), want.spread.near(place));
        set_addresses(rtnl, index, near.0, near.1);
    }
    set_routes(rtnl, index, want.hosting);
}

/// Whether it still has what it was given: others may take it for theirs, as OpenWrt's netifd does with the devices of its
/// interfaces, and clear it of addresses and routes. Routes go in every such case.
pub fn is_set(rtnl: &mut Rtnl, index: u32) -> bool {
    !matches!(rtnl.default_gateway(Family::V4, index, TABLE), Ok(None))
}

/// The addresses that a lease, or a host, gives the device, in place of those before.
fn set_addresses(rtnl: &mut Rtnl, index: u32, old: Option<Near>, new: Option<Near>) {
    if old == new {
        return;
    }
    for (near, gone) in [(old, true), (new, false)] {
        let Some(Near { v4, v6 }) = near else {
            continue;
        };
        for (ip, len) in [(IpAddr::from(v4), 32), (IpAddr::from(v6), 128)] {
            if ip.is_unspecified() {
                continue;
            }
            note(if gone {
                rtnl.delete_address(index, ip, len)
            } else {
                rtnl.add_address(index, ip, len)
            });
        }
    }
}

/// The default routes of our table.
fn set_routes(rtnl: &mut Rtnl, index: u32, hosting: bool) {
    if hosting {
        super::guests::set_host_routes(rtnl, index);
    }
    for family in Family::BOTH {
        note(rtnl.replace_route(&Route {
            destination: Prefix::all(family),
            ifindex: index,
            table: TABLE,
        }));
    }
}
