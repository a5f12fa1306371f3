//! What wakes the loop, and what comes over the sockets.

use super::{CONTROL, Engine, FIREWALL, MONITOR, SIGNALS, TUN, UBUS, WORK, WRITTEN, outlet};
use crate::daemon::sockets::FIRST_TOKEN;
use crate::limits::RECV_SLOTS;
use burstmesh_core::time::{Duration, Instant};
use burstmesh_linux::poll::Events;
use burstmesh_linux::{clock, warn};

/// Datagrams taken from one socket in one round: so many that what a round costs beside them counts little also where the driver
/// does not glue them, and so few that sending and the other sockets get their turn within some milliseconds.
const SOCKET_ROUND: usize = 32;

impl Engine {
    /// Waits until `next`, or until something comes that is for us. What others had us relay leaves at once and changes no deadline:
    /// a router that only relays is spared the rest of its rounds, until one is due.
    pub(super) fn sleep(&mut self, events: &mut Events<32>, began: Instant, next: Instant) {
        let mut now = began;
        loop {
            if let Err(error) = self.parts.poll.wait(events, Some(next.since(now))) {
                warn!("{}", error);
            }
            now = clock::now();
            // A time-out, or a signal.
            let mut ours = events.iter().next().is_none();
            for event in events.iter() {
                ours |= self.handle(now, event.token);
            }
            if ours || now >= next.min(self.household.at) {
                return;
            }
            outlet(&mut self.road, &self.parts, self.config).flush();
        }
    }

    /// False: all that came was for others, and was passed on.
    fn handle(&mut self, now: Instant, token: u32) -> bool {
        match token {
            TUN => self.read_tun(now),
            SIGNALS => self.handle_signals(),
            MONITOR => {
                if self.parts.monitor.drain().is_ok_and(|c| c.any()) {
                    // Changes come in flocks: look when they have settled.
                    self.look_at = self.look_at.min(now + Duration::from_millis(50));
                }
            }
            CONTROL => self.serve_control(now),
            WORK => {
                while let Some(ended) = self.worker.poll() {
                    self.handle_ended(now, ended);
                }
            }
            FIREWALL => self.pooler.handle_tool(now, &mut self.parts.rtnl),
            WRITTEN => self.accounts.handle_written(now),
            UBUS => self.serve_bus(now),
            socket => {
                return self.read_socket(now, socket.wrapping_sub(FIRST_TOKEN) as usize);
            }
        }
        true
    }

    fn read_socket(&mut self, now: Instant, place: usize) -> bool {
        let (mut left, mut ours) = (SOCKET_ROUND, false);
        while left > 0 {
            let Some(socket) = self.road.sockets.at(place) else {
                return ours;
            };
            let via = socket.via;
            let filled = match socket.udp.recv_batch(self.recv) {
                Ok(0) => return ours,
                Ok(filled) => filled,
                Err(error) => {
                    if error.is_unreachable() {
                        self.gateway.handle_unreachable(now, via);
                    }
                    ours = true;
                    left -= 1;
                    continue;
                }
            };
            // Read after receiving: an arrival stamped too early would pass for a shorter line for many seconds, and
            // every later packet for one that waited in a queue.
            let now = clock::now();
            let mut out = outlet(&mut self.road, &self.parts, self.config);
            for d in self.recv.datagrams() {
                left = left.saturating_sub(d.bytes.len().div_ceil(d.segment_size.max(1)).max(1));
                ours |= self.gateway.handle_datagrams(
                    now,
                    via,
                    d.from,
                    d.bytes,
                    d.segment_size,
                    &mut out,
                );
            }
            // With room to spare nothing more was there.
            if filled < RECV_SLOTS {
                return ours;
            }
        }
        ours
    }
}
