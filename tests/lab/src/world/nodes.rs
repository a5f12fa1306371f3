//! A gateway and an exit with what their shells would keep.

use super::line::Line;
use super::net::{MESH_PORT, mesh_addr};
use super::packet::{Receiver, leased};
use super::{Arrival, community_keys, identity, random};
use burstmesh_core::control::admission::Admission;
use burstmesh_core::control::cookie::Budget;
use burstmesh_core::control::handshake::Credentials;
use burstmesh_core::data::pool::{Block, Slot};
use burstmesh_core::data::queue::TxFlow;
use burstmesh_core::data::resequence::RxFlow;
use burstmesh_core::data::reset::Near;
use burstmesh_core::data::tunnel::{Memory, Tunnel};
use burstmesh_core::error::Refusal;
use burstmesh_core::identity::{CommunityId, CommunityKeys, Identity, PublicKey};
use burstmesh_core::node::exit::{self, Exit, Seat};
use burstmesh_core::node::gateway::{Config, ExitConfig, Gateway, LOOK, Route, UplinkConfig};
use burstmesh_core::node::job::{Admitted, Anyone, Done, Doorkeeper, NotAdmitted};
use burstmesh_core::node::{Outgoing, Output, Via};
use burstmesh_core::time::Instant;
use burstmesh_core::wire::admission::{AdminSecret, Certificate, Revocations};
use burstmesh_core::wire::handshake::{Denial, Lease};
use std::collections::BTreeMap;
use std::net::SocketAddr;

fn leak<T: Clone>(value: T, n: usize) -> &'static mut [T] {
    Box::leak(vec![value; n].into_boxed_slice())
}

/// Packet memory of a node: slots and blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub slots: usize,
    pub blocks: usize,
}

impl Room {
    /// A gateway's, unless something else is said.
    pub const HOME: Self = Self {
        slots: 3_000,
        blocks: 8_000,
    };
    /// What the exit gives a seat.
    pub const SERVER: Self = Self {
        slots: 8_000,
        blocks: 16_000,
    };

    fn memory(self) -> Memory<'static> {
        Memory {
            slots: leak(Slot::FREE, self.slots),
            blocks: leak(Block::FREE, self.blocks),
            tx_flows: leak(TxFlow::FREE, 64),
            rx_flows: leak(RxFlow::FREE, 64),
        }
    }
}

fn seat_memory() -> Memory<'static> {
    Room::SERVER.memory()
}

fn entropy(state: &mut u64) -> impl FnMut(&mut [u8; 32]) + '_ {
    |out| out.iter_mut().for_each(|b| *b = random(state) as u8)
}

type Forward = (Via, Option<SocketAddr>, Vec<u8>);

/// A gateway's TUN and sockets during one call.
struct Shell<'a> {
    now: u64,
    at: &'a mut Receiver,
    forwards: Vec<Forward>,
}

impl<'a> Shell<'a> {
    fn new(now: Instant, at: &'a mut Receiver) -> Self {
        Self {
            now: now.as_micros(),
            at,
            forwards: Vec::new(),
        }
    }
}

impl Output for Shell<'_> {
    fn deliver(&mut self, packet: &[u8]) {
        self.at.take(self.now, packet);
    }
    fn inside(&mut self, packet: &[u8]) {
        self.at.inside.push(packet.to_vec());
    }
    fn forward(&mut self, via: Via, to: Option<SocketAddr>, header: &[u8], body: &[u8]) {
        self.forwards.push((via, to, [header, body].concat()));
    }
}

/// A gateway with its lines.
pub struct GatewayNode {
    pub number: usize,
    pub gw: Option<Box<Gateway<'static>>>,
    pub lines: Vec<Line>,
    /// What its clients got.
    pub at: Receiver,
    /// Datagrams that it passed on for others.
    pub forwarded: u64,
    /// Of these, what was nobody's business but theirs.
    pub relayed: u64,
    /// What a client's packet became at once.
    pub(super) leaves: Vec<Forward>,
    /// What its shell keeps of admission, where there is an admin.
    pub admission: Option<Admission>,
    /// A list that it takes for the admin's from its start on, whoever made it.
    pub believes: Option<Revocations>,
    /// A certificate that it shows from its start on, whoever made it and for whom.
    pub shows: Option<Certificate>,
    /// Mesh interfaces.
    pub(super) interfaces: usize,
    pub(super) dirty: bool,
    credentials: Credentials,
    life: u64,
    busy: bool,
    room: Room,
    /// When its shell reads the lines' counters next.
    watch_at: Instant,
}

impl GatewayNode {
    pub(super) fn new(number: usize, community: CommunityKeys, lines: &[Line], room: Room) -> Self {
        Self {
            number,
            gw: None,
            lines: lines.to_vec(),
            at: Receiver::default(),
            forwarded: 0,
            relayed: 0,
            leaves: Vec::new(),
            admission: None,
            believes: None,
            shows: None,
            interfaces: 1,
            dirty: true,
            credentials: Credentials {
                identity: identity(number as u8 + 1),
                community,
            },
            life: 0,
            busy: false,
            room,
            watch_at: Instant::ZERO,
        }
    }

    pub fn key(&self) -> PublicKey {
        self.credentials.identity.public()
    }

    pub(super) fn start(&mut self, now: Instant, exits: Vec<ExitConfig>, seed: [u8; 32]) {
        self.life += 1;
        self.busy = false;
        let uplinks = self.lines.iter().map(|l| UplinkConfig {
            lend: l.lend,
            ..UplinkConfig::default()
        });
        let config = Config {
            credentials: self.credentials.clone(),
            admission: self.admission.as_ref().map(|a| Admission {
                list: self.believes.clone(),
                certificate: self.shows,
                ..Admission::by(a.admin)
            }),
            epoch: self.life,
            exits: exits.into_iter().collect(),
            uplinks: uplinks.collect(),
            mesh_ports: (0..self.interfaces).map(|_| MESH_PORT).collect(),
            seed,
        };
        let mut gw = Box::new(Gateway::new(now, config, self.room.memory()));
        for u in 0..self.lines.len() {
            gw.handle_uplink(now, u as u8, true);
        }
        if let Some(kept) = &self.admission {
            gw.set_time(kept.now);
            kept.certificate
                .iter()
                .for_each(|c| gw.offer_certificate(*c));
            kept.list.iter().for_each(|l| gw.offer_list(l.clone()));
        }
        self.gw = Some(gw);
        self.dirty = true;
    }

    /// The gateway, which must be running.
    pub fn gw(&self) -> &Gateway<'static> {
        self.gw.as_ref().unwrap()
    }

    /// A client's packet.
    pub fn send(&mut self, now: Instant, packet: &mut [u8]) {
        let mut shell = Shell::new(now, &mut self.at);
        self.dirty = true;
        if let Some(gw) = &mut self.gw {
            gw.handle_inner(now, packet, &mut shell);
        }
        self.leaves.append(&mut shell.forwards);
    }

    /// A packet of its own into the control network.
    pub fn send_inside(&mut self, now: Instant, packet: &[u8]) -> Result<(), Refusal> {
        let mut shell = Shell::new(now, &mut self.at);
        self.dirty = true;
        let sent = self
            .gw
            .as_mut()
            .map(|gw| gw.send_inside(now, packet, &mut shell));
        self.leaves.append(&mut shell.forwards);
        sent.unwrap_or(Err(Refusal::Unknown))
    }

    /// Under which addresses its clients' flows were lost since the last call.
    pub fn take_lost(&mut self) -> Option<Near> {
        self.gw.as_mut()?.take_lost()
    }

    /// Paths to the exit that carry packets: over its own lines, and over others'.
    pub fn live_paths(&self) -> (usize, usize) {
        let Some(gw) = &self.gw else { return (0, 0) };
        let own = |at: usize| matches!(gw.link().route(at), Some(Route::Own { .. }));
        let live = || gw.link().tunnel().paths().filter(|(_, p)| p.usable());
        let owned = live().filter(|(at, _)| own(*at)).count();
        (owned, live().count() - owned)
    }

    pub(super) fn poll_timeout(&self, now: Instant) -> Instant {
        let gw = self.gw.as_ref();
        gw.map_or(Instant::FAR, |g| g.poll_timeout(now))
    }
    pub(super) fn due(&self, now: Instant) -> bool {
        self.dirty || self.poll_timeout(now) <= now
    }

    pub(super) fn receive(&mut self, now: Instant, mut a: Arrival) -> Vec<Forward> {
        let mut shell = Shell::new(now, &mut self.at);
        let n = a.bytes.len();
        if let Some(gw) = &mut self.gw {
            let due = gw.poll_timeout(now);
            let ours = gw.handle_datagrams(now, a.via, a.from, &mut a.bytes, n, &mut shell);
            // The agent goes by that, and sleeps on.
            assert!(ours || (shell.forwards.len(), gw.poll_timeout(now)) == (1, due));
            self.relayed += u64::from(!ours);
        }
        self.dirty = true;
        self.forwarded += shell.forwards.len() as u64;
        shell.forwards
    }

    pub(super) fn tick(&mut self, now: Instant) {
        self.dirty = false;
        let mut shell = Shell::new(now, &mut self.at);
        if let Some(gw) = &mut self.gw {
            gw.handle_timeout(now, &mut shell);
        }
        self.watch(now);
    }

    fn watch(&mut self, now: Instant) {
        let Some(gw) = self.gw.as_mut().filter(|_| now >= self.watch_at) else {
            return;
        };
        self.watch_at = now + LOOK;
        for (n, line) in self.lines.iter().enumerate() {
            if gw.is_lent_upwards(n as u8) {
                gw.handle_sent(now, n as u8, line.up.carried);
            }
        }
    }

    pub(super) fn poll_transmit(&mut self, now: Instant, out: &mut [u8]) -> Option<Outgoing> {
        self.gw.as_mut()?.poll_transmit(now, out)
    }

    pub(super) fn work(&mut self, now: Instant, state: &mut u64) -> Option<(u64, Done)> {
        let gw = self.gw.as_mut().filter(|_| !self.busy)?;
        let task = gw.poll_task(now, entropy(state))?;
        self.busy = true;
        Some((self.life, task.run(&mut Anyone)))
    }

    pub(super) fn done(&mut self, now: Instant, life: u64, done: Done) {
        self.dirty = true;
        if let Some(gw) = self.gw.as_mut().filter(|_| life == self.life) {
            self.busy = false;
            gw.handle_done(now, done);
            self.admission = gw.admission().cloned();
        }
    }

    pub(super) fn describe(&self) -> String {
        let Some(gw) = &self.gw else {
            return format!("gateway {} is off", self.number);
        };
        let mut out = format!(
            "gateway {} at {}: sessions {} refusals {:?}",
            self.number,
            mesh_addr(self.number),
            gw.link().sessions(),
            gw.refusals()
        );
        for (i, p) in gw.peers() {
            let loans: Vec<_> = p.loans.iter().map(|l| l.relay).collect();
            let session = p.session.is_some();
            let up = p.is_up();
            out += &format!(
                "\n  peer {i} {} hops {} session {session} up {up} offers {} loans {loans:?}",
                p.addr,
                p.hops(),
                p.offers.len()
            );
            if let Some(way) = &p.way {
                let (by, loan) = (way.by, &way.loan);
                out += &format!(
                    " by {by} stated {:?} near {} relay {:?} until {:?} asks {}",
                    way.stated,
                    p.near,
                    loan.relay,
                    loan.until,
                    p.initiator.attempts()
                );
            }
        }
        for (at, p) in gw.link().tunnel().paths() {
            let (route, state) = (gw.link().route(at), p.state());
            let rate = p.rate().rate() / 125_000;
            out += &format!("\n  path {at} {route:?} {state:?} {rate} Mbit/s");
        }
        out
    }
}

/// The members that an exit lets in, with their numbers.
#[derive(Default)]
pub struct Door {
    members: BTreeMap<PublicKey, usize>,
    /// Makes certificates for those who have none, if the admin's key is here.
    pub signs: Option<AdminSecret>,
}

impl Door {
    pub fn admit(&mut self, key: PublicKey, number: usize) {
        self.members.insert(key, number);
    }
    pub fn withdraw(&mut self, key: &PublicKey) {
        self.members.remove(key);
    }
}

impl Doorkeeper for Door {
    fn admit(
        &mut self,
        community: CommunityId,
        key: &PublicKey,
        judged: Result<(), Denial>,
    ) -> Result<Admitted, NotAdmitted> {
        let number = *self.members.get(key).ok_or(NotAdmitted(None))?;
        let certificate = match (judged, &self.signs) {
            (Ok(()), _) => None,
            (Err(Denial::NoCertificate), Some(admin)) => {
                Some(admin.certify(community, key, 1_000, 0))
            }
            (Err(why), _) => return Err(NotAdmitted(Some(why))),
        };
        let mut ipv6 = [0xfd; 16];
        ipv6[15] = number as u8 + 1;
        let lease = Some(Lease {
            ipv4: leased(number),
            ipv6,
            dns4: None,
            dns6: None,
            mtu: 1442,
        });
        Ok(Admitted { lease, certificate })
    }
}

/// What the Internet got, by the gateway that sent it.
#[derive(Default)]
struct Tun {
    inside: Vec<(usize, Vec<u8>)>,
    now: u64,
    at: BTreeMap<usize, Receiver>,
}

impl exit::Output for Tun {
    fn inside(&mut self, seat: usize, packet: &[u8]) {
        self.inside.push((seat, packet.to_vec()));
    }
    fn deliver(&mut self, _: usize, packet: &[u8]) {
        // Also the exit's own ICMP comes by here; it is nobody's.
        if let Some(from) = (0..250).find(|g| packet.get(12..16) == Some(&leased(*g)[..])) {
            self.at.entry(from).or_default().take(self.now, packet);
        }
    }
}

/// An exit.
pub struct ExitNode {
    pub exit: Option<Box<Exit<'static>>>,
    pub addr: SocketAddr,
    pub door: Door,
    /// Who it is from its next start on, if not whom the gateways have pinned.
    pub identity: Option<Identity>,
    /// How much further away it is than the end of the lines, one way in us.
    pub further: u64,
    /// How much gateways that start now prefer it: the smaller the more.
    pub preference: u8,
    pub(super) dirty: bool,
    number: usize,
    tun: Tun,
    life: u64,
    busy: bool,
}

impl ExitNode {
    pub(super) fn new(now: Instant, number: usize, seed: [u8; 32]) -> Self {
        let mut node = Self {
            exit: None,
            addr: SocketAddr::from(([192, 0, 2, number as u8 + 1], 7_447)),
            door: Door::default(),
            identity: None,
            further: 0,
            preference: number as u8,
            dirty: true,
            number,
            tun: Tun::default(),
            life: 0,
            busy: false,
        };
        node.start(now, seed);
        node
    }

    pub fn key(&self) -> PublicKey {
        identity(200 + self.number as u8).public()
    }

    pub(super) fn start(&mut self, now: Instant, seed: [u8; 32]) {
        self.life += 1;
        self.busy = false;
        let seats: Vec<Option<Seat<'static>>> = (0..8).map(|_| None).collect();
        let seats = Box::leak(seats.into_boxed_slice());
        let pinned = identity(200 + self.number as u8);
        let own = self.identity.clone().unwrap_or(pinned);
        let mut exit = Box::new(Exit::new(own, seats, seat_memory, seed));
        exit.serve(now, community_keys("home"), Budget::SERVER)
            .unwrap();
        self.exit = Some(exit);
        self.dirty = true;
    }

    /// As gateways are told of it.
    pub(super) fn config(&self) -> ExitConfig {
        ExitConfig {
            key: self.key(),
            addresses: [self.addr].into_iter().collect(),
            preference: self.preference,
        }
    }

    /// The exit, which must be running.
    pub fn exit(&self) -> &Exit<'static> {
        self.exit.as_ref().unwrap()
    }

    /// What came for the exit itself over the control network, with the seats.
    pub fn inside(&self) -> &[(usize, Vec<u8>)] {
        &self.tun.inside
    }

    /// What came from this gateway's clients.
    pub fn at(&mut self, gateway: usize) -> &mut Receiver {
        self.tun.at.entry(gateway).or_default()
    }

    pub fn seat_of(&self, key: &PublicKey) -> Option<usize> {
        let mut seats = self.exit.as_ref()?.seats();
        seats.find(|(_, _, s)| s.key == *key).map(|(i, _, _)| i)
    }

    pub fn backlog(&self, seat: usize) -> u32 {
        self.tunnel(seat).map_or(0, |t| t.backlog())
    }

    /// The exit's end of a member's tunnel.
    pub fn tunnel(&self, seat: usize) -> Option<&Tunnel<'static>> {
        let mut seats = self.exit().seats();
        let seat = seats.find(|(i, _, _)| *i == seat);
        seat.map(|(_, s, _)| s.tunnel())
    }

    /// A packet from the Internet for a member.
    pub fn send(&mut self, now: Instant, seat: usize, packet: &mut [u8]) {
        self.tun.now = now.as_micros();
        self.dirty = true;
        if let Some(exit) = &mut self.exit {
            exit.handle_inner(now, seat, packet, &mut self.tun);
        }
    }

    pub(super) fn poll_timeout(&self, now: Instant) -> Instant {
        let exit = self.exit.as_ref();
        exit.map_or(Instant::FAR, |e| e.poll_timeout(now))
    }
    pub(super) fn due(&self, now: Instant) -> bool {
        self.dirty || self.poll_timeout(now) <= now
    }

    pub(super) fn receive(&mut self, now: Instant, mut a: Arrival) {
        self.dirty = true;
        self.tun.now = now.as_micros();
        let n = a.bytes.len();
        if let Some(exit) = &mut self.exit {
            exit.handle_datagrams(now, a.via, a.from, &mut a.bytes, n, &mut self.tun);
        }
    }

    pub(super) fn tick(&mut self, now: Instant) {
        self.dirty = false;
        self.tun.now = now.as_micros();
        if let Some(exit) = &mut self.exit {
            exit.handle_timeout(now, &mut self.tun);
        }
    }

    pub(super) fn poll_transmit(&mut self, now: Instant, out: &mut [u8]) -> Option<Outgoing> {
        self.exit.as_mut()?.poll_transmit(now, out)
    }

    pub(super) fn work(&mut self, state: &mut u64) -> Option<(u64, Done)> {
        let exit = self.exit.as_mut().filter(|_| !self.busy)?;
        let task = exit.poll_task(entropy(state))?;
        self.busy = true;
        Some((self.life, task.run(&mut self.door)))
    }

    pub(super) fn done(&mut self, now: Instant, life: u64, done: Done) {
        self.dirty = true;
        if let Some(exit) = self.exit.as_mut().filter(|_| life == self.life) {
            self.busy = false;
            exit.handle_done(now, done);
        }
    }

    pub(super) fn describe(&self) -> String {
        let Some(exit) = &self.exit else {
            return format!("exit {} is off", self.number);
        };
        let mut out = format!("exit {}: {:?}", self.number, exit.refusals());
        for (i, seat, session) in exit.seats() {
            let paths = seat.tunnel().paths();
            let paths: Vec<_> = paths
                .map(|(at, p)| (p.id(), p.state(), session.address_of(at)))
                .collect();
            out += &format!(
                "\n  seat {i} {:?} handshakes {} {paths:?}",
                session.key, session.handshakes
            );
        }
        out
    }
}
