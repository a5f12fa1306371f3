//! What the household itself sends over a line that neighbours use: it comes first.

use super::Engine;
use burstmesh_core::node::gateway::LOOK;
use burstmesh_core::time::Instant;

impl Engine {
    /// Reads the counters of lines that neighbours send over. The gateway wakes the loop as often.
    #[inline(never)]
    pub(super) fn watch(&mut self, now: Instant) {
        if now < self.watch_at {
            return;
        }
        self.watch_at = now + LOOK;
        for (number, uplink) in self.config.uplinks.iter().enumerate() {
            let number = number as u8;
            if self.gateway.is_lent_upwards(number)
                && let Ok(Some(link)) = self.parts.rtnl.link(&uplink.ifname)
            {
                let sent = link.counters.tx_bytes;
                self.gateway.handle_sent(now, number, sent);
            }
        }
    }
}
