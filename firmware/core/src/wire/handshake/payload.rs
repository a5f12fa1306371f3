//! What the two handshake messages carry inside Noise's seal, as postcard; bytes after the last known field are ignored.

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::wire::{Capabilities, compact};

/// The initiator's payload: at most 32 bytes as of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Which life of the initiator: grows with every start, never repeats.
    pub epoch: u64,
    /// Grows with every Init of one life, whoever it is for: with the epoch, the protection from replays.
    pub counter: u64,
    /// What the initiator can.
    pub caps: Capabilities,
    /// The initiator's minor version, the same as in the clear header.
    pub minor: u8,
    /// The responder's connection ID of the session that this handshake renews; none for a new session.
    pub rekey_of: Option<u32>,
}

/// What the responder grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// What the responder can.
    pub caps: Capabilities,
    /// The responder's minor version, the same as in the clear header.
    pub minor: u8,
    /// The initiator's addresses inside the tunnel, if the responder is an exit.
    pub lease: Option<Lease>,
}

/// Addresses that an exit leases to a gateway. It cannot grow: later fields go behind it, into [`Answer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The gateway's IPv4 address in the tunnel.
    #[serde(with = "crate::bytes")]
    pub ipv4: [u8; 4],
    /// The gateway's IPv6 address in the tunnel.
    #[serde(with = "crate::bytes")]
    pub ipv6: [u8; 16],
    /// A name server that is reached through the exit over IPv4.
    #[serde(with = "crate::bytes::optional")]
    pub dns4: Option<[u8; 4]>,
    /// A name server that is reached through the exit over IPv6.
    #[serde(with = "crate::bytes::optional")]
    pub dns6: Option<[u8; 16]>,
    /// The largest inner packet the exit takes, in bytes.
    pub mtu: u16,
}

/// The responder's payload: at most 56 bytes as of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The responder's connection ID, the same as in the clear header: this one a lender on the way cannot alter.
    pub cid: u32,
    /// What it grants.
    pub welcome: Welcome,
}

impl Hello {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`Refusal::Malformed`].
    pub fn decode(payload: &[u8]) -> Result<Self, Refusal> {
        compact::read(payload)
    }

    /// Writes a payload and gives the part of `out` it took.
    ///
    /// # Errors
    /// [`Refusal::Full`].
    pub fn encode<'a>(&self, out: &'a mut [u8]) -> Result<&'a [u8], Refusal> {
        compact::write(self, out)
    }
}

impl Answer {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`Refusal::Malformed`].
    pub fn decode(payload: &[u8]) -> Result<Self, Refusal> {
        compact::read(payload)
    }

    /// Writes a payload and gives the part of `out` it took.
    ///
    /// # Errors
    /// [`Refusal::Full`].
    pub fn encode<'a>(&self, out: &'a mut [u8]) -> Result<&'a [u8], Refusal> {
        compact::write(self, out)
    }
}
