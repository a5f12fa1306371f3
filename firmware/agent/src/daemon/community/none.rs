//! In place of the control network in a build without it: members are not asked, and do not ask.

use super::status::View;
use burstmesh_core::identity::NodeId;
use burstmesh_core::time::Instant;
use burstmesh_linux::control::{Response, Server};

/// Bytes of static memory.
pub const COST: usize = 0;
/// Room for a packet.
pub type Room = [u8; 0];
/// An empty one.
pub const ROOM: Room = [];

/// Nothing arrives.
pub struct Inbox;

impl Inbox {
    pub fn new() -> Self {
        Self
    }
    pub fn push(&mut self, _: &[u8]) {}
}

/// Takes no part.
pub struct Community;

impl Community {
    pub fn new(_: Instant, _: NodeId, _: u64) -> Self {
        Self
    }
    pub fn poll_timeout(&self) -> Instant {
        Instant::FAR
    }
    pub fn take(&mut self, _: &mut Inbox) -> bool {
        false
    }
    pub fn poll_transmit<'a>(&mut self, _: Instant, _: &'a mut Room) -> Option<&'a [u8]> {
        None
    }
    pub fn serve(&mut self, _: Instant, _: View<'_>, _: &mut Server) -> bool {
        false
    }
    /// Says so.
    pub fn begin(&mut self, _: Instant, line: &str, _: &View<'_>, out: &mut Response<'_>) -> bool {
        let about = ["community", "ledger compare", "log "];
        let about = about.iter().any(|begin| line.starts_with(begin));
        if about {
            out.write(
                b"this build has no control network: it is made for routers with little memory\n",
            );
        }
        about
    }
}
