//! Composition: the core's parts put together as a gateway ([`gateway`]) and as an exit ([`exit`]).
//!
//! A node decides nothing about packets itself. It finds out for whom a datagram is (by connection ID), keeps sessions
//! alive, opens paths where there is a way, and passes work that is too slow for the data loop out as [`job`]s.

pub mod alarm;
mod borrow;
mod bucket;
mod excess;
pub mod exit;
pub mod gateway;
mod guest;
pub mod job;
mod lend;
mod part;
mod peer;
pub mod roll;
mod room;
mod train;

use crate::data::pieces::Pieces;
use core::fmt;
use core::net::SocketAddr;
use heapless::Vec;

/// Where a datagram came from or goes to, as the shell's sockets are arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// The socket on a mesh interface.
    Mesh(u8),
    /// The socket that an uplink has for an exit: own and relayed datagrams share it, so that one keep-alive holds
    /// one NAT mapping.
    Uplink {
        /// The gateway's uplink.
        uplink: u8,
        /// Which of the configured exits.
        exit: u8,
        /// Which of its addresses.
        address: u8,
    },
    /// One of an exit's listening sockets.
    Listener(u8),
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mesh(mesh) => write!(f, "mesh {mesh}"),
            Self::Uplink {
                uplink,
                exit,
                address,
            } => write!(f, "uplink {uplink} to exit {exit}, address {address}"),
            Self::Listener(listener) => write!(f, "listener {listener}"),
        }
    }
}

/// A run of datagrams to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// On which socket.
    pub via: Via,
    /// To whom; `None`: the socket is connected.
    pub to: Option<SocketAddr>,
    /// Bytes written to the caller's buffer.
    pub len: usize,
    /// Length of each datagram, but the last may be shorter.
    pub stride: usize,
}

/// What a node hands out while it handles something.
pub trait Output {
    /// A client's packet, for the TUN.
    fn deliver(&mut self, packet: &[u8]);
    /// A relayed datagram: `header` (may be empty) and `body` make one datagram.
    fn forward(&mut self, via: Via, to: Option<SocketAddr>, header: &[u8], body: &[u8]);
    /// Relayed datagrams that came together, where they stand.
    fn forward_train(&mut self, via: Via, to: Option<SocketAddr>, train: Pieces<'_>) {
        for (header, body) in train.datagrams() {
            self.forward(via, to, header, body);
        }
    }
    /// A packet of the control network for this node.
    fn inside(&mut self, _packet: &[u8]) {}
}

/// What a node sends into the control network, or has sent on for a member, at most: a log of 4 KB within a second, and little beside
/// any transfer. More is dropped, and TCP sends it again.
pub(crate) const INSIDE_KBIT: u32 = 256;

/// Bytes of the largest letter: a handshake's Init behind two relay headers.
pub(crate) const LETTER: usize = 340;

/// A small datagram that waits to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub via: Via,
    pub to: Option<SocketAddr>,
    pub bytes: Vec<u8, LETTER>,
}

/// Draws unguessable numbers from fresh entropy handed in at the start (SipHash-2-4 as a PRF over a counter).
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    key: [u8; 16],
    count: u64,
}

impl Draw {
    pub fn new(key: [u8; 16]) -> Self {
        Self { key, count: 0 }
    }
    pub fn u64(&mut self) -> u64 {
        self.count += 1;
        crate::crypto::sip24(&self.key, &self.count.to_be_bytes())
    }
    /// A connection ID: never 0.
    pub fn cid(&mut self) -> u32 {
        (self.u64() as u32).max(1)
    }
    pub fn secret(&mut self) -> [u8; 16] {
        let mut out = [0; 16];
        let (a, b) = out.split_at_mut(8);
        a.copy_from_slice(&self.u64().to_be_bytes());
        b.copy_from_slice(&self.u64().to_be_bytes());
        out
    }
}

/// Bytes of IP and UDP header around a datagram, as the account of an access line sees them.
pub(crate) const fn outer_headers(v6: bool) -> u8 {
    if v6 { 48 } else { 28 }
}

/// An address as bytes, for cookies.
pub(crate) fn address_bytes(a: SocketAddr) -> [u8; 18] {
    let mut out = [0; 18];
    let (ip, port) = out.split_at_mut(16);
    match a.ip() {
        core::net::IpAddr::V4(v4) => ip.copy_from_slice(&v4.to_ipv6_mapped().octets()),
        core::net::IpAddr::V6(v6) => ip.copy_from_slice(&v6.octets()),
    }
    port.copy_from_slice(&a.port().to_be_bytes());
    out
}
