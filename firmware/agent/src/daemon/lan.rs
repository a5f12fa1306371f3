//! The clients' ports: the kernel shall glue what it receives there (GRO), so that large segments reach the TUN. One
//! crossing for many packets is what makes a router's CPU fast enough. What was changed is put back at the end.

use crate::config::Config;
use burstmesh_linux::netlink::Rtnl;
use burstmesh_linux::path::InterfaceName;
use burstmesh_linux::{ethtool, info};
use heapless::Vec;

/// Most ports that are looked after.
const PORTS: usize = 16;

/// The ports seen so far.
#[derive(Debug, Default)]
pub struct Lan {
    seen: Vec<Port, PORTS>,
}

#[derive(Debug)]
struct Port {
    index: u32,
    name: InterfaceName,
    /// It was off, and is on by us.
    changed: bool,
}

impl Lan {
    /// Looks for ports that have come: each is asked once, so that whoever switches it off again is obeyed.
    pub fn look(&mut self, rtnl: &mut Rtnl, config: &Config) {
        for client in config.clients.iter().filter(|c| c.gro) {
            let Ok(Some(link)) = rtnl.link(&client.ifname) else {
                continue;
            };
            if !link.bridge {
                self.serve(link.index, link.name);
                continue;
            }
            // Gluing happens where packets come in: at the bridge's ports.
            let _ = rtnl.links(|port| {
                if port.master == Some(link.index) {
                    self.serve(port.index, port.name);
                }
            });
        }
    }

    fn serve(&mut self, index: u32, name: InterfaceName) {
        if self.seen.iter().any(|p| p.index == index) {
            return;
        }
        let off = ethtool::gro(name.as_str()) == Ok(false);
        let changed = off && ethtool::set_gro(name.as_str(), true).is_ok();
        if changed {
            info!("{}: GRO switched on", name.as_str());
        }
        let port = Port {
            index,
            name,
            changed,
        };
        // Past so many ports the rest stays as it is.
        let _ = self.seen.push(port);
    }

    /// Puts back what was changed.
    pub fn restore(&self) {
        for port in self.seen.iter().filter(|p| p.changed) {
            // A port that is gone has nothing to be put back.
            let _ = ethtool::set_gro(port.name.as_str(), false);
        }
    }
}
