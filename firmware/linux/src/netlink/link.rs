//! Network interfaces.

use super::message::{Attributes, Message, u32_at, u64_at};
use super::socket::{ASK, LIST, Rtnl};
use crate::error::Result;
use crate::fd;
use crate::path::InterfaceName;

const FIXED: usize = 16;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_STATS64: u16 = 23;

/// A network interface as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number for it.
    pub index: u32,
    /// Its name.
    pub name: InterfaceName,
    /// Switched on.
    pub up: bool,
    /// Switched on, and its carrier is there.
    pub running: bool,
    /// The largest packet, in bytes.
    pub mtu: u32,
    /// The interface it is a part of (bridge, bond), if any.
    pub master: Option<u32>,
    /// It is a port of a bridge: what is sent on it reaches whoever is on that bridge.
    pub bridge_port: bool,
    /// It is itself a bridge.
    pub bridge: bool,
    /// What has passed.
    pub counters: Counters,
}

/// Bytes that have passed an interface since it exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Received.
    pub rx_bytes: u64,
    /// Sent.
    pub tx_bytes: u64,
}

impl Rtnl {
    /// The interface `name`; `None` if there is none.
    pub fn link(&mut self, name: &str) -> Result<Option<Link>> {
        let name = InterfaceName::new(name)?;
        let mut message = Message::new(libc::RTM_GETLINK, ASK, &[0; FIXED]);
        message.attribute(libc::IFLA_IFNAME, name.with_zero());
        let mut found = None;
        match self.0.query("look up an interface", message, |_, payload| {
            found = parse(payload)
        }) {
            Err(error) if error.errno == libc::ENODEV => Ok(None),
            Err(error) => Err(error),
            Ok(()) => Ok(found),
        }
    }

    /// Hands every interface to `each`.
    pub fn links(&mut self, mut each: impl FnMut(Link)) -> Result<()> {
        let message = Message::new(libc::RTM_GETLINK, LIST, &[0; FIXED]);
        self.0.query("list interfaces", message, |_, payload| {
            if let Some(link) = parse(payload) {
                each(link);
            }
        })
    }

    /// The number of the interface `name`; `None` if there is none.
    pub fn link_index(&mut self, name: &str) -> Result<Option<u32>> {
        Ok(self.link(name)?.map(|link| link.index))
    }

    /// Switches an interface on or off and sets its MTU, if one is given.
    pub fn set_link(&mut self, index: u32, up: bool, mtu: Option<u32>) -> Result<()> {
        // By ioctl, which is older than netlink and which everything between us and the kernel understands.
        let socket = fd::socket("set up an interface", libc::AF_INET, libc::SOCK_DGRAM, 0)?;
        let ask = |number: libc::c_ulong, request: &mut libc::ifreq| {
            // SAFETY: the request is a valid ifreq, in and out.
            unsafe { socket.ioctl("set up an interface", number as u32, request) }
        };
        // SAFETY: plain old data.
        let mut request: libc::ifreq = unsafe { core::mem::zeroed() };
        request.ifr_ifru.ifru_ifindex = index as _;
        ask(libc::SIOCGIFNAME as _, &mut request)?;
        if let Some(mtu) = mtu {
            request.ifr_ifru.ifru_mtu = mtu as _;
            ask(libc::SIOCSIFMTU as _, &mut request)?;
        }
        ask(libc::SIOCGIFFLAGS as _, &mut request)?;
        // SAFETY: the kernel has just written the flags.
        let flags = libc::c_int::from(unsafe { request.ifr_ifru.ifru_flags });
        let flags = if up {
            flags | libc::IFF_UP
        } else {
            flags & !libc::IFF_UP
        };
        request.ifr_ifru.ifru_flags = flags as _;
        ask(libc::SIOCSIFFLAGS as _, &mut request)
    }
}

fn parse(payload: &[u8]) -> Option<Link> {
    let flags = u32_at(payload, 8)? as i32;
    let mut link = Link {
        index: u32_at(payload, 4)?,
        name: InterfaceName::from_kernel(&[0; libc::IFNAMSIZ]),
        up: flags & libc::IFF_UP != 0,
        running: flags & libc::IFF_UP != 0 && flags & libc::IFF_RUNNING != 0,
        mtu: 0,
        master: None,
        bridge_port: false,
        bridge: false,
        counters: Counters::default(),
    };
    for (kind, value) in Attributes::behind(payload, FIXED) {
        match kind {
            libc::IFLA_IFNAME => link.name = InterfaceName::new(text(value)).ok()?,
            libc::IFLA_MTU => link.mtu = u32_at(value, 0)?,
            libc::IFLA_MASTER => link.master = u32_at(value, 0),
            libc::IFLA_LINKINFO => {
                for (kind, value) in Attributes(value) {
                    link.bridge_port |= kind == IFLA_INFO_SLAVE_KIND && text(value) == "bridge";
                    link.bridge |= kind == IFLA_INFO_KIND && text(value) == "bridge";
                }
            }
            IFLA_STATS64 => {
                // Packets come first: received, sent.
                link.counters = Counters {
                    rx_bytes: u64_at(value, 16)?,
                    tx_bytes: u64_at(value, 24)?,
                };
            }
            _ => {}
        }
    }
    Some(link)
}

fn text(value: &[u8]) -> &str {
    let value = value.strip_suffix(&[0]).unwrap_or(value);
    core::str::from_utf8(value).unwrap_or("")
}
