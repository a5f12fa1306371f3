//! The network between the nodes: access lines behind NAT, the mesh, and hosts that are reached without a tunnel.

use super::line::Direction;
use super::{Arrival, Event, Place, World};
use burstmesh_core::node::Via;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// IPv4 and UDP headers on an access line; IPv6, UDP and some of the radio's on the mesh.
const LINE_HEADERS: u64 = 28;
const MESH_HEADERS: u64 = 80;
pub const MESH_PORT: u16 = 7_447;

/// The wireless mesh: one channel, whose airtime all share.
#[derive(Clone, Debug)]
pub struct Mesh {
    /// Its rate is what one transmission reaches; the queue is in its bytes.
    pub channel: Direction,
    /// Carries nothing.
    pub cut: bool,
    /// How many hops from gateway 0 each gateway is, 1 if not named. Each hop is a transmission of its own on the
    /// same channel, so that two hops halve the rate.
    pub hops: Vec<u64>,
    /// What a frame costs beside its bytes (contention, preamble, acknowledgement; aggregation divides it), us.
    pub per_frame: u64,
}

impl Mesh {
    /// So many Mbit/s of IP for one hop.
    pub fn mbit(rate: u64) -> Self {
        Self {
            channel: Direction::new(rate * 125_000, 1_000),
            cut: false,
            hops: Vec::new(),
            per_frame: 0,
        }
    }

    fn hops_between(&self, a: usize, b: usize) -> u64 {
        let hops = |g: usize| self.hops.get(g).copied().unwrap_or(1);
        if a == 0 {
            hops(b)
        } else if b == 0 {
            hops(a)
        } else {
            1
        }
    }
}

/// One of several mesh links, in place of the one mesh that all are on: each of its gateways has an interface of its own
/// on it, and nothing passes from one radio to another by itself.
#[derive(Clone, Debug)]
pub struct Radio {
    pub members: Vec<usize>,
    pub mesh: Mesh,
}

pub fn mesh_addr(g: usize) -> SocketAddr {
    let ip = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, g as u16 + 1);
    SocketAddr::new(ip.into(), MESH_PORT)
}

/// The public side of a line's NAT: one port per exit, others after each rebinding.
fn nat_addr(g: usize, uplink: usize, exit: usize, rebinds: u16) -> SocketAddr {
    let ip = Ipv4Addr::new(203, 0, 113, (g * 4 + uplink) as u8);
    SocketAddr::new(ip.into(), 20_000 + rebinds * 100 + exit as u16)
}

impl World {
    pub(super) fn send_from_gateway(
        &mut self,
        g: usize,
        via: Via,
        to: Option<SocketAddr>,
        d: &[u8],
    ) {
        match via {
            Via::Mesh(interface) => self.send_on_mesh(g, usize::from(interface), to.unwrap(), d),
            Via::Uplink { uplink, exit, .. } => {
                let line = &mut self.gateways[g].lines[usize::from(uplink)];
                let (now, bytes) = (self.now, d.len() as u64 + LINE_HEADERS);
                let arrives = line.up.carry(now, bytes, &mut self.random);
                let Some(at) = arrives.filter(|_| !line.silent) else {
                    return;
                };
                let from = nat_addr(g, uplink.into(), exit.into(), line.rebinds);
                let arrival = Arrival {
                    to: Place::Exit(exit.into()),
                    via: Via::Listener(0),
                    from,
                    bytes: d.to_vec(),
                };
                let at = at + self.exits[usize::from(exit)].further;
                self.push(at, Event::Arrive(arrival));
            }
            other => panic!("a gateway has no socket {other:?}"),
        }
    }

    /// The radio behind a gateway's interface; none where there is the one mesh that all are on.
    fn radio_of(&self, g: usize, interface: usize) -> Option<usize> {
        let mut own = (0..self.radios.len()).filter(|r| self.radios[*r].members.contains(&g));
        own.nth(interface)
    }

    fn interface_of(&self, g: usize, radio: Option<usize>) -> u8 {
        let before = &self.radios[..radio.unwrap_or(0)];
        before.iter().filter(|r| r.members.contains(&g)).count() as u8
    }

    fn send_on_mesh(&mut self, g: usize, interface: usize, to: SocketAddr, d: &[u8]) {
        let radio = self.radio_of(g, interface);
        let group = matches!(to.ip(), IpAddr::V6(ip) if ip.is_multicast());
        let hears = |other: &usize| *other != g && (group || to == mesh_addr(*other));
        let within = |other: &usize| radio.is_none_or(|r| self.radios[r].members.contains(other));
        let all = 0..self.gateways.len();
        let listeners: Vec<usize> = all.filter(within).filter(hears).collect();
        let mesh = radio.map_or(&mut self.mesh, |r| &mut self.radios[r].mesh);
        let bytes = d.len() as u64 + MESH_HEADERS;
        let once = bytes * 1_000_000 / mesh.channel.rate + mesh.per_frame;
        // A group's members hear the same transmission; the others are sent one each.
        let hops = listeners.iter().map(|o| mesh.hops_between(g, *o));
        let hops = hops.max().unwrap_or(1);
        let arrives = mesh
            .channel
            .take(self.now, bytes, once * hops, &mut self.random);
        let Some(at) = arrives.filter(|_| !mesh.cut) else {
            return;
        };
        for other in listeners {
            let arrival = Arrival {
                to: Place::Gateway(other),
                via: Via::Mesh(self.interface_of(other, radio)),
                from: mesh_addr(g),
                bytes: d.to_vec(),
            };
            self.push(at, Event::Arrive(arrival));
        }
    }

    pub(super) fn send_from_exit(&mut self, e: usize, to: SocketAddr, d: &[u8]) {
        for g in 0..self.gateways.len() {
            for u in 0..self.gateways[g].lines.len() {
                let line = &mut self.gateways[g].lines[u];
                if nat_addr(g, u, e, line.rebinds) != to {
                    continue;
                }
                let (now, bytes) = (self.now, d.len() as u64 + LINE_HEADERS);
                let arrives = line.down.carry(now, bytes, &mut self.random);
                let Some(at) = arrives.filter(|_| !line.silent) else {
                    return;
                };
                let arrival = Arrival {
                    to: Place::Gateway(g),
                    via: Via::Uplink {
                        uplink: u as u8,
                        exit: e as u8,
                        address: 0,
                    },
                    from: self.exits[e].addr,
                    bytes: d.to_vec(),
                };
                let at = at + self.exits[e].further;
                return self.push(at, Event::Arrive(arrival));
            }
        }
    }

    /// A packet that uses a gateway's line without burstmesh, down or up: the household's own. It comes out of
    /// [`World::take_direct`].
    pub fn send_direct(&mut self, g: usize, down: bool, packet: Vec<u8>) {
        let (now, len) = (self.now, packet.len() as u64);
        let line = &mut self.gateways[g].lines[0];
        let way = if down { &mut line.down } else { &mut line.up };
        let arrives = way.carry(now, len, &mut self.random);
        if let Some(at) = arrives.filter(|_| !line.silent) {
            self.push(at, Event::Direct(down, packet));
        }
    }
}
