//! The last thing before a stop.

use super::{Engine, outlet};
use crate::cli::Exit;
use burstmesh_core::time::Duration;
use burstmesh_linux::clock;

/// Clients on a radio answer within this.
const FAREWELL: Duration = Duration::from_millis(200);

impl Engine {
    /// What leaves elsewhere ends now: its clients are told, and get a moment for their answers.
    #[inline(never)]
    pub(super) fn take_leave(&mut self) {
        let (mut now, until) = (clock::now(), clock::now() + FAREWELL);
        self.pooler.lose_all(now);
        while !self.pooler.endings.is_empty() && now < until {
            let mut out = outlet(&mut self.road, &self.parts, self.config);
            self.pooler.endings.handle_timeout(now, &mut out);
            self.take_from_tun(now);
            if matches!(self.stopping, Some(Exit::Failure)) {
                // The device is gone: nobody can be told.
                return;
            }
            outlet(&mut self.road, &self.parts, self.config).flush();
            let _ = self.parts.tun.fd().wait_readable(10);
            now = clock::now();
        }
    }
}
