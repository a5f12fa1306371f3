//! The control network at an exit: members of one community reach each other through it, and the exit itself.

use super::seat::Session;
use super::{Exit, Seat};
use crate::data::path::Path;
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

    /// The paths of members of the asker's community to which is sent under this connection ID.
    pub fn paths_under(&self, asker: NodeId, cid: u32) -> impl Iterator<Item = &Path> {
        let mut seats = self.seats();
        let community = seats.find(|(_, _, s)| s.node == asker);
        let community = community.map(|(_, _, s)| s.community);
        let of_it = move |s: &Session| Some(s.community) == community;
        let seats = self.seats().filter(move |(_, _, s)| of_it(s));
        let paths = seats.flat_map(|(_, seat, _)| seat.tunnel.paths());
        let paths = paths.map(|(_, path)| path);
        paths.filter(move |path| path.setup().remote_cid == cid)
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

#[cfg(test)]
mod tests {
    use super::super::Output;
    use super::super::limits::Limits;
    use super::super::seat::{FromMember, Hands};
    use super::*;
    use crate::control::handshake::Lifetime;
    use crate::data::replay::ReplayWindow;
    use crate::data::resequence::Sink;
    use crate::error::Refusals;
    use crate::identity::PublicKey;
    use crate::node::INSIDE_KBIT;
    use crate::node::bucket::Bucket;
    use crate::wire::handshake::Lease;
    use crate::wire::inside::address;

    struct ForUs(std::vec::Vec<std::vec::Vec<u8>>);

    impl Output for ForUs {
        fn deliver(&mut self, _: usize, _: &[u8]) {}
        fn inside(&mut self, _: usize, packet: &[u8]) {
            self.0.push(packet.to_vec());
        }
    }

    fn packet(from: NodeId, to: NodeId) -> std::vec::Vec<u8> {
        let mut p = vec![0x60, 0, 0, 0, 0, 20, 6, 64];
        p.extend(address(from));
        p.extend(address(to));
        p.resize(60, 0);
        p
    }

    fn session(key: PublicKey, now: Instant) -> Session {
        Session {
            community: CommunityId([0; 8]),
            key,
            node: key.node_id(),
            lease: Lease {
                ipv4: [10, 0, 0, 1],
                ipv6: [0; 16],
                dns4: None,
                dns6: None,
                mtu: 1_400,
            },
            gift: None,
            told: crate::node::roll::Told::default(),
            gave: now,
            minor: 1,
            since: now,
            handshakes: 1,
            lifetime: Lifetime::new(now, false),
            local_cid: 1,
            cid_before: 1,
            remote_cid: 2,
            opened: ReplayWindow::default(),
            addresses: Default::default(),
            retire_at: None,
            inside: Bucket::new(now, INSIDE_KBIT),
            up: Bucket::UNLIMITED,
        }
    }

    #[test]
    fn a_member_speaks_as_itself_only_and_no_more_than_its_share() {
        let (key, now) = (PublicKey([1; 32]), Instant::ZERO);
        let (member, own, other) = (key.node_id(), NodeId([2; 8]), NodeId([3; 8]));
        let mut session = session(key, now);
        let (mut for_us, mut waiting, mut refusals) = (
            ForUs(std::vec::Vec::new()),
            Waiting::new(),
            Refusals::default(),
        );
        let mut sink = FromMember {
            now,
            seat: 0,
            session: &mut session,
            hands: Hands {
                own,
                inside: &mut waiting,
                limits: &mut Limits::default(),
                refusals: &mut refusals,
                inbox: &mut super::super::Inbox::new(),
            },
            out: &mut for_us,
        };
        sink.inside(&packet(member, own));
        sink.inside(&packet(member, other));
        for (from, to) in [(other, own), (own, other), (other, member)] {
            sink.inside(&packet(from, to));
        }
        sink.inside(&[0x60]);
        // Two were sent; the bucket holds 3,200 bytes.
        for _ in 0..60 {
            sink.inside(&packet(member, own));
        }
        assert_eq!(for_us.0.len(), 1 + 51);
        assert!(for_us.0.iter().all(|p| *p == packet(member, own)));
        assert_eq!(waiting.len(), 1);
        assert_eq!(refusals.of(Refusal::Forbidden), 3 + 9);
        assert_eq!(refusals.of(Refusal::Malformed), 1);
    }
}
