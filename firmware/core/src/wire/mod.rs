//! Bytes on the wire, and nothing else: no state, no keys kept, no time.
//!
//! Every datagram begins with one byte, `major << 4 | kind` ([`classify`]); integers are in network byte order.
//! The normative text is `docs/wire-format.md`, whose byte examples the tests of this module read and check.

pub mod admission;
pub mod checksum;
mod compact;
pub mod control;
pub mod feedback;
pub mod frame;
pub mod headers;
pub mod inside;
pub mod invitation;
pub mod members;
pub mod path;
pub mod record;
pub mod relay;
pub mod roll;
pub mod text;

pub mod announce;
pub mod bytes;
#[cfg(test)]
pub(crate) mod examples;
pub mod handshake;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;

/// The major version of the protocol: nodes of different major versions cannot talk to each other.
pub const MAJOR: u8 = 1;

/// The minor version of the protocol: nodes of different minor versions talk by what both can ([`Capabilities`]).
pub const MINOR: u8 = if cfg!(feature = "previous-minor") {
    0
} else {
    1
};

/// What a datagram is: the low four bits of its first byte. 0 and 9..=15 are reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Who is there: multicast on the mesh, a hint only ([`announce`]).
    Announce = 1,
    /// First message of a handshake ([`handshake`]).
    HandshakeInit = 2,
    /// Second message of a handshake ([`handshake`]).
    HandshakeResponse = 3,
    /// "Prove your address first": instead of a response, under load ([`handshake`]).
    CookieReply = 4,
    /// Sealed path management: probes, challenges, keep-alives.
    Path = 5,
    /// Sealed data under the session's even keys.
    Data0 = 6,
    /// Sealed data under the session's odd keys.
    Data1 = 7,
    /// A datagram for a lender to pass on.
    Relay = 8,
}

impl Kind {
    /// The first byte of a datagram of this kind.
    pub const fn byte0(self) -> u8 {
        (MAJOR << 4) | self as u8
    }
}

/// Why bytes are not a message of this protocol: always the sender's fault, or the network's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Malformed {
    /// Shorter than its kind's smallest message, or than its own length field says.
    Truncated,
    /// Longer than its kind's largest message, or than its own length field says.
    Oversized,
    /// The first byte states another major version than [`MAJOR`]: an older or newer burstmesh, or not burstmesh at all.
    WrongVersion {
        /// The major version it states, 0..=15.
        major: u8,
    },
    /// A reserved kind, or another kind than the one asked for.
    UnknownKind {
        /// The kind it states, 0..=15.
        kind: u8,
    },
    /// A field holds a value that its definition excludes.
    BadField,
}

impl From<Malformed> for Refusal {
    fn from(why: Malformed) -> Self {
        match why {
            Malformed::WrongVersion { .. } => Self::Version,
            _ => Self::Malformed,
        }
    }
}

/// Tells the kind of a datagram by its first byte alone.
///
/// # Errors
/// [`Malformed::Truncated`] for no bytes at all, [`Malformed::WrongVersion`], [`Malformed::UnknownKind`].
pub fn classify(datagram: &[u8]) -> Result<Kind, Malformed> {
    let byte0 = *datagram.first().ok_or(Malformed::Truncated)?;
    let (major, kind) = (byte0 >> 4, byte0 & 0x0f);
    if major != MAJOR {
        return Err(Malformed::WrongVersion { major });
    }
    Ok(match kind {
        1 => Kind::Announce,
        2 => Kind::HandshakeInit,
        3 => Kind::HandshakeResponse,
        4 => Kind::CookieReply,
        5 => Kind::Path,
        6 => Kind::Data0,
        7 => Kind::Data1,
        8 => Kind::Relay,
        kind => return Err(Malformed::UnknownKind { kind }),
    })
}

/// As [`classify`], for a decoder that knows which kind it wants.
///
/// # Errors
/// As [`classify`], and [`Malformed::UnknownKind`] for another kind.
pub fn expect_kind(datagram: &[u8], wanted: Kind) -> Result<(), Malformed> {
    let kind = classify(datagram)?;
    if kind == wanted {
        Ok(())
    } else {
        Err(Malformed::UnknownKind { kind: kind as u8 })
    }
}

/// What a node can, one bit each; the rest of the 32 bits are reserved, sent as 0 and ignored when received.
/// Two nodes use what both have: the AND of both sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Capabilities(pub u32);

impl Capabilities {
    /// Nothing beyond minor version 0.
    pub const NONE: Self = Self(0);
    /// Bit 0: several records in one data frame (minor version 1).
    pub const BUNDLE: Self = Self(1 << 0);
    /// Bit 1, reserved: records that are segments of one large TCP packet.
    pub const SEGMENT: Self = Self(1 << 1);
    /// Bit 2: inner headers that do not travel ([`headers`]; minor version 1).
    pub const COMPRESS: Self = Self(1 << 2);
    /// Bit 3: records of flows that keep to one path (minor version 1).
    pub const LANES: Self = Self(1 << 3);
    /// Bit 4: sessions that leave at the other's own line: Host messages and loose packets (minor version 1).
    pub const GUESTS: Self = Self(1 << 4);
    /// Bit 5: takes part where the mesh is several hops (minor version 1).
    pub const HOPS: Self = Self(1 << 5);
    /// Bit 6: takes part in the control network inside (minor version 1).
    pub const CONTROL_NET: Self = Self(1 << 6);
    /// Bit 7: certificates, and lists of those who are members no more (minor version 1).
    pub const ADMISSION: Self = Self(1 << 7);
    /// Bit 8: what a path's use costs, in a gateway's challenges (minor version 1).
    pub const COSTS: Self = Self(1 << 8);
    /// What this build can.
    pub const OURS: Self = if MINOR == 0 {
        Self::NONE
    } else {
        Self::BUNDLE
            .or(Self::COMPRESS)
            .or(Self::LANES)
            .or(Self::GUESTS)
            .or(Self::HOPS)
            .or(Self::ADMISSION)
            .or(Self::COSTS)
            .or(Self::INSIDE)
    };
    const INSIDE: Self = if cfg!(feature = "control-net") {
        Self::CONTROL_NET
    } else {
        Self::NONE
    };

    /// What both can.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Either's.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `wanted` is in this set.
    pub const fn has(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_first_byte_is_a_kind_or_its_own_error() {
        for byte0 in 0..=255u8 {
            match classify(&[byte0]) {
                Ok(kind) => assert_eq!(kind.byte0(), byte0),
                Err(Malformed::WrongVersion { major }) => {
                    assert!(major == byte0 >> 4 && major != MAJOR)
                }
                Err(Malformed::UnknownKind { kind }) => assert!(kind == 0 || kind > 8),
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(classify(&[]), Err(Malformed::Truncated));
    }

    #[test]
    fn capabilities_in_force_are_those_of_both() {
        let newer = Capabilities::OURS.or(Capabilities(1 << 31));
        assert_eq!(newer.and(Capabilities::OURS), Capabilities::OURS);
        assert_eq!(Capabilities::OURS.has(Capabilities::BUNDLE), MINOR > 0);
        assert!(!Capabilities::NONE.has(Capabilities::BUNDLE));
    }

    #[test]
    fn another_kind_than_the_wanted_is_refused() {
        assert_eq!(expect_kind(&[0x11], Kind::Announce), Ok(()));
        assert_eq!(
            expect_kind(&[0x12], Kind::Announce),
            Err(Malformed::UnknownKind { kind: 2 })
        );
    }
}
