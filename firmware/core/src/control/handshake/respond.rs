//! The responder's job, in two halves: who is it, and then, if he is welcome, the answer.

use super::noise::{self, State};
use super::{Credentials, HandshakeError, SessionKeys};
use crate::control::admission::Admission;
use crate::identity::{PublicKey, SecretKey};
use crate::wire::admission::Certificate;
use crate::wire::handshake::{
    Answer, Datagram, Denial, Hello, INIT_HEADER_LEN, Init, MAX_NOISE_LEN, RESPONSE_OVERHEAD,
    RecipientKeys, Response, Welcome, unauthenticated,
};

/// Reads an Init: three scalar multiplications, five with a certificate. Plain owned data, under 1.5 KB.
#[derive(Clone, Debug)]
pub struct RespondJob {
    /// Who we are.
    pub credentials: Credentials,
    /// 32 fresh bytes of the system's entropy; never used for another handshake.
    pub ephemeral: SecretKey,
    /// The Init, past the gate ([`crate::control::cookie::Gatekeeper`]).
    pub datagram: Datagram,
    /// What the initiator must show, and what we show; `None` where the secret is enough.
    pub admission: Option<Admission>,
}

/// An Init that was read. The initiator is proved, but not that he is here now: an Init can be replayed, so
/// [`Hello::epoch`] and [`Hello::counter`] must be new for this key ([`crate::control::heard::Heard`]) before it is
/// answered. Under 1 KB.
pub struct Opened {
    /// Who asks.
    pub initiator: PublicKey,
    /// What he says.
    pub hello: Hello,
    /// His connection ID.
    pub remote_cid: u32,
    /// Whether he is a member by the admin's word, where there is an admin.
    pub judged: Result<(), Denial>,
    ours: Option<Certificate>,
    state: State,
    recipient: RecipientKeys,
}

/// A session from the responder's side: it must not send before it has opened something.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The Response, to be sent where the Init came from.
    pub datagram: Datagram,
    /// The initiator.
    pub remote: PublicKey,
    /// Our connection ID.
    pub cid: u32,
    /// Its connection ID: what our datagrams are addressed to.
    pub remote_cid: u32,
    /// The keys.
    pub keys: SessionKeys,
}

impl RespondJob {
    /// Runs its first half.
    ///
    /// # Errors
    /// [`HandshakeError::Malformed`], [`HandshakeError::Unauthentic`], [`HandshakeError::WeakKey`],
    /// [`HandshakeError::BadPayload`].
    pub fn open(self) -> Result<Opened, HandshakeError> {
        let (clear, message) = Init::parse(&self.datagram)?;
        let header = self
            .datagram
            .first_chunk::<INIT_HEADER_LEN>()
            .ok_or(HandshakeError::Malformed)?;
        let mut state = noise::responder(&self.credentials, &self.ephemeral, header);
        let mut payload = [0; MAX_NOISE_LEN];
        let payload = noise::read(&mut state, message, &mut payload)?;
        let hello = Hello::decode(payload).map_err(|_| HandshakeError::BadPayload)?;
        if hello.minor != clear.minor {
            return Err(HandshakeError::BadPayload);
        }
        let initiator = PublicKey(state.get_rs().ok_or(HandshakeError::Unauthentic)?);
        let community = self.credentials.community.id;
        let admission = self.admission.as_ref();
        Ok(Opened {
            initiator,
            hello,
            remote_cid: clear.sender,
            judged: admission.map_or(Ok(()), |a| {
                a.judge(community, &initiator, hello.certificate.as_ref())
            }),
            // Ours makes the answer longer, his own the question.
            ours: admission.and_then(|a| a.certificate.filter(|_| hello.certificate.is_some())),
            state,
            recipient: RecipientKeys::new(&self.credentials.community, &initiator),
        })
    }
}

impl Opened {
    /// Answers it: two scalar multiplications. `cid` is our connection ID for the new session, not 0.
    ///
    /// # Errors
    /// [`HandshakeError::WeakKey`]; [`HandshakeError::TooLong`] does not happen.
    pub fn respond(self, welcome: &Welcome, cid: u32) -> Result<Answered, HandshakeError> {
        self.answer(welcome, cid, None)
    }

    /// Answers it, with a session or the reason why there is none.
    ///
    /// # Errors
    /// As [`Self::respond`].
    pub fn answer(
        mut self,
        welcome: &Welcome,
        cid: u32,
        denial: Option<Denial>,
    ) -> Result<Answered, HandshakeError> {
        let mut payload = [0; MAX_NOISE_LEN - RESPONSE_OVERHEAD];
        let answer = Answer {
            cid,
            welcome: *welcome,
            certificate: self.ours.filter(|_| denial.is_none()),
            denial,
        };
        let payload = answer.encode(&mut payload)?;
        let mut message = [0; MAX_NOISE_LEN];
        let message = message
            .get_mut(..payload.len() + RESPONSE_OVERHEAD)
            .ok_or(HandshakeError::TooLong)?;
        noise::write(&mut self.state, payload, message)?;

        let clear = Response {
            receiver: self.remote_cid,
            sender: cid,
            minor: welcome.minor,
        };
        let len = u16::try_from(message.len()).map_err(|_| HandshakeError::TooLong)?;
        let mut datagram = unauthenticated(&clear.header(len), message)?;
        self.recipient.authenticate(&mut datagram, None)?;
        Ok(Answered {
            datagram,
            remote: self.initiator,
            cid,
            remote_cid: self.remote_cid,
            keys: SessionKeys::split(&self.state, false),
        })
    }
}

impl core::fmt::Debug for Opened {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Opened")
            .field("initiator", &self.initiator)
            .field("hello", &self.hello)
            .field("remote_cid", &self.remote_cid)
            .finish_non_exhaustive()
    }
}
