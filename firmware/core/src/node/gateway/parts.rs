//! The household's limits, which hold for all borrowers of an uplink together: each gets a part, is told it, and is held to it.

use super::asked::granted;
use super::maintain::say;
use super::{Gateway, Uplink};
use crate::error::Refusal;
use crate::identity::NodeId;
use crate::ledger::cap::{Pace, limit};
use crate::node::Via;
use crate::node::lend::Over;
use crate::node::part::{Parts, UP, part};
use crate::node::peer::MAX_PEERS;
use crate::time::{Duration, Instant};
use heapless::Vec;

/// What borrowers use is measured this often.
const MEASURE: Duration = Duration::from_secs(1);

/// Most members who have a weight of their own.
pub const MAX_WEIGHTS: usize = 16;

/// Members and their weights, from 1 on.
pub type Weights = Vec<(NodeId, u8), MAX_WEIGHTS>;

pub(super) fn weight_of(weights: &Weights, node: NodeId) -> u8 {
    let one = weights.iter().find(|(other, _)| *other == node);
    one.map_or(1, |(_, weight)| *weight)
}

impl Uplink {
    /// Its household needs the line now: what borrowers send beyond what is left is no flood.
    pub(super) fn is_held(&self) -> bool {
        self.room.left() > 0
    }

    /// May so many bytes of a borrower pass, whose parts these are? It is held to its part first: who floods takes nothing of
    /// what is there for all. To guests the household may have left less.
    #[allow(clippy::too_many_arguments)] // whose, which, how much
    pub(super) fn admit(
        &mut self,
        now: Instant,
        parts: &mut Parts,
        number: u8,
        way: usize,
        bytes: usize,
        guest: bool,
    ) -> Result<(), Refusal> {
        let part = parts.get_mut(usize::from(number));
        let part = part.and_then(|both| both.get_mut(way));
        part.ok_or(Refusal::Unknown)?.spend(now, bytes)?;
        if let Some(guests) = self.guests.get_mut(way).filter(|_| guest) {
            guests.spend(now, bytes)?;
        }
        let all = self.lent.get_mut(way).ok_or(Refusal::Unknown)?;
        all.spend(now, bytes)?;
        if way == UP {
            self.sent = self.sent.wrapping_add(bytes as u32);
        }
        Ok(())
    }
}

impl Gateway<'_> {
    /// Measures what borrowers use, and gives parts by that.
    pub(super) fn keep_parts(&mut self, now: Instant) {
        let since = now.since(self.measured_at);
        if since < MEASURE {
            return;
        }
        self.measured_at = now;
        let ms = since.as_millis() as u32;
        let peers = self.peers.iter_mut().flatten();
        peers
            .flat_map(|p| p.parts.as_flattened_mut())
            .for_each(|part| part.measure(ms));
        self.give_parts(now);
    }

    /// Gives each neighbour its part of each limit, and tells those who borrow what has changed for them.
    pub(super) fn give_parts(&mut self, now: Instant) {
        for (number, uplink) in self.uplinks.iter_mut().enumerate() {
            let c = uplink.config;
            let up = limit(c.lend_up_kbit, Pace::Free, uplink.room.left());
            let limits = [up, c.lend_down_kbit];
            for (way, (limit, all)) in limits.into_iter().zip(&mut uplink.lent).enumerate() {
                all.set_rate(limit);
                let of = |p: &super::Peer| Some(*p.parts.get(number)?.get(way)?);
                let mut wants = [(0, 1); MAX_PEERS];
                for (want, peer) in wants.iter_mut().zip(&self.peers) {
                    if let Some(peer) = peer {
                        let demand = of(peer).map_or(0, |part| part.demand());
                        *want = (demand, peer.weight);
                    }
                }
                for (place, peer) in self.peers.iter_mut().enumerate() {
                    let parts = peer.as_mut().and_then(|p| p.parts.get_mut(number));
                    if let Some(one) = parts.and_then(|both| both.get_mut(way)) {
                        let kbit = (limit > 0).then(|| part(limit, &wants, place));
                        one.set(kbit.unwrap_or(0));
                    }
                }
            }
        }
        self.tell_parts(now);
    }

    /// How much some members' parts count beside the others', which count 1; of several weights of a member the first.
    pub fn set_weights(&mut self, now: Instant, weights: &Weights) {
        self.weights.clone_from(weights);
        let peers = self.peers.iter_mut().flatten();
        peers.for_each(|p| p.weight = weight_of(weights, p.key.node_id()));
        self.give_parts(now);
    }

    fn tell_parts(&mut self, now: Instant) {
        for r in self.relays.told(now) {
            let Over::Line(Via::Uplink { uplink, exit, .. }) = r.over else {
                continue;
            };
            let peer = self.peers.get_mut(usize::from(r.peer));
            let (Some(peer), Some(exit)) = (
                peer.and_then(Option::as_mut),
                self.exits.get(usize::from(exit)),
            ) else {
                continue;
            };
            let parts = peer.parts_of(uplink);
            if parts != r.told {
                let holds = r.until.since(now);
                let grant = granted(uplink, exit.key.node_id().0, r.id, holds, parts);
                // If there is no room now, it is said the next time.
                if say(peer, &grant).is_ok() {
                    r.told = parts;
                }
            }
        }
    }
}
