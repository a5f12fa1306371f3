//! The authenticators around a handshake message, and the cookie, after WireGuard (Donenfeld 2017, section 5.3 and 5.4.7).
//!
//! `mac1` proves that the sender holds the community's secret and means this recipient; it costs one hash.
//! `mac2` proves that the sender got a cookie at the address it sends from.

use core::fmt;

use burstmesh_aead::{AeadInPlace, ChaCha20Poly1305, Key, KeyInit, Nonce};
use chacha20::cipher::consts::U10;
use chacha20::hchacha;

use super::{CookieReply, Datagram};
use crate::crypto::{self, MAC_LEN};
use crate::error::Refusal;
use crate::identity::{CommunityKeys, PublicKey};

/// Proof of an address: what a responder gives out and wants to see in `mac2`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cookie(pub [u8; MAC_LEN]);

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie(..)")
    }
}

/// The keys of the authenticators towards one recipient, 64 bytes, wiped when dropped.
///
/// `mac1` key = BLAKE2s-256(`"mac1"` || community's mac key || recipient's public key), the cookie's key the same
/// with `"cookie"`: whoever is outside the community can make neither.
#[derive(Clone)]
pub struct RecipientKeys {
    mac1: [u8; 32],
    cookie: [u8; 32],
}

impl RecipientKeys {
    /// The keys for messages to `recipient`.
    pub fn new(community: &CommunityKeys, recipient: &PublicKey) -> Self {
        let key = |label: &[u8]| crypto::hash(&[label, &community.mac_key, recipient.as_bytes()]);
        Self {
            mac1: key(b"mac1"),
            cookie: key(b"cookie"),
        }
    }

    /// Appends `mac1` and `mac2` to an Init or Response; gives `mac1`, which a cookie reply to it is bound to.
    ///
    /// # Errors
    /// [`Refusal::Full`] if they do not fit.
    pub fn authenticate(
        &self,
        datagram: &mut Datagram,
        cookie: Option<&Cookie>,
    ) -> Result<[u8; MAC_LEN], Refusal> {
        let mac1 = crypto::mac(&self.mac1, &[datagram]);
        datagram
            .extend_from_slice(&mac1)
            .map_err(|_| Refusal::Full)?;
        let mac2 = cookie.map_or([0; MAC_LEN], |cookie| cookie.mac2(datagram));
        datagram
            .extend_from_slice(&mac2)
            .map_err(|_| Refusal::Full)?;
        Ok(mac1)
    }

    /// Checks the `mac1` of an Init or Response that was parsed already.
    ///
    /// # Errors
    /// [`Refusal::Forged`].
    pub fn check_mac1(&self, datagram: &[u8]) -> Result<[u8; MAC_LEN], Refusal> {
        let (signed, mac1) = split(datagram)?;
        if crypto::same(&crypto::mac(&self.mac1, &[signed]), &mac1) {
            Ok(mac1)
        } else {
            Err(Refusal::Forged)
        }
    }

    /// Seals a cookie for the sender of the message with this `mac1`: XChaCha20-Poly1305, `mac1` as associated data.
    /// `nonce` must never come twice.
    ///
    /// # Errors
    /// [`Refusal::Full`], which does not happen: the cipher's limit is far away.
    pub fn seal_cookie(
        &self,
        receiver: u32,
        cookie: &Cookie,
        nonce: [u8; 24],
        mac1: &[u8; MAC_LEN],
    ) -> Result<CookieReply, Refusal> {
        let mut sealed = [0; 32];
        let (text, tag) = sealed.split_at_mut(MAC_LEN);
        text.copy_from_slice(&cookie.0);
        let (cipher, short) = extended(&self.cookie, &nonce);
        let computed = cipher
            .encrypt_in_place_detached(&short, mac1, text)
            .map_err(|_| Refusal::Full)?;
        tag.copy_from_slice(&computed);
        Ok(CookieReply {
            receiver,
            nonce,
            sealed,
        })
    }

    /// Opens a cookie that answers the message with this `mac1`.
    ///
    /// # Errors
    /// [`Refusal::Forged`].
    pub fn open_cookie(
        &self,
        reply: &CookieReply,
        mac1: &[u8; MAC_LEN],
    ) -> Result<Cookie, Refusal> {
        let mut cookie = [0; MAC_LEN];
        let (text, tag) = reply.sealed.split_at(MAC_LEN);
        cookie.copy_from_slice(text);
        let (cipher, short) = extended(&self.cookie, &reply.nonce);
        cipher
            .decrypt_in_place_detached(&short, mac1, &mut cookie, tag.into())
            .map_err(|_| Refusal::Forged)?;
        Ok(Cookie(cookie))
    }
}

impl Drop for RecipientKeys {
    fn drop(&mut self) {
        crypto::wipe(&mut self.mac1);
        crypto::wipe(&mut self.cookie);
    }
}

impl fmt::Debug for RecipientKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecipientKeys(..)")
    }
}

/// Whether there is anything in the `mac2` of an Init that was parsed already.
pub fn shows_cookie(datagram: &[u8]) -> bool {
    datagram.last_chunk() != Some(&[0; MAC_LEN])
}

impl Cookie {
    /// Whether the `mac2` of an Init that was parsed already was made with this cookie.
    pub fn fits(&self, datagram: &[u8]) -> bool {
        let Some((signed, mac2)) = datagram.split_last_chunk::<MAC_LEN>() else {
            return false;
        };
        crypto::same(&self.mac2(signed), mac2)
    }

    fn mac2(&self, signed: &[u8]) -> [u8; MAC_LEN] {
        let mut key = [0; 32];
        let (half, _) = key.split_at_mut(MAC_LEN);
        half.copy_from_slice(&self.0);
        crypto::mac(&key, &[signed])
    }
}

/// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03, section 2): a key from HChaCha20 over the nonce's first 16 bytes, and a
/// short nonce of four zero bytes and its last 8.
fn extended(key: &[u8; 32], nonce: &[u8; 24]) -> (ChaCha20Poly1305, Nonce) {
    let (first, last) = nonce.split_at(16);
    let mut subkey: Key = hchacha::<U10>(key.into(), first.into());
    let cipher = ChaCha20Poly1305::new(&subkey);
    crypto::wipe(&mut subkey);
    let mut short = Nonce::default();
    let (_, low) = short.split_at_mut(4);
    low.copy_from_slice(last);
    (cipher, short)
}

/// What `mac1` covers, and `mac1`.
fn split(datagram: &[u8]) -> Result<(&[u8], [u8; MAC_LEN]), Refusal> {
    let (signed, mac1) = datagram
        .split_last_chunk::<MAC_LEN>()
        .and_then(|(rest, _mac2)| rest.split_last_chunk::<MAC_LEN>())
        .ok_or(Refusal::Malformed)?;
    Ok((signed, *mac1))
}
