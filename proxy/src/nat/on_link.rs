//! What stands on the uplink's own link, beside this machine. At home those are the household's other devices, which have public
//! IPv6 addresses there; the kernel knows them as routes without a router.

use anyhow::Result;
use burstmesh_linux::netlink::Rtnl;
use ipnet::IpNet;

use crate::config::Config;

/// The ranges there now.
///
/// # Errors
/// The kernel does not tell.
pub fn on_link(config: &Config) -> Result<Vec<IpNet>> {
    let mut found = Vec::new();
    let mut netlink = Rtnl::open()?;
    if let Some(index) = netlink.link_index(config.nat.uplink.get_ref())? {
        netlink.on_link(index, |prefix| {
            found.extend(IpNet::new(prefix.ip, prefix.len));
        })?;
    }
    found.sort();
    Ok(found)
}
