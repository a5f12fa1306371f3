//! The exit in the control network inside: what it tells members who ask. Each hears of its own community only.

use burstmesh_control_net::{Memory, Net, Service};
use burstmesh_core::data::path::Path;
use burstmesh_core::identity::NodeId;
use burstmesh_core::node::exit::{Exit, Seat, Session};
use burstmesh_core::time::Instant;
use burstmesh_core::wire::inside::{Item, MTU, Question};

use super::inside::Inside;
use super::sockets::Sockets;

/// Members answered at once.
const SERVERS: usize = 16;

/// The exit's end of the control network.
pub struct Members {
    net: Option<Net<SERVERS>>,
    started: Instant,
}

impl Members {
    /// For good: there is one exit in a program.
    pub fn new(now: Instant, own: NodeId, seed: u64) -> Self {
        let memory: &'static mut Memory<{ SERVERS + 1 }> = Box::leak(Box::default());
        Self {
            net: Net::new(now, own, memory, seed),
            started: now,
        }
    }

    /// When there is something to do, unless something has arrived.
    pub fn poll_timeout(&self) -> Instant {
        self.net.as_ref().map_or(Instant::FAR, Net::poll_timeout)
    }

    /// Takes what members have sent, answers, and sends.
    pub fn meet(
        &mut self,
        now: Instant,
        exit: &mut Exit<'_>,
        inside: &mut Inside,
        sockets: &mut Sockets,
        room: &mut [u8],
    ) {
        let Some(net) = &mut self.net else { return };
        let mut came = inside.next_question();
        if came.is_none() && net.poll_timeout() > now {
            return;
        }
        let mut packet = [0; MTU];
        loop {
            if let Some(packet) = came.take() {
                // The network counts what it refuses.
                let _ = net.handle_packet(&packet);
            }
            while let Some(len) = net.poll_transmit(now, &mut packet) {
                let packet = packet.get(..len).unwrap_or_default();
                // What has no way now is lost, as on any link: TCP sends it again.
                if let Ok(o) = exit.send_inside(now, packet, room) {
                    sockets.send(&o, room);
                }
            }
            came = inside.next_question();
            let mut told = Told {
                exit,
                inside,
                started: self.started,
            };
            if came.is_none() && !net.serve(now, &mut told) {
                return;
            }
        }
    }
}

/// What answers are made of.
struct Told<'a, 'e> {
    exit: &'a Exit<'e>,
    inside: &'a Inside,
    started: Instant,
}

impl Service for Told<'_, '_> {
    fn item(
        &mut self,
        now: Instant,
        question: Question,
        asker: NodeId,
        cursor: &mut u32,
    ) -> Option<Item> {
        let at = *cursor as usize;
        *cursor += 1;
        match (question, at) {
            (Question::Status, 0) => Some(Item::About {
                version: env!("CARGO_PKG_VERSION").try_into().unwrap_or_default(),
                seconds: (now.since(self.started).as_millis() / 1_000) as u32,
                exit: [0; 8],
                is_exit: true,
            }),
            (Question::Status, at) => self.member(asker, at - 1),
            // An exit's log is about all communities that it serves.
            (Question::Log, 0) => Some(Item::NotShared),
            // Over whose lines its paths lead the asker knows.
            (Question::Ledger, 0) => self.seat_of(asker).map(|seat| self.item_of(seat)),
            (Question::Ledger, at) => {
                let mut paths = self.seat_of(asker)?.1.tunnel().paths();
                paths.nth(at - 1).map(|(_, p)| counted(now, p))
            }
            (Question::Paths(cid), at) => {
                let mut paths = self.exit.paths_under(asker, cid);
                paths.nth(at).map(|p| counted(now, p))
            }
            _ => None,
        }
    }
}

impl Told<'_, '_> {
    /// The member with this number in the asker's community.
    fn member(&self, asker: NodeId, number: usize) -> Option<Item> {
        let community = self.seat_of(asker)?.2.community;
        let mut all = self
            .exit
            .seats()
            .filter(|(_, _, s)| s.community == community);
        all.nth(number).map(|found| self.item_of(found))
    }

    fn seat_of(&self, member: NodeId) -> Option<(usize, &Seat<'_>, &Session)> {
        self.exit.seats().find(|(_, _, s)| s.node == member)
    }

    fn item_of(&self, (at, seat, session): (usize, &Seat<'_>, &Session)) -> Item {
        let carried = self.inside.carried(at);
        let live = seat.tunnel().paths().filter(|(_, p)| p.usable());
        Item::Member {
            member: session.node.0,
            answers: seat.is_inside(),
            paths: live.count() as u8,
            bytes: (carried.up.bytes, carried.down.bytes),
        }
    }
}

fn counted(now: Instant, path: &Path) -> Item {
    let c = path.counters();
    Item::Path {
        id: path.id(),
        seconds: (path.age(now).as_millis() / 1_000) as u32,
        bytes: (c.rx_bytes, c.tx_bytes),
        lost: (path.missing(), c.lost),
    }
}
