//! What the household itself sends over a line that neighbours use: it comes first.

use super::Engine;
use burstmesh_core::node::gateway::LOOK;
use burstmesh_core::time::Instant;
use burstmesh_core::wire::control::MAX_UPLINKS;
use burstmesh_linux::ifstat::Sent;

/// The counters of the uplinks' interfaces, and when they are read next.
#[derive(Debug, Default)]
pub(super) struct Household {
    pub(super) at: Instant,
    sent: [Sent; MAX_UPLINKS],
}

impl Household {
    /// The uplink is not what it was: its interface may be another one under the same name.
    pub(super) fn forget(&mut self, uplink: usize) {
        if let Some(sent) = self.sent.get_mut(uplink) {
            *sent = Sent::Unknown;
        }
    }
}

impl Engine {
    /// Reads the counters of lines that neighbours send over. The gateway wakes the loop as often.
    #[inline(never)]
    pub(super) fn watch(&mut self, now: Instant) {
        if now < self.household.at {
            return;
        }
        self.household.at = now + LOOK;
        let all = self.config.uplinks.iter().zip(&mut self.household.sent);
        for (number, (uplink, sent)) in all.enumerate() {
            let number = number as u8;
            if self.gateway.is_lent_upwards(number)
                && let Ok(Some(bytes)) = sent.bytes(&mut self.parts.rtnl, &uplink.ifname)
            {
                self.gateway.handle_sent(now, number, bytes);
            }
        }
    }
}
