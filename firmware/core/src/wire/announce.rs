//! Announcements: who is there. Link-local multicast on the mesh, a hint and never a proof.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | `0x11`: major version 1, kind 1 |
//! | 1 | 1 | minor version of the sender |
//! | 2 | 2 | length of the body, `n` |
//! | 4 | 8 | community |
//! | 12 | n | body: postcard of [`Body`]; bytes after its last known field are ignored |
//! | 12+n | 16 | BLAKE2s-128 under the community's announce key over everything before it |
//!
//! Whoever holds the community's secret can write any of it: what it says counts only after a handshake.

use serde::{Deserialize, Serialize};

use super::bytes::{Reader, Writer};
use super::{Capabilities, Kind, compact, expect_kind};
use crate::crypto::{self, MAC_LEN};
use crate::error::Refusal;
use crate::identity::{CommunityId, CommunityKeys, PublicKey};

/// Bytes before the body.
pub const HEADER_LEN: usize = 12;

/// The longest announcement taken: what a UDP datagram in one IPv6 packet of 1280 bytes can hold.
pub const MAX_LEN: usize = 1232;

/// Enough for any announcement that this version writes, in bytes.
pub const MAX_EMIT_LEN: usize = 96;

/// What an announcement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The sender's minor version.
    pub minor: u8,
    /// The authenticated rest.
    pub body: Body,
}

/// The part of an announcement that grows by new fields at its end. Postcard: integers over 8 bits are varints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Who it is about.
    pub key: PublicKey,
    /// Which life of the node: grows with every start, never repeats.
    pub epoch: u64,
    /// Grows with every announcement of one life, from 1.
    pub seq: u32,
    /// What the node can.
    pub caps: Capabilities,
    /// Whether it has uplinks to lend, at some time, to somebody.
    pub lends: bool,
    /// Whether it runs an exit for others.
    pub exit: bool,
    /// How often it was announced anew by others, 0 from the node itself.
    pub hops: u8,
}

impl Announcement {
    /// Checks and reads a datagram, the cheap checks first: length, kind and version, community, authenticator, body.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::Version`], [`Refusal::Unknown`] for another community,
    /// [`Refusal::Forged`] for a wrong authenticator.
    pub fn decode(datagram: &[u8], community: &CommunityKeys) -> Result<Self, Refusal> {
        expect_kind(datagram, Kind::Announce)?;
        if datagram.len() > MAX_LEN {
            return Err(Refusal::Malformed);
        }
        let mut r = Reader::new(datagram);
        r.u8()?;
        let minor = r.u8()?;
        let body_len = usize::from(r.u16()?);
        let id = CommunityId(r.array()?);
        let body = r.take(body_len)?;
        if r.rest().len() != MAC_LEN {
            return Err(Refusal::Malformed);
        }
        if id != community.id {
            return Err(Refusal::Unknown);
        }
        let (signed, mac) = datagram
            .split_at_checked(HEADER_LEN + body_len)
            .ok_or(Refusal::Malformed)?;
        if !crypto::same(&crypto::mac(&community.announce_key, &[signed]), mac) {
            return Err(Refusal::Forged);
        }
        let body = compact::read(body)?;
        Ok(Self { minor, body })
    }

    /// Writes the datagram and gives its length, at most [`MAX_EMIT_LEN`].
    ///
    /// # Errors
    /// [`Refusal::Full`] if `out` is too small.
    pub fn encode(&self, community: &CommunityKeys, out: &mut [u8]) -> Result<usize, Refusal> {
        let mut scratch = [0; MAX_EMIT_LEN - HEADER_LEN - MAC_LEN];
        let body = compact::write(&self.body, &mut scratch)?;
        let mut w = Writer::new(out);
        w.u8(Kind::Announce.byte0())?;
        w.u8(self.minor)?;
        w.u16(u16::try_from(body.len()).map_err(|_| Refusal::Full)?)?;
        w.put(&community.id.0)?;
        w.put(body)?;
        let signed_len = w.len();
        let (signed, rest) = out.split_at_mut_checked(signed_len).ok_or(Refusal::Full)?;
        let tag = crypto::mac(&community.announce_key, &[signed]);
        rest.get_mut(..MAC_LEN)
            .ok_or(Refusal::Full)?
            .copy_from_slice(&tag);
        Ok(signed_len + MAC_LEN)
    }
}

#[cfg(test)]
mod tests;
