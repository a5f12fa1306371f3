//! Forgetting tracked connections by their mark.

use super::message::{Attributes, Message, u32_at};
use super::socket::{ASK, LIST, Socket};
use crate::error::Result;

const SUBSYSTEM: u16 = 1 << 8;
const GET: u16 = SUBSYSTEM | 1;
const DELETE: u16 = SUBSYSTEM | 2;
const CTA_MARK: u16 = 8;
const CTA_MARK_MASK: u16 = 21;
/// Family (any), version, resource.
const FIXED: [u8; 4] = [libc::AF_UNSPEC as u8, 0, 0, 0];

/// Forgets every connection, IPv4 and IPv6, with `mark & mask == value`. `mask` must not be 0.
///
/// Kernels filter by mark since 4.0. None matching is no error.
pub fn delete_marked(value: u32, mask: u32) -> Result<()> {
    if mask == 0 {
        return Err(crate::Error::new("forget connections", libc::EINVAL));
    }
    let mut message = Message::new(DELETE, ASK, &FIXED);
    filter(&mut message, value, mask);
    Socket::open(libc::NETLINK_NETFILTER, 0)?.change("forget connections", message, &[libc::ENOENT])
}

/// How many connections have `mark & mask == value`.
pub fn count_marked(value: u32, mask: u32) -> Result<u32> {
    let mut count = 0;
    let mut message = Message::new(GET, LIST, &FIXED);
    filter(&mut message, value, mask);
    Socket::open(libc::NETLINK_NETFILTER, 0)?.query(
        "list connections",
        message,
        |_, payload| {
            let mark = Attributes::behind(payload, FIXED.len()).find(|(kind, _)| *kind == CTA_MARK);
            let mark = mark
                .and_then(|(_, bytes)| u32_at(bytes, 0))
                .map_or(0, u32::from_be);
            count += u32::from(mark & mask == value);
        },
    )?;
    Ok(count)
}

fn filter(message: &mut Message, value: u32, mask: u32) {
    message
        .attribute(CTA_MARK, &value.to_be_bytes())
        .attribute(CTA_MARK_MASK, &mask.to_be_bytes());
}
