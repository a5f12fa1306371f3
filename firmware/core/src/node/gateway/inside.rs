//! The control network at a gateway: its own packets go to the member straight, or to the exit, which sends them on. It passes nothing
//! on itself.

use super::exit_link::Route;
use super::hops::road;
use super::{Gateway, Peer};
use crate::error::Refusal;
use crate::identity::NodeId;
use crate::node::{Output, Via};
use crate::time::Instant;
use crate::wire::inside::{MTU, ends};
use crate::wire::record::Record;
use crate::wire::{Capabilities, frame, relay};

/// A datagram with such a packet, and relay headers in front.
const ROOM: usize = MTU + frame::OVERHEAD + 2 + 2 * relay::HEADER;

impl Peer {
    /// There is a session with it, and it takes part in the control network.
    pub fn is_inside(&self) -> bool {
        self.is_up() && self.tunnel.capabilities().has(Capabilities::CONTROL_NET)
    }
}

impl Gateway<'_> {
    /// The exit in use, if it takes part in the control network.
    pub fn exit_inside(&self) -> Option<NodeId> {
        self.pooling()?;
        let takes_part = self.link.tunnel.capabilities();
        let takes_part = takes_part.has(Capabilities::CONTROL_NET);
        let exit = self.exits.get(self.link.exit).filter(|_| takes_part)?;
        Some(exit.key.node_id())
    }

    /// Sends a packet of ours into the control network.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::Forbidden`]: not from us, or too much; [`Refusal::Unknown`]: there is no way to the member.
    pub fn send_inside(
        &mut self,
        now: Instant,
        packet: &[u8],
        out: &mut impl Output,
    ) -> Result<(), Refusal> {
        let (from, to) = ends(packet)?;
        if from != self.node_id() {
            return Err(Refusal::Forbidden);
        }
        self.inside.spend(now, packet.len())?;
        let is_it = |p: &Peer| p.is_inside() && p.key.node_id() == to;
        let mut peers = self.peers.iter().map(Option::as_ref);
        match peers.position(|p| p.is_some_and(is_it)) {
            Some(place) => self.inside_to_peer(now, place as u8, packet, out),
            None => self.inside_to_exit(now, packet, out),
        }
    }

    fn inside_to_peer(
        &mut self,
        now: Instant,
        place: u8,
        packet: &[u8],
        out: &mut impl Output,
    ) -> Result<(), Refusal> {
        let peer = self
            .peers
            .get_mut(usize::from(place))
            .and_then(Option::as_mut)
            .ok_or(Refusal::Unknown)?;
        let mut sealed = [0; ROOM];
        let n = peer
            .tunnel
            .seal_alone(now, 0, Record::Inside(packet), &mut sealed)?;
        let datagram = sealed.get(..n).unwrap_or_default();
        let mut road = road(&mut self.peers, place, 1).ok_or(Refusal::Unknown)?;
        let mut head = [0; relay::HEADER];
        let n = road.write(datagram, datagram.len(), &mut head);
        let head = head.get(..n).unwrap_or_default();
        out.forward(road.via, Some(road.to), head, datagram);
        Ok(())
    }

    fn inside_to_exit(
        &mut self,
        now: Instant,
        packet: &[u8],
        out: &mut impl Output,
    ) -> Result<(), Refusal> {
        self.exit_inside().ok_or(Refusal::Unknown)?;
        let tunnel = &mut self.link.tunnel;
        let at = tunnel.first_to_arrive(now, packet.len());
        let at = at.ok_or(Refusal::Unknown)?;
        let path = tunnel.path(at).ok_or(Refusal::Unknown)?;
        let headroom = usize::from(path.setup().headroom);
        let mut sealed = [0; ROOM];
        let room = sealed.get_mut(headroom..).ok_or(Refusal::Full)?;
        let n = tunnel.seal_alone(now, at, Record::Inside(packet), room)?;
        let datagram = sealed.get_mut(..headroom + n).ok_or(Refusal::Full)?;
        let (via, to) = match self.link.route(at).ok_or(Refusal::Unknown)? {
            Route::Own { uplink, address } => {
                let exit = self.link.exit as u8;
                let via = Via::Uplink {
                    uplink,
                    exit,
                    address,
                };
                (via, None)
            }
            Route::Lent { peer, uplink } => {
                let stride = datagram.len();
                let o = self.address_relayed(peer, uplink, datagram, stride);
                let o = o.ok_or(Refusal::Unknown)?;
                (o.via, o.to)
            }
        };
        out.forward(via, to, &[], datagram);
        Ok(())
    }
}
