//! Sessions that leave at a neighbour's own line, without any exit: ours at theirs, and theirs at ours.
//!
//! Packets travel one by one over the sealed session with the neighbour: nothing is queued, ordered or repaired here. A
//! session has one way, its ends are the client's and the server's, and the mesh is a hop like any other between them. Which
//! session goes where is decided by the router's firewall when the session begins, by the shares that the shell gives it.

use super::receive::peer_where;
use super::{Gateway, Peer, Uplink, maintain};
use crate::data::inner::Inner;
use crate::data::resequence::Sink;
use crate::data::reset::Near;
use crate::data::segment::{NotTaken, Offload, each_packet};
use crate::error::{Refusal, Refusals};
use crate::identity::PublicKey;
use crate::node::excess::Excess;
use crate::node::guest::{self, Guest, Host};
use crate::node::part::{DOWN, Parts, UP};
use crate::node::{Output, Via};
use crate::time::{Duration, Instant};
use crate::wire::Capabilities;
use crate::wire::control::{MAX_LEN, Message};
use crate::wire::inside;
use crate::wire::path::Cost;
use crate::wire::record::Record;
use heapless::Vec;

/// A host that can be used.
#[derive(Clone, Copy, Debug)]
pub struct AtHost<'a> {
    /// Its place among the peers.
    pub place: usize,
    /// Who it is, and how far.
    pub peer: &'a Peer,
    /// What it said.
    pub host: &'a Host,
    /// Largest inner packet.
    pub mtu: u16,
}

impl Gateway<'_> {
    /// Neighbours at whose lines our sessions may leave now.
    pub fn hosts(&self, now: Instant) -> impl Iterator<Item = AtHost<'_>> {
        self.peers().filter_map(move |(place, peer)| {
            let host = peer.host.as_ref().filter(|h| h.holds(now))?;
            (self.borrowing && peer.is_up() && !peer.refused).then_some(AtHost {
                place,
                peer,
                host,
                mtu: peer.tunnel.inner_mtu()?,
            })
        })
    }

    /// What our own lines are likely to have over, both ways, kbit/s; 0 = unknown, `None`: they are down.
    pub fn own_kbit(&self) -> Option<u32> {
        let up = self.uplinks.iter().filter(|u| u.up);
        let each = up.map(|u| u.config.idle_kbit[0].saturating_add(u.config.idle_kbit[1]));
        each.reduce(u32::saturating_add)
    }

    /// What the cheapest of our own lines that are up costs.
    pub fn own_cost(&self) -> Option<Cost> {
        let up = self.uplinks.iter().filter(|u| u.up);
        up.map(|u| u.config.cost).min()
    }

    /// Something of a guest's passed within the last second.
    pub fn serves_guests(&self, now: Instant) -> bool {
        let active = |g: &Guest| now.since(g.active_at) < Duration::from_secs(1);
        let mut guests = self.peers.iter().flatten().filter_map(|p| p.guest.as_ref());
        guests.any(active)
    }

    /// Keeps guests to what the household leaves of an uplink: `most` is what it was seen to carry, `own` what the household uses
    /// now, `lent` what others use, up and down in kbit/s. To be called some times a second while guests are served.
    pub fn put_household_first(
        &mut self,
        uplink: u8,
        most: [u32; 2],
        own: [u32; 2],
        lent: [u32; 2],
    ) {
        let Some(line) = self.uplinks.get_mut(usize::from(uplink)) else {
            return;
        };
        let both = line.guests.iter_mut().zip(&mut line.guests_kbit);
        let uses = own.into_iter().zip(lent);
        for ((bucket, kbit), (most, (own, lent))) in both.zip(most.into_iter().zip(uses)) {
            *kbit = guest::left_to_guests(most, own, lent, *kbit);
            bucket.set_rate(*kbit);
        }
    }

    /// The uplink at which guests' sessions leave: the first whose owner shares its address.
    fn shared(&self) -> Option<(u8, &Uplink)> {
        let mut all = self.uplinks.iter().enumerate();
        let shared = all.find(|(_, u)| u.config.lend && u.config.shares_address && u.up);
        shared.map(|(n, u)| (n as u8, u))
    }

    /// Says to all neighbours at once what has changed.
    pub(super) fn keep_guests(&mut self) {
        for place in 0..self.peers.len() {
            self.keep_guest(place);
        }
    }

    /// Is or is not a host of the neighbour from now on, by the owner's rules; said if it is, and once if it is no more.
    pub(super) fn keep_guest(&mut self, place: usize) {
        let shared = self.shared().map(|(n, u)| (n, u.config));
        let Some(peer) = self.peers.get_mut(place).and_then(Option::as_mut) else {
            return;
        };
        if peer.way.is_some()
            || !peer.is_up()
            || !peer.tunnel.capabilities().has(Capabilities::GUESTS)
        {
            return;
        }
        let was = peer.guest.take();
        let (uplink, seconds, c) = match shared.filter(|_| !peer.refused) {
            Some((uplink, c)) => {
                let new = Guest {
                    uplink,
                    active_at: Instant::ZERO,
                };
                peer.guest = was.filter(|g| g.uplink == uplink).or(Some(new));
                (uplink, guest::LEASE.as_millis() as u16 / 1_000, c)
            }
            None if was.is_some() => (0, 0, Default::default()),
            None => return,
        };
        let [up_kbit, down_kbit] = c.likely_kbit();
        let host = Message::Host {
            uplink,
            seconds,
            up_kbit,
            down_kbit,
            ipv6: c.ipv6,
            cost: c.cost,
        };
        let _ = maintain::say(peer, &host);
    }

    /// A packet from the TUN, if it is a guest's matter: ours on its way to a host, or one that came back for a guest.
    pub(super) fn carry(
        &mut self,
        now: Instant,
        packet: &mut [u8],
        offload: Offload,
        out: &mut impl Output,
    ) -> Result<(), NotTaken> {
        let inner = Inner::parse(packet, &[0; 16]).ok_or(NotTaken::Malformed)?;
        let mut passes = Ok(());
        match self.carrier(now, packet, out) {
            Ok(mut carrier) => {
                let mtu = carrier.peer.tunnel.inner_mtu();
                each_packet(packet, &inner, offload, mtu, |packet| {
                    if passes.is_ok() {
                        passes = carrier.send(packet);
                    }
                })?;
            }
            Err(why) => passes = Err(why),
        }
        if let Err(why) = passes {
            self.refusals.count(why);
        }
        Ok(())
    }

    /// Who takes the packet to the other router.
    fn carrier<'a, O: Output>(
        &'a mut self,
        now: Instant,
        packet: &[u8],
        out: &'a mut O,
    ) -> Result<Carrier<'a, O>, Refusal> {
        let mine = |p: &Peer| p.with_host.sends(packet) || p.with_us.receives(packet);
        let (_, peer) = peer_where(&mut self.peers, mine)?;
        let back = peer.with_us.receives(packet);
        if peer.session.is_none() || peer.tunnel.inner_mtu().is_none() {
            return Err(Refusal::Unknown);
        }
        if !back {
            let host = peer.host.as_mut().ok_or(Refusal::Forbidden)?;
            host.asked(now);
        }
        Ok(Carrier {
            now,
            peer,
            uplinks: &mut self.uplinks,
            back,
            out,
        })
    }
}

/// Seals packets for one neighbour.
struct Carrier<'a, O> {
    now: Instant,
    peer: &'a mut Peer,
    uplinks: &'a mut [Uplink],
    /// From the Internet to a guest of ours.
    back: bool,
    out: &'a mut O,
}

impl<O: Output> Carrier<'_, O> {
    fn send(&mut self, packet: &[u8]) -> Result<(), Refusal> {
        let (now, len) = (self.now, packet.len());
        if self.back {
            let guest = self.peer.guest.as_mut().ok_or(Refusal::Forbidden)?;
            guest.active_at = now;
            let uplink = guest.uplink;
            let line = self.uplinks.get_mut(usize::from(uplink));
            let line = line.ok_or(Refusal::Unknown)?;
            // It has come over the line already, whatever becomes of it now.
            let spares = line.spares(len);
            line.spend(len);
            let parts = &mut self.peer.parts;
            let passes = spares.and_then(|()| line.admit(now, parts, uplink, DOWN, len, true));
            self.peer.count_lent_down(uplink, len);
            passes?;
        } else if let Some(host) = &self.peer.host
            && let Some(tally) = self.peer.borrowed.get_mut(usize::from(host.uplink))
        {
            tally.add_up(len);
        }
        let mut sealed = [0; 2048];
        let packet = Record::Loose(packet);
        let n = self.peer.tunnel.seal_alone(now, 0, packet, &mut sealed)?;
        let (via, to) = (Via::Mesh(self.peer.mesh), Some(self.peer.addr));
        self.out
            .forward(via, to, &[], sealed.get(..n).unwrap_or_default());
        Ok(())
    }
}

/// What a neighbour's frame brings: control messages, and packets of a guest or for one.
pub(super) struct Inbox<'a, O> {
    pub now: Instant,
    pub from: PublicKey,
    pub mail: Vec<Vec<u8, MAX_LEN>, 4>,
    pub gate: Gate<'a>,
    pub out: &'a mut O,
    pub refusals: &'a mut Refusals,
}

/// Which packets of a neighbour are let in, and how much of them was.
pub(super) struct Gate<'a> {
    pub with_host: Near,
    pub with_us: Near,
    pub host: Option<&'a mut Host>,
    pub guest: Option<&'a mut Guest>,
    pub parts: &'a mut Parts,
    pub excess: &'a mut Excess,
    pub uplinks: &'a mut [Uplink],
    /// Bytes towards the Internet, and from there.
    pub passed: [usize; 2],
}

impl Gate<'_> {
    fn admit(&mut self, now: Instant, packet: &[u8]) -> Result<(), Refusal> {
        let len = packet.len();
        if self.with_host.receives(packet) {
            let host = self.host.as_mut().ok_or(Refusal::Forbidden)?;
            host.answered();
            self.passed[1] += len;
        } else if self.with_us.sends(packet) {
            let guest = self.guest.as_mut().ok_or(Refusal::Forbidden)?;
            let line = self.uplinks.get_mut(usize::from(guest.uplink));
            let line = line.ok_or(Refusal::Unknown)?;
            let spares = line.spares(len);
            if spares.is_ok() {
                guest.active_at = now;
            }
            spares?;
            let (uplink, parts) = (guest.uplink, &mut *self.parts);
            let passes = line.admit(now, parts, uplink, UP, len, true);
            self.excess.note(line.is_held(), passes)?;
            line.spend(len);
            self.passed[0] += len;
        } else {
            return Err(Refusal::Forbidden);
        }
        Ok(())
    }
}

impl<O: Output> Sink for Inbox<'_, O> {
    fn deliver(&mut self, packet: &[u8]) {
        match self.gate.admit(self.now, packet) {
            Ok(()) => self.out.deliver(packet),
            Err(why) => self.refusals.count(why),
        }
    }
    fn control(&mut self, message: &[u8]) {
        if let Ok(m) = Vec::from_slice(message) {
            let _ = self.mail.push(m);
        }
    }
    fn inside(&mut self, packet: &[u8]) {
        match inside::ends(packet) {
            Ok((from, _)) if from == self.from.node_id() => self.out.inside(packet),
            Ok(_) => self.refusals.count(Refusal::Forbidden),
            Err(why) => self.refusals.count(why),
        }
    }
}
