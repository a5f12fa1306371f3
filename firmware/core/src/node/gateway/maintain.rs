//! What a gateway does unasked, some ten times a second: handshakes, paths, offers, loans.

use super::exit_link::Route;
use super::{Gateway, Uplink, refused};
use crate::control::announcer::{self, Sighting};
use crate::control::heard::Life;
use crate::data::path::Path;
use crate::data::planner;
use crate::data::probe::State;
use crate::data::tunnel::MAX_PATHS;
use crate::node::borrow::Loan;
use crate::node::peer::Session;
use crate::node::{LETTER, Via};
use crate::time::{Duration, Instant};
use crate::wire::control::{MAX_LEN, MAX_UPLINKS, Message, Offer, Reason};
use crate::wire::path::Cost;
use crate::wire::relay;
use core::net::SocketAddr;
use heapless::Vec;

const STEP: Duration = Duration::from_millis(100);
/// Offers are repeated this often, and sent at once to a new peer.
const OFFER: Duration = Duration::from_secs(2);
/// A line in use gives its place to a better one no oftener than this.
const REVIEW: Duration = Duration::from_secs(30);
/// No path has worked for this long: a new session is tried beside the old one.
const RENEW_SESSION: Duration = Duration::from_millis(1_500);
/// After so many unanswered Inits the waiting starts over, so that a return is noticed soon.
pub(super) const PATIENCE: u32 = 3;

impl Gateway<'_> {
    pub(super) fn maintain(&mut self, now: Instant) {
        self.maintain_at = now + STEP;
        self.link.tick(now);
        self.link.initiator.handle_timeout(now);
        self.keep_exit_session(now);
        self.keep_rivals(now);
        self.keep_roll(now);
        self.keep_refusals(now);
        for place in 0..self.peers.len() {
            self.keep_peer(now, place);
        }
        self.keep_parts(now);
        self.announce_offer(now);
        self.keep_paths(now);
    }

    /// All ways to an exit that exist now. What is lent is lent for the exit in use.
    pub(super) fn ways(&self, exit: usize) -> Vec<Route, 16> {
        let addresses = self.exits.get(exit).map_or(0, |e| e.addresses.len() as u8);
        let mut ways = Vec::new();
        for address in 0..addresses {
            // What costs money comes last.
            for metered in [false, true] {
                let own = self.uplinks.iter().enumerate();
                let own = own.filter(|(_, u)| u.up && u.config.cost.is_metered() == metered);
                for (u, _) in own {
                    let _ = ways.push(Route::Own {
                        uplink: u as u8,
                        address,
                    });
                }
                if metered || address != 0 || exit != self.link.exit {
                    continue;
                }
                for (place, peer) in self.peers.iter().enumerate() {
                    let loans = peer.iter().flat_map(|p| &p.loans);
                    for loan in loans.filter(|l| l.relay.is_some()) {
                        let _ = ways.push(Route::Lent {
                            peer: place as u8,
                            uplink: loan.uplink,
                        });
                    }
                }
            }
        }
        ways
    }

    /// Sends a datagram to an exit one way.
    pub(super) fn send_by(&mut self, exit: u8, way: Route, datagram: &[u8]) {
        match way {
            Route::Own { uplink, address } => {
                let via = Via::Uplink {
                    uplink,
                    exit,
                    address,
                };
                self.post(via, None, datagram);
            }
            Route::Lent {
                peer: place,
                uplink,
            } => {
                let Some(Some(peer)) = self.peers.get_mut(usize::from(place)) else {
                    return;
                };
                let loan = peer.loans.iter_mut().find(|l| l.uplink == uplink);
                let (Some(session), Some(loan)) = (&peer.session, loan) else {
                    return;
                };
                if let Some(bytes) = relayed(session, loan, datagram) {
                    self.post_to(place, &bytes);
                }
            }
        }
    }

    fn keep_exit_session(&mut self, now: Instant) {
        if self.exits.is_empty() {
            return;
        }
        let link = &mut self.link;
        let expired = |s: &super::exit_link::Session| s.lifetime.reject_at() <= now;
        if link.session.as_ref().is_some_and(expired) {
            link.lose();
        }
        let down = link
            .down_since
            .is_some_and(|t| now.since(t) > RENEW_SESSION);
        let session = link.session.as_ref().filter(|_| !link.exhausted());
        let good = session.filter(|_| !down).map(|s| s.remote_cid);
        if !link.initiator.is_active() {
            let rekey = session.is_some_and(|s| s.lifetime.rekey_at() <= now);
            if good.is_none() || rekey {
                link.rekeying = good.is_some();
                link.initiator.start(now, link.cid, good);
            }
        } else if link.rekeying && good.is_none() {
            link.rekeying = false;
            link.initiator.start(now, link.cid, None);
        } else if !link.rekeying && good.is_some() && link.down_since.is_none() {
            // The old session works again: a new one would cost all that is on its way.
            link.initiator.cancel();
        } else if link.initiator.attempts() >= PATIENCE && link.initiator.wants_initiate(now) {
            let rekey_of = good.filter(|_| link.rekeying);
            link.initiator.start(now, link.cid, rekey_of);
            if good.is_none() {
                self.try_next_way(now);
            }
        }
    }

    /// The exit does not answer by any way: perhaps another one does, or this one under another address.
    fn try_next_way(&mut self, now: Instant) {
        if self.exits.len() > 1 {
            self.lose_flows();
            self.use_exit(now, (self.link.exit + 1) % self.exits.len());
        } else {
            self.turn_loans(now, |_, l| l.relay.is_some());
        }
    }

    /// A new way to the exit was lent: if there is no session, it is tried at once.
    pub(super) fn try_way(&mut self, now: Instant, way: Route) {
        if self.link.session.is_some() {
            return;
        }
        if let Some(at) = self.ways(self.link.exit).iter().position(|w| *w == way) {
            self.link.turn = at as u8;
            self.link.initiator.start(now, self.link.cid, None);
        }
    }

    /// One path over every way, and none over ways that are gone.
    fn keep_paths(&mut self, now: Instant) {
        if self.link.session.is_none() {
            return;
        }
        for at in 0..MAX_PATHS {
            match self.link.route(at) {
                Some(Route::Own { uplink, address }) => {
                    let gone = self.uplinks.get(usize::from(uplink)).is_none_or(|u| !u.up);
                    let dead = self
                        .link
                        .tunnel
                        .path(at)
                        .is_some_and(|p| p.state() == State::Dead);
                    let removed = usize::from(uplink) >= self.uplinks.len();
                    if self.link.stuck(now, at) || (gone && dead) || removed {
                        self.link.close(at);
                        self.next_address.rotate(uplink, address);
                    }
                }
                Some(Route::Lent { peer, uplink }) => {
                    if self.link.stuck(now, at) {
                        self.give_up(now, at);
                        self.turn_loans(now, |p, l| (p, l.uplink) == (peer, uplink));
                    } else if let Some((limits, cost)) = self.lent(now, peer, uplink) {
                        let path = self.link.tunnel.path(at);
                        // An offer that leaves the line out for a moment says nothing of its cost.
                        let known = path.map_or(Cost::LEAST, Path::cost);
                        let cost = cost.unwrap_or(known);
                        self.link.tunnel.set_terms(now, at, limits, cost);
                    } else {
                        self.link.close(at);
                    }
                }
                None => {}
            }
        }
        self.open_paths(now);
    }

    /// The lender's line may know only some of the exit's addresses, as one without IPv6 does: ask for the next one.
    fn turn_loans(&mut self, now: Instant, which: impl Fn(u8, &Loan) -> bool) {
        let exit = self.exits.get(self.link.exit);
        let count = exit.map_or(0, |e| e.addresses.len() as u8);
        if count < 2 {
            return;
        }
        for (place, peer) in self.peers.iter_mut().enumerate() {
            let loans = peer.iter_mut().flat_map(|p| &mut p.loans);
            for loan in loans.filter(|l| which(place as u8, l)) {
                loan.try_next_address(now, count, self.draw.cid());
            }
        }
    }

    /// How much of it its lender lends, as long as the grant holds, and at which cost, if he offers it now.
    fn lent(&self, now: Instant, peer: u8, uplink: u8) -> Option<([u32; 2], Option<Cost>)> {
        let peer = self.peers.get(usize::from(peer))?.as_ref()?;
        let mut loans = peer.loans.iter();
        let loan = loans.find(|l| l.uplink == uplink && l.granted(now))?;
        let offer = peer.offers.iter().find(|o| o.uplink == uplink);
        Some((loan.limits, offer.map(|o| o.cost)))
    }

    fn open_paths(&mut self, now: Instant) {
        let Some(exit) = self.exits.get(self.link.exit) else {
            return;
        };
        let count = exit.addresses.len().max(1) as u8;
        for (u, own) in self.uplinks.iter().enumerate() {
            let same = |r| matches!(r, Route::Own { uplink, .. } if usize::from(uplink) == u);
            if own.up && self.link.place_of(same).is_none() {
                let address = self.next_address.of(u as u8) % count;
                let v6 = exit
                    .addresses
                    .get(usize::from(address))
                    .is_some_and(SocketAddr::is_ipv6);
                let cid = self.draw.cid();
                let uplink = u as u8;
                self.link
                    .open(now, Route::Own { uplink, address }, cid, v6, 0);
            }
            if let Some(at) = self.link.place_of(same) {
                let cost = own.config.cost;
                self.link.tunnel.set_terms(now, at, [0; 2], cost);
            }
        }
        while self.open_best_loan(now) {}
    }

    /// Opens a path over the best line that was granted and has none. When all places are taken, the worst lent line in use
    /// gives its place to one that is worth clearly more, at most every [`REVIEW`].
    fn open_best_loan(&mut self, now: Instant) -> bool {
        let mut best: Option<(u32, Route, u32, u8, u8)> = None;
        let mut worst: Option<(u32, usize)> = None;
        let mut lent = 0;
        for (place, peer) in self.peers.iter().enumerate() {
            let Some(peer) = peer else { continue };
            for loan in peer.loans.iter().filter(|l| l.granted(now)) {
                let route = Route::Lent {
                    peer: place as u8,
                    uplink: loan.uplink,
                };
                let at = self.link.place_of(|r| r == route);
                let path = at.and_then(|at| self.link.tunnel.path(at));
                let worth = peer.worth(now, loan.uplink, path);
                lent += usize::from(at.is_some());
                match at {
                    Some(at) if worst.is_none_or(|(least, _)| worth < least) => {
                        worst = Some((worth, at));
                    }
                    None if best.is_none_or(|(most, ..)| worth > most) => {
                        let headroom = relay::HEADER as u8 + peer.hop_headroom();
                        best = Some((worth, route, loan.cid, loan.address, headroom));
                    }
                    _ => {}
                }
            }
        }
        let Some((worth, route, cid, address, headroom)) = best else {
            return false;
        };
        // The own lines' places are kept for them, also while they are down.
        if lent + self.uplinks.len() >= MAX_PATHS {
            let Some((_, at)) = worst.filter(|(least, _)| planner::replaces(worth, *least)) else {
                return false;
            };
            if now < self.review_at {
                return false;
            }
            self.review_at = now + REVIEW;
            self.give_up(now, at);
        }
        let exit = self.exits.get(self.link.exit);
        let to = exit.and_then(|e| e.addresses.get(usize::from(address)));
        let v6 = to.is_some_and(SocketAddr::is_ipv6);
        self.link.open(now, route, cid, v6, headroom);
        self.link.place_of(|r| r == route).is_some()
    }

    /// Closes a path whose place is wanted, and says so: the exit has no more places than we.
    fn give_up(&mut self, now: Instant, at: usize) {
        self.remember(now, at);
        let mut out = [0; 128];
        let said = self.link.tunnel.close_message(now, at, &mut out);
        if let (Some(said), Some(route)) = (said, self.link.route(at)) {
            let skip = self.link.tunnel.path(at).map_or(0, |p| p.setup().headroom);
            self.send_by(
                self.link.exit as u8,
                route,
                out.get(usize::from(skip)..said.len).unwrap_or_default(),
            );
        }
        self.link.close(at);
    }

    /// Without this a lender whose word was found wrong would be believed again at once.
    fn remember(&mut self, now: Instant, at: usize) {
        let Some(Route::Lent { peer, uplink }) = self.link.route(at) else {
            return;
        };
        let measured = self.link.tunnel.path(at).map(Path::measured);
        let peer = self.peers.get_mut(usize::from(peer));
        let loans = peer.and_then(Option::as_mut).map(|p| &mut p.loans);
        let loan = loans.and_then(|l| l.iter_mut().find(|l| l.uplink == uplink));
        if let (Some(measured), Some(loan)) = (measured, loan) {
            loan.remember(now, measured);
        }
    }

    pub(super) fn close_paths_over(&mut self, place: u8) {
        while let Some(at) = self
            .link
            .place_of(|r| matches!(r, Route::Lent { peer, .. } if peer == place))
        {
            self.link.close(at);
        }
    }

    /// A neighbour was heard of: begin a session if it is ours to begin.
    pub(super) fn sighted(&mut self, now: Instant, mesh: u8, s: &Sighting<SocketAddr>) {
        let Some(place) = self.place_for(now, s.key, s.addr, mesh, true) else {
            return;
        };
        let begins = self.credentials.identity.public() < s.key;
        let cid = self.draw.cid();
        let Some(peer) = self.peers.get_mut(place).and_then(Option::as_mut) else {
            return;
        };
        peer.heard = now;
        if peer.way.is_some() {
            if begins {
                self.try_directly(now, place, mesh, s.addr);
            }
            return;
        }
        if !peer.is_up() {
            (peer.addr, peer.mesh) = (s.addr, mesh);
        }
        let needed = peer.session.is_none() || s.life == Life::Restarted || peer.is_lost();
        if begins && needed && (!peer.initiator.is_active() || s.life != Life::Same) {
            peer.rekeying = false;
            peer.initiator.start(now, cid, None);
        }
    }

    fn keep_peer(&mut self, now: Instant, place: usize) {
        let offers = self.offers();
        let cid = self.draw.cid();
        let Some(peer) = self.peers.get_mut(place).and_then(Option::as_mut) else {
            return;
        };
        peer.initiator.handle_timeout(now);
        if let Some(s) = &peer.session {
            let lost = peer.is_lost();
            if s.lifetime.reject_at() <= now
                || (lost && now.since(peer.heard) > Duration::from_secs(20))
            {
                peer.lose();
                // Whoever has the secret may have announced a later life of it: what it says itself must count again.
                let key = peer.key;
                self.announcers.iter_mut().for_each(|a| a.forget(&key));
                return;
            } else if s.lifetime.rekey_at() <= now && !peer.initiator.is_active() {
                let remote = s.remote_cid;
                peer.rekeying = true;
                peer.initiator.start(now, cid, Some(remote));
            }
        } else if now.since(peer.heard) > Duration::from_secs(60) {
            self.forget_place(place as u8);
            if let Some(p) = self.peers.get_mut(place) {
                *p = None;
            }
            return;
        }
        if !peer.is_up() {
            return;
        }
        if let Some(list) = self.admission.as_ref().and_then(|a| a.list.as_ref()) {
            peer.told.tell(now, list, &mut peer.tunnel);
        }
        let refused = peer.refused;
        if now.since(peer.offered_at) >= OFFER {
            peer.offered_at = now;
            if peer.refused {
                // What older ones understand, and why.
                let _ = say(peer, &Message::Offers(Vec::new()));
                let _ = say(peer, &refused::WORD);
            } else {
                let _ = say(peer, &Message::Offers(offers));
            }
            self.keep_guest(place);
            self.tell_members(place);
        }
        // A node's name is a hash: not for everybody, ten times a second.
        if let (Some(exit), true) = (self.exits.get(self.link.exit), self.borrowing && !refused) {
            self.ask_for_loans(now, place, exit.key.node_id().0);
        }
    }

    fn ask_for_loans(&mut self, now: Instant, place: usize, exit: [u8; 8]) {
        let handshake = self.link.cid;
        let mut fresh = self.draw.cid();
        let Some(peer) = self.peers.get_mut(place).and_then(Option::as_mut) else {
            return;
        };
        let offers = peer.offers.clone();
        peer.loans
            .retain(|l| l.granted(now) || offers.iter().any(|o| o.uplink == l.uplink));
        for offer in &offers {
            if !peer.loans.iter().any(|l| l.uplink == offer.uplink) {
                let _ = peer.loans.push(Loan::new(now, offer.uplink, fresh));
                fresh = fresh.wrapping_mul(0x9e37_79b1) | 1;
            }
        }
        for i in 0..peer.loans.len() {
            let Some(loan) = peer.loans.get_mut(i) else {
                break;
            };
            let offered = offers.iter().any(|o| o.uplink == loan.uplink);
            if offered && loan.wants_asking(now) {
                let cids = Vec::from_slice(&[loan.cid, handshake]).unwrap_or_default();
                let ask = Message::Ask {
                    uplink: loan.uplink,
                    exit,
                    address: loan.address,
                    cids,
                };
                let _ = say(peer, &ask);
            }
        }
    }

    /// What we can lend now: uplinks that are meant to be lent and over which an exit answered.
    pub(super) fn offers(&self) -> Vec<Offer, MAX_UPLINKS> {
        let lendable =
            |(i, u): &(usize, &Uplink)| u.config.lend && u.up && self.link.proven(*i as u8);
        let offer = |(i, u): (usize, &Uplink)| Offer {
            uplink: i as u8,
            up_kbit: u.config.likely_kbit()[0],
            down_kbit: u.config.likely_kbit()[1],
            cost: u.config.cost,
        };
        self.uplinks
            .iter()
            .enumerate()
            .filter(lendable)
            .map(offer)
            .collect()
    }

    /// Takes back all grants over an uplink, and says so.
    pub(super) fn revoke(&mut self, uplink: u8) {
        for (place, via) in self.relays.revoke(uplink) {
            let exit = match via {
                Via::Uplink { exit, .. } => self.exits.get(usize::from(exit)),
                _ => None,
            };
            let peer = self.peers.get_mut(usize::from(place));
            if let (Some(exit), Some(peer)) = (exit, peer.and_then(Option::as_mut)) {
                let _ = say(
                    peer,
                    &Message::Refuse {
                        uplink,
                        exit: exit.key.node_id().0,
                        reason: Reason::NotLent,
                    },
                );
            }
        }
    }

    fn announce_offer(&mut self, now: Instant) {
        let lends = !self.offers().is_empty();
        for a in &mut self.announcers {
            a.set_offer(now, announcer::Offer { lends, exit: false });
        }
        if self.lending != lends {
            self.lending = lends;
            self.peers
                .iter_mut()
                .flatten()
                .for_each(|p| p.offered_at = Instant::ZERO);
        }
    }
}

/// A datagram for an exit, by the neighbour who lent the way to it.
pub(super) fn relayed(
    session: &Session,
    loan: &mut Loan,
    datagram: &[u8],
) -> Option<Vec<u8, LETTER>> {
    let (relay, counter) = (loan.relay?, loan.count_up());
    let header = relay::Header { relay, counter }.seal(datagram, session.relay.sending());
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&header).ok()?;
    bytes.extend_from_slice(datagram).ok()?;
    Some(bytes)
}

/// Says something to a peer over its sealed session.
pub(super) fn say(peer: &mut super::Peer, message: &Message) -> Result<(), crate::error::Refusal> {
    let mut bytes = [0; MAX_LEN];
    let n = message.emit(&mut bytes)?;
    peer.tunnel.send_control(bytes.get(..n).unwrap_or_default())
}

/// Which of the exit's addresses each uplink tries next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NextAddress([u8; MAX_UPLINKS]);

impl NextAddress {
    fn of(&self, uplink: u8) -> u8 {
        self.0.get(usize::from(uplink)).copied().unwrap_or(0)
    }
    fn rotate(&mut self, uplink: u8, tried: u8) {
        if let Some(n) = self.0.get_mut(usize::from(uplink)) {
            *n = tried.wrapping_add(1);
        }
    }
}
