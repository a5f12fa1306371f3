//! The borrower's side of relaying: what was asked of a lender, and what came of it.

use super::Via;
use super::lend::LEASE;
use crate::data::replay::ReplayWindow;
use crate::time::{Duration, Instant};
use crate::wire::control::Reason;

/// An unanswered question is repeated after this.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// What a line was seen to carry is held against its lender's word for so long after its path was given up.
const REMEMBERED: Duration = Duration::from_secs(600);
/// A grant is renewed this long after it was given or renewed.
const RENEW: Duration = Duration::from_secs(10);

/// One uplink of one lender, borrowed or about to be.
#[derive(Clone, Debug)]
pub struct Loan {
    /// The lender's number for the uplink.
    pub uplink: u8,
    /// Our connection ID for the path over it.
    pub cid: u32,
    /// Which of the exit's addresses it is for.
    pub address: u8,
    /// The name to put in relay frames, once granted.
    pub relay: Option<u32>,
    /// Until when the grant holds.
    pub until: Instant,
    /// The most that the lender lets through, towards the exit and from it, in kbit/s; 0: it has not said.
    pub limits: [u32; 2],
    /// The name that the counters belong to, also while the grant is taken back.
    named: Option<u32>,
    ask_at: Instant,
    /// What the last path over it was measured to carry, and until when that counts.
    seen: ([u32; 2], Instant),
    next_up: u32,
    /// Frames from the lender are taken once.
    pub window: ReplayWindow,
}

impl Loan {
    /// To be asked for at once.
    pub fn new(now: Instant, uplink: u8, cid: u32) -> Self {
        Self {
            uplink,
            cid,
            address: 0,
            relay: None,
            until: now,
            limits: [0; 2],
            named: None,
            ask_at: now,
            seen: ([0; 2], now),
            next_up: 0,
            window: ReplayWindow::default(),
        }
    }

    /// The socket that the lender sends by, in our own terms: what stands around a datagram there.
    pub fn via(&self, exit: u8) -> Via {
        Via::Uplink {
            uplink: self.uplink,
            exit,
            address: self.address,
        }
    }

    /// It may be used.
    pub fn granted(&self, now: Instant) -> bool {
        self.relay.is_some() && self.until > now
    }

    /// Its path is given up, which was measured to carry so many kbit/s.
    pub fn remember(&mut self, now: Instant, measured: [u32; 2]) {
        self.seen = (measured, now + REMEMBERED);
    }

    /// What a path over it was measured to carry lately, in kbit/s; 0: unknown.
    pub fn seen(&self, now: Instant) -> [u32; 2] {
        let (kbit, until) = self.seen;
        if now < until { kbit } else { [0; 2] }
    }

    /// Is it time to ask, or to renew?
    pub fn wants_asking(&mut self, now: Instant) -> bool {
        let due = now >= self.ask_at;
        if due {
            self.ask_at = now + ASK_AGAIN;
        }
        due
    }

    /// When it will be.
    pub fn ask_at(&self) -> Instant {
        self.ask_at
    }

    /// The lender said yes. A new name means new counters.
    pub fn grant(&mut self, now: Instant, relay: u32, seconds: u16, limits: [u32; 2]) {
        if self.named != Some(relay) {
            self.named = Some(relay);
            (self.next_up, self.window) = (0, ReplayWindow::default());
        }
        (self.relay, self.limits) = (Some(relay), limits);
        let holds = Duration::from_secs(u64::from(seconds));
        self.until = now + holds;
        // The lender may have told other limits in between, of a grant that lapses as it would have.
        let spent = LEASE.saturating_sub(holds);
        self.ask_at = now + RENEW.saturating_sub(spent).max(ASK_AGAIN);
    }

    /// The lender said no: ask again in a while, or soon where his line may be about to come up.
    pub fn refuse(&mut self, now: Instant, reason: Reason) {
        let soon = reason == Reason::Down;
        self.relay = None;
        self.ask_at = now + if soon { ASK_AGAIN.shr(1) } else { RENEW.shr(1) };
    }

    /// The exit did not answer by this lender under that address: ask for the next of `count`, under another name.
    pub fn try_next_address(&mut self, now: Instant, count: u8, cid: u32) {
        self.address = (self.address + 1) % count.max(1);
        (self.relay, self.cid, self.ask_at) = (None, cid, now);
    }

    /// The counter for the next relay frame.
    pub fn count_up(&mut self) -> u32 {
        self.count_run(1)
    }

    /// The counter for the first of so many relay frames.
    pub fn count_run(&mut self, frames: u32) -> u32 {
        let first = self.next_up.wrapping_add(1);
        self.next_up = self.next_up.wrapping_add(frames);
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_that_is_told_again_is_renewed_as_early_before_its_end_and_never_in_a_hurry() {
        let mut loan = Loan::new(Instant::ZERO, 0, 7);
        let mut asked_after = |seconds, at| {
            let now = Instant::from_millis(at);
            loan.grant(now, 9, seconds, [1_000; 2]);
            loan.ask_at().since(now).as_millis()
        };
        assert_eq!(asked_after(30, 0), 10_000);
        assert_eq!(asked_after(26, 4_000), 6_000);
        assert_eq!(asked_after(12, 18_000), 500);
    }
}
