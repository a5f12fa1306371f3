//! What is asked and told over the control socket.

use super::Engine;
use crate::daemon::status;
use burstmesh_core::time::Instant;
use burstmesh_linux::{debug, info, log};

impl Engine {
    /// A pause has begun or ended.
    pub(super) fn apply_pause(&mut self, now: Instant) {
        let paused = self.pause.is_on();
        info!(
            "{}",
            if paused {
                "paused"
            } else {
                "the pause is over"
            }
        );
        self.gateway.set_borrowing(now, !paused);
        self.pooler.set_paused(paused);
        self.lend(now);
    }

    pub(super) fn serve_control(&mut self, now: Instant) {
        let before = self.pause;
        let Self {
            parts,
            gateway,
            config,
            pooler,
            accounts,
            lending,
            pause,
            uplinks,
            road,
            started,
            ..
        } = self;
        let served = parts.server.serve(|line, out| match line.trim_ascii() {
            "log" => log::recent(|bytes| out.write(bytes)),
            line if line.starts_with("ledger") => accounts.answer(line, out),
            line if pause.answer(now, line, out) => {}
            line => {
                let view = status::View {
                    gateway,
                    config,
                    now,
                    started: *started,
                    applied: pooler.applied(),
                    uplinks,
                    accounts,
                    lending,
                    pause: *pause,
                    tun: &parts.tun,
                    road,
                };
                status::answer(&view, line, out);
            }
        });
        if let Err(error) = served {
            debug!("control socket: {error}");
        }
        if self.pause.is_on() != before.is_on() {
            self.apply_pause(now);
        }
    }
}
