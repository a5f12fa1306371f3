//! What was carried, for the ledger, and how much more may be.

use super::{Gateway, Route};
use crate::data::path::Path;
use crate::identity::NodeId;
use crate::ledger::{Amount, Kind};
use crate::time::Instant;

impl Gateway<'_> {
    /// Hands over what was lent and borrowed since the last call: to or from whom, over which uplink (of borrowed bytes the
    /// lender's number), how much. To be called every second or so: the tallies hold 4 GB.
    pub fn take_carried(&mut self, mut each: impl FnMut(NodeId, Kind, u8, Amount)) {
        for peer in self.peers.iter_mut().flatten() {
            let lent = peer.lent.iter_mut().map(|t| (Kind::Lent, t));
            let borrowed = peer.borrowed.iter_mut().map(|t| (Kind::Borrowed, t));
            for (uplink, (kind, tally)) in lent.enumerate().chain(borrowed.enumerate()) {
                let tally = core::mem::take(tally);
                let (up, down) = (u64::from(tally.up), u64::from(tally.down));
                if up + down > 0 {
                    each(peer.key.node_id(), kind, uplink as u8, Amount { up, down });
                }
            }
        }
    }

    /// Neighbours that send far more than they are lent, and how many datagrams of theirs were dropped: each once a minute at most.
    /// To be called every some seconds.
    pub fn look_for_floods(&mut self, now: Instant, mut each: impl FnMut(NodeId, u32)) {
        for peer in self.peers.iter_mut().flatten() {
            let carried = &peer.carried;
            let passed = carried.up_packets.wrapping_add(carried.down_packets);
            if peer.excess.look(now, passed) {
                each(peer.key.node_id(), peer.excess.dropped());
            }
        }
    }

    /// What our own path over an uplink was measured to carry, up and down, kbit/s; 0: unknown.
    pub fn found_kbit(&self, uplink: u8) -> [u32; 2] {
        let own = |r| matches!(r, Route::Own { uplink: u, .. } if u == uplink);
        let path = self
            .link
            .place_of(own)
            .and_then(|at| self.link.tunnel.path(at));
        path.map_or([0; 2], Path::measured)
    }

    /// Bytes that may still be lent of an uplink, until the next call; `None`: it has no cap. Lending goes on packet by packet
    /// until they are spent.
    pub fn set_left(&mut self, uplink: u8, bytes: Option<u64>) {
        if let Some(u) = self.uplinks.get_mut(usize::from(uplink)) {
            u.left = bytes.unwrap_or(u64::MAX);
        }
    }
}
