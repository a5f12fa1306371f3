//! What the agent watches of the router's network: its uplinks, its mesh interfaces, its own device.

use crate::config::Config;
use burstmesh_core::wire::control::MAX_UPLINKS;
use burstmesh_linux::netlink::{Family, MAIN_TABLE, Prefix, Rtnl};
use core::net::IpAddr;
use heapless::Vec;

/// An uplink as it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UplinkState {
    /// The device is there, has carrier and a default route.
    pub up: bool,
    /// Over IPv6 too.
    pub ipv6: bool,
    /// Changes when addresses or the next hop do: sockets must be made anew.
    pub fingerprint: u32,
}

/// A mesh interface as it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeshState {
    /// The device's index, if it is there and up.
    pub index: Option<u32>,
}

/// Looks at all uplinks.
pub fn uplinks(rtnl: &mut Rtnl, config: &Config) -> Vec<UplinkState, MAX_UPLINKS> {
    config
        .uplinks
        .iter()
        .map(|u| uplink(rtnl, &u.ifname))
        .collect()
}

fn uplink(rtnl: &mut Rtnl, ifname: &str) -> UplinkState {
    let Ok(Some(link)) = rtnl.link(ifname) else {
        return UplinkState::default();
    };
    let mut state = UplinkState {
        fingerprint: link.index,
        ..UplinkState::default()
    };
    for family in Family::BOTH {
        if let Ok(Some(hop)) = rtnl.default_gateway(family, link.index, MAIN_TABLE) {
            state.up = link.up && link.running;
            state.ipv6 |= state.up && family == Family::V6;
            state.fingerprint = mix(state.fingerprint, hop.via);
        }
    }
    let mut addresses = 0u32;
    let _ = rtnl.addresses(link.index, |a| {
        // Order does not matter, and privacy addresses come and go without meaning anything.
        if a.global && !a.temporary {
            addresses = addresses.wrapping_add(mix(1, Some(a.ip)));
        }
    });
    state.fingerprint = state.fingerprint.wrapping_add(addresses);
    state
}

fn mix(seed: u32, ip: Option<IpAddr>) -> u32 {
    let step = |h: u32, b: u8| (h ^ u32::from(b)).wrapping_mul(0x0100_0193);
    match ip {
        None => step(seed, 0),
        Some(IpAddr::V4(v4)) => v4.octets().into_iter().fold(seed, step),
        Some(IpAddr::V6(v6)) => v6.octets().into_iter().fold(seed, step),
    }
}

/// What stands on the links of lines whose address is shared, beside this router: devices behind the same provider's box have
/// global addresses there. More than these are left out.
pub type OnLink = Vec<Prefix, 16>;

/// Looks for [`OnLink`].
pub fn on_link(rtnl: &mut Rtnl, config: &Config) -> OnLink {
    let mut found = OnLink::new();
    for uplink in config.uplinks.iter().filter(|u| u.share_address) {
        if let Ok(Some(index)) = rtnl.link_index(&uplink.ifname) {
            let _ = rtnl.on_link(index, |prefix| {
                let _ = found.push(prefix);
            });
        }
    }
    found
}

/// Looks at all mesh interfaces.
pub fn meshes(rtnl: &mut Rtnl, config: &Config) -> Vec<MeshState, 4> {
    let look = |name: &str, rtnl: &mut Rtnl| match rtnl.link(name) {
        Ok(Some(link)) if link.up && link.running => MeshState {
            index: Some(link.index),
        },
        _ => MeshState::default(),
    };
    config
        .meshes
        .iter()
        .map(|m| look(&m.ifname, rtnl))
        .collect()
}
