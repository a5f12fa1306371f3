//! What a community's admin signs (Ed25519, RFC 8032): certificates of members, and the list of those who are members no
//! more. Checked by routers, signed by the admin's tools; the community and the purpose are part of what is signed.
//!
//! | certificate, bytes | field | | list, bytes | field |
//! |---|---|---|---|---|
//! | 8 | issued, Unix seconds | | 64 | signature |
//! | 8 | expires, Unix seconds; 0: never | | 8 | number: a list with a larger one takes its place |
//! | 64 | signature | | 8 each | node IDs, at most 64 |

use core::fmt;

use base64ct::{Base64Unpadded, Encoding};
use heapless::{String, Vec};

use super::bytes::{Reader, Writer};
use crate::crypto;
use crate::error::Refusal;
use crate::identity::{CommunityId, NodeId, PublicKey};

/// Bytes of a certificate.
pub const CERTIFICATE: usize = 80;
/// Most members on a list.
pub const MAX_REVOKED: usize = 64;
/// Bytes of the longest list.
pub const LIST: usize = LIST_HEAD + NODE * MAX_REVOKED;
/// Characters of the longest list as text.
pub const LIST_TEXT: usize = PREFIX + (LIST * 4).div_ceil(3);
/// Characters of a certificate as text.
pub const CERTIFICATE_TEXT: usize = PREFIX + (CERTIFICATE * 4).div_ceil(3);

const SIGNATURE: usize = 64;
const LIST_HEAD: usize = SIGNATURE + 8;
const NODE: usize = 8;
const PREFIX: usize = 4;
const FOR_CERTIFICATE: &[u8] = b"burstmesh certificate 1";
const FOR_LIST: &[u8] = b"burstmesh revocations 1";

/// The public half of an admin's key (Ed25519).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AdminKey(pub [u8; 32]);

/// An admin's secret (Ed25519), for the admin's tools alone. Never printed, wiped when dropped.
pub struct AdminSecret([u8; 32]);

/// The admin's word that a key is a member's. 80 bytes; whose it is must be known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Certificate {
    /// When it was made, Unix seconds.
    pub issued: u64,
    /// When it ends, Unix seconds; 0: never.
    pub expires: u64,
    /// Over purpose, community, the member's key and both times.
    pub signature: [u8; SIGNATURE],
}

/// Who is a member no more, as the admin signed it.
#[derive(Clone, PartialEq, Eq)]
pub struct Revocations(Vec<u8, LIST>);

/// Why a text is no certificate, or no list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextError {
    /// It begins otherwise: something else was pasted.
    OtherKind,
    /// Characters are missing, too many or wrong.
    Damaged,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherKind => "is something else",
            Self::Damaged => "is mistyped or incomplete",
        })
    }
}

impl AdminSecret {
    /// From 32 bytes of entropy, or the file that keeps them. `None`: all zeros.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Option<Self> {
        (bytes != [0; 32]).then_some(Self(bytes))
    }

    /// The bytes, for the file that keeps them.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> AdminKey {
        AdminKey(crypto::ed25519_public(&self.0).unwrap_or_default())
    }

    /// The certificate of a member.
    #[must_use]
    pub fn certify(
        &self,
        community: CommunityId,
        member: &PublicKey,
        issued: u64,
        expires: u64,
    ) -> Certificate {
        let mut certificate = Certificate {
            issued,
            expires,
            signature: [0; SIGNATURE],
        };
        let signature = certificate.signed(community, member, |parts| crypto::sign(&self.0, parts));
        certificate.signature = signature.unwrap_or([0; SIGNATURE]);
        certificate
    }

    /// The list of these nodes under a number. `None`: they are more than [`MAX_REVOKED`].
    #[must_use]
    pub fn revoke(
        &self,
        community: CommunityId,
        number: u64,
        nodes: &[NodeId],
    ) -> Option<Revocations> {
        let mut bytes = Vec::from_slice(&[0; SIGNATURE]).ok()?;
        bytes.extend_from_slice(&number.to_be_bytes()).ok()?;
        for node in nodes {
            bytes.extend_from_slice(&node.0).ok()?;
        }
        let (signature, signed) = bytes.split_first_chunk_mut::<SIGNATURE>()?;
        *signature = crypto::sign(&self.0, &[FOR_LIST, &community.0, signed])?;
        Some(Revocations(bytes))
    }
}

impl Drop for AdminSecret {
    fn drop(&mut self) {
        crypto::wipe(&mut self.0);
    }
}

impl fmt::Debug for AdminSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminSecret(hidden)")
    }
}

impl fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AdminKey({})", super::text::key_to_text(&self.0))
    }
}

impl Certificate {
    /// What its text begins with.
    pub const PREFIX: &str = "bmc1";

    /// Reads the 80 bytes.
    ///
    /// # Errors
    /// [`Refusal::Malformed`]: there are fewer.
    pub fn read(from: &mut Reader<'_>) -> Result<Self, Refusal> {
        Ok(Self {
            issued: from.u64()?,
            expires: from.u64()?,
            signature: from.array()?,
        })
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; CERTIFICATE] {
        let mut out = [0; CERTIFICATE];
        let mut w = Writer::new(&mut out);
        let [issued, expires] = self.times();
        // They are 80 bytes together.
        let _ = w.put(&issued);
        let _ = w.put(&expires);
        let _ = w.put(&self.signature);
        out
    }

    /// Whether this admin signed it, for this community and this member. Two scalar multiplications: some 20 ms on a router,
    /// so not in the data loop.
    #[must_use]
    pub fn is_of(&self, admin: &AdminKey, community: CommunityId, member: &PublicKey) -> bool {
        self.signed(community, member, |parts| {
            crypto::verify(&admin.0, parts, &self.signature)
        })
    }

    /// What is signed, for whoever signs it or looks at the signature.
    fn signed<R>(
        &self,
        community: CommunityId,
        member: &PublicKey,
        with: impl FnOnce(&[&[u8]]) -> R,
    ) -> R {
        let [issued, expires] = self.times();
        with(&[FOR_CERTIFICATE, &community.0, &member.0, &issued, &expires])
    }

    /// Whether it has ended by this time (Unix seconds).
    #[must_use]
    pub const fn has_ended(&self, now: u64) -> bool {
        self.expires != 0 && self.expires <= now
    }

    fn times(&self) -> [[u8; 8]; 2] {
        [self.issued.to_be_bytes(), self.expires.to_be_bytes()]
    }

    /// One line to hand on.
    #[must_use]
    pub fn to_text(&self) -> String<CERTIFICATE_TEXT> {
        to_text(Self::PREFIX, &self.bytes())
    }

    /// Reads that line; white space around it is ignored.
    ///
    /// # Errors
    /// [`TextError`].
    pub fn from_text(text: &str) -> Result<Self, TextError> {
        let mut room = [0; CERTIFICATE];
        let bytes = from_text(Self::PREFIX, text, &mut room)?;
        let whole = bytes.len() == CERTIFICATE;
        let read = Self::read(&mut Reader::new(bytes)).ok().filter(|_| whole);
        read.ok_or(TextError::Damaged)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({}..{})", self.issued, self.expires)
    }
}

impl Revocations {
    /// What its text begins with.
    pub const PREFIX: &str = "bmr1";

    /// Takes bytes that came from anywhere: the layout is right, whoever made them.
    ///
    /// # Errors
    /// [`Refusal::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let nodes = bytes.len().checked_sub(LIST_HEAD);
        nodes
            .filter(|n| n.is_multiple_of(NODE))
            .and_then(|_| Vec::from_slice(bytes).ok())
            .map(Self)
            .ok_or(Refusal::Malformed)
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// A list with a larger number takes its place.
    #[must_use]
    pub fn number(&self) -> u64 {
        let number = self.0.get(SIGNATURE..LIST_HEAD);
        let number = number.and_then(|n| n.first_chunk::<8>());
        number.map_or(0, |n| u64::from_be_bytes(*n))
    }

    /// Who is a member no more.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        let ids = self.0.get(LIST_HEAD..).unwrap_or_default();
        ids.as_chunks::<NODE>().0.iter().map(|id| NodeId(*id))
    }

    /// Whether this one is on it.
    #[must_use]
    pub fn names(&self, node: NodeId) -> bool {
        self.nodes().any(|n| n == node)
    }

    /// Whether this admin signed it for this community. Two scalar multiplications, as [`Certificate::is_of`].
    #[must_use]
    pub fn is_of(&self, admin: &AdminKey, community: CommunityId) -> bool {
        let Some((signature, signed)) = self.0.split_first_chunk::<SIGNATURE>() else {
            return false;
        };
        crypto::verify(&admin.0, &[FOR_LIST, &community.0, signed], signature)
    }

    /// One line to hand on.
    #[must_use]
    pub fn to_text(&self) -> String<LIST_TEXT> {
        to_text(Self::PREFIX, &self.0)
    }

    /// Reads that line; white space around it is ignored.
    ///
    /// # Errors
    /// [`TextError`].
    pub fn from_text(text: &str) -> Result<Self, TextError> {
        let mut room = [0; LIST];
        let bytes = from_text(Self::PREFIX, text, &mut room)?;
        Self::parse(bytes).map_err(|_| TextError::Damaged)
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Revocations({}: {})",
            self.number(),
            self.nodes().count()
        )
    }
}

fn to_text<const N: usize>(prefix: &str, bytes: &[u8]) -> String<N> {
    let mut room = [0; LIST_TEXT];
    let mut text = String::new();
    // The longest of each fits by the arithmetic of base64.
    if let Ok(encoded) = Base64Unpadded::encode(bytes, &mut room) {
        let _ = text.push_str(prefix).and_then(|()| text.push_str(encoded));
    }
    text
}

fn from_text<'r>(prefix: &str, text: &str, room: &'r mut [u8]) -> Result<&'r [u8], TextError> {
    let encoded = text.trim_ascii().strip_prefix(prefix);
    let encoded = encoded.ok_or(TextError::OtherKind)?;
    Base64Unpadded::decode(encoded, room).map_err(|_| TextError::Damaged)
}

#[cfg(test)]
mod tests;
