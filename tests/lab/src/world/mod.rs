//! A deterministic world: gateways with access lines, one mesh segment, exits, and a clock that jumps.
//!
//! All randomness comes from one seed, so a failure replays. Nothing here runs in real time: [`World::run`] goes from
//! one event to the next.

pub mod line;
mod net;
mod nodes;
pub mod packet;

pub use line::{Bursts, Direction, Line};
pub use net::{Mesh, Radio, mesh_addr};
pub use nodes::{ExitNode, GatewayNode, Room};

use crate::agenda::Agenda;
use burstmesh_core::identity::{CommunityKeys, Identity, SecretKey};
use burstmesh_core::node::Via;
use burstmesh_core::node::gateway::UplinkConfig;
use burstmesh_core::node::job::Done;
use burstmesh_core::time::Instant;
use std::net::SocketAddr;

/// No step is shorter than this, as no timer of a router is finer.
const STEP_US: u64 = 100;
/// How long the worker takes for a handshake's job.
const WORK_US: u64 = 20_000;

/// A node of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Gateway(usize),
    Exit(usize),
}

/// A datagram about to arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    pub to: Place,
    pub via: Via,
    pub from: SocketAddr,
    pub bytes: Vec<u8>,
}

enum Event {
    Arrive(Arrival),
    /// Work that was given to the worker of that life of the node.
    Done(Place, u64, Box<Done>),
    /// A packet past burstmesh, down (or up).
    Direct(bool, Vec<u8>),
}

/// The world.
pub struct World {
    pub now: u64,
    pub gateways: Vec<GatewayNode>,
    pub exits: Vec<ExitNode>,
    pub mesh: Mesh,
    /// Mesh links, if there are several.
    pub radios: Vec<Radio>,
    /// So many answers to handshakes are lost at their last hop, from now on.
    pub lose_answers: u32,
    /// Whatever arrives and is not refused is kept here as well.
    pub capture: Option<Vec<Arrival>>,
    /// Packet memory of gateways.
    room: Room,
    direct: Vec<(bool, Vec<u8>)>,
    events: Agenda<Event>,
    random: u64,
    steps: u64,
}

impl World {
    /// One gateway per list of lines, all in one community, and one exit that serves it. The mesh has 100 Mbit/s.
    pub fn new(lines: &[&[Line]]) -> Self {
        Self::with(lines, 1)
    }

    /// Three gateways with 20 Mbit/s and 10 ms each way.
    pub fn three() -> Self {
        Self::new(&[
            &[Line::mbit(20, 10)],
            &[Line::mbit(20, 10)],
            &[Line::mbit(20, 10)],
        ])
    }

    /// Another seed, and packet memory of the gateways.
    pub fn seeded(lines: &[&[Line]], seed: u64, room: Room) -> Self {
        let mut world = Self::empty(1);
        world.reseed(seed);
        world.room = room;
        for own in lines {
            world.add_gateway("home", own);
        }
        world
    }

    pub fn with(lines: &[&[Line]], exits: usize) -> Self {
        let mut world = Self::empty(exits);
        for own in lines {
            world.add_gateway("home", own);
        }
        world
    }

    /// Gateways of which only those on a common radio hear each other. A radio has 100 Mbit/s.
    pub fn on_radios(lines: &[&[Line]], radios: &[&[usize]]) -> Self {
        let mut world = Self::empty(1);
        world.radios = radios
            .iter()
            .map(|members| Radio {
                members: members.to_vec(),
                mesh: Mesh::mbit(100),
            })
            .collect();
        for own in lines {
            world.add_gateway("home", own);
        }
        world
    }

    fn empty(exits: usize) -> Self {
        let mut world = Self {
            now: 1_000_000,
            gateways: Vec::new(),
            exits: Vec::new(),
            mesh: Mesh::mbit(100),
            radios: Vec::new(),
            lose_answers: 0,
            capture: None,
            room: Room::HOME,
            direct: Vec::new(),
            events: Agenda::new(),
            random: 0x5eed,
            steps: 0,
        };
        for i in 0..exits {
            let exit = ExitNode::new(world.instant(), i, world.bytes());
            world.exits.push(exit);
        }
        world
    }

    /// Another gateway on the same mesh; returns its number.
    pub fn add_gateway(&mut self, community: &str, lines: &[Line]) -> usize {
        let (i, seed) = (self.gateways.len(), self.bytes());
        let keys = community_keys(community);
        let mut node = GatewayNode::new(i, keys, lines, self.room);
        if !self.radios.is_empty() {
            let own = self.radios.iter().filter(|r| r.members.contains(&i));
            node.interfaces = own.count();
        }
        let exits = self.exits.iter().map(ExitNode::config).collect();
        node.start(self.instant(), exits, seed);
        for exit in &mut self.exits {
            exit.door.admit(node.key(), i);
        }
        self.gateways.push(node);
        i
    }

    /// Stops a gateway without a word and starts it again: a new life, nothing remembered.
    pub fn restart_gateway(&mut self, i: usize) {
        let (now, seed) = (self.instant(), self.bytes());
        let exits = self.exits.iter().map(ExitNode::config).collect();
        self.gateways[i].start(now, exits, seed);
    }

    /// The same for an exit.
    pub fn restart_exit(&mut self, i: usize) {
        let (now, seed) = (self.instant(), self.bytes());
        self.exits[i].start(now, seed);
    }

    pub fn instant(&self) -> Instant {
        Instant::from_micros(self.now)
    }

    /// Milliseconds since the world began.
    pub fn ms(&self) -> u64 {
        (self.now - 1_000_000) / 1000
    }

    /// Another seed than the usual one, for tests that try several.
    pub fn reseed(&mut self, seed: u64) {
        self.random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    }

    pub fn random(&mut self) -> u64 {
        random(&mut self.random)
    }

    pub fn bytes(&mut self) -> [u8; 32] {
        let mut out = [0; 32];
        out.iter_mut().for_each(|b| *b = self.random() as u8);
        out
    }

    /// Runs for so many milliseconds, calling `feed` every `every_us`.
    pub fn run_with(&mut self, ms: u64, every_us: u64, mut feed: impl FnMut(&mut Self)) {
        let end = self.now + ms * 1000;
        let (mut feed_at, from) = (self.now, self.steps);
        while self.now < end {
            if self.now >= feed_at {
                feed(self);
                self.gateways.iter_mut().for_each(|g| g.dirty = true);
                self.exits.iter_mut().for_each(|e| e.dirty = true);
                feed_at = self.now + every_us;
            }
            self.step(feed_at.min(end));
        }
        let steps = self.steps - from;
        assert!(steps <= ms * 12, "it spins: {steps} steps in {ms} ms");
    }

    /// Lets the nodes do what is due, and goes to what happens next, at `until` at the latest.
    pub fn step(&mut self, until: u64) {
        self.settle();
        let next = self.next_event().min(until);
        self.now = next.max(self.now + STEP_US);
        self.arrive();
    }

    /// What came out of lines past burstmesh: downwards or not, and the packet.
    pub fn take_direct(&mut self) -> Vec<(bool, Vec<u8>)> {
        std::mem::take(&mut self.direct)
    }

    pub fn run(&mut self, ms: u64) {
        self.run_with(ms, u64::MAX / 2, |_| {});
    }

    /// A gateway's uplinks are from now on used and lent as these say.
    pub fn set_uplinks(&mut self, gateway: usize, uplinks: &[UplinkConfig]) {
        let now = self.instant();
        let gw = self.gateways[gateway].gw.as_mut().unwrap();
        gw.set_uplinks(now, &uplinks.iter().copied().collect());
    }

    /// Runs until `done`, looked at every 10 ms; returns after how many milliseconds, and fails after `most`.
    #[track_caller]
    pub fn run_until(&mut self, most: u64, mut done: impl FnMut(&Self) -> bool) -> u64 {
        let from = self.ms();
        while !done(self) {
            assert!(
                self.ms() - from < most,
                "not within {most} ms:\n{}",
                self.describe()
            );
            self.run(10);
        }
        self.ms() - from
    }

    /// Puts a datagram in front of a node, as if it had come over the network just now.
    pub fn inject(&mut self, a: Arrival) {
        self.push(self.now, Event::Arrive(a));
    }

    fn push(&mut self, at: u64, event: Event) {
        self.events.push(at, event);
    }

    fn next_event(&self) -> u64 {
        let now = self.instant();
        let first = self.events.next().unwrap_or(u64::MAX);
        let gateways = self.gateways.iter().map(|g| g.poll_timeout(now));
        let exits = self.exits.iter().map(|e| e.poll_timeout(now));
        let nodes = gateways.chain(exits).map(Instant::as_micros).min();
        first.min(nodes.unwrap_or(u64::MAX))
    }

    fn arrive(&mut self) {
        while let Some(event) = self.events.take_due(self.now) {
            match event {
                Event::Arrive(a) => self.deliver(a),
                Event::Done(Place::Gateway(g), life, done) => {
                    let now = self.instant();
                    self.gateways[g].done(now, life, *done);
                }
                Event::Done(Place::Exit(e), life, done) => {
                    let now = self.instant();
                    self.exits[e].done(now, life, *done);
                }
                Event::Direct(down, packet) => self.direct.push((down, packet)),
            }
        }
    }

    fn deliver(&mut self, a: Arrival) {
        if a.bytes.first() == Some(&0x13) && self.lose_answers > 0 {
            self.lose_answers -= 1;
            return;
        }
        let (now, to) = (self.instant(), a.to);
        let copy = self
            .capture
            .is_some()
            .then(|| (self.refused(to), a.clone()));
        match a.to {
            Place::Gateway(g) => {
                let forwards = self.gateways[g].receive(now, a);
                for (via, to, bytes) in forwards {
                    self.send_from_gateway(g, via, to, &bytes);
                }
            }
            Place::Exit(e) => self.exits[e].receive(now, a),
        }
        if let (Some(kept), Some((before, copy))) = (&mut self.capture, copy) {
            kept.push(copy);
            if self.refused(to) > before {
                self.capture.as_mut().unwrap().pop();
            }
        }
    }

    /// How many datagrams a node refused.
    pub fn refused(&self, at: Place) -> u32 {
        let (all, gate) = match at {
            Place::Gateway(g) => {
                let (all, _, gate) = self.gateways[g].gw().refusals();
                (all, gate)
            }
            Place::Exit(e) => {
                let (all, gates) = self.exits[e].exit().refusals();
                (all, gates[0].1)
            }
        };
        all.total() + gate.malformed + gate.wrong_community + gate.bad_mac + gate.replayed
    }

    /// Lets every node that something happened to do what is due, and carries what it sends.
    fn settle(&mut self) {
        self.steps += 1;
        let now = self.instant();
        let mut buffer = vec![0; 20_000];
        for g in 0..self.gateways.len() {
            if !self.gateways[g].due(now) {
                continue;
            }
            for (via, to, bytes) in std::mem::take(&mut self.gateways[g].leaves) {
                self.send_from_gateway(g, via, to, &bytes);
            }
            self.gateways[g].tick(now);
            while let Some(o) = self.gateways[g].poll_transmit(now, &mut buffer) {
                for d in buffer[..o.len].chunks(o.stride) {
                    self.send_from_gateway(g, o.via, o.to, d);
                }
            }
            if let Some((life, done)) = self.gateways[g].work(now, &mut self.random) {
                self.push(
                    self.now + WORK_US,
                    Event::Done(Place::Gateway(g), life, Box::new(done)),
                );
            }
        }
        for e in 0..self.exits.len() {
            if !self.exits[e].due(now) {
                continue;
            }
            self.exits[e].tick(now);
            while let Some(o) = self.exits[e].poll_transmit(now, &mut buffer) {
                for d in buffer[..o.len].chunks(o.stride) {
                    self.send_from_exit(e, o.to.unwrap(), d);
                }
            }
            if let Some((life, done)) = self.exits[e].work(&mut self.random) {
                self.push(
                    self.now + WORK_US / 10,
                    Event::Done(Place::Exit(e), life, Box::new(done)),
                );
            }
        }
    }

    /// What stands where, for a test that failed.
    pub fn describe(&self) -> String {
        let gateways = self.gateways.iter().map(GatewayNode::describe);
        let exits = self.exits.iter().map(ExitNode::describe);
        gateways.chain(exits).collect::<Vec<_>>().join("\n")
    }
}

pub fn community_keys(name: &str) -> CommunityKeys {
    CommunityKeys::derive(name, &[name.len() as u8; 32])
}

pub fn identity(byte: u8) -> Identity {
    Identity::new(SecretKey::from_bytes([byte; 32]))
}

pub fn random(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6364136223846793005)
        .wrapping_add(1442695040888963407);
    *state >> 33
}
