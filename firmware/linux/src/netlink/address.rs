//! Addresses of interfaces.

use super::message::{Attributes, Message, u32_at};
use super::socket::{ASK, LIST, Rtnl};
use super::{Family, ip_from};
use crate::error::Result;
use core::net::IpAddr;

const FIXED: usize = 8;
const IFA_FLAGS: u16 = 8;

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address itself.
    pub ip: IpAddr,
    /// Length of its prefix.
    pub prefix_len: u8,
    /// It reaches further than its link.
    pub global: bool,
    /// It can be used now: neither being checked for duplicates, nor found to be one, nor deprecated.
    pub usable: bool,
    /// An IPv6 privacy address, which soon gives way to another.
    pub temporary: bool,
}

impl Rtnl {
    /// Gives an interface an address, without duplicate detection (a tunnel has nobody to ask).
    pub fn add_address(&mut self, index: u32, ip: IpAddr, prefix_len: u8) -> Result<()> {
        let flags = ASK | libc::NLM_F_CREATE | libc::NLM_F_REPLACE;
        self.0.change(
            "add an address",
            message(libc::RTM_NEWADDR, flags, index, ip, prefix_len),
            &[libc::EEXIST],
        )
    }

    /// Takes an address away.
    pub fn delete_address(&mut self, index: u32, ip: IpAddr, prefix_len: u8) -> Result<()> {
        let message = message(libc::RTM_DELADDR, ASK, index, ip, prefix_len);
        self.0.change(
            "delete an address",
            message,
            &[libc::EADDRNOTAVAIL, libc::ENODEV],
        )
    }

    /// Hands every address of the interface to `each`.
    pub fn addresses(&mut self, index: u32, mut each: impl FnMut(Address)) -> Result<()> {
        let message = Message::new(libc::RTM_GETADDR, LIST, &[0; FIXED]);
        self.0.query("list addresses", message, |_, payload| {
            if u32_at(payload, 4) == Some(index)
                && let Some(address) = parse(payload)
            {
                each(address);
            }
        })
    }
}

fn message(kind: u16, flags: i32, index: u32, ip: IpAddr, prefix_len: u8) -> Message {
    let nodad = if ip.is_ipv6() {
        libc::IFA_F_NODAD as u8
    } else {
        0
    };
    let [i0, i1, i2, i3] = index.to_ne_bytes();
    let mut message = Message::new(
        kind,
        flags,
        &[
            Family::of(ip).number(),
            prefix_len,
            nodad,
            0,
            i0,
            i1,
            i2,
            i3,
        ],
    );
    message
        .attribute_ip(libc::IFA_LOCAL, ip)
        .attribute_ip(libc::IFA_ADDRESS, ip);
    message
}

fn parse(payload: &[u8]) -> Option<Address> {
    let (prefix_len, mut flags) = (*payload.get(1)?, u32::from(*payload.get(2)?));
    let scope = *payload.get(3)?;
    let (mut local, mut address) = (None, None);
    for (kind, value) in Attributes::behind(payload, FIXED) {
        match kind {
            // On a point-to-point link the other attribute is the peer.
            libc::IFA_LOCAL => local = ip_from(value),
            libc::IFA_ADDRESS => address = ip_from(value),
            IFA_FLAGS => flags = u32_at(value, 0)?,
            _ => {}
        }
    }
    let unusable = libc::IFA_F_TENTATIVE | libc::IFA_F_DADFAILED | libc::IFA_F_DEPRECATED;
    let ip = local.or(address)?;
    Some(Address {
        ip,
        prefix_len,
        global: scope == libc::RT_SCOPE_UNIVERSE,
        usable: flags & unusable == 0,
        temporary: ip.is_ipv6() && flags & libc::IFA_F_TEMPORARY != 0,
    })
}
