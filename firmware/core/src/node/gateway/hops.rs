//! Members several mesh hops away: whom neighbours tell us of, by way of whom we reach them, and whom we pass on.
//!
//! A gateway tells its direct neighbours whom it reaches itself, over interfaces other than theirs ([`Member`]).
//! Who wants to reach such a member asks for a way ([`WAY`]), as for an uplink, and gets a grant; its datagrams then have a
//! relay header for the neighbour, who takes it off and sends them on. `docs/several-hops.md` says why nothing can go in circles.

use super::maintain::{PATIENCE, say};
use super::{Gateway, MAX_PEERS, Peer};
use crate::identity::PublicKey;
use crate::node::borrow::Loan;
use crate::node::lend::Over;
use crate::node::peer::Detour;
use crate::node::train::Leaving;
use crate::node::{Letter, Via};
use crate::time::{Duration, Instant};
use crate::wire::control::{Message, WAY};
use crate::wire::members::Member;
use crate::wire::relay;
use core::net::{Ipv6Addr, SocketAddr};
use heapless::Vec;

/// Most mesh hops to a member.
pub const MAX_HOPS: u8 = 3;
/// A neighbour that has not told of a member for so long does not reach it any more: three times the usual, and a bit.
const LAPSE: Duration = Duration::from_secs(7);
/// A neighbour that was heard itself within this time has no way yet: a session begins first.
const DIRECT: Duration = Duration::from_secs(10);
/// A grant that ends sooner is renewed.
const RENEW: Duration = Duration::from_secs(20);
/// A member that is lost for so long was perhaps restarted.
const RESTARTED: Duration = Duration::from_secs(3);

/// How datagrams get to a member: where to, and what stands in front of each.
pub(super) struct Road {
    pub via: Via,
    pub to: SocketAddr,
    hop: Option<(relay::Header, [u8; 16])>,
}

impl Road {
    /// Writes what stands in front of the next datagram, of which `start` is the start and `length` the length; gives its
    /// length, 0 if the member is direct.
    pub fn write(&mut self, start: &[u8], length: usize, room: &mut [u8]) -> usize {
        let Some(((header, key), room)) = self.hop.as_mut().zip(room.get_mut(..relay::HEADER))
        else {
            return 0;
        };
        room.copy_from_slice(&header.seal_start(start, length, key));
        header.counter = header.counter.wrapping_add(1);
        relay::HEADER
    }

    /// The same for one that leaves at once.
    pub fn address_one(&mut self, start: &[u8], length: usize, leaving: &mut Leaving) {
        let mut head = [0; relay::HEADER];
        let n = self.write(start, length, &mut head);
        leaving.put(head.get(..n).unwrap_or_default());
    }

    /// The same into the room that was left in front of each datagram of a run.
    pub fn address(&mut self, run: &mut [u8], stride: usize) {
        for frame in run.chunks_mut(stride.max(1)) {
            if let Some((head, datagram)) = frame.split_at_mut_checked(relay::HEADER) {
                self.write(datagram, datagram.len(), head);
            }
        }
    }
}

/// The road of so many datagrams to the member at this place; none while its way is not granted.
pub(super) fn road(
    peers: &mut [Option<Peer>; MAX_PEERS],
    place: u8,
    datagrams: u32,
) -> Option<Road> {
    let peer = peers.get_mut(usize::from(place))?.as_mut()?;
    let Some(way) = &mut peer.way else {
        let (via, to) = (Via::Mesh(peer.mesh), peer.addr);
        return Some(Road { via, to, hop: None });
    };
    let header = relay::Header {
        relay: way.loan.relay?,
        counter: way.loan.count_run(datagrams),
    };
    let by = way.by;
    let by = peers.get(usize::from(by))?.as_ref()?;
    let session = by.session.as_ref().filter(|_| by.way.is_none())?;
    Some(Road {
        via: Via::Mesh(by.mesh),
        to: by.addr,
        hop: Some((header, *session.relay.sending())),
    })
}

fn member(peer: &Peer) -> Member {
    Member {
        key: peer.key,
        hops: peer.hops(),
        rtt_ms: peer.rtt().as_millis().min(u64::from(u16::MAX)) as u16,
    }
}

impl Gateway<'_> {
    /// Sends a small datagram to the member at this place soon.
    pub(super) fn post_to(&mut self, place: u8, datagram: &[u8]) {
        let Some(mut road) = road(&mut self.peers, place, 1) else {
            return;
        };
        let mut bytes = Vec::new();
        let mut head = [0; relay::HEADER];
        let n = road.write(datagram, datagram.len(), &mut head);
        let written = bytes.extend_from_slice(head.get(..n).unwrap_or_default());
        if written
            .and_then(|()| bytes.extend_from_slice(datagram))
            .is_ok()
        {
            let (via, to) = (road.via, Some(road.to));
            let _ = self.letters.push_back(Letter { via, to, bytes });
        }
    }

    /// The mesh interface by which the member at this place is reached.
    fn mesh_to(&self, peer: &Peer) -> Option<u8> {
        let Some(way) = &peer.way else {
            return Some(peer.mesh);
        };
        let by = self.peers.get(usize::from(way.by))?.as_ref()?;
        Some(by.mesh)
    }

    /// Whether a datagram that came from here was passed on by a neighbour for somebody else, `key`.
    pub(super) fn was_passed_on(&self, mesh: u8, from: SocketAddr, key: &PublicKey) -> bool {
        let mut others = self.peers.iter().flatten();
        others.any(|p| p.way.is_none() && p.key != *key && p.is_at(mesh, &from))
    }

    /// Tells a direct neighbour whom else it can reach by way of us: who answers us, over another interface than its own.
    pub(super) fn tell_members(&mut self, place: usize) {
        let Some(Some(to)) = self.peers.get(place) else {
            return;
        };
        if to.way.is_some() || !to.knows_hops() {
            return;
        }
        let (mesh, mut at) = (to.mesh, 0);
        loop {
            let mut message = Vec::new();
            while let Some(peer) = self.peers.get(at) {
                if let Some(peer) = peer
                    && self.passes_on(peer, mesh)
                    && member(peer).emit(&mut message).is_err()
                {
                    break;
                }
                at += 1;
            }
            let Some(Some(to)) = self.peers.get_mut(place) else {
                return;
            };
            if message.is_empty() || to.tunnel.send_control(&message).is_err() {
                return;
            }
        }
    }

    /// Whether a neighbour on this mesh interface may reach this member by way of us.
    fn passes_on(&self, peer: &Peer, from: u8) -> bool {
        let known = peer.is_up() && peer.knows_hops() && peer.hops() < MAX_HOPS;
        known && self.mesh_to(peer).is_some_and(|mesh| mesh != from)
    }

    /// A direct neighbour told whom it reaches.
    pub(super) fn handle_members(
        &mut self,
        now: Instant,
        by: u8,
        members: impl Iterator<Item = Member>,
    ) {
        let Some(Some(teller)) = self.peers.get(usize::from(by)) else {
            return;
        };
        if teller.way.is_some() {
            return;
        }
        let (mesh, theirs) = (teller.mesh, teller.key);
        let ours = self.credentials.identity.public();
        for m in members {
            if m.key != ours
                && m.key != theirs
                && (1..MAX_HOPS).contains(&m.hops)
                && let Some(at) = self.reach(now, by, mesh, &m)
            {
                self.keep_way(now, at);
            }
        }
    }

    /// The place of a member of whom a neighbour told, if it is or from now on is reached by way of that one.
    fn reach(&mut self, now: Instant, by: u8, mesh: u8, m: &Member) -> Option<usize> {
        let nowhere = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        // Nobody who is near gives up a place for somebody who is not.
        let at = self.place_for(now, m.key, nowhere, mesh, false)?;
        let cid = self.draw.cid();
        let peer = self.peers.get_mut(at)?.as_mut()?;
        let fresh = peer.way.is_none() && peer.addr.port() == 0;
        let hops = m.hops + 1;
        let wanted = match &mut peer.way {
            None => {
                let near = peer.session.is_none() && now.since(peer.heard) < DIRECT;
                fresh || !(peer.is_up() || near)
            }
            Some(way) if (way.by, way.hops()) == (by, hops) => {
                (way.stated, way.rtt_ms) = (now, m.rtt_ms);
                if peer.session.is_none() {
                    peer.heard = now;
                }
                return Some(at);
            }
            Some(way) => {
                let quicker = (hops, m.rtt_ms) < (way.hops(), way.rtt_ms);
                let gone = way.by == by || now.since(way.stated) > LAPSE;
                let shorter = hops < way.hops();
                gone || shorter || (quicker && !peer.is_up()) || peer.is_lost()
            }
        };
        if !wanted {
            return None;
        }
        let detour = peer.way.is_some();
        peer.go_by(Some(Detour {
            by,
            loan: Loan::new(now, WAY | m.hops, cid),
            rtt_ms: m.rtt_ms,
            stated: now,
        }));
        if !detour {
            // Their datagrams have no room for another header.
            self.close_paths_over(at as u8);
        }
        Some(at)
    }

    /// Asks for the way to a member when it is time to, and begins a session over it if it is ours to begin.
    fn keep_way(&mut self, now: Instant, place: usize) {
        let ours = self.credentials.identity.public();
        let cid = self.draw.cid();
        let Some(Some(peer)) = self.peers.get_mut(place) else {
            return;
        };
        let Some(way) = &peer.way else { return };
        let (by, granted) = (way.by, way.loan.granted(now));
        let asks = !way.loan.granted(now + RENEW);
        let (uplink, asked) = (way.loan.uplink, way.loan.cid);
        if peer.near && peer.initiator.attempts() >= PATIENCE {
            // It was heard, but does not hear us.
            peer.near = false;
            peer.initiator.cancel();
        }
        let lost = peer.is_lost() && now.since(peer.heard) > RESTARTED;
        let needed = peer.session.is_none() || lost;
        if granted && needed && ours < peer.key && !peer.initiator.is_active() {
            peer.rekeying = false;
            peer.initiator.start(now, cid, None);
        }
        let exit = peer.key.node_id().0;
        if asks && let Some(Some(by)) = self.peers.get_mut(usize::from(by)) {
            let _ = say(
                by,
                &Message::Ask {
                    uplink,
                    exit,
                    address: 0,
                    cids: Vec::from_slice(&[asked]).unwrap_or_default(),
                },
            );
        }
    }

    /// A neighbour granted a way that we had asked it for.
    pub(super) fn way_granted(
        &mut self,
        now: Instant,
        place: usize,
        uplink: u8,
        member: [u8; 8],
        relay: u32,
        seconds: u16,
    ) {
        for at in 0..self.peers.len() {
            if let Some(Some(peer)) = self.peers.get_mut(at)
                && let Some(way) = &mut peer.way
                && (usize::from(way.by), way.loan.uplink) == (place, uplink)
                && peer.key.node_id().0 == member
            {
                way.loan.grant(now, relay, seconds, [0, 0]);
                self.maintain_at = now;
                return self.keep_way(now, at);
            }
        }
    }

    /// Where the way leads that a direct neighbour asks for: to a member that may be reached by way of us, in no more hops
    /// than are asked for.
    pub(super) fn way_to(&self, place: usize, uplink: u8, member: [u8; 8]) -> Option<Over> {
        let hops = uplink & !WAY;
        let asker = self.peers.get(place)?.as_ref()?;
        let mesh = asker.way.is_none().then_some(asker.mesh)?;
        let fits = |p: &Peer| p.hops() <= hops && self.passes_on(p, mesh);
        let asked = |p: &Peer| fits(p) && p.key.node_id().0 == member;
        let asked = |p: &Option<Peer>| p.as_ref().is_some_and(asked);
        let place = self.peers.iter().position(asked)? as u8;
        Some(Over::Member { place, hops })
    }

    /// A datagram of a member came from an address that we do not send to.
    pub(super) fn heard_from(&mut self, now: Instant, place: usize, mesh: u8, from: SocketAddr) {
        let peer = self.peers.get(place).and_then(Option::as_ref);
        let Some((key, around)) = peer.map(|p| (p.key, p.way.is_some())) else {
            return;
        };
        if self.was_passed_on(mesh, from, &key) {
            return;
        }
        if around {
            self.try_directly(now, place, mesh, from);
        } else if let Some(Some(peer)) = self.peers.get_mut(place) {
            (peer.addr, peer.mesh) = (from, mesh);
        }
    }

    /// A member that we go around to was heard itself: a handshake shows whether it hears us as well.
    pub(super) fn try_directly(&mut self, now: Instant, place: usize, mesh: u8, from: SocketAddr) {
        let cid = self.draw.cid();
        let Some(Some(peer)) = self.peers.get_mut(place) else {
            return;
        };
        (peer.addr, peer.mesh, peer.near) = (from, mesh, true);
        if !peer.initiator.is_active() {
            peer.rekeying = false;
            peer.initiator.start(now, cid, None);
        }
    }

    /// The member answered to what went straight to it.
    pub(super) fn go_directly(&mut self, place: u8) {
        if let Some(Some(peer)) = self.peers.get_mut(usize::from(place))
            && peer.way.is_some()
        {
            peer.go_by(None);
            self.close_paths_over(place);
        }
    }

    /// The neighbour at this place has forgotten what it granted us, or is another one now.
    pub(super) fn forget_ways_by(&mut self, place: u8) {
        let ways = self
            .peers
            .iter_mut()
            .flatten()
            .filter_map(|p| p.way.as_mut());
        for way in ways.filter(|way| way.by == place) {
            way.loan.relay = None;
        }
    }
}

#[cfg(test)]
mod tests;
