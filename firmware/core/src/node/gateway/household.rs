//! The household comes first on its own line, towards the Internet: see [`crate::node::room`].

use super::exit_link::Route;
use super::{Gateway, Peer};
use crate::node::part::UP;
use crate::node::room::Signs;
use crate::time::{Duration, Instant};

/// What the household sends is looked at this often while neighbours use its line.
pub const LOOK: Duration = Duration::from_millis(50);

impl Gateway<'_> {
    /// Neighbours' datagrams have left by this uplink since the last look, or are kept from it: [`Self::handle_sent`] is to be told.
    pub fn is_lent_upwards(&self, uplink: u8) -> bool {
        let line = self.uplinks.get(usize::from(uplink));
        line.is_some_and(|u| u.room.is_watched(u.sent))
    }

    /// So many bytes have left by the uplink's interface until now, as the kernel counts them. To be called every [`LOOK`].
    pub fn handle_sent(&mut self, now: Instant, uplink: u8, bytes: u64) {
        let own = |r| matches!(r, Route::Own { uplink: u, .. } if u == uplink);
        let path = self.link.place_of(own);
        let path = path.and_then(|at| self.link.tunnel.path(at));
        let part = |p: &Peer| p.parts.get(usize::from(uplink)).map(|both| both[UP]);
        let parts = self.peers.iter().flatten().filter_map(part);
        let signs = Signs {
            found: path.map_or(0, |p| p.measured()[0]),
            wants: path.is_some_and(|p| p.presses(now)),
            borrowers: parts.filter(|part| part.demand() > 0).count() as u8,
        };
        let Some(line) = self.uplinks.get_mut(usize::from(uplink)) else {
            return;
        };
        let before = line.room.left();
        line.room.look(now, bytes, line.sent, signs);
        if line.room.left() != before {
            self.give_parts(now);
        }
    }
}
