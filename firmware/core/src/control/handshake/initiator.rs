//! The initiator's side over time: ask, ask again, take the cookie, take the answer.

use super::{
    Credentials, Established, FinishJob, HandshakeError, InitiateJob, Initiated, PendingInit,
};
use crate::control::jitter::Jitter;
use crate::error::Refusal;
use crate::identity::{PublicKey, SecretKey};
use crate::time::{Duration, Instant};
use crate::wire::handshake::{Cookie, CookieReply, Datagram, Hello, RecipientKeys, Response};

/// How long the first Init is waited for; each later one twice as long, up to [`RETRY_MAX`], each a quarter more or less.
pub const RETRY_MIN: Duration = Duration::from_secs(1);

/// The longest wait for an answer, give or take a quarter.
pub const RETRY_MAX: Duration = Duration::from_secs(8);

/// Who was denied, or has denied, is asked again after this.
pub const DENIED: Duration = Duration::from_secs(15);

/// A cookie is not used after this long: the responder has forgotten it.
pub const COOKIE_LIFE: Duration = Duration::from_secs(120);

/// Where a cookie came for an Init that had none, the next one goes out within this.
const COOKIE_RETRY: Duration = Duration::from_millis(250);

/// Asks one responder for sessions, one at a time, for as long as it takes. About 1.3 KB.
///
/// [`Self::start`]; then whenever [`Self::wants_initiate`], run what [`Self::poll_initiate`] gives and hand it to
/// [`Self::handle_initiated`], whose datagram is to be sent; datagrams for our connection ID go to
/// [`Self::handle_cookie`] and [`Self::handle_response`]; the job of the latter goes to [`Self::handle_finished`].
#[derive(Debug)]
pub struct Initiator {
    remote: PublicKey,
    /// For what we send.
    theirs: RecipientKeys,
    /// For what we receive.
    ours: RecipientKeys,
    phase: Phase,
    cid: u32,
    rekey_of: Option<u32>,
    attempts: u32,
    cookie: Option<(Cookie, Instant)>,
    jitter: Jitter,
}

#[derive(Debug)]
enum Phase {
    /// Nothing to do.
    Idle,
    /// An Init is to be made at this time.
    Due(Instant),
    /// The Init with this counter is being made.
    Making(u64),
    /// It was sent.
    Waiting(Wait),
    /// A Response to it is being read.
    Reading(Wait),
}

#[derive(Debug)]
struct Wait {
    pending: PendingInit,
    with_cookie: bool,
    until: Instant,
}

impl Initiator {
    /// Towards `remote`; idle. `seed` is for timing only.
    pub fn new(credentials: &Credentials, remote: PublicKey, seed: u64) -> Self {
        Self {
            remote,
            theirs: RecipientKeys::new(&credentials.community, &remote),
            ours: RecipientKeys::new(&credentials.community, &credentials.identity.public()),
            phase: Phase::Idle,
            cid: 0,
            rekey_of: None,
            attempts: 0,
            cookie: None,
            jitter: Jitter::new(seed),
        }
    }

    /// Begins a handshake at once, in place of one that may be under way. `cid` is our connection ID for the new
    /// session; `rekey_of` the responder's of the session that it renews.
    pub fn start(&mut self, now: Instant, cid: u32, rekey_of: Option<u32>) {
        self.cid = cid;
        self.rekey_of = rekey_of;
        self.attempts = 0;
        self.phase = Phase::Due(now);
    }

    /// What stood against it has changed: the next Init goes out at once.
    pub fn hurry(&mut self, now: Instant) {
        if let Phase::Due(at) = &mut self.phase {
            *at = now.min(*at);
        }
    }

    /// Gives up; jobs that are under way come to nothing.
    pub fn cancel(&mut self) {
        self.phase = Phase::Idle;
    }

    /// Who is asked.
    pub fn remote(&self) -> PublicKey {
        self.remote
    }

    /// Our connection ID in the handshake under way, or the last one.
    pub fn cid(&self) -> u32 {
        self.cid
    }

    /// Whether a handshake is under way.
    pub fn is_active(&self) -> bool {
        !matches!(self.phase, Phase::Idle)
    }

    /// How many Inits were made since [`Self::start`].
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Whether [`Self::poll_initiate`] will give a job.
    pub fn wants_initiate(&self, now: Instant) -> bool {
        matches!(self.phase, Phase::Due(at) if at <= now)
    }

    /// The job of making the next Init, if it is time for one. `hello.counter` must be greater than any this node
    /// used in its life before; `hello.rekey_of` is filled in here. `ephemeral` is 32 fresh bytes of entropy.
    pub fn poll_initiate(
        &mut self,
        now: Instant,
        credentials: &Credentials,
        hello: Hello,
        ephemeral: SecretKey,
    ) -> Option<InitiateJob> {
        if !self.wants_initiate(now) {
            return None;
        }
        self.cookie = self
            .cookie
            .filter(|(_, since)| now.since(*since) < COOKIE_LIFE);
        self.phase = Phase::Making(hello.counter);
        self.attempts = self.attempts.saturating_add(1);
        Some(InitiateJob {
            credentials: credentials.clone(),
            remote: self.remote,
            ephemeral,
            cid: self.cid,
            hello: Hello {
                rekey_of: self.rekey_of,
                ..hello
            },
            cookie: self.cookie.map(|(cookie, _)| cookie),
        })
    }

    /// Takes the made Init; the datagram is to be sent now. `None` if it is not wanted any more, or could not be made:
    /// then it is tried again later.
    pub fn handle_initiated(
        &mut self,
        now: Instant,
        made: Result<Initiated, HandshakeError>,
    ) -> Option<Datagram> {
        let Phase::Making(counter) = self.phase else {
            return None;
        };
        let until = now + self.patience();
        match made {
            Ok(Initiated { datagram, pending }) if pending.counter() == counter => {
                self.phase = Phase::Waiting(Wait {
                    pending,
                    with_cookie: self.cookie.is_some(),
                    until,
                });
                Some(datagram)
            }
            Ok(_) => None,
            Err(_) => {
                self.phase = Phase::Due(until);
                None
            }
        }
    }

    /// Takes a cookie reply: the next Init carries the cookie, and goes out soon if this one had none.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::Version`]; [`Refusal::Unknown`]: we wait for none;
    /// [`Refusal::Forged`]: it does not answer our last Init.
    pub fn handle_cookie(&mut self, now: Instant, datagram: &[u8]) -> Result<(), Refusal> {
        let reply = CookieReply::parse(datagram)?;
        let Phase::Waiting(wait) = &mut self.phase else {
            return Err(Refusal::Unknown);
        };
        if reply.receiver != wait.pending.cid() {
            return Err(Refusal::Unknown);
        }
        let cookie = self.theirs.open_cookie(&reply, wait.pending.mac1())?;
        self.cookie = Some((cookie, now));
        if !wait.with_cookie {
            let soon = now + Duration::from_micros(self.jitter.below(COOKIE_RETRY.as_micros()));
            wait.until = wait.until.min(soon);
        }
        Ok(())
    }

    /// Takes a Response, does the cheap checks, and gives the job of reading it.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::Version`]; [`Refusal::Unknown`]: we wait for none, or are reading one;
    /// [`Refusal::Forged`]: its `mac1` is wrong.
    pub fn handle_response(&mut self, datagram: &[u8]) -> Result<FinishJob, Refusal> {
        let (clear, _) = Response::parse(datagram)?;
        let Phase::Waiting(wait) = &self.phase else {
            return Err(Refusal::Unknown);
        };
        if clear.receiver != wait.pending.cid() {
            return Err(Refusal::Unknown);
        }
        self.ours.check_mac1(datagram)?;
        let job = FinishJob {
            pending: wait.pending.clone(),
            datagram: Datagram::from_slice(datagram).map_err(|_| Refusal::Malformed)?,
            admission: None,
        };
        if let Phase::Waiting(wait) = core::mem::replace(&mut self.phase, Phase::Idle) {
            self.phase = Phase::Reading(wait);
        }
        Ok(job)
    }

    /// Takes the result of reading a Response. A session: the handshake is over. `None`: it was not wanted any more,
    /// or no good, and a better one is waited for; or one of the two is no member, and it is tried again in a while.
    pub fn handle_finished(
        &mut self,
        now: Instant,
        result: Result<Established, HandshakeError>,
    ) -> Option<Established> {
        match core::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Reading(wait) => match result {
                Ok(session) if session.counter == wait.pending.counter() => return Some(session),
                Err(HandshakeError::Denied(_) | HandshakeError::Unadmitted(_)) => {
                    self.phase = Phase::Due(now + DENIED);
                }
                _ => self.phase = Phase::Waiting(wait),
            },
            other => self.phase = other,
        }
        None
    }

    /// Passes time; call when [`Self::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Phase::Waiting(wait) = &self.phase
            && wait.until <= now
        {
            self.phase = Phase::Due(now);
        }
    }

    /// When the next Init is due or the present one has been waited for long enough. None while idle or while a job is
    /// under way.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Due(at) => Some(*at),
            Phase::Waiting(wait) => Some(wait.until),
            Phase::Idle | Phase::Making(_) | Phase::Reading(_) => None,
        }
    }

    /// How long the present attempt is waited for: 3/4 to 5/4 of 1, 2, 4, 8, 8, ... seconds.
    fn patience(&mut self) -> Duration {
        let doublings = self.attempts.saturating_sub(1).min(3);
        let wait = RETRY_MIN.times(1 << doublings).min(RETRY_MAX);
        let jitter = Duration::from_micros(self.jitter.below(wait.as_micros() / 2));
        wait.saturating_sub(wait.shr(2)) + jitter
    }
}

#[cfg(test)]
mod tests;
