//! Tracked connections by their mark: looking at them, forgetting them.

use super::message::{Attributes, Message, u32_at};
use super::socket::{ASK, LIST, Socket};
use crate::error::Result;
use burstmesh_core::data::reset::Way;

const SUBSYSTEM: u16 = 1 << 8;
const GET: u16 = SUBSYSTEM | 1;
const DELETE: u16 = SUBSYSTEM | 2;
const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_PROTOINFO: u16 = 4;
const CTA_MARK: u16 = 8;
/// Both ways.
const CTA_COUNTERS: [u16; 2] = [9, 10];
const CTA_COUNTERS_BYTES: u16 = 2;
const CTA_MARK_MASK: u16 = 21;
/// Both in a tuple.
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_PROTO_NUM: u16 = 1;
/// Source and destination, IPv4 and IPv6.
const CTA_IP: [[u16; 2]; 2] = [[1, 2], [3, 4]];
const CTA_PROTO_PORTS: [u16; 2] = [2, 3];
const CTA_PROTOINFO_TCP: u16 = 1;
const CTA_PROTOINFO_TCP_STATE: u16 = 1;
const TCP: u8 = 6;
/// The server has answered.
const SYN_RECEIVED: u8 = 2;
/// Family (any), version, resource.
const FIXED: [u8; 4] = [libc::AF_UNSPEC as u8, 0, 0, 0];

/// A connection that is tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// The way of what comes back: from the server to the address under which the connection leaves.
    pub back: Way,
    /// The transport protocol's number.
    pub protocol: u8,
    /// Its mark.
    pub mark: u32,
    /// What it carried both ways; 0 where the kernel does not count (`nf_conntrack_acct`).
    pub bytes: u64,
    /// Of TCP, and both ends know of it.
    pub is_open_tcp: bool,
}

/// Forgets every connection, IPv4 and IPv6, with `mark & mask == value`. `mask` must not be 0.
///
/// Kernels filter by mark since 4.0. None matching is no error.
pub fn delete_marked(value: u32, mask: u32) -> Result<()> {
    if mask == 0 {
        return Err(crate::Error::new("forget connections", libc::EINVAL));
    }
    let mut message = Message::new(DELETE, ASK, &FIXED);
    filter(&mut message, value, mask);
    forget(&mut Socket::open(libc::NETLINK_NETFILTER, 0)?, message)
}

/// Looks at every connection with `mark & mask == value`, and forgets those that `goes` says.
pub fn delete_those(value: u32, mask: u32, mut goes: impl FnMut(&Tracked) -> bool) -> Result<()> {
    let mut beside = Socket::open(libc::NETLINK_NETFILTER, 0)?;
    each(value, mask, &mut |tracked, payload| {
        if goes(tracked)
            && let [family, _, _, _, all @ ..] = payload
        {
            let mut one = Message::new(DELETE, ASK, &[*family, 0, 0, 0]);
            one.attribute(CTA_TUPLE_ORIG, find(all, CTA_TUPLE_ORIG));
            let _ = forget(&mut beside, one);
        }
        true
    })
}

/// Looks at connections with `mark & mask == value`, as long as `goes_on` says so.
pub fn list(value: u32, mask: u32, mut goes_on: impl FnMut(&Tracked) -> bool) -> Result<()> {
    each(value, mask, &mut |tracked, _| goes_on(tracked))
}

// One for all that look.
#[inline(never)]
fn each(value: u32, mask: u32, goes_on: &mut dyn FnMut(&Tracked, &[u8]) -> bool) -> Result<()> {
    let mut message = Message::new(GET, LIST, &FIXED);
    filter(&mut message, value, mask);
    let mut socket = Socket::open(libc::NETLINK_NETFILTER, 0)?;
    socket.query_while("list connections", message, |_, payload| {
        let all = payload.get(FIXED.len()..).unwrap_or_default();
        let tracked = read(payload, all).filter(|t| t.mark & mask == value);
        tracked.is_none_or(|t| goes_on(&t, payload))
    })
}

fn forget(socket: &mut Socket, message: Message) -> Result<()> {
    socket.change("forget connections", message, &[libc::ENOENT])
}

fn read(payload: &[u8], all: &[u8]) -> Option<Tracked> {
    let v6 = payload.first().copied() == Some(libc::AF_INET6 as u8);
    let back = find(all, CTA_TUPLE_REPLY);
    let (ip, transport) = (find(back, CTA_TUPLE_IP), find(back, CTA_TUPLE_PROTO));
    let [from, to] = CTA_IP[usize::from(v6)].map(|kind| {
        let (mut address, bytes) = ([0; 16], find(ip, kind));
        let start = address.len().saturating_sub(bytes.len());
        if let Some(room) = address.get_mut(start..).filter(|r| r.len() == bytes.len()) {
            room.copy_from_slice(bytes);
        }
        address
    });
    let [a, b] = CTA_PROTO_PORTS.map(|kind| {
        let bytes = find(transport, kind).first_chunk();
        bytes.copied().map_or(0, u16::from_be_bytes)
    });
    let state = find(find(all, CTA_PROTOINFO), CTA_PROTOINFO_TCP);
    let state = find(state, CTA_PROTOINFO_TCP_STATE).first();
    let protocol = *find(transport, CTA_PROTO_NUM).first()?;
    let bytes = CTA_COUNTERS.map(|way| {
        let counted = find(find(all, way), CTA_COUNTERS_BYTES).first_chunk();
        counted.copied().map_or(0, u64::from_be_bytes)
    });
    Some(Tracked {
        back: Way {
            v6,
            from,
            to,
            ports: (a, b),
        },
        protocol,
        mark: u32_at(find(all, CTA_MARK), 0).map_or(0, u32::from_be),
        bytes: bytes.into_iter().fold(0, u64::saturating_add),
        is_open_tcp: protocol == TCP && state.is_some_and(|s| *s >= SYN_RECEIVED),
    })
}

/// What stands in the attribute of this kind.
#[inline(never)]
fn find(attributes: &[u8], kind: u16) -> &[u8] {
    let mut all = Attributes(attributes);
    all.find(|a| a.0 == kind).map_or(&[], |a| a.1)
}

fn filter(message: &mut Message, value: u32, mask: u32) {
    message
        .attribute(CTA_MARK, &value.to_be_bytes())
        .attribute(CTA_MARK_MASK, &mask.to_be_bytes());
}
