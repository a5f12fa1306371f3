//! The control network at an exit: members of one community reach each other through it, and the exit itself.

use super::seat::Session;
use super::{Exit, Seat};
use crate::error::Refusal;
use crate::identity::{CommunityId, NodeId};
use crate::node::Outgoing;
use crate::time::Instant;
use crate::wire::Capabilities;
use crate::wire::inside::{MTU, ends};
use crate::wire::record::Record;
use heapless::{Deque, Vec};

/// A packet on its way from one member to another of the same community.
#[derive(Debug)]
pub(super) struct Forwarded {
    pub community: CommunityId,
    pub to: NodeId,
    pub bytes: Vec<u8, MTU>,
}

/// Packets that wait to be sent on.
pub(super) type Waiting = Deque<Forwarded, 32>;

impl Session {
    /// May this packet of the member's go on? It must be from the member itself, and within its rate. Gives for whom it is.
    pub(super) fn lets_inside(&mut self, now: Instant, packet: &[u8]) -> Result<NodeId, Refusal> {
        let (from, to) = ends(packet)?;
        if from != self.node {
            return Err(Refusal::Forbidden);
        }
        self.inside.spend(now, packet.len())?;
        Ok(to)
    }
}

impl Seat<'_> {
    /// The member takes part in the control network.
    pub fn is_inside(&self) -> bool {
        self.tunnel.capabilities().has(Capabilities::CONTROL_NET)
    }
}

impl Exit<'_> {
    /// The exit's own name, of which its address in the control network is made.
    pub fn node_id(&self) -> NodeId {
        self.node
    }

    /// A packet of the exit's own for a member, written to `out` as a datagram.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::Forbidden`]: not from the exit; [`Refusal::Unknown`]: there is no way to the member.
    pub fn send_inside(
        &mut self,
        now: Instant,
        packet: &[u8],
        out: &mut [u8],
    ) -> Result<Outgoing, Refusal> {
        let (from, to) = ends(packet)?;
        if from != self.node {
            return Err(Refusal::Forbidden);
        }
        self.send_to(now, |s| s.node == to, packet, out)
    }

    /// A member's packet for another one.
    pub(super) fn send_on(
        &mut self,
        now: Instant,
        f: &Forwarded,
        out: &mut [u8],
    ) -> Result<Outgoing, Refusal> {
        let whom = |s: &Session| s.node == f.to && s.community == f.community;
        self.send_to(now, whom, &f.bytes, out)
    }

    fn send_to(
        &mut self,
        now: Instant,
        whom: impl Fn(&Session) -> bool,
        packet: &[u8],
        out: &mut [u8],
    ) -> Result<Outgoing, Refusal> {
        let mut seats = self.seats.iter_mut().take(self.used).flatten();
        let seat = seats.find(|s| s.session.as_ref().is_some_and(&whom));
        let seat = seat.filter(|s| s.is_inside()).ok_or(Refusal::Unknown)?;
        let at = seat.tunnel.first_to_arrive(now, packet.len());
        let at = at.ok_or(Refusal::Unknown)?;
        let session = seat.session.as_mut().ok_or(Refusal::Unknown)?;
        let (via, to) = session.address(now, at, false).ok_or(Refusal::Unknown)?;
        let len = seat
            .tunnel
            .seal_alone(now, at, Record::Inside(packet), out)?;
        Ok(Outgoing {
            via,
            to: Some(to),
            len,
            stride: len,
        })
    }
}
