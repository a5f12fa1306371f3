//! Two nodes agree on keys: `Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s` (Noise rev. 34), as WireGuard uses it.
//!
//! The initiator knows the responder's key (from an invitation or an announcement); the responder learns the
//! initiator's. The community's secret is the pre-shared key. One Init, one Response, and both have [`SessionKeys`];
//! the responder may send only when the first sealed datagram of the initiator has proved that it was no replay.
//!
//! **Nothing here computes with asymmetric keys on the caller's road.** The state machines give out *jobs*: plain
//! owned data, `Send`, that a worker runs when there is time ([`InitiateJob`], [`RespondJob`], [`FinishJob`]); a
//! scalar multiplication takes some 10 ms on a 580 MHz router, a job four to five of them. The result is handed back.
//!
//! ```text
//! Initiator                                                    responder
//! Initiator::start, poll_initiate -> InitiateJob::run
//! Initiator::handle_initiated -> datagram  ------ Init ----->  Gatekeeper::check -> RespondJob::open
//!                                                              replay? member? -> Opened::respond
//! Initiator::handle_response               <--- Response ----  Answered
//!   -> FinishJob::run
//! Initiator::handle_finished -> Established
//! ```

mod initiate;
mod initiator;
mod keys;
mod lifetime;
mod noise;
mod respond;
mod sealing;

pub use initiate::{Established, FinishJob, InitiateJob, Initiated, PendingInit};
pub use initiator::{COOKIE_LIFE, DENIED, Initiator, RETRY_MAX, RETRY_MIN};
pub use keys::SessionKeys;
pub use lifetime::{Lifetime, REJECT_AFTER, REKEY_AFTER, REKEY_AFTER_RESPONDER};
pub use respond::{Answered, Opened, RespondJob};

use crate::error::Refusal;
use crate::identity::{CommunityKeys, Identity};
use crate::wire::handshake::Denial;

/// What a node takes into a handshake: itself and its community. 200 bytes.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The node's own key.
    pub identity: Identity,
    /// The community's keys.
    pub community: CommunityKeys,
}

/// Why a handshake came to nothing. The session that it was to make does not exist; nothing else has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandshakeError {
    /// The datagram does not parse.
    Malformed,
    /// It was not made for this key, under this community's secret, or it was altered on the way.
    Unauthentic,
    /// The other side's static or ephemeral key is one of the few that make every shared secret zero.
    WeakKey,
    /// What is sealed inside does not parse, or contradicts the clear header.
    BadPayload,
    /// Our own message does not fit: a caller's mistake, since all that this version sends does.
    TooLong,
    /// The responder is no member by the admin's word.
    Unadmitted(Denial),
    /// The responder says that we are none.
    Denied(Denial),
}

impl From<Refusal> for HandshakeError {
    fn from(why: Refusal) -> Self {
        match why {
            Refusal::Full => Self::TooLong,
            Refusal::Forged => Self::Unauthentic,
            _ => Self::Malformed,
        }
    }
}

#[cfg(test)]
mod tests;
