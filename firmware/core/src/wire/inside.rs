//! The control network inside: addresses of members, which packets may travel, and what is asked and answered.
//!
//! Members talk over TCP within their sealed sessions (records of kind 8). One connection is one question and its answer; a message
//! is its length (u8) and postcard behind it.

use super::bytes::{Reader, Writer};
use super::compact;
use crate::error::Refusal;
use crate::identity::NodeId;
use heapless::{String, Vec};
use serde::{Deserialize, Serialize};

/// The network of all members' addresses (RFC 4193). It exists in no kernel.
pub const NETWORK: [u8; 8] = [0xfd, b'b', b'm', b'c', b't', b'r', b'l', 0];
/// Where questions are taken.
pub const PORT: u16 = 1;
/// Largest packet: it fits the smallest path (1232 bytes of UDP) with two relay headers in front.
pub const MTU: usize = 1152;
/// Longest message without its length.
pub const MAX_LEN: usize = 240;
/// Largest piece of a log in one message.
pub const PIECE: usize = 200;

const IPV6_HEADER: usize = 40;
const TCP: u8 = 6;

/// A member's address.
pub fn address(of: NodeId) -> [u8; 16] {
    let mut out = [0; 16];
    let (network, node) = out.split_at_mut(8);
    network.copy_from_slice(&NETWORK);
    node.copy_from_slice(&of.0);
    out
}

/// Who has an address.
pub fn node_of(address: &[u8]) -> Option<NodeId> {
    let (network, node) = address.split_first_chunk::<8>()?;
    let node = node.try_into().ok().map(NodeId);
    node.filter(|_| *network == NETWORK)
}

/// From whom to whom a packet is. Nothing else but TCP between two members is one.
///
/// # Errors
/// [`Refusal::Malformed`], [`Refusal::Forbidden`].
pub fn ends(packet: &[u8]) -> Result<(NodeId, NodeId), Refusal> {
    let mut r = Reader::new(packet);
    let head: [u8; 8] = r.array()?;
    let (from, to) = (r.take(16)?, r.take(16)?);
    let [first, _, _, _, len @ .., next, _] = head;
    let [high, low] = len;
    let length = usize::from(u16::from_be_bytes([high, low])) + IPV6_HEADER;
    if first >> 4 != 6 || length != packet.len() || length > MTU {
        return Err(Refusal::Malformed);
    }
    match (next, node_of(from), node_of(to)) {
        (TCP, Some(from), Some(to)) if from != to => Ok((from, to)),
        _ => Err(Refusal::Forbidden),
    }
}

/// What a member may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// Who it is, what it lends, whom it reaches; an exit also: who is there.
    Status,
    /// What passed between it and who asks, by day.
    Ledger,
    /// The last lines of its log.
    Log,
    /// Of an exit: what it counted on the paths of a member for which this connection ID stands in what it sends. Only who is on
    /// the road of a path sees it: the member itself, and who lends it the line.
    Paths(u32),
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Item {
    /// The answer is complete. Without it something is missing.
    End,
    /// The owner does not share this.
    NotShared,
    /// The node itself.
    About {
        /// Of the software.
        version: String<16>,
        /// Seconds since its start.
        seconds: u32,
        /// The exit in use; zeros without one.
        #[serde(with = "crate::bytes")]
        exit: [u8; 8],
        /// It is an exit.
        is_exit: bool,
    },
    /// One of its lines.
    Uplink {
        /// Its name in the configuration.
        name: String<16>,
        /// It has a way out.
        up: bool,
        /// It is lent now.
        lent: bool,
        /// Most that is lent, up and down, kbit/s; 0 = what is idle.
        kbit: (u32, u32),
    },
    /// A direct neighbour of it.
    Neighbour {
        /// Who.
        #[serde(with = "crate::bytes")]
        member: [u8; 8],
        /// It has a session there.
        up: bool,
        /// Mesh hops.
        hops: u8,
        /// Round trip, ms.
        rtt_ms: u16,
    },
    /// A member with a session at the exit that says so.
    Member {
        /// Who.
        #[serde(with = "crate::bytes")]
        member: [u8; 8],
        /// It takes part in the control network.
        answers: bool,
        /// Live paths.
        paths: u8,
        /// Packet bytes of its clients in this session, up and down, by the exit's count.
        bytes: (u64, u64),
    },
    /// A day of a ledger, about who asks: bytes up and down.
    Day {
        /// Days since 1970-01-01; 0 = unknown.
        day: u16,
        /// Lent to who asks.
        lent: (u64, u64),
        /// Borrowed from who asks.
        borrowed: (u64, u64),
    },
    /// A piece of a log.
    Log(Vec<u8, PIECE>),
    /// What an exit counted on one path of a member since it was opened, with outer headers.
    Path {
        /// Its number in the member's session.
        id: u16,
        /// Seconds since it was opened.
        seconds: u32,
        /// Bytes that came from the member, and that were sent to it.
        bytes: (u64, u64),
        /// Datagrams that never came, by their numbers, and that never arrived, by the member's reports.
        lost: (u32, u32),
    },
}

/// Writes a message with its length; returns its bytes.
///
/// # Errors
/// [`Refusal::Full`].
pub fn emit<'a, T: Serialize>(message: &T, out: &'a mut [u8]) -> Result<&'a [u8], Refusal> {
    let body = out.get_mut(1..).ok_or(Refusal::Full)?;
    let most = body.len().min(MAX_LEN);
    let len = compact::write(message, body.get_mut(..most).ok_or(Refusal::Full)?)?.len();
    let mut w = Writer::new(out);
    w.u8(len as u8)?;
    out.get(..=len).ok_or(Refusal::Full)
}

/// The first message in `bytes`, and how long it is with its length; `None`: there is more to come. Of a variant that this version
/// does not know, no message.
///
/// # Errors
/// [`Refusal::Malformed`]: longer than any.
pub fn parse<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
) -> Result<Option<(Option<T>, usize)>, Refusal> {
    let Some((len, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let len = usize::from(*len);
    if len > MAX_LEN {
        return Err(Refusal::Malformed);
    }
    let body = rest.get(..len);
    Ok(body.map(|body| (compact::read(body).ok(), len + 1)))
}

#[cfg(test)]
mod tests;
