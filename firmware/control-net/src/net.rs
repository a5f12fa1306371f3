//! The network at one node: a stack, connections that answer, and one that asks.

use crate::desk::{Client, Heard, Server};
use crate::device::{Device, Link, Packet};
use crate::{clock, once};
use burstmesh_core::error::Refusal;
use burstmesh_core::identity::NodeId;
use burstmesh_core::time::{Duration, Instant};
use burstmesh_core::wire::inside::{self, Item, Question};
use core::cell::RefCell;
use core::fmt;
use embassy_net::tcp::TcpSocket;
use embassy_net::{Config, Ipv6Address, Ipv6Cidr, Runner, StackResources, StaticConfigV6};
use heapless::Vec;

/// Room of a connection, each way: near what one round trip of a lent line needs at the rate that is allowed.
const ROOM: usize = 1536;
/// So long a member may say nothing.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// The stack is asked for so many packets in a round at most.
const ROUND: usize = 64;

/// What the network at one node needs; in place for good. `SOCKETS`: connections at a time, one of which asks.
pub struct Memory<const SOCKETS: usize> {
    stack: StackResources<SOCKETS>,
    link: RefCell<Link>,
    rooms: [[[u8; ROOM]; 2]; SOCKETS],
}

impl<const SOCKETS: usize> Memory<SOCKETS> {
    /// Nothing in it.
    pub const fn new() -> Self {
        Self {
            stack: StackResources::new(),
            link: RefCell::new(Link {
                arrived: Packet::new(),
                leaves: Packet::new(),
            }),
            rooms: [[[0; ROOM]; 2]; SOCKETS],
        }
    }
}

impl<const SOCKETS: usize> Default for Memory<SOCKETS> {
    fn default() -> Self {
        Self::new()
    }
}

/// Who answers.
pub trait Service {
    /// The next part of an answer; `None` at its end. `cursor` is 0 at the beginning, and whatever was left there afterwards.
    fn item(
        &mut self,
        now: Instant,
        question: Question,
        asker: NodeId,
        cursor: &mut u32,
    ) -> Option<Item>;
}

/// Where packets go.
pub type Words<'a> = &'a mut dyn FnMut(&[u8]);

/// What came of our question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A part of the answer; [`Item::End`] at last.
    Item(Item),
    /// Nothing more comes, though the answer is not whole.
    Failed,
}

/// The network at one node.
pub struct Net<const SERVERS: usize> {
    own: NodeId,
    runner: Runner<'static, Device>,
    link: &'static RefCell<Link>,
    servers: Vec<Server, SERVERS>,
    client: Client,
    next: Instant,
    /// Packets that were none of this network's.
    refused: u32,
}

impl<const SERVERS: usize> Net<SERVERS> {
    /// The network of the node with this name. `SOCKETS` is one more than `SERVERS`. `seed` is fresh entropy.
    pub fn new<const SOCKETS: usize>(
        now: Instant,
        own: NodeId,
        memory: &'static mut Memory<SOCKETS>,
        seed: u64,
    ) -> Option<Self> {
        const { assert!(SOCKETS == SERVERS + 1) };
        clock::set(now);
        let Memory { stack, link, rooms } = memory;
        let link: &'static RefCell<Link> = link;
        // On a link of its own kind nobody is asked for anybody's address: all of the network is there.
        let address = Ipv6Cidr::new(Ipv6Address::from(inside::address(own)), 64);
        let config = Config::ipv6_static(StaticConfigV6 {
            address,
            gateway: None,
            dns_servers: Default::default(),
        });
        let (stack, runner) = embassy_net::new(Device(link), config, stack, seed);
        let mut sockets = rooms.iter_mut().map(|[rx, tx]| {
            let mut socket = TcpSocket::new(stack, rx, tx);
            // A connection whose other end is gone ends by itself.
            socket.set_timeout(Some(embassy_time::Duration::from_secs(8)));
            socket
        });
        Some(Self {
            own,
            client: Client::new(sockets.next()?),
            servers: sockets.map(Server::new).collect(),
            runner,
            link,
            next: now,
            refused: 0,
        })
    }

    /// Takes a packet that came in a session, as it came.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::Forbidden`]: it is not for this node, or no packet of this network.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        packet: &[u8],
        service: &mut impl Service,
        out: Words<'_>,
    ) -> Result<(), Refusal> {
        let taken = inside::ends(packet).and_then(|(_, to)| {
            let fits = Packet::from_slice(packet).ok().filter(|_| to == self.own);
            fits.ok_or(Refusal::Forbidden)
        });
        match taken {
            Ok(packet) => {
                self.link.borrow_mut().arrived = packet;
                self.handle_timeout(now, service, out);
                Ok(())
            }
            Err(why) => {
                self.refused = self.refused.saturating_add(1);
                Err(why)
            }
        }
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Instant {
        self.next
    }

    /// The passing of time, and what came of packets, questions and answers.
    pub fn handle_timeout(&mut self, now: Instant, service: &mut impl Service, out: Words<'_>) {
        for _ in 0..ROUND {
            self.turn(now, out);
            let mut served = self.client.say();
            for server in &mut self.servers {
                served |= server.serve(now, service);
            }
            if !served {
                break;
            }
        }
        self.turn(now, out);
        let servers = self.servers.iter().map(Server::poll_timeout);
        let due = servers.fold(self.client.poll_timeout(), Instant::min);
        self.next = due.min(clock::wake_at()).max(now);
    }

    /// Lets the stack do its work, and hands out its packets.
    fn turn(&mut self, now: Instant, out: Words<'_>) {
        for _ in 0..ROUND {
            clock::set(now);
            // It never ends; one look does what there is to do.
            let _ = once(self.runner.run());
            let leaves = core::mem::take(&mut self.link.borrow_mut().leaves);
            if leaves.is_empty() {
                return;
            }
            out(&leaves);
        }
    }

    /// Begins to ask a member. What was asked before is given up.
    pub fn ask(&mut self, now: Instant, whom: NodeId, question: Question) {
        clock::set(now);
        self.client.ask(now, whom, question, PATIENCE);
        self.next = now;
    }

    /// Gives up what was asked.
    pub fn stop(&mut self, now: Instant) {
        self.client.stop();
        self.next = now;
    }

    /// What has come of our question. Call until it gives nothing, whenever [`Self::handle_packet`] or [`Self::handle_timeout`] was
    /// called, and then look at [`Self::poll_timeout`].
    pub fn poll_answer(&mut self, now: Instant) -> Option<Answer> {
        clock::set(now);
        let heard = self.client.hear(now, PATIENCE);
        let answer = match heard {
            Heard::Item(item) => Answer::Item(item),
            Heard::Failed => Answer::Failed,
            Heard::Nothing => return None,
        };
        // What was read makes room, of which the other end must be told.
        self.next = now;
        Some(answer)
    }

    /// Packets that were refused.
    pub fn refused(&self) -> u32 {
        self.refused
    }
}

impl<const SERVERS: usize> fmt::Debug for Net<SERVERS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net").field("own", &self.own).finish()
    }
}
