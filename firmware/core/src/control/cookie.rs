//! The gate before the responder's asymmetric cryptography: what a flood of Inits can cost is bounded here.
//!
//! The order is from cheap to dear. Length, kind and community cost nothing; `mac1` costs one hash, and whoever is
//! outside the community cannot make it; under load a cookie proves the sender's address, so that replayed or forged
//! Inits cannot take what is left; and that is a budget of so many handshakes a second.

use crate::crypto;
use crate::error::Refusal;
use crate::identity::CommunityId;
use crate::time::{Duration, Instant};
use crate::wire::handshake::{Cookie, Denial, Init, RecipientKeys, shows_cookie};

use super::handshake::Credentials;

/// How long one cookie secret gives cookies; they are taken for as long again.
pub const SECRET_LIFE: Duration = Duration::from_secs(120);

/// Load is taken to last this long after its last sign.
const LOAD_LASTS: Duration = Duration::from_secs(10);

/// Sources share so many places, others each second.
const PLACES: usize = 32;
/// Cookies a second for those who share a place. So many, times the places, bounds what a flood can have answered.
const COOKIES: u8 = 8;

/// How much asymmetric cryptography a node does for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Handshakes a second in the long run, at least 1 and at most 1,000,000.
    pub per_second: u32,
    /// Handshakes at once after a rest, at least 1.
    pub burst: u32,
    /// As many handshakes waiting for the worker are load: whoever comes then must show a cookie.
    pub waiting: u32,
}

impl Budget {
    /// A router: a handshake is some 50 ms of its CPU.
    pub const ROUTER: Self = Self {
        per_second: 2,
        burst: 4,
        waiting: 2,
    };
    /// A server: a handshake is some 0.3 ms of one core.
    pub const SERVER: Self = Self {
        per_second: 200,
        burst: 400,
        waiting: 64,
    };
}

/// What becomes of an Init that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// To the worker with it ([`super::handshake::RespondJob`]).
    Admit,
    /// Send the first so many bytes of the reply buffer back to where it came from, and forget it.
    Challenge(usize),
}

/// What came of all Inits so far, by outcome. Each saturates at 2^32-1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Went to the worker.
    pub admitted: u32,
    /// Did not parse.
    pub malformed: u32,
    /// Another major version.
    pub wrong_version: u32,
    /// Another community.
    pub wrong_community: u32,
    /// A `mac1` made without the community's secret, or for another responder.
    pub bad_mac: u32,
    /// Answered by a cookie.
    pub cookie_sent: u32,
    /// Had a cookie, but the budget was spent; or had none, and its source had been given enough of them.
    pub over_budget: u32,
    /// Seen before ([`Gatekeeper::count_replayed`]).
    pub replayed: u32,
    /// Without a certificate that holds ([`Gatekeeper::count_denied`]).
    pub uncertified: u32,
    /// Of members whom the admin has removed ([`Gatekeeper::count_denied`]).
    pub revoked: u32,
}

impl Counters {
    /// What was refused, with names for programs, the same on gateways and exits. A cookie is no refusal.
    #[must_use]
    pub const fn refused(&self) -> [(&'static str, u32); 8] {
        [
            ("handshake_malformed", self.malformed),
            ("handshake_version", self.wrong_version),
            ("handshake_community", self.wrong_community),
            ("handshake_mac", self.bad_mac),
            ("handshake_budget", self.over_budget),
            ("handshake_replayed", self.replayed),
            ("handshake_certificate", self.uncertified),
            ("handshake_revoked", self.revoked),
        ]
    }
}

/// The gate of one responder key in one community. About 310 bytes.
pub struct Gatekeeper {
    community: CommunityId,
    keys: RecipientKeys,
    seed: [u8; 32],
    began: Instant,
    nonces: u64,
    /// What may be admitted.
    budget: Bucket,
    /// The same rate, spent by everything with a good `mac1`: empty means that more comes than may be admitted.
    demand: Bucket,
    waiting: u32,
    load_until: Instant,
    /// Cookies given in this second, by place.
    given: [u8; PLACES],
    second: u64,
    counters: Counters,
}

impl Gatekeeper {
    /// `seed` is 32 fresh bytes of the system's entropy, new at every start: cookies and nonces come from it.
    pub fn new(now: Instant, credentials: &Credentials, budget: Budget, seed: [u8; 32]) -> Self {
        Self {
            community: credentials.community.id,
            keys: RecipientKeys::new(&credentials.community, &credentials.identity.public()),
            seed,
            began: now,
            nonces: 0,
            budget: Bucket::new(now, budget),
            demand: Bucket::new(now, budget),
            waiting: budget.waiting,
            load_until: now,
            given: [0; PLACES],
            second: 0,
            counters: Counters::default(),
        }
    }

    /// Judges an Init from `source` (address and port, in any fixed form) while `waiting` others wait for the worker.
    /// `reply` takes a cookie reply: [`crate::wire::handshake::CookieReply::LEN`] bytes.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::Version`], [`Refusal::Unknown`] for another community, [`Refusal::Forged`]
    /// for a wrong `mac1`, [`Refusal::Forbidden`] if the budget is spent, [`Refusal::Full`] if `reply` is too small.
    /// All but the last are counted.
    pub fn check(
        &mut self,
        now: Instant,
        datagram: &[u8],
        source: &[u8],
        waiting: u32,
        reply: &mut [u8],
    ) -> Result<Verdict, Refusal> {
        let verdict = self.judge(now, datagram, source, waiting, reply);
        let c = &mut self.counters;
        let counter = match verdict {
            Ok(Verdict::Admit) => &mut c.admitted,
            Ok(Verdict::Challenge(_)) => &mut c.cookie_sent,
            Err(Refusal::Version) => &mut c.wrong_version,
            Err(Refusal::Unknown) => &mut c.wrong_community,
            Err(Refusal::Forged) => &mut c.bad_mac,
            Err(Refusal::Forbidden) => &mut c.over_budget,
            Err(Refusal::Replayed) => &mut c.replayed,
            Err(Refusal::Malformed) => &mut c.malformed,
            Err(Refusal::Full) => return verdict,
        };
        *counter = counter.saturating_add(1);
        verdict
    }

    /// Counts an admitted Init that turned out to be a replay.
    pub fn count_replayed(&mut self) {
        self.counters.replayed = self.counters.replayed.saturating_add(1);
    }

    /// Counts a handshake with a node that is no member by the admin's word, whichever of the two began it.
    pub fn count_denied(&mut self, why: Denial) {
        let n = match why {
            Denial::Revoked => &mut self.counters.revoked,
            _ => &mut self.counters.uncertified,
        };
        *n = n.saturating_add(1);
    }

    /// What came of all Inits so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn judge(
        &mut self,
        now: Instant,
        datagram: &[u8],
        source: &[u8],
        waiting: u32,
        reply: &mut [u8],
    ) -> Result<Verdict, Refusal> {
        let (clear, _) = Init::parse(datagram)?;
        if clear.community != self.community {
            return Err(Refusal::Unknown);
        }
        let mac1 = self.keys.check_mac1(datagram)?;
        if !self.demand.take(now) || waiting >= self.waiting {
            self.load_until = now + LOAD_LASTS;
        }
        if now < self.load_until && !self.has_cookie(now, datagram, source) {
            if !self.may_have_cookie(now, source) {
                return Err(Refusal::Forbidden);
            }
            let cookie = self.cookie(self.period(now), source);
            let nonce = self.nonce();
            let sealed = self.keys.seal_cookie(clear.sender, &cookie, nonce, &mac1)?;
            return sealed.emit(reply).map(Verdict::Challenge);
        }
        if self.budget.take(now) {
            Ok(Verdict::Admit)
        } else {
            Err(Refusal::Forbidden)
        }
    }

    fn has_cookie(&self, now: Instant, datagram: &[u8], source: &[u8]) -> bool {
        if !shows_cookie(datagram) {
            return false;
        }
        let period = self.period(now);
        let fits = |period| self.cookie(period, source).fits(datagram);
        fits(period) || period.checked_sub(1).is_some_and(fits)
    }

    /// Has this source, with those that share its place, been given few enough in this second?
    fn may_have_cookie(&mut self, now: Instant, source: &[u8]) -> bool {
        let second = now.as_micros() / 1_000_000;
        if second != self.second {
            (self.second, self.given) = (second, [0; PLACES]);
        }
        // Who shares a place with a flood does not share the next one.
        let mut key: [u8; 16] = crypto::first(&self.seed);
        for (byte, salt) in key.iter_mut().zip(second.to_be_bytes()) {
            *byte ^= salt;
        }
        let place = crypto::sip13(&key, source) as usize % PLACES;
        self.given.get_mut(place).is_some_and(|given| {
            let few = *given < COOKIES;
            *given += u8::from(few);
            few
        })
    }

    /// Which of the secrets gives cookies now.
    fn period(&self, now: Instant) -> u64 {
        now.since(self.began).as_micros() / SECRET_LIFE.as_micros()
    }

    fn cookie(&self, period: u64, source: &[u8]) -> Cookie {
        let secret = crypto::prf(&self.seed, &[b"cookie", &period.to_be_bytes()]);
        Cookie(crypto::mac(&secret, &[source]))
    }

    fn nonce(&mut self) -> [u8; 24] {
        self.nonces = self.nonces.wrapping_add(1);
        crypto::first(&crypto::prf(
            &self.seed,
            &[b"nonce", &self.nonces.to_be_bytes()],
        ))
    }
}

impl core::fmt::Debug for Gatekeeper {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Gatekeeper")
            .field("community", &self.community)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

/// A token bucket, kept as the time at which it will be full (the generic cell rate algorithm, ITU-T I.371).
struct Bucket {
    per_token: Duration,
    depth: Duration,
    full_at: Instant,
}

impl Bucket {
    fn new(now: Instant, budget: Budget) -> Self {
        let micros = 1_000_000 / budget.per_second.clamp(1, 1_000_000);
        let per_token = Duration::from_micros(u64::from(micros));
        Self {
            per_token,
            depth: per_token.times(u64::from(budget.burst.max(1))),
            full_at: now,
        }
    }

    fn take(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.max(now) + self.per_token;
        let enough = full_at.since(now) <= self.depth;
        if enough {
            self.full_at = full_at;
        }
        enough
    }
}

#[cfg(test)]
mod tests;
