//! Who a node is, and what its community's secret turns into.
//!
//! A node is its X25519 key (RFC 7748). A community is a name and a generated 32-byte secret; everything the protocol
//! needs from the secret is derived once by [`CommunityKeys::derive`], each use under its own label.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::crypto;

/// An X25519 secret key, wiped from memory when dropped. Never printed.
#[derive(Clone)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// From 32 bytes of the system's entropy, or from the file they were kept in. Clamping happens at use.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the file that keeps them.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The public half. One scalar multiplication: about 10 ms on a 580 MHz router, so keep an [`Identity`].
    pub fn public(&self) -> PublicKey {
        PublicKey(crypto::x25519(&self.0, &crypto::BASE_POINT))
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        crypto::wipe(&mut self.0);
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// An X25519 public key: the name of a node that cannot be forged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PublicKey(#[serde(with = "crate::bytes")] pub [u8; 32]);

impl PublicKey {
    /// The key in the 32-byte form of RFC 7748.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The short name of this key's node.
    pub fn node_id(&self) -> NodeId {
        NodeId(crypto::first(&crypto::hash(&[b"burstmesh node", &self.0])))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        hex(f, self.0.get(..4).unwrap_or_default())?;
        f.write_str("..)")
    }
}

/// A secret key with its public half, computed once.
#[derive(Clone, Debug)]
pub struct Identity {
    secret: SecretKey,
    public: PublicKey,
}

impl Identity {
    /// Computes the public half (one scalar multiplication).
    pub fn new(secret: SecretKey) -> Self {
        let public = secret.public();
        Self { secret, public }
    }

    /// The secret half.
    pub const fn secret(&self) -> &SecretKey {
        &self.secret
    }

    /// The public half.
    pub const fn public(&self) -> PublicKey {
        self.public
    }
}

/// The short name of a node in logs, tables and the ledger: the first 8 bytes of
/// BLAKE2s-256(`"burstmesh node"` || key). Displayed as 16 hexadecimal digits. A name, never a proof.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub [u8; 8]);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which community a message belongs to: tells communities apart on one mesh and at one exit. Public.
/// Displayed as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommunityId(pub [u8; 8]);

impl fmt::Display for CommunityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl fmt::Debug for CommunityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the members of a community share. 104 bytes, wiped from memory when dropped. Never printed but for the id.
#[derive(Clone)]
pub struct CommunityKeys {
    /// Tells the community apart in clear text.
    pub id: CommunityId,
    /// Authenticates announcements.
    pub announce_key: [u8; 32],
    /// The pre-shared key of every Noise handshake.
    pub psk: [u8; 32],
    /// What `mac1` and the cookies of handshakes are keyed from.
    pub mac_key: [u8; 32],
}

impl CommunityKeys {
    /// Derives the keys of the community `name` with the generated `secret` (at least 100 bits of entropy).
    ///
    /// `root` = BLAKE2s(key = secret, `"burstmesh community"` || 0 || name), then each key is
    /// BLAKE2s(key = root, label), 32 bytes, with the labels `"id"` (cut to 8 bytes), `"announce"`, `"psk"`, `"mac"`.
    pub fn derive(name: &str, secret: &[u8; 32]) -> Self {
        let mut root = crypto::prf(secret, &[b"burstmesh community\0", name.as_bytes()]);
        let keys = Self {
            id: CommunityId(crypto::first(&crypto::prf(&root, &[b"id"]))),
            announce_key: crypto::prf(&root, &[b"announce"]),
            psk: crypto::prf(&root, &[b"psk"]),
            mac_key: crypto::prf(&root, &[b"mac"]),
        };
        crypto::wipe(&mut root);
        keys
    }
}

impl Drop for CommunityKeys {
    fn drop(&mut self) {
        crypto::wipe(&mut self.announce_key);
        crypto::wipe(&mut self.psk);
        crypto::wipe(&mut self.mac_key);
    }
}

impl fmt::Debug for CommunityKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommunityKeys({})", self.id)
    }
}

fn hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_key_is_the_one_of_rfc_7748() {
        // Section 6.1, Alice.
        let secret = unhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
        let public = unhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
        assert_eq!(SecretKey::from_bytes(secret).public(), PublicKey(public));
    }

    #[test]
    fn a_secret_is_never_printed() {
        let keys = CommunityKeys::derive("home", &[7; 32]);
        let shown = format!(
            "{:?} {:?}",
            Identity::new(SecretKey::from_bytes([7; 32])),
            keys
        );
        assert!(!shown.contains("07070707"), "{shown}");
        assert_eq!(
            shown,
            format!(
                "Identity {{ secret: SecretKey(..), public: {:?} }} CommunityKeys({})",
                SecretKey::from_bytes([7; 32]).public(),
                keys.id
            )
        );
    }

    #[test]
    fn every_derived_key_differs_and_hangs_on_name_and_secret() {
        let a = CommunityKeys::derive("home", &[7; 32]);
        let other_name = CommunityKeys::derive("hone", &[7; 32]);
        let other_secret = CommunityKeys::derive("home", &[8; 32]);
        let mut all = std::collections::BTreeSet::new();
        for keys in [&a, &other_name, &other_secret] {
            all.insert(keys.announce_key);
            all.insert(keys.psk);
            all.insert(keys.mac_key);
        }
        assert_eq!(all.len(), 9);
        assert_ne!(a.id, other_name.id);
        assert_ne!(a.id, other_secret.id);
        assert_eq!(a.psk, CommunityKeys::derive("home", &[7; 32]).psk);
    }

    #[test]
    fn a_node_id_shows_as_sixteen_digits() {
        let shown = PublicKey([1; 32]).node_id().to_string();
        assert_eq!(shown.len(), 16);
        assert!(shown.bytes().all(|b| b.is_ascii_hexdigit()));
    }

    fn unhex(text: &str) -> [u8; 32] {
        let mut out = [0; 32];
        for (i, byte) in out.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap();
        }
        out
    }
}
