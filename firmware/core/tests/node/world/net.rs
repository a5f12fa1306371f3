//! The network between the nodes: access lines behind NAT, and the mesh.

use super::{Arrival, Event, Place, World};
use burstmesh_core::node::Via;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// IPv4 and UDP headers on an access line; IPv6, UDP and some of the radio's on the mesh.
const LINE_HEADERS: usize = 28;
const MESH_HEADERS: usize = 80;
const MESH_RATE: u64 = 100 * 125_000;
const MESH_DELAY_US: u64 = 1_000;
/// Drop-tail queues hold so much time.
const QUEUE_US: u64 = 100_000;
pub const MESH_PORT: u16 = 7_447;

/// One access line.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Bytes per second, each way.
    pub rate: u64,
    /// One way, us.
    pub delay: u64,
    pub loss_permille: u64,
    /// Swallows everything, and nobody is told.
    pub silent: bool,
    /// How often the NAT has forgotten its mappings.
    pub rebinds: u16,
    /// Others may use it.
    pub lend: bool,
    pub up: Direction,
    pub down: Direction,
    /// Datagrams that the line's own queue dropped, and those it lost.
    pub dropped: u64,
}

/// One direction of a line: when it will be free.
#[derive(Clone, Copy, Debug, Default)]
pub struct Direction {
    free: u64,
}

impl Line {
    pub fn mbit(rate: u64, delay_ms: u64) -> Self {
        Self {
            rate: rate * 125_000,
            delay: delay_ms * 1000,
            loss_permille: 0,
            silent: false,
            rebinds: 0,
            lend: true,
            up: Direction::default(),
            down: Direction::default(),
            dropped: 0,
        }
    }
}

impl Direction {
    /// When `bytes` that begin to queue now have left; `None` if the queue is full.
    fn carry(&mut self, now: u64, rate: u64, bytes: usize) -> Option<u64> {
        let start = self.free.max(now);
        if start - now > QUEUE_US {
            return None;
        }
        self.free = start + bytes as u64 * 1_000_000 / rate;
        Some(self.free)
    }
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
            Via::Mesh(0) => self.send_on_mesh(g, to.unwrap(), d),
            Via::Uplink { uplink, exit, .. } => {
                let (now, dice) = (self.now, self.random() % 1000);
                let line = &mut self.gateways[g].lines[usize::from(uplink)];
                let left = line.up.carry(now, line.rate, d.len() + LINE_HEADERS);
                let Some(left) = left.filter(|_| !line.silent && dice >= line.loss_permille) else {
                    line.dropped += 1;
                    return;
                };
                let from = nat_addr(g, uplink.into(), exit.into(), line.rebinds);
                let arrival = Arrival {
                    to: Place::Exit(exit.into()),
                    via: Via::Listener(0),
                    from,
                    bytes: d.to_vec(),
                };
                let at = left + line.delay;
                self.push(at, Event::Arrive(arrival));
            }
            other => panic!("a gateway has no socket {other:?}"),
        }
    }

    fn send_on_mesh(&mut self, g: usize, to: SocketAddr, d: &[u8]) {
        let Some(left) = self.mesh.carry(self.now, MESH_RATE, d.len() + MESH_HEADERS) else {
            return;
        };
        let group = matches!(to.ip(), IpAddr::V6(ip) if ip.is_multicast());
        for other in (0..self.gateways.len()).filter(|o| *o != g) {
            let lost = self.random() % 1000 < self.mesh_loss;
            if self.mesh_cut || lost || !(group || to == mesh_addr(other)) {
                continue;
            }
            let arrival = Arrival {
                to: Place::Gateway(other),
                via: Via::Mesh(0),
                from: mesh_addr(g),
                bytes: d.to_vec(),
            };
            self.push(left + MESH_DELAY_US, Event::Arrive(arrival));
        }
    }

    pub(super) fn send_from_exit(&mut self, e: usize, to: SocketAddr, d: &[u8]) {
        for g in 0..self.gateways.len() {
            for u in 0..self.gateways[g].lines.len() {
                let (now, dice) = (self.now, self.random() % 1000);
                let line = &mut self.gateways[g].lines[u];
                if nat_addr(g, u, e, line.rebinds) != to {
                    continue;
                }
                let left = line.down.carry(now, line.rate, d.len() + LINE_HEADERS);
                let Some(left) = left.filter(|_| !line.silent && dice >= line.loss_permille) else {
                    line.dropped += 1;
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
                let at = left + line.delay;
                return self.push(at, Event::Arrive(arrival));
            }
        }
    }
}
