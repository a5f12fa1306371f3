//! The initiator's two jobs.

use super::noise::{self, State};
use super::{Credentials, HandshakeError, SessionKeys};
use crate::control::admission::Admission;
use crate::crypto::MAC_LEN;
use crate::identity::{CommunityId, PublicKey, SecretKey};
use crate::wire::handshake::{
    Answer, Cookie, Datagram, Hello, INIT_OVERHEAD, Init, MAX_NOISE_LEN, RecipientKeys, Response,
    Welcome, unauthenticated,
};

/// Makes an Init: four scalar multiplications. Plain owned data, under 512 bytes.
#[derive(Clone, Debug)]
pub struct InitiateJob {
    /// Who we are.
    pub credentials: Credentials,
    /// Whom we mean.
    pub remote: PublicKey,
    /// 32 fresh bytes of the system's entropy; never used for another handshake.
    pub ephemeral: SecretKey,
    /// Our connection ID for the new session, not 0.
    pub cid: u32,
    /// What we say.
    pub hello: Hello,
    /// The responder's cookie, if it gave one.
    pub cookie: Option<Cookie>,
}

/// The Init to send, and what is needed to understand its answer.
#[derive(Debug)]
pub struct Initiated {
    /// The Init.
    pub datagram: Datagram,
    /// What waits for the answer.
    pub pending: PendingInit,
}

/// A handshake that waits for its Response. Under 1 KB.
#[derive(Clone)]
pub struct PendingInit {
    state: State,
    remote: PublicKey,
    community: CommunityId,
    cid: u32,
    counter: u64,
    mac1: [u8; MAC_LEN],
}

/// Reads a Response: two scalar multiplications, four with a certificate. Plain owned data, under 2 KB.
#[derive(Clone, Debug)]
pub struct FinishJob {
    /// What waited for it.
    pub pending: PendingInit,
    /// The Response.
    pub datagram: Datagram,
    /// What the responder must show; an exit, which is known by its key, nothing.
    pub admission: Option<Admission>,
}

/// A session from the initiator's side: it may send at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Established {
    /// The responder, proved.
    pub remote: PublicKey,
    /// What it granted.
    pub welcome: Welcome,
    /// Our connection ID.
    pub cid: u32,
    /// Its connection ID: what our datagrams are addressed to.
    pub remote_cid: u32,
    /// The keys.
    pub keys: SessionKeys,
    /// Until when the responder is a member by the admin's word, Unix seconds (0: without an end), if that was asked for.
    pub certified: Option<u64>,
    /// Which Init it answers ([`Hello::counter`]).
    pub counter: u64,
}

impl InitiateJob {
    /// Runs it.
    ///
    /// # Errors
    /// [`HandshakeError::WeakKey`]: `remote` is no key to talk to. [`HandshakeError::TooLong`] does not happen.
    #[inline(never)]
    pub fn run(self) -> Result<Initiated, HandshakeError> {
        let mut payload = [0; MAX_NOISE_LEN - INIT_OVERHEAD];
        let payload = self.hello.encode(&mut payload)?;
        let mut message = [0; MAX_NOISE_LEN];
        let message = message
            .get_mut(..payload.len() + INIT_OVERHEAD)
            .ok_or(HandshakeError::TooLong)?;
        let len = u16::try_from(message.len()).map_err(|_| HandshakeError::TooLong)?;

        let clear = Init {
            minor: self.hello.minor,
            sender: self.cid,
            community: self.credentials.community.id,
        };
        let header = clear.header(len);
        let mut state = noise::initiator(&self.credentials, &self.ephemeral, self.remote, &header);
        noise::write(&mut state, payload, message)?;

        let mut datagram = unauthenticated(&header, message)?;
        let mac1 = RecipientKeys::new(&self.credentials.community, &self.remote)
            .authenticate(&mut datagram, self.cookie.as_ref())?;
        Ok(Initiated {
            datagram,
            pending: PendingInit {
                state,
                remote: self.remote,
                community: self.credentials.community.id,
                cid: self.cid,
                counter: self.hello.counter,
                mac1,
            },
        })
    }
}

impl PendingInit {
    /// Our connection ID in the Init.
    pub fn cid(&self) -> u32 {
        self.cid
    }

    /// The Init's [`Hello::counter`].
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// The Init's `mac1`, which a cookie reply is bound to.
    pub fn mac1(&self) -> &[u8; MAC_LEN] {
        &self.mac1
    }
}

impl core::fmt::Debug for PendingInit {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PendingInit")
            .field("remote", &self.remote)
            .field("cid", &self.cid)
            .field("counter", &self.counter)
            .finish_non_exhaustive()
    }
}

impl FinishJob {
    /// Runs it. The Response's `mac1` was checked before ([`super::Initiator::handle_response`]).
    ///
    /// # Errors
    /// [`HandshakeError::Malformed`], [`HandshakeError::Unauthentic`], [`HandshakeError::WeakKey`],
    /// [`HandshakeError::BadPayload`]; the Init may still be answered by a better Response.
    /// [`HandshakeError::Denied`], [`HandshakeError::Unadmitted`]: it will not be soon.
    #[inline(never)]
    pub fn run(self) -> Result<Established, HandshakeError> {
        let Self {
            mut pending,
            datagram,
            admission,
        } = self;
        let (clear, message) = Response::parse(&datagram)?;
        let mut payload = [0; MAX_NOISE_LEN];
        let payload = noise::read(&mut pending.state, message, &mut payload)?;
        let answer = Answer::decode(payload).map_err(|_| HandshakeError::BadPayload)?;
        if (answer.cid, answer.welcome.minor) != (clear.sender, clear.minor)
            || clear.receiver != pending.cid
        {
            return Err(HandshakeError::BadPayload);
        }
        if let Some(why) = answer.denial {
            return Err(HandshakeError::Denied(why));
        }
        if let Some(admission) = &admission {
            admission
                .judge(
                    pending.community,
                    &pending.remote,
                    answer.certificate.as_ref(),
                )
                .map_err(HandshakeError::Unadmitted)?;
        }
        Ok(Established {
            remote: pending.remote,
            welcome: answer.welcome,
            cid: pending.cid,
            remote_cid: answer.cid,
            keys: SessionKeys::split(&pending.state, true),
            certified: admission.and(answer.certificate).map(|c| c.expires),
            counter: pending.counter,
        })
    }
}
