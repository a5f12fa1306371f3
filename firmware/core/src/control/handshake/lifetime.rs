//! How long a session's keys are good.

use crate::time::{Duration, Instant};

/// The initiator of a session begins a new handshake when the keys are this old.
pub const REKEY_AFTER: Duration = Duration::from_secs(120);

/// The responder does so if the initiator has not: later, so that as a rule only one of them does.
pub const REKEY_AFTER_RESPONDER: Duration = Duration::from_secs(150);

/// Keys this old neither seal nor open anything.
pub const REJECT_AFTER: Duration = Duration::from_secs(180);

/// The age of a session's keys, from the moment a side got them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    established: Instant,
    initiator: bool,
}

impl Lifetime {
    /// Keys that this side got at `established`, as the initiator or as the responder.
    pub const fn new(established: Instant, initiator: bool) -> Self {
        Self {
            established,
            initiator,
        }
    }

    /// When this side begins a new handshake ([`super::Initiator::start`] with the other's connection ID), if the
    /// session is still in use.
    pub fn rekey_at(&self) -> Instant {
        self.established
            + if self.initiator {
                REKEY_AFTER
            } else {
                REKEY_AFTER_RESPONDER
            }
    }

    /// When the keys are to be dropped.
    pub fn reject_at(&self) -> Instant {
        self.established + REJECT_AFTER
    }
}
