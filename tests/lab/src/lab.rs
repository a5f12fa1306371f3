//! A profile's network with flows in it.

use crate::flow::packet::{Way, port_of};
use crate::flow::{Flow, Kind};
use crate::profile::{Link, Profile};
use crate::world::packet::{FAR, leased};
use crate::world::{Line, World};
use burstmesh_core::data::tunnel::Tunnel;

/// How often the state of the paths is written down, us.
const SAMPLE: u64 = 50_000;
/// The light flow begins so long before the others: its delay without them.
pub const QUIET: u64 = 1_500_000;

/// The state of the sending tunnel at one time.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Since the flows began, us; negative before.
    pub at: i64,
    /// Mbit/s of each path by its controller, and its own queue in ms as the controller sees it, by path ID.
    pub paths: Vec<(u16, f64, f64)>,
    /// Packets waiting at the sender.
    pub backlog: u32,
    /// How long the resequencer has been holding what it holds longest, ms.
    pub hold: f64,
    /// Blocks in use at the home's gateway, and at the exit.
    pub blocks: (u32, u32),
    /// Packets that the first of the inner flows that way allows itself to have on their way.
    pub window: u64,
}

/// A running network.
pub struct Lab {
    pub world: World,
    pub flows: Vec<Flow>,
    pub links: Vec<Link>,
    pub samples: Vec<Sample>,
    /// When the flows begin, by the world's clock.
    pub start: u64,
    /// The direction that samples are about.
    pub down: bool,
    sample_at: u64,
    weather_at: u64,
}

impl Lab {
    /// The network of a profile, with all paths open. `links` may be fewer than the profile's.
    pub fn new(profile: &Profile, links: &[Link], seed: u64) -> Self {
        let lines: Vec<[Line; 1]> = links.iter().map(|l| [l.line()]).collect();
        let lines: Vec<&[Line]> = lines.iter().map(|l| &l[..]).collect();
        let mut world = World::seeded(&lines, seed, profile.room.1);
        world.mesh.channel.set_rate(0, profile.mesh * 125_000);
        world.mesh.channel.queue = profile.mesh * 12_500;
        world.mesh.hops = (0..links.len()).map(|_| profile.hops).collect();
        let lent = links.len() - 1;
        world.run_until(20_000, |w| w.gateways[0].live_paths() == (1, lent));
        // The paths' sizes are known a moment later.
        world.run(1_000);
        let keep = |i: usize, world: &mut World| {
            world.gateways[i].at.inbox = Some(Vec::new());
            world.exits[0].at(i).inbox = Some(Vec::new());
        };
        (0..links.len()).for_each(|i| keep(i, &mut world));
        let start = world.now + QUIET;
        let mut lab = Self {
            sample_at: world.now,
            weather_at: world.now,
            world,
            flows: Vec::new(),
            links: links.to_vec(),
            samples: Vec::new(),
            start,
            down: true,
        };
        lab.add(Kind::Ping, false, u64::MAX);
        lab
    }

    /// Begins a flow of the home's client now; returns its place.
    pub fn add(&mut self, kind: Kind, down: bool, bytes: u64) -> usize {
        self.add_at(0, false, kind, down, bytes)
    }

    /// Begins a flow of a client of any gateway, past burstmesh if `direct`.
    pub fn add_at(
        &mut self,
        gateway: usize,
        direct: bool,
        kind: Kind,
        down: bool,
        bytes: u64,
    ) -> usize {
        let way = Way {
            home: leased(gateway),
            far: FAR,
            port: 2_000 + self.flows.len() as u16,
            down,
        };
        let pooling = self.world.gateways[gateway].gw().pooling();
        let mtu = if direct {
            1_500
        } else {
            usize::from(pooling.unwrap().mtu)
        };
        let mut flow = Flow::new(kind, way, gateway, mtu, self.world.now, bytes);
        flow.direct = direct;
        self.flows.push(flow);
        self.flows.len() - 1
    }

    /// Largest packet of the home's clients.
    pub fn mtu(&self) -> u16 {
        self.world.gateways[0].gw().pooling().map_or(0, |p| p.mtu)
    }

    /// Time since the flows began, us.
    pub fn now(&self) -> i64 {
        self.world.now as i64 - self.start as i64
    }

    /// Runs until so many us after the flows' beginning.
    pub fn run_to(&mut self, us: u64) {
        let end = self.start + us;
        while self.world.now < end {
            self.weather();
            self.sample();
            for i in 0..self.flows.len() {
                while let Some((down, packet)) = self.flows[i].poll(self.world.now) {
                    self.send(i, down, packet);
                }
            }
            let flows = self.flows.iter().map(Flow::timeout).min();
            let next = flows.unwrap_or(u64::MAX).min(self.sample_at);
            self.world.step(next.min(self.weather_at).min(end));
            self.collect();
        }
    }

    fn weather(&mut self) {
        let now = self.world.now;
        if now < self.weather_at {
            return;
        }
        self.weather_at = now + 1_000;
        let Some(ms) = now.checked_sub(self.start).map(|us| us / 1_000) else {
            return;
        };
        for (node, link) in self.world.gateways.iter_mut().zip(&self.links) {
            let Some(line) = node.lines.first_mut() else {
                continue;
            };
            let (up, down) = (link.rate_at(ms, false), link.rate_at(ms, true));
            line.silent = up == 0;
            for (way, rate) in [(&mut line.up, up), (&mut line.down, down)] {
                if rate > 0 && way.rate != rate * 125_000 {
                    way.set_rate(now, rate * 125_000);
                }
            }
        }
    }

    fn send(&mut self, flow: usize, down: bool, mut packet: Vec<u8>) {
        let (gateway, direct) = (self.flows[flow].gateway, self.flows[flow].direct);
        let now = self.world.instant();
        if direct {
            self.world.send_direct(gateway, down, packet);
        } else if down {
            let key = self.world.gateways[gateway].key();
            if let Some(seat) = self.world.exits[0].seat_of(&key) {
                self.world.exits[0].send(now, seat, &mut packet);
            }
        } else {
            self.world.gateways[gateway].send(now, &mut packet);
        }
    }

    fn collect(&mut self) {
        for packet in self.world.take_direct() {
            self.take(packet.0, &packet.1);
        }
        for g in 0..self.world.gateways.len() {
            let home = &mut self.world.gateways[g].at.inbox;
            let home = std::mem::take(home.as_mut().unwrap());
            let far = &mut self.world.exits[0].at(g).inbox;
            let far = std::mem::take(far.as_mut().unwrap());
            home.iter().for_each(|p| self.take(true, p));
            far.iter().for_each(|p| self.take(false, p));
        }
    }

    fn take(&mut self, down: bool, packet: &[u8]) {
        let port = port_of(packet, down).unwrap_or(0);
        let flow = usize::from(port).wrapping_sub(2_000);
        let Some(f) = self.flows.get_mut(flow) else {
            return;
        };
        if let Some((down, answer)) = f.take(self.world.now, down, packet) {
            self.send(flow, down, answer);
        }
    }

    /// The tunnel that sends, and the one that receives.
    pub fn tunnels(&self, down: bool) -> Option<(&Tunnel<'static>, &Tunnel<'static>)> {
        let home = self.world.gateways[0].gw().link().tunnel();
        let seat = self.world.exits[0].seat_of(&self.world.gateways[0].key())?;
        let exit = self.world.exits[0].tunnel(seat)?;
        Some(if down { (exit, home) } else { (home, exit) })
    }

    fn sample(&mut self) {
        if self.world.now < self.sample_at {
            return;
        }
        self.sample_at += SAMPLE;
        let now = self.world.instant();
        let Some((sends, receives)) = self.tunnels(self.down) else {
            return;
        };
        let path = |p: &burstmesh_core::data::path::Path| {
            let rate = f64::from(p.rate().rate()) / 125_000.0;
            (p.id(), rate, f64::from(p.rate().queue_us()) / 1_000.0)
        };
        let blocks = (sends.memory_used().0, receives.memory_used().0);
        let blocks = if self.down {
            (blocks.1, blocks.0)
        } else {
            blocks
        };
        let since = receives.holding_since();
        let sample = Sample {
            at: self.now(),
            paths: sends.paths().map(|(_, p)| path(p)).collect(),
            backlog: sends.backlog(),
            hold: since.map_or(0.0, |t| now.since(t).as_micros() as f64 / 1_000.0),
            blocks,
            window: self.window(),
        };
        self.samples.push(sample);
    }

    fn window(&self) -> u64 {
        let bulk = |f: &&Flow| f.kind != Kind::Ping && f.way.down == self.down;
        self.flows
            .iter()
            .find(bulk)
            .map_or(0, |f| f.sender.window())
    }
}
