//! The network at one node: a stack, connections that answer, and one that asks.

use crate::desk::{Client, Failed, Server};
use crate::device::{Device, Link, Packet};
use crate::{clock, once};
use burstmesh_core::error::Refusal;
use burstmesh_core::identity::NodeId;
use burstmesh_core::time::Instant;
use burstmesh_core::wire::inside::{self, Item, Question};
use core::cell::RefCell;
use core::fmt;
use embassy_net::tcp::TcpSocket;
use embassy_net::{Config, Ipv6Address, Ipv6Cidr, Runner, StackResources, StaticConfigV6};
use heapless::Vec;

/// Room of a connection, each way: near what one round trip of a lent line needs at the rate that is allowed.
const ROOM: usize = 1536;

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

    /// Takes a packet that came in a session, as it came. [`Self::poll_transmit`] is called until it gives nothing before the next.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::Forbidden`]: it is not for this node, or no packet of this network. [`Refusal::Full`].
    pub fn handle_packet(&mut self, packet: &[u8]) -> Result<(), Refusal> {
        let taken = inside::ends(packet).and_then(|(_, to)| {
            let fits = Packet::from_slice(packet).ok().filter(|_| to == self.own);
            let packet = fits.ok_or(Refusal::Forbidden)?;
            let room = &mut self.link.borrow_mut().arrived;
            if !room.is_empty() {
                return Err(Refusal::Full);
            }
            *room = packet;
            Ok(())
        });
        if taken.is_err() {
            self.refused = self.refused.saturating_add(1);
        }
        taken
    }

    /// When [`Self::poll_transmit`] and [`Self::serve`] have something to do.
    pub fn poll_timeout(&self) -> Instant {
        self.next
    }

    /// The next packet for other members, written to `out` ([`inside::MTU`] bytes); its length. Lets time pass too.
    #[inline(never)]
    pub fn poll_transmit(&mut self, now: Instant, out: &mut [u8]) -> Option<usize> {
        clock::set(now);
        // It never ends; one look does what there is to do.
        let _ = once(self.runner.run());
        let leaves = core::mem::take(&mut self.link.borrow_mut().leaves);
        if leaves.is_empty() {
            let servers = self.servers.iter().map(Server::poll_timeout);
            let due = servers.fold(self.client.poll_timeout(), Instant::min);
            self.next = due.min(clock::wake_at()).max(now);
            return None;
        }
        out.get_mut(..leaves.len())?.copy_from_slice(&leaves);
        Some(leaves.len())
    }

    /// Takes questions and goes on with answers, once [`Self::poll_transmit`] has nothing. True: something was done; call that again.
    pub fn serve(&mut self, now: Instant, service: &mut impl Service) -> bool {
        clock::set(now);
        let mut done = self.client.say(now);
        for server in &mut self.servers {
            done |= server.serve(now, service);
        }
        done
    }

    /// Begins to ask a member. What was asked before is given up.
    pub fn ask(&mut self, now: Instant, whom: NodeId, question: Question) {
        clock::set(now);
        self.client.ask(now, whom, question);
        self.next = now;
    }

    /// Gives up what was asked.
    pub fn stop(&mut self, now: Instant) {
        self.client.stop();
        self.next = now;
    }

    /// What has come of our question, [`Item::End`] at last. Call until it gives nothing, after [`Self::serve`], and then look at
    /// [`Self::poll_timeout`].
    pub fn poll_answer(&mut self, now: Instant) -> Option<Result<Item, Failed>> {
        clock::set(now);
        let answer = self.client.hear(now)?;
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
