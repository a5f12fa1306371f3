//! Datagrams from outside: for whom is it, and is it allowed?

use super::exit_link::Route;
use super::guests::{Gate, Inbox};
use super::hops::road;
use super::maintain::say;
use super::{Deliver, ExitConfig, Gateway, Peer, Question, Uplink};
use crate::control::cookie::Verdict;
use crate::error::{Refusal, Refusals};
use crate::node::job::Owner;
use crate::node::lend::Over;
use crate::node::part::{DOWN, UP};
use crate::node::train::Leaving;
use crate::node::{Output, Via, address_bytes, outer_headers};
use crate::time::Instant;
use crate::wire::control::{MAX_LEN, Message, Reason, WAY};
use crate::wire::handshake::Datagram;
use crate::wire::{Kind, classify, frame, members, relay, roll};
use core::net::SocketAddr;
use heapless::Vec;

/// For whom a datagram was that was taken.
#[derive(Clone, Copy)]
enum Whose {
    Ours,
    /// It leaves at once, and was counted.
    Others,
}

impl Gateway<'_> {
    /// Takes a run of datagrams of `stride` bytes each (the last may be shorter) that came in together. False: each was relayed for
    /// somebody else, so that nothing else is to be done, and [`Self::poll_timeout`] is what it was.
    #[inline(never)]
    pub fn handle_datagrams(
        &mut self,
        now: Instant,
        via: Via,
        from: SocketAddr,
        run: &mut [u8],
        stride: usize,
        out: &mut impl Output,
    ) -> bool {
        // An empty datagram is nobody's.
        let mut ours = run.is_empty();
        let stride = stride.max(1);
        let mut leaving = Leaving::new(stride);
        for at in (0..run.len()).step_by(stride) {
            let end = (at + stride).min(run.len());
            let Some(datagram) = run.get_mut(at..end) else {
                break;
            };
            match self.handle_datagram(now, via, from, datagram, &mut leaving, out) {
                Ok(Whose::Others) => leaving.push(run, at, out),
                Ok(Whose::Ours) => ours = true,
                Err(why) => {
                    ours = true;
                    self.refusals.count(why);
                    if why == Refusal::Version {
                        self.wrong_version = self.wrong_version.saturating_add(1);
                    }
                }
            }
        }
        leaving.go(run, out);
        ours
    }

    fn handle_datagram(
        &mut self,
        now: Instant,
        via: Via,
        from: SocketAddr,
        d: &mut [u8],
        leaving: &mut Leaving,
        out: &mut impl Output,
    ) -> Result<Whose, Refusal> {
        match (classify(d)?, via) {
            (Kind::Announce, Via::Mesh(mesh)) => self
                .handle_announcement(now, mesh, from, d)
                .map(|()| Whose::Ours),
            (Kind::HandshakeInit, Via::Mesh(mesh)) => {
                self.handle_init(now, mesh, from, d).map(|()| Whose::Ours)
            }
            (Kind::Relay, Via::Mesh(_)) => self.handle_relay(now, d, leaving, out),
            (
                Kind::HandshakeResponse
                | Kind::CookieReply
                | Kind::Path
                | Kind::Data0
                | Kind::Data1,
                _,
            ) => self.handle_answer(now, via, from, d, leaving, out),
            _ => Err(Refusal::Forbidden),
        }
    }

    fn handle_announcement(
        &mut self,
        now: Instant,
        mesh: u8,
        from: SocketAddr,
        d: &[u8],
    ) -> Result<(), Refusal> {
        let a = self
            .announcers
            .get_mut(usize::from(mesh))
            .ok_or(Refusal::Unknown)?;
        // The announcer counts its refusals itself.
        if let Ok(Some(s)) = a.handle_datagram(now, from, d) {
            self.sighted(now, mesh, &s);
        }
        Ok(())
    }

    // Rare, and so are others here: apart from what is done for each datagram.
    #[inline(never)]
    fn handle_init(
        &mut self,
        now: Instant,
        mesh: u8,
        from: SocketAddr,
        d: &[u8],
    ) -> Result<(), Refusal> {
        if self.lacks_certificate() {
            return Ok(());
        }
        let waiting = self.questions.len() as u32 + u32::from(self.answering);
        let mut reply = [0; 64];
        // The gatekeeper counts its refusals itself.
        match self
            .gatekeeper
            .check(now, d, &address_bytes(from), waiting, &mut reply)
        {
            Ok(Verdict::Admit) => {
                let datagram = Datagram::from_slice(d).map_err(|_| Refusal::Malformed)?;
                self.questions
                    .push_back(Question {
                        datagram,
                        mesh,
                        from,
                    })
                    .map_err(|_| Refusal::Full)
            }
            Ok(Verdict::Challenge(n)) => {
                self.post(
                    Via::Mesh(mesh),
                    Some(from),
                    reply.get(..n).unwrap_or_default(),
                );
                Ok(())
            }
            Err(_) => Ok(()),
        }
    }

    /// Something addressed by connection ID, straight from the network.
    #[inline(never)]
    fn handle_answer(
        &mut self,
        now: Instant,
        via: Via,
        from: SocketAddr,
        d: &mut [u8],
        leaving: &mut Leaving,
        out: &mut impl Output,
    ) -> Result<Whose, Refusal> {
        let cid = frame::cid_of(d)?;
        match via {
            Via::Mesh(mesh) => self.handle_from_peer(now, mesh, from, cid, d, out)?,
            Via::Uplink { uplink, .. } => {
                if self.relay_down(now, via, cid, d, leaving)? {
                    return Ok(Whose::Others);
                }
                let own = |r| matches!(r, Route::Own { uplink: u, .. } if u == uplink);
                self.handle_from_exit(now, cid, own, d, out)?;
            }
            Via::Listener(_) => return Err(Refusal::Unknown),
        }
        Ok(Whose::Ours)
    }

    /// From a neighbour to us: an answer to our handshake, or the sealed session.
    fn handle_from_peer(
        &mut self,
        now: Instant,
        mesh: u8,
        from: SocketAddr,
        cid: u32,
        d: &mut [u8],
        out: &mut impl Output,
    ) -> Result<(), Refusal> {
        let kind = classify(d)?;
        if matches!(kind, Kind::HandshakeResponse | Kind::CookieReply) {
            return self.handle_from_asked(now, kind, cid, d);
        }
        let ours = |p: &Peer| p.session.as_ref().is_some_and(|s| s.local_cid == cid);
        let (place, peer) = peer_where(&mut self.peers, ours)?;
        let mut mail = Vec::new();
        if kind == Kind::Path {
            peer.tunnel.handle_path_message(now, 0, d)?;
        } else {
            mail = take_data(now, peer, &mut self.uplinks, d, &mut self.refusals, out)?;
        }
        peer.heard = now;
        if peer.tunnel.keys_confirmed()
            && let Some(s) = &mut peer.session
        {
            s.relay.confirm();
        }
        // Authentic, so the neighbour is where this came from (a link-local address on the mesh that it came in on), or is
        // reached by way of who is there.
        if peer.way.is_some() || !peer.is_at(mesh, &from) {
            self.heard_from(now, place, mesh, from);
        }
        for m in &mail {
            if let Some(members) = members::parse(m) {
                self.handle_members(now, place as u8, members);
                continue;
            }
            if roll::Message::is_one(m) {
                self.handle_roll(now, place as u16, m)?;
                continue;
            }
            match Message::parse(m)? {
                Message::Grant {
                    uplink,
                    exit,
                    relay,
                    seconds,
                    ..
                } if uplink >= WAY => self.way_granted(now, place, uplink, exit, relay, seconds),
                // It will be asked for again.
                Message::Refuse { uplink, .. } if uplink >= WAY => {}
                message => self.handle_message(now, place, &message),
            }
        }
        Ok(())
    }

    /// A neighbour's answer to our handshake.
    fn handle_from_asked(
        &mut self,
        now: Instant,
        kind: Kind,
        cid: u32,
        d: &[u8],
    ) -> Result<(), Refusal> {
        let asked = |p: &Peer| p.initiator.is_active() && p.initiator.cid() == cid;
        let (place, peer) = peer_where(&mut self.peers, asked)?;
        if kind == Kind::CookieReply {
            return peer.initiator.handle_cookie(now, d);
        }
        // Asked before the initiator takes it: a Response that nobody reads must not be waited for.
        if self.reading_peers.is_full() {
            return Err(Refusal::Full);
        }
        let job = (place as u8, peer.initiator.handle_response(d)?);
        self.reading_peers.push_back(job).map_err(|_| Refusal::Full)
    }

    /// A relay frame: for an exit by way of us, or for us by way of a lender.
    fn handle_relay(
        &mut self,
        now: Instant,
        d: &mut [u8],
        leaving: &mut Leaving,
        out: &mut impl Output,
    ) -> Result<Whose, Refusal> {
        let head = relay::Header::parse(d)?;
        if let Some(r) = self.relays.named(now, head.relay) {
            let peer = self
                .peers
                .get_mut(usize::from(r.peer))
                .and_then(Option::as_mut)
                .ok_or(Refusal::Unknown)?;
            let session = peer.session.as_ref().ok_or(Refusal::Unknown)?;
            session.relay.verify(d)?;
            let datagram = d.get(relay::HEADER..).ok_or(Refusal::Malformed)?;
            let may = match (classify(datagram)?, r.over) {
                (Kind::HandshakeInit | Kind::Path | Kind::Data0 | Kind::Data1, _) => true,
                (Kind::Announce, _) => false,
                (_, over) => matches!(over, Over::Member { .. }),
            };
            may.then_some(()).ok_or(Refusal::Forbidden)?;
            let (via, number) = match r.over {
                Over::Line(via @ Via::Uplink { uplink, .. }) => (via, uplink),
                Over::Line(_) => return Err(Refusal::Unknown),
                Over::Member { place, hops } => {
                    let to = self.peers.get(usize::from(place)).and_then(Option::as_ref);
                    // Each hop is nearer than the one before: nothing goes in circles.
                    to.filter(|p| p.hops() <= hops).ok_or(Refusal::Forbidden)?;
                    r.count_up(head.counter, datagram.len())?;
                    let road = road(&mut self.peers, place, 1);
                    let mut road = road.ok_or(Refusal::Unknown)?;
                    leaving.set(road.via, Some(road.to), relay::HEADER);
                    road.address_one(datagram, datagram.len(), leaving);
                    return Ok(Whose::Others);
                }
            };
            let outer = datagram.len() + outer_to(&self.exits, via);
            let uplink = self.uplinks.get_mut(usize::from(number));
            let uplink = uplink.ok_or(Refusal::Unknown)?;
            r.check(head.counter)?;
            uplink.spares(outer)?;
            let passes = uplink.admit(now, &mut peer.parts, number, UP, outer, false);
            peer.excess.note(uplink.is_held(), passes)?;
            r.count_up(head.counter, outer)?;
            uplink.spend(outer);
            peer.count_lent_up(number, outer);
            leaving.set(via, None, relay::HEADER);
            return Ok(Whose::Others);
        }
        self.handle_lent(now, head, d, out).map(|()| Whose::Ours)
    }

    /// A frame from a lender to us.
    fn handle_lent(
        &mut self,
        now: Instant,
        head: relay::Header,
        d: &mut [u8],
        out: &mut impl Output,
    ) -> Result<(), Refusal> {
        let mut found = None;
        let exit = self.link.exit as u8;
        for (place, peer) in self.peers.iter_mut().enumerate() {
            let Some(peer) = peer else { continue };
            let Some(session) = &peer.session else {
                continue;
            };
            let mut loans = peer.loans.iter_mut();
            let loan = loans.find(|l| l.relay == Some(head.relay));
            if let Some(loan) = loan.or_else(|| self.rivals.lent_as(place as u8, head.relay)) {
                session.relay.verify(d)?;
                loan.window.insert(u64::from(head.counter))?;
                peer.heard = now;
                if let Some(tally) = peer.borrowed.get_mut(usize::from(loan.uplink)) {
                    let over = outer_to(&self.exits, loan.via(exit));
                    tally.add_down(d.len().saturating_sub(relay::HEADER) + over);
                }
                found = Some(Route::Lent {
                    peer: place as u8,
                    uplink: loan.uplink,
                });
                break;
            }
        }
        let route = found.ok_or(Refusal::Unknown)?;
        let datagram = d.get_mut(relay::HEADER..).ok_or(Refusal::Malformed)?;
        let cid = frame::cid_of(datagram)?;
        self.handle_from_exit(now, cid, |r| r == route, datagram, out)
    }

    /// A datagram of the exit for one of our borrowers goes over the mesh.
    fn relay_down(
        &mut self,
        now: Instant,
        via: Via,
        cid: u32,
        d: &[u8],
        leaving: &mut Leaving,
    ) -> Result<bool, Refusal> {
        let Some(r) = self.relays.answering(now, via, cid) else {
            return Ok(false);
        };
        let peer = self
            .peers
            .get_mut(usize::from(r.peer))
            .and_then(Option::as_mut)
            .ok_or(Refusal::Unknown)?;
        let session = peer.session.as_ref().ok_or(Refusal::Unknown)?;
        let outer = d.len() + outer_to(&self.exits, via);
        let (borrower, number) = (r.peer, r.uplink().ok_or(Refusal::Unknown)?);
        let uplink = self.uplinks.get_mut(usize::from(number));
        let uplink = uplink.ok_or(Refusal::Unknown)?;
        uplink.spares(outer)?;
        uplink.admit(now, &mut peer.parts, number, DOWN, outer, false)?;
        let counter = r.count_down(outer);
        uplink.spend(outer);
        let header = relay::Header {
            relay: r.id,
            counter,
        }
        .seal(d, session.relay.sending());
        peer.count_lent_down(number, outer);
        let mut road = road(&mut self.peers, borrower, 1).ok_or(Refusal::Unknown)?;
        leaving.set(road.via, Some(road.to), 0);
        road.address_one(&header, header.len() + d.len(), leaving);
        leaving.put(&header);
        Ok(true)
    }

    /// From the exit to us, over whichever way.
    fn handle_from_exit(
        &mut self,
        now: Instant,
        cid: u32,
        way: impl Fn(Route) -> bool,
        d: &mut [u8],
        out: &mut impl Output,
    ) -> Result<(), Refusal> {
        let kind = classify(d)?;
        if matches!(kind, Kind::CookieReply | Kind::HandshakeResponse) {
            return self.handle_from_handshake(now, kind, cid, d);
        }
        let place = self
            .link
            .tunnel
            .paths()
            .find(|(_, p)| p.setup().local_cid == cid)
            .map(|(at, _)| at);
        let at = place
            .filter(|at| self.link.route(*at).is_some_and(way))
            .ok_or(Refusal::Unknown)?;
        if kind == Kind::Path {
            self.link.tunnel.handle_path_message(now, at, d).map(|_| ())
        } else {
            let mut sink = Deliver(out, &mut self.roll);
            self.link.tunnel.handle_data(now, at, d, &mut sink)
        }
    }

    /// An answer to a handshake that we began with the exit in use, or with another one.
    fn handle_from_handshake(
        &mut self,
        now: Instant,
        kind: Kind,
        cid: u32,
        d: &[u8],
    ) -> Result<(), Refusal> {
        // Asked before an initiator takes it: a Response that nobody reads must not be waited for.
        if kind == Kind::HandshakeResponse && self.link.reading.is_some() {
            return Err(Refusal::Full);
        }
        if let Some(answer) = self.rivals.handle_answer(now, kind, cid, d) {
            self.link.reading = answer?;
        } else if kind == Kind::CookieReply {
            self.link.initiator.handle_cookie(now, d)?;
        } else {
            let job = self.link.initiator.handle_response(d)?;
            self.link.reading = Some((Owner::Exit, job));
        }
        Ok(())
    }

    /// What a neighbour said over its sealed session.
    fn handle_message(&mut self, now: Instant, place: usize, message: &Message) {
        let answer = match message {
            Message::Ask {
                uplink,
                exit,
                address,
                cids,
            } => Some(self.handle_ask(now, place, *uplink, *exit, *address, cids)),
            _ => None,
        };
        let Some(peer) = self.peers.get_mut(place).and_then(Option::as_mut) else {
            return;
        };
        if let Some(answer) = answer {
            // If there is no room now, the question will come again.
            let _ = say(peer, &answer);
        }
        match message {
            Message::Offers(offers) => {
                peer.offers.clone_from(offers);
                peer.refuses_us = false;
            }
            Message::Refuse {
                reason: Reason::Refused,
                ..
            } => {
                peer.refuses_us = true;
                peer.offers.clear();
                self.give_back(place);
            }
            Message::Grant { exit, .. } | Message::Refuse { exit, .. } => {
                let exit = self.exit_named(*exit);
                self.handle_lender(now, place, exit, message);
            }
            Message::Host {
                uplink,
                seconds,
                up_kbit,
                down_kbit,
                ipv6,
                cost,
            } => {
                let host = peer.host.get_or_insert_default();
                host.renew(now, *seconds);
                (host.uplink, host.ipv6, host.cost) = (*uplink, *ipv6, *cost);
                host.kbit = [*up_kbit, *down_kbit];
            }
            Message::Bye => {
                peer.lose();
                self.relays.forget_peer(place as u8);
                self.close_paths_over(place as u8);
            }
            Message::Ask { .. } => {}
        }
    }

    /// A lender grants the way to an exit, or refuses it.
    fn handle_lender(&mut self, now: Instant, place: usize, exit: Option<usize>, m: &Message) {
        if exit != Some(self.link.exit) {
            // For asking another one than the one in use.
            return self.rivals.handle_loan(now, exit, place as u8, m);
        }
        let peer = self.peers.get_mut(place).and_then(Option::as_mut);
        let (Message::Grant { uplink, .. } | Message::Refuse { uplink, .. }) = m else {
            return;
        };
        let loan = peer.and_then(|p| p.loans.iter_mut().find(|l| l.uplink == *uplink));
        match (loan, m) {
            (
                Some(loan),
                Message::Grant {
                    relay,
                    seconds,
                    up_kbit,
                    down_kbit,
                    ..
                },
            ) => {
                let new = loan.relay.is_none();
                loan.grant(now, *relay, *seconds, [*up_kbit, *down_kbit]);
                self.maintain_at = now;
                if new {
                    let (peer, uplink) = (place as u8, *uplink);
                    self.try_way(now, Route::Lent { peer, uplink });
                }
            }
            (Some(loan), Message::Refuse { reason, .. }) => loan.refuse(now, *reason),
            _ => {}
        }
    }

    pub(super) fn exit_named(&self, node: [u8; 8]) -> Option<usize> {
        self.exits.iter().position(|e| e.key.node_id().0 == node)
    }
}

/// IP and UDP headers around a datagram on the way to an exit.
pub(super) fn outer_to(exits: &[ExitConfig], via: Via) -> usize {
    let Via::Uplink { exit, address, .. } = via else {
        return 0;
    };
    let exit = exits.get(usize::from(exit));
    let to = exit.and_then(|e| e.addresses.get(usize::from(address)));
    usize::from(outer_headers(to.is_some_and(SocketAddr::is_ipv6)))
}

/// The neighbour of which something is so, with its place.
pub(super) fn peer_where(
    peers: &mut [Option<Peer>],
    is: impl Fn(&Peer) -> bool,
) -> Result<(usize, &mut Peer), Refusal> {
    let mut all = peers.iter_mut().enumerate();
    all.find_map(|(place, peer)| Some((place, peer.as_mut().filter(|p| is(p))?)))
        .ok_or(Refusal::Unknown)
}

/// A frame of a neighbour's session: packets go where they may; gives its control messages.
fn take_data(
    now: Instant,
    peer: &mut Peer,
    uplinks: &mut [Uplink],
    d: &mut [u8],
    refusals: &mut Refusals,
    out: &mut impl Output,
) -> Result<Vec<Vec<u8, MAX_LEN>, 4>, Refusal> {
    let mut inbox = Inbox {
        now,
        from: peer.key,
        mail: Vec::new(),
        gate: Gate {
            with_host: peer.with_host,
            with_us: peer.with_us,
            host: peer.host.as_mut(),
            guest: peer.guest.as_mut(),
            parts: &mut peer.parts,
            excess: &mut peer.excess,
            uplinks,
            passed: [0; 2],
        },
        out,
        refusals,
    };
    let taken = peer.tunnel.handle_data(now, 0, d, &mut inbox);
    let (mail, [up, down]) = (inbox.mail, inbox.gate.passed);
    if let Some(uplink) = peer.guest.as_ref().map(|g| g.uplink).filter(|_| up > 0) {
        peer.count_lent_up(uplink, up);
    }
    if let Some(host) = &peer.host
        && let Some(tally) = peer.borrowed.get_mut(usize::from(host.uplink))
    {
        tally.add_down(down);
    }
    taken.map(|()| mail)
}
