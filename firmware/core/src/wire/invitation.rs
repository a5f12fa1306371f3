//! The invitation: one string (or QR code) that carries everything a neighbour needs to join a community.
//!
//! ```text
//! "bm" VERSION base64url-without-padding( BODY CHECK )
//! VERSION  one digit, "1"
//! BODY     postcard of: name (string, 1..=32 bytes), secret (32 bytes),
//!          exits (sequence, 0..=4, of: key (32 bytes), addresses (sequence, 0..=4, of:
//!             variant 0: IPv4 (4 bytes) + port (varint) | variant 1: IPv6 (16 bytes) + port (varint))),
//!          expires (option of varint, Unix seconds), admission (option of byte sequence, 0..=32 bytes),
//!          admin (option of 32 bytes; may be missing)
//! CHECK    the first 4 bytes of BLAKE2s-256("bm" VERSION BODY): finds a slip of the hand; it authenticates nothing
//! ```
//! Bytes after the last known field of BODY are ignored, so that later releases can append fields. White space anywhere in
//! the string is ignored too: mail programs and chats wrap long lines.

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use base64ct::{Base64Unpadded, Base64UrlUnpadded, Encoding};
use heapless::{String, Vec};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::admission::AdminKey;
use super::compact;
use crate::crypto;
use crate::identity::PublicKey;

/// Exits an invitation can name.
pub const EXITS: usize = 4;
/// Addresses per exit.
pub const ADDRESSES: usize = 4;
/// Bytes of a community's name.
pub const NAME_BYTES: usize = 32;
/// Bytes of an admission token.
pub const TOKEN_BYTES: usize = 32;
/// Characters of the longest invitation: prefix, and base64 of [`BODY_BYTES`] and the check bytes.
pub const TEXT_CHARS: usize = 3 + ((BODY_BYTES + CHECK_BYTES) * 4).div_ceil(3);

/// Name (33), secret (32), exits (1 + 4 x (33 + 4 x 20)), expiry (11), admission (34), and 13 to spare for appended fields. The
/// admin's key fits as well unless there are a token, four exits, and four IPv6 addresses of each.
const BODY_BYTES: usize = 576;
/// Option and key.
const ADMIN_BYTES: usize = 33;
const CHECK_BYTES: usize = 4;
const PREFIX: &str = "bm";
const VERSION: u8 = b'1';

/// A community's name: 1 to 32 bytes of printable text.
pub type Name = String<NAME_BYTES>;

/// An invitation as text.
pub type Text = String<TEXT_CHARS>;

/// The secret that all members of a community share. Never printed, compared in constant time, wiped when dropped.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Wraps 32 bytes that came from a generator or a decoder.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the key schedule only.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether the bytes look typed by a person rather than generated: all printable, or fewer than twelve different ones.
    /// Chance takes a generated secret for an invented one less than once in 10^13.
    #[must_use]
    pub fn looks_invented(&self) -> bool {
        let printable = self.0.iter().all(|b| (0x20..0x7f).contains(b));
        let distinct = self
            .0
            .iter()
            .enumerate()
            .filter(|&(i, b)| !self.0.iter().take(i).any(|earlier| earlier == b))
            .count();
        printable || distinct < 12
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        crypto::wipe(&mut self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

/// A one-time token that admits one new member. Hidden like the [`Secret`].
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub Vec<u8, TOKEN_BYTES>);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// An exit as the invitation pins it: the key is its identity, the addresses are where to look for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// Its X25519 public key.
    pub key: PublicKey,
    /// Where it listens, best first.
    pub addresses: Vec<SocketAddr, ADDRESSES>,
}

/// What an invitation carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The community's name.
    pub name: Name,
    /// The community's secret.
    pub secret: Secret,
    /// Its exits, the preferred one first.
    pub exits: Vec<Exit, EXITS>,
    /// After this time (Unix seconds) nobody should join with it any more.
    pub expires: Option<u64>,
    /// Reserved: a token the exit asks for before it admits the member.
    pub admission: Option<Token>,
    /// By whose word members are members; none: whoever has the secret is.
    pub admin: Option<AdminKey>,
}

/// Why a string is not an invitation. Never carries any part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvitationError {
    /// It does not begin with `bm`: something else was pasted.
    NotAnInvitation,
    /// Written by a release with another major format; the digit or letter found.
    UnknownVersion(char),
    /// Cut off: there is not even room for the check bytes.
    TooShort,
    /// Longer than any invitation: pasted twice, or with something else.
    TooLong,
    /// A character that no invitation contains.
    BadCharacter,
    /// A character is wrong, missing or in the wrong place.
    BadChecksum,
    /// The check bytes are right, the content is not: a broken sender.
    Malformed,
    /// The community's name is empty, too long, or holds control characters.
    BadName,
}

impl fmt::Display for InvitationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnInvitation => f.write_str("does not begin with bm1"),
            Self::UnknownVersion(v) => {
                write!(f, "is of version '{v}', which this release does not know")
            }
            Self::TooShort => f.write_str("is cut off"),
            Self::TooLong => f.write_str("is too long"),
            Self::BadCharacter => f.write_str("holds a character that no invitation has"),
            Self::BadChecksum => {
                f.write_str("is mistyped or incomplete (its check bytes are wrong)")
            }
            Self::Malformed => f.write_str("is whole, but its content makes no sense"),
            Self::BadName => f.write_str("names no usable community name"),
        }
    }
}

impl Invitation {
    /// Writes the invitation as text to hand on.
    ///
    /// # Errors
    /// [`InvitationError::BadName`] when the name is empty or unprintable; [`InvitationError::TooLong`].
    pub fn encode(&self) -> Result<Text, InvitationError> {
        check_name(&self.name)?;
        let body = Body::from(self);
        let mut bytes = [0u8; BODY_BYTES + CHECK_BYTES];
        let room = bytes.get_mut(..BODY_BYTES).unwrap_or_default();
        let mut used = compact::write(&body, room)
            .map_err(|_| InvitationError::TooLong)?
            .len();
        if let Some(admin) = &self.admin {
            let place = room.get_mut(used..used + ADMIN_BYTES);
            let place = place.ok_or(InvitationError::TooLong)?;
            if let Some((given, key)) = place.split_first_mut() {
                *given = 1;
                key.copy_from_slice(&admin.0);
            }
            used += ADMIN_BYTES;
        }
        let check = checksum(bytes.get(..used).unwrap_or_default());
        let end = used + CHECK_BYTES;
        bytes
            .get_mut(used..end)
            .ok_or(InvitationError::TooLong)?
            .copy_from_slice(&check);

        let mut buffer = [0u8; TEXT_CHARS];
        let encoded = Base64UrlUnpadded::encode(bytes.get(..end).unwrap_or_default(), &mut buffer)
            .map_err(|_| InvitationError::TooLong)?;
        let mut text = Text::new();
        text.push_str(PREFIX)
            .and_then(|()| text.push(char::from(VERSION)))
            .and_then(|()| text.push_str(encoded))
            .map_err(|_| InvitationError::TooLong)?;
        Ok(text)
    }

    /// Reads an invitation that somebody pasted.
    ///
    /// # Errors
    /// [`InvitationError`] says which way the string is wrong. No input panics.
    pub fn decode(text: &str) -> Result<Self, InvitationError> {
        let mut compact = Vec::<u8, TEXT_CHARS>::new();
        for byte in text.bytes().filter(|b| !b.is_ascii_whitespace()) {
            compact.push(byte).map_err(|_| InvitationError::TooLong)?;
        }
        let rest = compact
            .strip_prefix(PREFIX.as_bytes())
            .ok_or(InvitationError::NotAnInvitation)?;
        let (&version, encoded) = rest.split_first().ok_or(InvitationError::TooShort)?;
        if version != VERSION {
            // A word that merely begins with "bm" is no invitation of a later release.
            return Err(if version.is_ascii_digit() {
                InvitationError::UnknownVersion(char::from(version))
            } else {
                InvitationError::NotAnInvitation
            });
        }
        let mut buffer = [0u8; BODY_BYTES + CHECK_BYTES];
        let bytes = decode_base64(encoded, &mut buffer)?;
        let (body, check) = bytes
            .split_last_chunk::<CHECK_BYTES>()
            .ok_or(InvitationError::TooShort)?;
        if checksum(body) != *check {
            return Err(InvitationError::BadChecksum);
        }
        let (body, rest): (Body, _) =
            compact::read_first(body).map_err(|_| InvitationError::Malformed)?;
        let mut invitation = Self::from(body);
        invitation.admin = match rest.split_first() {
            Some((1, key)) => {
                let key = key.first_chunk().ok_or(InvitationError::Malformed)?;
                Some(AdminKey(*key))
            }
            None | Some((0, _)) => None,
            Some(_) => return Err(InvitationError::Malformed),
        };
        check_name(&invitation.name)?;
        Ok(invitation)
    }
}

fn decode_base64<'b>(encoded: &[u8], buffer: &'b mut [u8]) -> Result<&'b [u8], InvitationError> {
    if !encoded
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    {
        return Err(InvitationError::BadCharacter);
    }
    if encoded.len() < (CHECK_BYTES * 4).div_ceil(3) {
        return Err(InvitationError::TooShort);
    }
    // In the other alphabet, whose decoder the keys need anyway.
    let mut standard = [0u8; TEXT_CHARS];
    let standard = standard
        .get_mut(..encoded.len())
        .ok_or(InvitationError::TooLong)?;
    for (to, from) in standard.iter_mut().zip(encoded) {
        *to = match from {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        };
    }
    // What is left to go wrong is a last character with stray bits, or a length that no encoder makes: a slip of the hand.
    Base64Unpadded::decode(&*standard, buffer).map_err(|_| InvitationError::BadChecksum)
}

fn checksum(body: &[u8]) -> [u8; CHECK_BYTES] {
    crypto::first(&crypto::hash(&[PREFIX.as_bytes(), &[VERSION], body]))
}

/// Whether a text can be a community's name: 1 to 32 bytes, no control characters, no white space at either end.
///
/// # Errors
/// [`InvitationError::BadName`] when it cannot.
pub fn check_name(name: &str) -> Result<(), InvitationError> {
    let fits = (1..=NAME_BYTES).contains(&name.len())
        && !name.starts_with(char::is_whitespace)
        && !name.ends_with(char::is_whitespace)
        && !name.chars().any(char::is_control);
    if fits {
        Ok(())
    } else {
        Err(InvitationError::BadName)
    }
}

/// The layout that postcard sees. Apart from [`Invitation`] so that neither serde nor a field's order leaks into the interface.
#[derive(Serialize, Deserialize)]
struct Body {
    name: Name,
    #[serde(with = "crate::bytes")]
    secret: [u8; 32],
    exits: Vec<ExitBody, EXITS>,
    expires: Option<u64>,
    admission: Option<Vec<u8, TOKEN_BYTES>>,
}

#[derive(Serialize, Deserialize)]
struct ExitBody {
    #[serde(with = "crate::bytes")]
    key: [u8; 32],
    addresses: Vec<AddressBody, ADDRESSES>,
}

#[derive(Serialize, Deserialize)]
enum AddressBody {
    V4(#[serde(with = "crate::bytes")] [u8; 4], u16),
    V6(#[serde(with = "crate::bytes")] [u8; 16], u16),
}

impl From<&Invitation> for Body {
    fn from(from: &Invitation) -> Self {
        let exit = |exit: &Exit| ExitBody {
            key: exit.key.0,
            addresses: exit.addresses.iter().map(address_body).collect(),
        };
        Self {
            name: from.name.clone(),
            secret: *from.secret.bytes(),
            exits: from.exits.iter().map(exit).collect(),
            expires: from.expires,
            admission: from.admission.as_ref().map(|token| token.0.clone()),
        }
    }
}

impl From<Body> for Invitation {
    fn from(from: Body) -> Self {
        let exit = |exit: &ExitBody| Exit {
            key: PublicKey(exit.key),
            addresses: exit.addresses.iter().map(address).collect(),
        };
        Self {
            name: from.name,
            secret: Secret::new(from.secret),
            exits: from.exits.iter().map(exit).collect(),
            expires: from.expires,
            admission: from.admission.map(Token),
            admin: None,
        }
    }
}

fn address_body(address: &SocketAddr) -> AddressBody {
    match address {
        SocketAddr::V4(v4) => AddressBody::V4(v4.ip().octets(), v4.port()),
        SocketAddr::V6(v6) => AddressBody::V6(v6.ip().octets(), v6.port()),
    }
}

fn address(body: &AddressBody) -> SocketAddr {
    match *body {
        AddressBody::V4(ip, port) => (Ipv4Addr::from(ip), port).into(),
        AddressBody::V6(ip, port) => (Ipv6Addr::from(ip), port).into(),
    }
}

#[cfg(test)]
mod tests;
