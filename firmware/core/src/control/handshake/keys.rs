//! What a handshake leaves behind: the keys of one session, by direction and use.

use core::fmt;

use noise_protocol::U8Array;

use super::noise::State;
use crate::crypto;

/// The keys of a session as one side sees them: its `send` is the other's `recv`. 104 bytes, wiped when dropped.
///
/// With k1, k2 the two keys of Noise's `Split()` (initiator's direction first) and h the handshake hash, each key is
/// BLAKE2s(key = k of its direction, label || h): 32 bytes with `"data"`, 16 with `"relay"`.
/// `id` is the first 8 bytes of BLAKE2s-256(`"session"` || h).
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKeys {
    /// Seals what this side sends (ChaCha20-Poly1305).
    pub send: [u8; 32],
    /// Opens what it receives.
    pub recv: [u8; 32],
    /// Authenticates the relay headers that this side sends.
    pub relay_send: [u8; 16],
    /// Checks the relay headers that it receives.
    pub relay_recv: [u8; 16],
    /// The session's public name, the same on both sides, for logs and captures.
    pub id: [u8; 8],
}

impl SessionKeys {
    /// Splits a completed handshake.
    pub(super) fn split(state: &State, initiator: bool) -> Self {
        let hash = state.get_hash();
        let (first, second) = state.get_ciphers();
        let derive = |key: &[u8; 32]| {
            let data = crypto::prf(key, &[b"data", hash]);
            let relay = crypto::mac(key, &[b"relay", hash]);
            (data, relay)
        };
        let (first, second) = (first.extract().0, second.extract().0);
        let (ours, theirs) = if initiator {
            (first, second)
        } else {
            (second, first)
        };
        let (send, relay_send) = derive(&U8Array::from_slice(ours.as_slice()));
        let (recv, relay_recv) = derive(&U8Array::from_slice(theirs.as_slice()));
        Self {
            send,
            recv,
            relay_send,
            relay_recv,
            id: crypto::first(&crypto::hash(&[b"session", hash])),
        }
    }
}

impl Drop for SessionKeys {
    fn drop(&mut self) {
        crypto::wipe(&mut self.send);
        crypto::wipe(&mut self.recv);
        crypto::wipe(&mut self.relay_send);
        crypto::wipe(&mut self.relay_recv);
    }
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKeys(")?;
        self.id.iter().try_for_each(|b| write!(f, "{b:02x}"))?;
        f.write_str(")")
    }
}
