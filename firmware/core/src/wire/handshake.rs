//! Handshake messages: Noise IKpsk2 between two nodes, with cheap authenticators around it.
//!
//! Init (kind 2), initiator to responder:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | `0x12` |
//! | 1 | 1 | minor version of the initiator |
//! | 2 | 4 | initiator's connection ID, not 0 |
//! | 6 | 8 | community |
//! | 14 | 2 | length of the Noise message, `n` |
//! | 16 | n | Noise message 1: ephemeral 32, sealed static 48, sealed [`Hello`] |
//! | 16+n | 16 | `mac1` |
//! | 32+n | 16 | `mac2`, zero without a cookie |
//!
//! Response (kind 3), responder to initiator:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | `0x13` |
//! | 1 | 4 | initiator's connection ID |
//! | 5 | 4 | responder's connection ID, not 0 |
//! | 9 | 1 | minor version of the responder |
//! | 10 | 2 | length of the Noise message, `n` |
//! | 12 | n | Noise message 2: ephemeral 32, sealed [`Answer`] |
//! | 12+n | 16 | `mac1` |
//! | 28+n | 16 | `mac2`, zero |
//!
//! Cookie reply (kind 4), responder to initiator: see [`CookieReply`].

mod macs;
mod payload;

pub use macs::{Cookie, RecipientKeys, shows_cookie};
pub use payload::{Answer, Denial, Hello, Lease, Welcome};

use super::bytes::{Reader, Writer};
use super::{Kind, expect_kind};
use crate::crypto::MAC_LEN;
use crate::error::Refusal;
use crate::identity::CommunityId;

/// The longest Noise message taken, in bytes: room for 160 bytes of [`Hello`] or 208 of [`Answer`] in later versions.
pub const MAX_NOISE_LEN: usize = 256;

/// Bytes before an Init's Noise message.
pub const INIT_HEADER_LEN: usize = 16;

/// Bytes before a Response's Noise message.
pub const RESPONSE_HEADER_LEN: usize = 12;

/// The longest handshake datagram, in bytes.
pub const MAX_LEN: usize = INIT_HEADER_LEN + MAX_NOISE_LEN + 2 * MAC_LEN;

/// Noise's share of message 1: ephemeral key, sealed static key, tag of the payload.
pub const INIT_OVERHEAD: usize = 32 + 48 + 16;

/// Noise's share of message 2: ephemeral key, tag of the payload.
pub const RESPONSE_OVERHEAD: usize = 32 + 16;

/// A handshake datagram that its holder owns, 304 bytes and a length.
pub type Datagram = heapless::Vec<u8, MAX_LEN>;

/// The clear fields of an Init.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Init {
    /// The initiator's minor version.
    pub minor: u8,
    /// The initiator's connection ID: where the responder is to address its answer.
    pub sender: u32,
    /// The community whose secret the handshake is under.
    pub community: CommunityId,
}

impl Init {
    /// Checks lengths and fields and splits off the Noise message. No authenticator is checked.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::Version`].
    pub fn parse(datagram: &[u8]) -> Result<(Self, &[u8]), Refusal> {
        expect_kind(datagram, Kind::HandshakeInit)?;
        let mut r = Reader::new(datagram);
        r.u8()?;
        let minor = r.u8()?;
        let sender = connection_id(r.u32()?)?;
        let community = CommunityId(r.array()?);
        let noise = noise_message(&mut r, INIT_OVERHEAD)?;
        let init = Self {
            minor,
            sender,
            community,
        };
        Ok((init, noise))
    }

    /// The header as it stands on the wire, for a Noise message of `noise_len` bytes. Also part of Noise's prologue.
    pub fn header(&self, noise_len: u16) -> [u8; INIT_HEADER_LEN] {
        let mut out = [0; INIT_HEADER_LEN];
        let mut w = Writer::new(&mut out);
        // The fields are 16 bytes in all: they fit.
        let _ = w
            .u8(Kind::HandshakeInit.byte0())
            .and_then(|()| w.u8(self.minor))
            .and_then(|()| w.u32(self.sender))
            .and_then(|()| w.put(&self.community.0))
            .and_then(|()| w.u16(noise_len));
        out
    }
}

/// The clear fields of a Response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// The initiator's connection ID, from the Init.
    pub receiver: u32,
    /// The responder's connection ID: where the initiator is to address its data.
    pub sender: u32,
    /// The responder's minor version.
    pub minor: u8,
}

impl Response {
    /// Checks lengths and fields and splits off the Noise message. No authenticator is checked.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::Version`].
    pub fn parse(datagram: &[u8]) -> Result<(Self, &[u8]), Refusal> {
        expect_kind(datagram, Kind::HandshakeResponse)?;
        let mut r = Reader::new(datagram);
        r.u8()?;
        let receiver = connection_id(r.u32()?)?;
        let sender = connection_id(r.u32()?)?;
        let minor = r.u8()?;
        let noise = noise_message(&mut r, RESPONSE_OVERHEAD)?;
        let response = Self {
            receiver,
            sender,
            minor,
        };
        Ok((response, noise))
    }

    /// The header as it stands on the wire, for a Noise message of `noise_len` bytes.
    pub fn header(&self, noise_len: u16) -> [u8; RESPONSE_HEADER_LEN] {
        let mut out = [0; RESPONSE_HEADER_LEN];
        let mut w = Writer::new(&mut out);
        // The fields are 12 bytes in all: they fit.
        let _ = w
            .u8(Kind::HandshakeResponse.byte0())
            .and_then(|()| w.u32(self.receiver))
            .and_then(|()| w.u32(self.sender))
            .and_then(|()| w.u8(self.minor))
            .and_then(|()| w.u16(noise_len));
        out
    }
}

/// A cookie on its way to an initiator: kind 4, 61 bytes.
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 1 | `0x14` |
/// | 1 | 4 | initiator's connection ID |
/// | 5 | 24 | nonce, never used twice |
/// | 29 | 32 | cookie, sealed ([`RecipientKeys::seal_cookie`]) |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieReply {
    /// The initiator's connection ID, from the Init.
    pub receiver: u32,
    /// The nonce of the seal.
    pub nonce: [u8; 24],
    /// The sealed cookie with its tag.
    pub sealed: [u8; 32],
}

impl CookieReply {
    /// Bytes on the wire.
    pub const LEN: usize = 61;

    /// Checks length and fields.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::Version`].
    pub fn parse(datagram: &[u8]) -> Result<Self, Refusal> {
        expect_kind(datagram, Kind::CookieReply)?;
        if datagram.len() != Self::LEN {
            return Err(Refusal::Malformed);
        }
        let mut r = Reader::new(datagram);
        r.u8()?;
        Ok(Self {
            receiver: connection_id(r.u32()?)?,
            nonce: r.array()?,
            sealed: r.array()?,
        })
    }

    /// Writes the datagram and gives its length, [`Self::LEN`].
    ///
    /// # Errors
    /// [`Refusal::Full`] if `out` is too small.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, Refusal> {
        let mut w = Writer::new(out);
        w.u8(Kind::CookieReply.byte0())?;
        w.u32(self.receiver)?;
        w.put(&self.nonce)?;
        w.put(&self.sealed)?;
        Ok(w.len())
    }
}

/// Builds an Init or Response from its header and Noise message; the authenticators follow
/// ([`RecipientKeys::authenticate`]).
///
/// # Errors
/// [`Refusal::Full`] if it does not fit a [`Datagram`].
pub fn unauthenticated(header: &[u8], noise: &[u8]) -> Result<Datagram, Refusal> {
    let mut datagram = Datagram::new();
    datagram
        .extend_from_slice(header)
        .and_then(|()| datagram.extend_from_slice(noise))
        .map_err(|_| Refusal::Full)?;
    Ok(datagram)
}

/// The Noise message behind its length field, with exactly the two authenticators behind it.
fn noise_message<'a>(r: &mut Reader<'a>, at_least: usize) -> Result<&'a [u8], Refusal> {
    let len = usize::from(r.u16()?);
    if !(at_least..=MAX_NOISE_LEN).contains(&len) || r.rest().len() != len + 2 * MAC_LEN {
        return Err(Refusal::Malformed);
    }
    r.take(len)
}

/// 0 is no connection ID, so that "none" needs no other mark anywhere.
fn connection_id(id: u32) -> Result<u32, Refusal> {
    if id == 0 {
        Err(Refusal::Malformed)
    } else {
        Ok(id)
    }
}

#[cfg(test)]
mod tests;
