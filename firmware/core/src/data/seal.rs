//! Sealing and opening: ChaCha20-Poly1305 (RFC 8439) with one key per direction and key phase.
//!
//! Nonce = path word (u32) || packet number (u64), so no two frames under one key share a nonce: path IDs are never
//! used twice in a session, data and path messages differ in the path word's top bit, numbers only grow.

use crate::error::Refusal;
use crate::wire::frame::TAG;
use burstmesh_aead::{AeadInPlace, ChaCha20Poly1305, Key, KeyInit, Nonce, Tag};

/// The top bit of the nonce's path word: set for path messages.
pub const PATH_MESSAGES: u32 = 1 << 31;

/// The keys of one phase.
#[derive(Clone)]
struct Phase {
    send: ChaCha20Poly1305,
    recv: ChaCha20Poly1305,
}

/// The session's two newest key phases.
#[derive(Clone, Default)]
pub struct Keys {
    phases: [Option<Phase>; 2],
    current: u8,
    /// The other end has used `current`, so it may be used to send.
    confirmed: bool,
}

impl core::fmt::Debug for Keys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Keys(phase {})", self.current)
    }
}

impl Keys {
    /// Puts in the keys of a finished handshake as the next phase. The initiator sends with them at once; the
    /// responder goes on with the old ones until a frame arrives under the new. New ones that were never heard of (the
    /// Response was lost, and the initiator asked again) give their place to the newer.
    pub fn install(&mut self, send: &[u8; 32], recv: &[u8; 32], initiator: bool) {
        let first = self.phases.iter().all(Option::is_none);
        let next = match (first, self.confirmed) {
            (true, _) => 0,
            (false, true) => self.current ^ 1,
            (false, false) => self.current,
        };
        let phase = Phase {
            send: ChaCha20Poly1305::new(Key::from_slice(send)),
            recv: ChaCha20Poly1305::new(Key::from_slice(recv)),
        };
        if let Some(slot) = self.phases.get_mut(usize::from(next)) {
            *slot = Some(phase);
        }
        self.current = next;
        self.confirmed = initiator || first;
    }

    /// The phase to send with.
    pub fn sending(&self) -> u8 {
        if self.confirmed {
            self.current
        } else {
            self.current ^ 1
        }
    }

    /// Seals `body` in place; returns the tag.
    pub fn seal(
        &self,
        phase: u8,
        path_word: u32,
        number: u64,
        header: &[u8],
        body: &mut [u8],
    ) -> Result<[u8; TAG], Refusal> {
        let keys = self
            .phases
            .get(usize::from(phase))
            .and_then(Option::as_ref)
            .ok_or(Refusal::Unknown)?;
        keys.send
            .encrypt_in_place_detached(&nonce(path_word, number), header, body)
            .map(Into::into)
            .map_err(|_| Refusal::Full)
    }

    /// Opens `body` in place. A frame under the newer keys confirms them.
    pub fn open(
        &mut self,
        phase: u8,
        path_word: u32,
        number: u64,
        header: &[u8],
        body: &mut [u8],
        tag: &[u8],
    ) -> Result<(), Refusal> {
        let keys = self
            .phases
            .get(usize::from(phase))
            .and_then(Option::as_ref)
            .ok_or(Refusal::Unknown)?;
        if tag.len() != TAG {
            return Err(Refusal::Malformed);
        }
        keys.recv
            .decrypt_in_place_detached(
                &nonce(path_word, number),
                header,
                body,
                Tag::from_slice(tag),
            )
            .map_err(|_| Refusal::Forged)?;
        if phase == self.current {
            self.confirmed = true;
        }
        Ok(())
    }

    /// The newest keys are in use both ways.
    pub fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// Forgets the older phase (call some seconds after a rekey).
    pub fn retire_old(&mut self) {
        if self.confirmed
            && let Some(old) = self.phases.get_mut(usize::from(self.current ^ 1))
        {
            *old = None;
        }
    }
}

fn nonce(path_word: u32, number: u64) -> Nonce {
    let mut n = [0u8; 12];
    let (head, tail) = n.split_at_mut(4);
    head.copy_from_slice(&path_word.to_be_bytes());
    tail.copy_from_slice(&number.to_be_bytes());
    n.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Keys, Keys) {
        let (mut a, mut b) = (Keys::default(), Keys::default());
        a.install(&[1; 32], &[2; 32], true);
        b.install(&[2; 32], &[1; 32], false);
        (a, b)
    }

    #[test]
    fn any_flipped_bit_is_forged() {
        let (a, mut b) = pair();
        let mut body = *b"hello";
        let tag = a.seal(0, 1, 7, b"head", &mut body).unwrap();
        for bit in 0..40 {
            let mut bad = body;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                b.open(0, 1, 7, b"head", &mut bad, &tag),
                Err(Refusal::Forged)
            );
        }
        assert_eq!(
            b.open(0, 1, 8, b"head", &mut body.clone(), &tag),
            Err(Refusal::Forged)
        );
        assert_eq!(
            b.open(0, 1, 7, b"Head", &mut body.clone(), &tag),
            Err(Refusal::Forged)
        );
        assert_eq!(b.open(0, 1, 7, b"head", &mut body, &tag), Ok(()));
        assert_eq!(&body, b"hello");
    }

    #[test]
    fn the_responder_sends_with_new_keys_only_after_hearing_them() {
        let (mut a, mut b) = pair();
        a.install(&[3; 32], &[4; 32], true);
        b.install(&[4; 32], &[3; 32], false);
        assert_eq!((a.sending(), b.sending()), (1, 0));
        let mut body = *b"x";
        let tag = a.seal(1, 0, 0, b"", &mut body).unwrap();
        b.open(1, 0, 0, b"", &mut body, &tag).unwrap();
        assert_eq!(b.sending(), 1);
    }

    #[test]
    fn a_renewal_that_was_never_heard_of_gives_its_place_to_the_next() {
        let (mut a, mut b) = pair();
        b.install(&[4; 32], &[3; 32], false);
        b.retire_old();
        b.install(&[6; 32], &[5; 32], false);
        let mut body = *b"x";
        let tag = a.seal(a.sending(), 0, 0, b"", &mut body).unwrap();
        assert_eq!(b.open(0, 0, 0, b"", &mut body, &tag), Ok(()));
        assert_eq!(b.sending(), 0);
        a.install(&[5; 32], &[6; 32], true);
        let tag = a.seal(a.sending(), 0, 1, b"", &mut body).unwrap();
        assert_eq!(b.open(1, 0, 1, b"", &mut body, &tag), Ok(()));
        assert_eq!(b.sending(), 1);
    }
}
