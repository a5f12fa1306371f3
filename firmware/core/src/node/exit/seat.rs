//! One member at an exit: its session and the addresses of its paths.

use super::inside::{Forwarded, Waiting};
use super::limits::Limits;
use super::{Inbox, Output};
use crate::control::handshake::Lifetime;
use crate::data::resequence::Sink;
use crate::data::tunnel::{MAX_PATHS, Tunnel};
use crate::error::{Refusal, Refusals};
use crate::identity::{CommunityId, NodeId, PublicKey};
use crate::node::Via;
use crate::node::bucket::Bucket;
use crate::node::roll::Told;
use crate::time::{Duration, Instant};
use crate::wire::admission::Certificate;
use crate::wire::handshake::Lease;
use crate::wire::roll::Message;
use core::net::SocketAddr;
use heapless::Vec;

/// Keys of the phase before are kept so long.
const RETIRE: Duration = Duration::from_secs(10);
/// A path that does not open has its place for so long: the member tries another one after three seconds.
const OPENING: Duration = Duration::from_secs(10);
/// A dead one has it for so long: the member opens another one after a minute.
const DEAD: Duration = Duration::from_secs(600);
/// An unproved address is given up after this.
const PROVE: Duration = Duration::from_secs(1);

/// Where a path's other end is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Address {
    /// Proved by an answered challenge.
    pub current: Option<(Via, SocketAddr)>,
    /// Seen, but not proved: only path messages go there.
    pub candidate: Option<(Via, SocketAddr, Instant)>,
}

/// A session in force.
#[derive(Debug)]
pub struct Session {
    /// In which community.
    pub community: CommunityId,
    /// With whom.
    pub key: PublicKey,
    /// Its name, and its address in the control network.
    pub node: NodeId,
    /// The addresses it was leased.
    pub lease: Lease,
    /// The certificate that was made for it, to be told so many times more.
    pub(super) gift: Option<(Certificate, u8)>,
    /// What it knows of the community's list of revocations.
    pub(super) told: Told,
    /// When it was last told of its certificate.
    pub(super) gave: Instant,
    /// The member's minor protocol version.
    pub minor: u8,
    /// When it began.
    pub since: Instant,
    /// Handshakes so far.
    pub handshakes: u32,
    pub(super) lifetime: Lifetime,
    pub(super) local_cid: u32,
    /// What it was before the last renewal: the member may not have got the answer to that.
    pub(super) cid_before: u32,
    pub(super) remote_cid: u32,
    /// Path IDs used in this session: a nonce holds the ID, so none may come twice.
    pub(super) opened: crate::data::replay::ReplayWindow,
    pub(super) addresses: [Address; MAX_PATHS],
    pub(super) retire_at: Option<Instant>,
    /// What it may send into the control network.
    pub(super) inside: Bucket,
    /// Its part of what its community may send, where that is held to a rate.
    pub(super) up: Bucket,
}

/// A place for one member. Keeps its packet memory and the member's last handshake when the session ends.
#[derive(Debug)]
pub struct Seat<'m> {
    /// The data road.
    pub(super) tunnel: Tunnel<'m>,
    /// The session, if there is one.
    pub(super) session: Option<Session>,
    /// Who sat here last, and its last handshake: an Init counts once.
    pub(super) last: (PublicKey, u64, u64),
}

impl<'m> Seat<'m> {
    /// The data road, for what it counts.
    pub fn tunnel(&self) -> &Tunnel<'m> {
        &self.tunnel
    }

    pub(super) fn tick(
        &mut self,
        now: Instant,
        at: usize,
        hands: Hands<'_>,
        out: &mut impl Output,
    ) {
        let Some(session) = &mut self.session else {
            return;
        };
        if session.lifetime.reject_at() <= now {
            self.session = None;
            return self.tunnel.reset([0; 16]);
        }
        if session.retire_at.is_some_and(|t| t <= now) {
            session.retire_at = None;
            self.tunnel.retire_old_keys();
        }
        for place in 0..MAX_PATHS {
            let path = self.tunnel.path(place);
            if path.is_some_and(|p| p.given_up(now, OPENING, DEAD)) {
                self.tunnel.close_path(place);
            }
        }
        let mut sink = FromMember {
            now,
            seat: at,
            session,
            hands,
            out,
        };
        self.tunnel.handle_timeout(now, &mut sink);
    }

    /// Renewed or begun: old keys go in a while.
    pub(super) fn retire_later(&mut self, now: Instant) {
        if let Some(s) = &mut self.session {
            s.retire_at = Some(now + RETIRE);
        }
    }
}

impl Session {
    /// Where path messages (`message`) or packets of this path go.
    pub(super) fn address(
        &mut self,
        now: Instant,
        place: usize,
        message: bool,
    ) -> Option<(Via, SocketAddr)> {
        let a = self.addresses.get_mut(place)?;
        if a.candidate
            .is_some_and(|(_, _, since)| now.since(since) > PROVE)
        {
            a.candidate = None;
        }
        match a.candidate {
            Some((via, to, _)) if message => Some((via, to)),
            _ => a.current,
        }
    }

    /// An authentic datagram of this path came from here. Returns `true` if the address is new and to be proved.
    pub(super) fn seen(&mut self, now: Instant, place: usize, via: Via, from: SocketAddr) -> bool {
        let Some(a) = self.addresses.get_mut(place) else {
            return false;
        };
        match a.current {
            None => a.current = Some((via, from)),
            Some(current) if current == (via, from) => {}
            Some(_) if a.candidate.is_some_and(|(v, f, _)| (v, f) == (via, from)) => {}
            Some(_) => {
                a.candidate = Some((via, from, now));
                return true;
            }
        }
        false
    }

    /// A challenge was answered from here: packets go here from now on, if it is where the challenge went.
    pub(super) fn proved(&mut self, place: usize, via: Via, from: SocketAddr) {
        if let Some(a) = self.addresses.get_mut(place)
            && a.candidate.is_some_and(|(v, f, _)| (v, f) == (via, from))
        {
            *a = Address {
                current: Some((via, from)),
                candidate: None,
            };
        }
    }

    /// A datagram under this connection ID is for this session.
    pub(super) fn is_for(&self, cid: u32) -> bool {
        self.local_cid == cid || self.cid_before == cid
    }

    /// Where the path at this place leads, for the status.
    pub fn address_of(&self, place: usize) -> Option<SocketAddr> {
        self.addresses.get(place)?.current.map(|(_, a)| a)
    }
}

/// What of the exit all its members have a part in.
pub(super) struct Hands<'a> {
    /// The exit's own name.
    pub own: NodeId,
    pub inside: &'a mut Waiting,
    pub limits: &'a mut Limits,
    pub refusals: &'a mut Refusals,
    pub inbox: &'a mut Inbox,
}

/// Lets out only packets that come from the member's own leased address, and into the control network only what comes from its own
/// address there.
pub(super) struct FromMember<'a, O: Output> {
    pub now: Instant,
    pub seat: usize,
    pub session: &'a mut Session,
    pub hands: Hands<'a>,
    pub out: &'a mut O,
}

impl<O: Output> Sink for FromMember<'_, O> {
    fn deliver(&mut self, packet: &[u8]) {
        let own = match packet.first().map(|b| b >> 4) {
            Some(4) => packet.get(12..16) == Some(&self.session.lease.ipv4[..]),
            Some(6) => packet.get(8..24) == Some(&self.session.lease.ipv6[..]),
            _ => false,
        };
        if !own {
            return self.hands.refusals.count(Refusal::Forbidden);
        }
        let (community, limits) = (self.session.community, &mut *self.hands.limits);
        let own = &mut self.session.up;
        if limits.takes(self.now, community, own, packet.len()) {
            self.out.deliver(self.seat, packet);
        }
    }
    fn control(&mut self, message: &[u8]) {
        if Message::is_one(message)
            && let Ok(message) = heapless::Vec::from_slice(message)
        {
            let _ = self.hands.inbox.push_back((self.seat as u16, message));
        }
    }
    fn inside(&mut self, packet: &[u8]) {
        let passes = self.session.lets_inside(self.now, packet);
        let taken = passes.and_then(|to| {
            if to == self.hands.own {
                self.out.inside(self.seat, packet);
                return Ok(());
            }
            let bytes = Vec::from_slice(packet).map_err(|_| Refusal::Malformed)?;
            let community = self.session.community;
            let waiting = Forwarded {
                community,
                to,
                bytes,
            };
            self.hands
                .inside
                .push_back(waiting)
                .map_err(|_| Refusal::Full)
        });
        if let Err(why) = taken {
            self.hands.refusals.count(why);
        }
    }
}
