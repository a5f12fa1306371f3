//! Members whom the owner refuses: neither side uses the other's line. What the mesh carries for them goes on.

use super::Gateway;
use crate::identity::NodeId;
use crate::time::Instant;
use crate::wire::control::{Message, Reason};
use heapless::Vec;

/// Most members refused at a time.
pub const MAX_REFUSED: usize = 16;

/// Whom, and until when.
pub(super) type Refused = Vec<(NodeId, Instant), MAX_REFUSED>;

/// What a refused member is told beside an empty list of offers, as long as it holds.
pub(super) const WORD: Message = Message::Refuse {
    uplink: 0,
    exit: [0; 8],
    reason: Reason::Refused,
};

impl Gateway<'_> {
    /// Refuses a member until then, whether it is here or not: what either has lent the other ends at once. With `None` it is accepted
    /// again. `false`: there are [`MAX_REFUSED`] already.
    pub fn refuse(&mut self, now: Instant, node: NodeId, until: Option<Instant>) -> bool {
        self.refused.retain(|(other, _)| *other != node);
        let fits = until.is_none_or(|until| self.refused.push((node, until)).is_ok());
        self.apply_refusals(now);
        fits
    }

    /// Whether it is refused now.
    pub fn refuses(&self, node: NodeId) -> bool {
        self.refused.iter().any(|(other, _)| *other == node)
    }

    /// Some are refused for a while.
    pub(super) fn keep_refusals(&mut self, now: Instant) {
        if self.refused.iter().any(|(_, until)| *until <= now) {
            self.refused.retain(|(_, until)| *until > now);
            self.apply_refusals(now);
        }
    }

    fn apply_refusals(&mut self, now: Instant) {
        for place in 0..self.peers.len() {
            let Some(Some(peer)) = self.peers.get(place) else {
                continue;
            };
            let refused = self.refuses(peer.key.node_id());
            if refused && !peer.refused {
                self.relays.forget_lines_of(place as u8);
                self.give_back(place);
            }
            if let Some(Some(peer)) = self.peers.get_mut(place) {
                if peer.refused != refused {
                    peer.offered_at = Instant::ZERO;
                }
                peer.refused = refused;
            }
        }
        self.maintain_at = now;
    }

    /// Nothing of what this neighbour has lent us is used any more.
    pub(super) fn give_back(&mut self, place: usize) {
        if let Some(Some(peer)) = self.peers.get_mut(place) {
            peer.loans.clear();
        }
        self.close_paths_over(place as u8);
    }
}
