//! The Noise library in the one shape that is used here, over primitives that draw no randomness and allocate nothing.

use noise_protocol::patterns::noise_ik_psk2;
use noise_protocol::{DH, ErrorKind, HandshakeState, Hash, U8Array};
use noise_rust_crypto::sensitive::Sensitive;
use subtle::ConstantTimeEq;

use super::sealing::Sealing;
use super::{Credentials, HandshakeError};
use crate::crypto::{self, Blake2s};
use crate::identity::{PublicKey, SecretKey};
use crate::wire::handshake::INIT_HEADER_LEN;

/// A handshake under way.
pub(super) type State = HandshakeState<X25519, Sealing, Blake2s>;

const PROLOGUE: [u8; 11] = *b"burstmesh 1";

/// The initiator's state before message 1. `header` is the Init's clear header: what is altered there no longer fits.
pub(super) fn initiator(
    credentials: &Credentials,
    ephemeral: &SecretKey,
    remote: PublicKey,
    header: &[u8; INIT_HEADER_LEN],
) -> State {
    state(credentials, ephemeral, Some(remote), header)
}

/// The responder's state before message 1.
pub(super) fn responder(
    credentials: &Credentials,
    ephemeral: &SecretKey,
    header: &[u8; INIT_HEADER_LEN],
) -> State {
    state(credentials, ephemeral, None, header)
}

/// Writes the next message; `out` must be exactly as long as it becomes.
pub(super) fn write(
    state: &mut State,
    payload: &[u8],
    out: &mut [u8],
) -> Result<(), HandshakeError> {
    // The library panics where lengths do not fit.
    if out.len() != payload.len() + state.get_next_message_overhead() {
        return Err(HandshakeError::TooLong);
    }
    state.write_message(payload, out).map_err(blame)
}

/// Reads the next message into `out` and gives the payload's part of it.
pub(super) fn read<'a>(
    state: &mut State,
    message: &[u8],
    out: &'a mut [u8],
) -> Result<&'a [u8], HandshakeError> {
    let payload = message
        .len()
        .checked_sub(state.get_next_message_overhead())
        .and_then(|len| out.get_mut(..len))
        .ok_or(HandshakeError::Malformed)?;
    state.read_message(message, payload).map_err(blame)?;
    Ok(payload)
}

fn state(
    credentials: &Credentials,
    ephemeral: &SecretKey,
    remote: Option<PublicKey>,
    header: &[u8; INIT_HEADER_LEN],
) -> State {
    let mut prologue = [0; PROLOGUE.len() + INIT_HEADER_LEN];
    let (name, rest) = prologue.split_at_mut(PROLOGUE.len());
    name.copy_from_slice(&PROLOGUE);
    rest.copy_from_slice(header);

    let identity = &credentials.identity;
    let mut state = State::new(
        noise_ik_psk2(),
        remote.is_some(),
        prologue,
        Some(pair(identity.secret(), identity.public())),
        Some(pair(ephemeral, ephemeral.public())),
        remote.map(|key| key.0),
        None,
    );
    state.push_psk(&credentials.community.psk);
    state
}

fn blame(error: noise_protocol::Error) -> HandshakeError {
    match error.kind() {
        ErrorKind::DH => HandshakeError::WeakKey,
        ErrorKind::TooShort => HandshakeError::Malformed,
        ErrorKind::Decryption | ErrorKind::NeedPSK => HandshakeError::Unauthentic,
    }
}

type Pair = Sensitive<[u8; 64]>;

fn pair(secret: &SecretKey, public: PublicKey) -> Pair {
    let mut pair = Pair::new();
    let (first, second) = pair.split_at_mut(32);
    first.copy_from_slice(secret.as_bytes());
    second.copy_from_slice(public.as_bytes());
    pair
}

/// X25519 (RFC 7748) whose secret keys carry their public halves, since the library asks for those again and again.
#[derive(Debug)]
pub(super) enum X25519 {}

impl DH for X25519 {
    type Key = Pair;
    type Pubkey = [u8; 32];
    type Output = Sensitive<[u8; 32]>;

    fn name() -> &'static str {
        "25519"
    }

    fn genkey() -> Self::Key {
        // Only called where no ephemeral key was given; `state` always gives one.
        unreachable!("ephemeral keys are handed in")
    }

    fn pubkey(pair: &Self::Key) -> Self::Pubkey {
        U8Array::from_slice(pair.split_at(32).1)
    }

    /// Refuses public keys of small order, for which the result is zero whatever the secret (RFC 7748, section 6.1).
    fn dh(pair: &Self::Key, public: &Self::Pubkey) -> Result<Self::Output, ()> {
        let secret: Sensitive<[u8; 32]> = U8Array::from_slice(pair.split_at(32).0);
        let shared = Self::Output::from_slice(&crypto::x25519(&secret, public));
        if bool::from(shared.ct_eq(&[0; 32])) {
            Err(())
        } else {
            Ok(shared)
        }
    }
}

/// BLAKE2s-256 (RFC 7693).
impl Hash for Blake2s {
    type Block = [u8; 64];
    type Output = Sensitive<[u8; 32]>;

    fn name() -> &'static str {
        "BLAKE2s"
    }

    fn input(&mut self, data: &[u8]) {
        self.update(data);
    }

    fn result(&mut self) -> Self::Output {
        Self::Output::from_slice(&core::mem::take(self).finish())
    }
}

#[cfg(test)]
mod tests;
