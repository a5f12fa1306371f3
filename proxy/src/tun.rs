//! The interface that members' packets come out of: the exit's addresses on it, and so the routes to all leases.

use std::net::IpAddr;

use anyhow::{Context, Result};
use burstmesh_linux::netlink::Rtnl;
use burstmesh_linux::tun::Tun;

use crate::config::{Config, Ipv6Mode};

/// Creates the interface, down and without addresses. It lives as long as what is returned.
///
/// # Errors
/// The kernel's: no permission, no TUN driver, or another exit has the name.
pub fn open(config: &Config) -> Result<Tun> {
    let name = config.tun.name.get_ref();
    Tun::open(name).with_context(|| {
        format!("{name}; is another exit running, or is this not root and without CAP_NET_ADMIN?")
    })
}

/// Gives the interface the exit's addresses and sets it up. The rules must be in place by then.
///
/// # Errors
/// The kernel's.
pub fn raise(tun: &Tun, config: &Config) -> Result<()> {
    let name = tun.name();
    let mut netlink = Rtnl::open()?;
    let index = index(&mut netlink, name)?;
    let leases = config.leases.get_ref();
    let (v4, v6) = (leases.exit_v4(), leases.exit_v6());
    netlink.add_address(index, IpAddr::V4(v4), leases.v4.prefix_len())?;
    if *config.nat.ipv6.get_ref() != Ipv6Mode::Off {
        // A machine without IPv6 still serves IPv4.
        if let Err(error) = netlink.add_address(index, IpAddr::V6(v6), leases.v6.prefix_len()) {
            tracing::warn!("{name} has no IPv6 address: {error}");
        }
    }
    netlink.set_link(index, true, None)?;
    tracing::info!(interface = %name, %v4, %v6, "interface is up");
    Ok(())
}

/// Changes the largest packet the kernel puts into the interface.
///
/// # Errors
/// The kernel's.
pub fn set_mtu(name: &str, mtu: u32) -> Result<()> {
    let mut netlink = Rtnl::open()?;
    let index = index(&mut netlink, name)?;
    Ok(netlink.set_link(index, true, Some(mtu))?)
}

fn index(netlink: &mut Rtnl, name: &str) -> Result<u32> {
    let index = netlink.link_index(name)?;
    index.with_context(|| format!("the interface {name} is gone"))
}
