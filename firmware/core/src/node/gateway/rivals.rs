//! Other exits than the one in use: asked for a session while that one is silent, so that there is one to move to, and now
//! and then when a better one is configured.
//!
//! Asking proves that an exit is there and costs nothing while all is well. Of equally preferred exits the first that
//! answers is the nearest. Moving ends every flow, so it happens only when the exit in use is silent, or when nothing flows.

use super::exit_link::Route;
use super::maintain::{PATIENCE, relayed, say};
use super::{Choice, ExitConfig, Gateway, MAX_EXITS};
use crate::control::handshake::{Established, FinishJob, Initiator};
use crate::data::path::Path;
use crate::data::probe::State;
use crate::data::reset::Near;
use crate::error::Refusal;
use crate::node::borrow::Loan;
use crate::node::job::Owner;
use crate::node::peer::MAX_PEERS;
use crate::time::{Duration, Instant};
use crate::wire::Kind;
use crate::wire::control::Message;
use crate::wire::handshake::Datagram;
use heapless::Vec;

/// All paths must have been silent for a round trip and so much more before others are asked.
const TROUBLE: Duration = Duration::from_millis(150);
/// A session that has just begun has no paths for a moment.
const BEGINNING: Duration = Duration::from_secs(1);
/// Where no session is, less preferred exits are asked this much later: a question or its answer may have been lost.
const LATER: Duration = Duration::from_millis(2_500);
/// When another has answered, the one in use is asked once more: a round trip, and so much more.
const LAST_CHANCE: Duration = Duration::from_millis(20);
/// Better exits are asked this often ...
const BACK: Duration = Duration::from_secs(60);
/// ... and must have answered so often in a row ...
const STEADY: u8 = 2;
/// ... and nothing must have flowed for so long.
const QUIET: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Rival {
    exit: u8,
    cid: u32,
    initiator: Initiator,
    /// By which neighbour it is asked, and what was borrowed for that.
    loan: Option<(u8, Loan)>,
}

impl Rival {
    /// There was no way to ask it yet.
    fn is_unasked(&self) -> bool {
        self.initiator.attempts() == 0 && !self.initiator.is_active()
    }

    /// It has not answered, whatever was tried.
    fn is_tired(&self, now: Instant) -> bool {
        self.initiator.attempts() >= PATIENCE && self.initiator.wants_initiate(now)
    }
}

/// A session with another exit that nothing uses yet.
#[derive(Debug)]
struct Ready {
    exit: u8,
    session: Established,
    move_at: Instant,
}

/// What is known of other exits. About 5 KB, used while they are asked.
#[derive(Debug, Default)]
pub(super) struct Rivals {
    asked: Vec<Rival, { MAX_EXITS - 1 }>,
    ready: Option<Ready>,
    /// When better ones are asked next.
    look_at: Instant,
    /// Looks in a row that a better one answered, and whether one has answered this one.
    steady: u8,
    answered: bool,
    /// Which neighbour is asked next, where there is no own line.
    turn: usize,
}

impl Rivals {
    /// Handshakes to begin or to repeat.
    pub fn initiators(&mut self) -> impl Iterator<Item = (Owner, &mut Initiator)> {
        let asked = self.asked.iter_mut();
        asked.map(|r| (Owner::Rival(r.exit), &mut r.initiator))
    }

    /// What this neighbour lends under this name for asking another exit.
    pub fn lent_as(&mut self, place: u8, relay: u32) -> Option<&mut Loan> {
        let loans = self.asked.iter_mut().filter_map(|r| r.loan.as_mut());
        let mut of_peer = loans.filter(|(peer, _)| *peer == place);
        of_peer
            .find(|(_, l)| l.relay == Some(relay))
            .map(|(_, l)| l)
    }

    /// A neighbour lends the way to another exit, or does not now.
    pub fn handle_loan(&mut self, now: Instant, exit: Option<usize>, place: u8, message: &Message) {
        let Some(rival) = exit.and_then(|exit| self.of(exit as u8)) else {
            return;
        };
        let Some((_, loan)) = rival.loan.as_mut().filter(|(peer, _)| *peer == place) else {
            return;
        };
        match message {
            Message::Grant { relay, seconds, .. } => {
                let new = loan.relay.is_none();
                loan.grant(now, *relay, *seconds, [0; 2]);
                if new {
                    rival.initiator.start(now, rival.cid, None);
                }
            }
            _ => rival.loan = None,
        }
    }

    fn of(&mut self, exit: u8) -> Option<&mut Rival> {
        self.asked.iter_mut().find(|r| r.exit == exit)
    }

    /// An answer to one of them: the job of reading it, if there is one.
    pub fn handle_answer(
        &mut self,
        now: Instant,
        kind: Kind,
        cid: u32,
        d: &[u8],
    ) -> Option<Result<Option<(Owner, FinishJob)>, Refusal>> {
        let rival = self.asked.iter_mut().find(|r| r.cid == cid)?;
        let owner = Owner::Rival(rival.exit);
        Some(match kind {
            Kind::CookieReply => rival.initiator.handle_cookie(now, d).map(|()| None),
            _ => rival.initiator.handle_response(d).map(|j| Some((owner, j))),
        })
    }

    /// A session is ready, and what becomes of it is about to be decided.
    pub fn is_ready(&self) -> bool {
        self.ready.is_some()
    }

    /// Nobody is asked any more, and who has answered is not needed.
    pub fn rest(&mut self) {
        self.asked.clear();
        self.ready = None;
    }
}

impl Gateway<'_> {
    /// How an exit came to be the one in use.
    pub(super) fn choice(&self, exit: usize) -> Choice {
        let rank = self.rank(exit);
        let others = || {
            let all = self.exits.iter().enumerate();
            all.filter(move |(at, _)| *at != exit).map(|(_, e)| e)
        };
        if others().next().is_none() {
            Choice::Only
        } else if self.link.moved || others().any(|e| e.preference < rank) {
            Choice::Standby
        } else if others().any(|e| e.preference == rank) {
            Choice::Nearest
        } else {
            Choice::Preferred
        }
    }

    fn rank(&self, exit: usize) -> u8 {
        self.exits.get(exit).map_or(u8::MAX, |e| e.preference)
    }

    /// The flows that go through the exit in use are lost.
    pub(super) fn lose_flows(&mut self) {
        if let Some(session) = &self.link.session {
            self.lost = Some(Near {
                v4: session.lease.ipv4,
                v6: session.lease.ipv6,
            });
        }
    }

    /// Under which addresses flows were lost since the last call: their clients are to be told.
    pub fn take_lost(&mut self) -> Option<Near> {
        self.lost.take()
    }

    pub(super) fn keep_rivals(&mut self, now: Instant) {
        if self.exits.len() < 2 {
            return;
        }
        for rival in &mut self.rivals.asked {
            rival.initiator.handle_timeout(now);
        }
        let used = self.link.exit;
        if self.in_trouble(now) {
            if let Some(at) = self.rivals.ready.as_ref().map(|r| r.move_at) {
                if at <= now {
                    self.move_over(now, true);
                } else {
                    self.maintain_at = self.maintain_at.min(at);
                }
                return;
            }
            let down = self.link.down_since.is_some_and(|t| now.since(t) > LATER);
            let any = down || self.link.session.is_some();
            let rank = self.rank(used);
            self.ask_others(now, |e| any || e.preference <= rank);
            return;
        }
        self.rivals.asked.retain(|r| !r.is_tired(now));
        let rank = self.rank(used);
        let better = self.exits.iter().any(|e| e.preference < rank);
        if better && self.rivals.ready.is_some() {
            if self.rivals.steady >= STEADY && !self.link.tunnel.active(now, QUIET) {
                return self.move_over(now, false);
            }
            self.rivals.rest();
        } else if !better {
            self.rivals.rest();
        } else if now >= self.rivals.look_at {
            self.rivals.rest();
            self.rivals.look_at = now + BACK;
            if !core::mem::take(&mut self.rivals.answered) {
                self.rivals.steady = 0;
            }
            self.ask_others(now, |e| e.preference < rank);
        }
    }

    /// There is no session, or none of its paths answers.
    fn in_trouble(&self, now: Instant) -> bool {
        let session = self.link.session.as_ref();
        session.is_none_or(|s| now.since(s.began) > BEGINNING)
            && self.link.tunnel.in_doubt(now, TROUBLE)
    }

    /// Some line of our own could be up.
    fn has_own_way(&self) -> bool {
        let alive = |(at, p): (usize, &Path)| {
            !matches!(p.state(), State::Opening | State::Dead)
                && matches!(self.link.route(at), Some(Route::Own { .. }))
        };
        let up = self.uplinks.iter().any(|u| u.up);
        up && (self.link.session.is_none() || self.link.tunnel.paths().any(alive))
    }

    /// Asks other exits, over our own uplinks or, where there is none, by neighbours.
    fn ask_others(&mut self, now: Instant, which: impl Fn(&ExitConfig) -> bool) {
        let own = self.has_own_way();
        for (at, exit) in self.exits.iter().enumerate() {
            let number = at as u8;
            let known = self.rivals.asked.iter_mut().find(|r| r.exit == number);
            match known {
                _ if at == self.link.exit || !which(exit) => {}
                // Waiting starts over, so that a return is noticed soon.
                Some(r) if r.is_tired(now) || (own && r.is_unasked()) => {
                    r.initiator.start(now, r.cid, None);
                }
                Some(_) => {}
                None => {
                    let cid = self.draw.cid();
                    let mut initiator =
                        Initiator::new(&self.credentials, exit.key, self.draw.u64());
                    if own {
                        initiator.start(now, cid, None);
                    }
                    let rival = Rival {
                        exit: number,
                        cid,
                        initiator,
                        loan: None,
                    };
                    let _ = self.rivals.asked.push(rival);
                }
            }
        }
        if !own {
            self.borrow_for_rivals(now);
        }
    }

    /// What is lent is lent for one exit: neighbours, one after another, are asked for the way to each of the others too.
    fn borrow_for_rivals(&mut self, now: Instant) {
        let lines = self.peers.iter().enumerate().filter_map(|(place, p)| {
            let peer = p.as_ref().filter(|p| p.is_up() && !p.refused)?;
            Some((place as u8, peer.offers.first()?.uplink))
        });
        let lines: Vec<(u8, u8), { MAX_PEERS }> = lines.collect();
        for rival in &mut self.rivals.asked {
            let waits = |(_, l): &mut (u8, Loan)| !l.wants_asking(now);
            if rival.loan.as_mut().is_some_and(waits) {
                continue;
            }
            let turn = self.rivals.turn.checked_rem(lines.len()).unwrap_or(0);
            self.rivals.turn = turn + 1;
            let (Some((place, uplink)), Some(exit)) =
                (lines.get(turn), self.exits.get(usize::from(rival.exit)))
            else {
                return;
            };
            let mut loan = Loan::new(now, *uplink, rival.cid);
            loan.wants_asking(now);
            rival.loan = Some((*place, loan));
            let ask = Message::Ask {
                uplink: *uplink,
                exit: exit.key.node_id().0,
                address: 0,
                cids: [rival.cid].into_iter().collect(),
            };
            if let Some(Some(peer)) = self.peers.get_mut(usize::from(*place)) {
                let _ = say(peer, &ask);
            }
        }
    }

    /// An Init to another exit is to be sent: by whom it was lent, or over our uplinks and its addresses in turn.
    pub(super) fn send_init_to_rival(&mut self, exit: u8, init: &Datagram) {
        let Some(rival) = self.rivals.of(exit) else {
            return;
        };
        if let Some((place, loan)) = &mut rival.loan {
            let peer = self.peers.get(usize::from(*place));
            let bytes = peer
                .and_then(Option::as_ref)
                .and_then(|p| relayed(p.session.as_ref()?, loan, init));
            if let Some(bytes) = bytes {
                let place = *place;
                return self.post_to(place, &bytes);
            }
        }
        let turn = rival.initiator.attempts().saturating_sub(1) as usize;
        let ways = self.ways(usize::from(exit));
        if let Some(way) = ways.get(turn.checked_rem(ways.len()).unwrap_or(0)) {
            self.send_by(exit, *way, init);
        }
    }

    /// The worker has made an Init for another exit, or read its answer.
    pub(super) fn rival_initiator(&mut self, exit: u8) -> Option<&mut Initiator> {
        self.rivals.of(exit).map(|r| &mut r.initiator)
    }

    /// Another exit has answered.
    pub(super) fn rival_answered(&mut self, now: Instant, exit: u8, session: Established) {
        let rank = self.rank(usize::from(exit));
        let before = self.rivals.ready.as_ref();
        if before.is_some_and(|r| self.rank(usize::from(r.exit)) <= rank) {
            return;
        }
        self.rivals.answered = true;
        self.rivals.steady = self.rivals.steady.saturating_add(1);
        let mut wait = Duration::ZERO;
        if self.link.session.is_some() {
            let rtts = self.link.tunnel.paths().map(|(_, p)| p.srtt());
            let rtt = rtts.max().unwrap_or(Duration::ZERO);
            wait = rtt.min(Duration::from_millis(200)) + LAST_CHANCE;
            self.link.look_everywhere(now);
        }
        let move_at = before.map_or(now + wait, |r| r.move_at);
        self.rivals.ready = Some(Ready {
            exit,
            session,
            move_at,
        });
        self.maintain_at = now;
    }

    /// The session with the exit in use, and its flows, end here; those that come go by the other.
    fn move_over(&mut self, now: Instant, silent: bool) {
        let Some(ready) = self.rivals.ready.take() else {
            return;
        };
        let had_one = self.link.session.is_some();
        self.lose_flows();
        self.use_exit(now, usize::from(ready.exit));
        self.link.moved = silent && had_one;
        let secret = self.draw.secret();
        self.link.establish(now, &ready.session, false, secret);
        self.rivals.look_at = now + BACK;
        self.rivals.steady = 0;
    }
}
