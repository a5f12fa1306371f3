//! A gateway: finds its neighbours, keeps a session with an exit, opens a path over every way there, lends its uplinks.

mod account;
mod admission;
mod asked;
mod exit_link;
mod guests;
mod hops;
mod household;
mod inside;
mod maintain;
mod parts;
mod receive;
mod refused;
mod rivals;
mod sessions;
mod settings;
mod transmit;

pub use super::guest::{NETWORK_V4 as GUESTS_V4, NETWORK_V6 as GUESTS_V6};
pub use exit_link::{Choice, ExitLink, Route};
pub use guests::AtHost;
pub use hops::MAX_HOPS;
pub use household::LOOK;
pub use parts::{MAX_WEIGHTS, Weights};
pub use refused::MAX_REFUSED;
pub use transmit::GROUP;

use super::bucket::Bucket;
use super::guest;
use super::job::Task;
use super::lend::Relays;
pub use super::lend::{Carried, Over, Relay};
pub use super::peer::{MAX_PEERS, Peer};
use super::roll::{EXIT, Roll};
use super::room::Room;
use super::{Draw, Letter, Output};
use crate::control::admission::Admission;
use crate::control::announcer::Announcer;
use crate::control::cookie::{Budget, Gatekeeper};
use crate::control::handshake::{Credentials, FinishJob};
use crate::control::heard::Heard;
use crate::data::resequence::Sink;
use crate::data::reset::Near;
use crate::data::segment::Offload;
use crate::data::too_big::too_big;
use crate::data::tunnel::{Memory, NotTaken};
use crate::error::{Refusal, Refusals};
use crate::identity::{NodeId, PublicKey};
use crate::ledger::cap::{Pace, limit};
use crate::time::Instant;
use crate::wire::control::MAX_UPLINKS;
use crate::wire::handshake::{Datagram, Denial, Lease};
use crate::wire::path::Cost;
use core::net::SocketAddr;
use heapless::{Deque, Vec};

/// Most exits a community pins.
pub const MAX_EXITS: usize = 4;
/// Most addresses of one exit.
pub const MAX_ADDRESSES: usize = 4;
/// Most mesh interfaces.
pub const MAX_MESHES: usize = 4;

/// An exit that the community pinned.
#[derive(Clone, Debug)]
pub struct ExitConfig {
    /// Its key: an exit is never believed by name.
    pub key: PublicKey,
    /// Where it listens.
    pub addresses: Vec<SocketAddr, MAX_ADDRESSES>,
    /// Smaller is taken first; of equals the nearest.
    pub preference: u8,
}

/// One of the gateway's uplinks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UplinkConfig {
    /// Others may use it.
    pub lend: bool,
    /// Most that is lent upwards, kbit/s; 0 = whatever is idle.
    pub lend_up_kbit: u32,
    /// The same downwards.
    pub lend_down_kbit: u32,
    /// Neighbours' sessions may leave here, under its address.
    pub shares_address: bool,
    /// It has IPv6.
    pub ipv6: bool,
    /// What its household is likely to leave over, up and down, kbit/s; 0 = unknown. No limit, but what borrowers choose by.
    pub idle_kbit: [u32; 2],
    /// What its use costs, for ourselves and for those who borrow it: cheaper lines are filled first.
    pub cost: Cost,
}

/// What a gateway is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who we are, and in which community.
    pub credentials: Credentials,
    /// Who says who is a member; `None`: whoever has the secret is.
    pub admission: Option<Admission>,
    /// Which life this is: greater than those before.
    pub epoch: u64,
    /// The pinned exits.
    pub exits: Vec<ExitConfig, MAX_EXITS>,
    /// Our uplinks.
    pub uplinks: Vec<UplinkConfig, MAX_UPLINKS>,
    /// The UDP port on each of the shell's mesh interfaces.
    pub mesh_ports: Vec<u16, MAX_MESHES>,
    /// Fresh entropy.
    pub seed: [u8; 32],
}

impl UplinkConfig {
    /// What is likely to be lent, up and down, kbit/s; 0 = not stated.
    fn likely_kbit(&self) -> [u32; 2] {
        [
            limit(self.lend_up_kbit, Pace::Free, self.idle_kbit[0]),
            limit(self.lend_down_kbit, Pace::Free, self.idle_kbit[1]),
        ]
    }
}

/// An uplink as it is now.
#[derive(Clone, Copy, Debug)]
struct Uplink {
    config: UplinkConfig,
    /// The shell has a route over it.
    up: bool,
    /// Bytes that may be lent until the shell says otherwise.
    left: u64,
    /// What all borrowers and guests together may use, up and down.
    lent: [Bucket; 2],
    /// Bytes of borrowers and guests that have left, and what the household leaves to them.
    sent: u32,
    room: Room,
    /// What is left to all guests, and in kbit/s.
    guests: [Bucket; 2],
    guests_kbit: [u32; 2],
}

impl Uplink {
    fn new(config: UplinkConfig) -> Self {
        Self {
            config,
            up: false,
            left: u64::MAX,
            lent: [const { Bucket::SHARED }; 2],
            sent: 0,
            room: Room::NEW,
            guests: [const { Bucket::UNLIMITED }; 2],
            guests_kbit: [0; 2],
        }
    }

    /// Whether so many bytes may be lent now.
    fn spares(&self, bytes: usize) -> Result<(), Refusal> {
        let enough = self.left >= bytes as u64;
        enough.then_some(()).ok_or(Refusal::Forbidden)
    }

    fn spend(&mut self, bytes: usize) {
        // Without a cap there is no end of it.
        if self.left != u64::MAX {
            self.left = self.left.saturating_sub(bytes as u64);
        }
    }
}

/// A handshake question that waits for the worker.
#[derive(Debug)]
struct Question {
    datagram: Datagram,
    mesh: u8,
    from: SocketAddr,
}

/// A gateway. Some 120 KB beside its tunnel's packet memory.
#[derive(Debug)]
pub struct Gateway<'m> {
    credentials: Credentials,
    epoch: u64,
    hellos: u64,
    exits: Vec<ExitConfig, MAX_EXITS>,
    uplinks: Vec<Uplink, MAX_UPLINKS>,
    mesh_ports: Vec<u16, MAX_MESHES>,
    announcers: Vec<Announcer<32>, MAX_MESHES>,
    gatekeeper: Gatekeeper,
    admission: Option<Admission>,
    roll: Roll,
    /// Somebody made no session with us, and said why.
    denied: Option<(Denial, Instant)>,
    questions: Deque<Question, 4>,
    answering: bool,
    heard: Heard<32>,
    peers: [Option<Peer>; MAX_PEERS],
    relays: Relays,
    /// Where flows were lost that nobody has been told of.
    lost: Option<Near>,
    link: ExitLink<'m>,
    rivals: rivals::Rivals,
    letters: Deque<Letter, 12>,
    draw: Draw,
    maintain_at: Instant,
    /// When it was last measured what borrowers use.
    measured_at: Instant,
    /// Until then no line in use gives its place to another.
    review_at: Instant,
    /// Peers' answers that wait for the worker.
    reading_peers: Deque<(u8, FinishJob), 3>,
    next_address: maintain::NextAddress,
    lending: bool,
    /// Neighbours are asked for what they lend.
    borrowing: bool,
    refused: refused::Refused,
    weights: Weights,
    /// What we send into the control network.
    inside: Bucket,
    refusals: Refusals,
    /// Datagrams of another major version: somebody must upgrade.
    wrong_version: u32,
}

/// What a gateway knows to the outside.
#[derive(Clone, Copy, Debug)]
pub struct Pooling<'a> {
    /// Which exit.
    pub exit: usize,
    /// How it came to be that one.
    pub choice: Choice,
    /// What it leased.
    pub lease: &'a Lease,
    /// Largest inner packet.
    pub mtu: u16,
}

impl<'m> Gateway<'m> {
    /// A gateway that has just started. `memory` is for the session with the exit.
    // Apart from its callers, whose frames it would make so large that MIPS takes three instructions for each place in them.
    #[inline(never)]
    pub fn new(now: Instant, config: Config, memory: Memory<'m>) -> Self {
        let mut seed = [0; 16];
        seed.copy_from_slice(config.seed.first_chunk::<16>().unwrap_or(&[0; 16]));
        let mut draw = Draw::new(seed);
        let credentials = config.credentials;
        // The last expression: a gateway in a variable would be copied from there, and each needs 100 KB of stack.
        Self {
            gatekeeper: Gatekeeper::new(now, &credentials, Budget::ROUTER, config.seed),
            link: ExitLink::new(&credentials, &config.exits, memory, &mut draw),
            announcers: config
                .mesh_ports
                .iter()
                .map(|_| settings::announcer(now, &credentials, config.epoch, &mut draw))
                .collect(),
            rivals: rivals::Rivals::default(),
            credentials,
            admission: config.admission,
            roll: Roll::default(),
            denied: None,
            epoch: config.epoch,
            hellos: 0,
            exits: config.exits,
            uplinks: config.uplinks.iter().map(|c| Uplink::new(*c)).collect(),
            mesh_ports: config.mesh_ports,
            questions: Deque::new(),
            answering: false,
            heard: Heard::new(),
            peers: [const { None }; MAX_PEERS],
            relays: Relays::default(),
            lost: None,
            letters: Deque::new(),
            draw,
            maintain_at: now,
            measured_at: now,
            review_at: now,
            reading_peers: Deque::new(),
            next_address: maintain::NextAddress::default(),
            lending: false,
            borrowing: true,
            refused: Vec::new(),
            weights: Vec::new(),
            inside: Bucket::new(now, super::INSIDE_KBIT),
            refusals: Refusals::default(),
            wrong_version: 0,
        }
    }

    /// Takes a client's packet from the TUN. A packet that is too big is answered (ICMP) through `out`.
    pub fn handle_inner(&mut self, now: Instant, packet: &mut [u8], out: &mut impl Output) {
        self.handle_large(now, packet, Offload::default(), out);
    }

    /// Takes what the TUN hands over with its offload header: a packet, or a large segment.
    pub fn handle_large(
        &mut self,
        now: Instant,
        packet: &mut [u8],
        offload: Offload,
        out: &mut impl Output,
    ) {
        let taken = if guest::concerns(packet) {
            self.carry(now, packet, offload, out)
        } else {
            let tunnel = &mut self.link.tunnel;
            tunnel.handle_large(now, packet, offload).map(drop)
        };
        match taken {
            Ok(()) => {}
            Err(NotTaken::Malformed) => self.refusals.count(Refusal::Malformed),
            Err(NotTaken::TooBig(mtu)) => {
                let mut answer = [0; 576];
                if let Some(n) = too_big(packet, mtu, &mut answer) {
                    out.deliver(answer.get(..n).unwrap_or_default());
                }
            }
        }
    }

    /// The shell has (or has lost) a route over an uplink.
    pub fn handle_uplink(&mut self, now: Instant, uplink: u8, up: bool) {
        let comes = self.uplinks.get_mut(usize::from(uplink)).is_some_and(|u| {
            let was = core::mem::replace(&mut u.up, up);
            up && !was
        });
        if comes && self.link.session.is_none() && !self.exits.is_empty() {
            // What was asked before had no way to go.
            self.link.ask_anew(now);
        }
        self.link.look_now(now, uplink);
        self.keep_guests();
        self.maintain_at = now;
    }

    /// A mesh interface came up, or changed.
    pub fn handle_mesh(&mut self, now: Instant, mesh: u8) {
        if let Some(a) = self.announcers.get_mut(usize::from(mesh)) {
            a.hurry(now);
        }
    }

    /// The network said that a datagram of ours was not delivered (an ICMP error): look whether the path still works.
    pub fn handle_unreachable(&mut self, now: Instant, via: super::Via) {
        if let super::Via::Uplink { uplink, .. } = via {
            self.link.look_now(now, uplink);
        }
    }

    /// The passing of time.
    #[inline(never)]
    pub fn handle_timeout(&mut self, now: Instant, out: &mut impl Output) {
        let mut sink = Deliver(out, &mut self.roll);
        self.link.tunnel.handle_timeout(now, &mut sink);
        for peer in self.peers.iter_mut().flatten() {
            peer.tunnel.handle_timeout(now, &mut Nothing);
        }
        for a in &mut self.announcers {
            a.handle_timeout(now);
        }
        if now >= self.maintain_at {
            self.maintain(now);
        }
    }

    /// When [`Self::handle_timeout`] or [`Self::poll_transmit`] has something to do.
    pub fn poll_timeout(&self, now: Instant) -> Instant {
        let mut at = self.maintain_at.min(self.link.tunnel.poll_timeout(now));
        for peer in self.peers.iter().flatten() {
            at = at.min(peer.tunnel.poll_timeout(now));
        }
        for a in &self.announcers {
            at = at.min(a.poll_timeout());
        }
        at.max(now)
    }

    /// Work for the worker, if there is some. `entropy` fills 32 bytes with fresh entropy of the system.
    pub fn poll_task(&mut self, now: Instant, entropy: impl FnMut(&mut [u8; 32])) -> Option<Task> {
        self.next_task(now, entropy)
    }

    /// The exit can be used: where, with which addresses.
    pub fn pooling(&self) -> Option<Pooling<'_>> {
        let (exit, lease) = self.link.lease()?;
        let mtu = self.link.tunnel.inner_mtu()?.min(lease.mtu);
        let choice = self.choice(exit);
        Some(Pooling {
            exit,
            choice,
            lease,
            mtu,
        })
    }

    /// Another exit is about to take the place of a silent one, or has just done so and its paths are opening.
    pub fn is_moving(&self, now: Instant) -> bool {
        self.rivals.is_ready() || self.link.opens(now)
    }

    /// Some path over one of our own uplinks works: `false` while the house lives from its neighbours.
    pub fn own_line_works(&self) -> bool {
        self.link.own_line_works()
    }

    /// The session with the exit.
    pub fn link(&self) -> &ExitLink<'m> {
        &self.link
    }
    /// The neighbours, with their places.
    pub fn peers(&self) -> impl Iterator<Item = (usize, &Peer)> {
        self.peers
            .iter()
            .enumerate()
            .filter_map(|(i, p)| p.as_ref().map(|p| (i, p)))
    }
    /// What we lend.
    pub fn relays(&self) -> impl Iterator<Item = &Relay> {
        self.relays.iter()
    }
    /// What was refused: by the data road, and by the announcers and the handshakes' gate.
    pub fn refusals(&self) -> (Refusals, u32, crate::control::cookie::Counters) {
        let all = self
            .announcers
            .iter()
            .fold(self.refusals, |sum, a| sum.and(a.refusals()));
        (all, self.wrong_version, self.gatekeeper.counters())
    }
    /// Our name.
    pub fn node_id(&self) -> NodeId {
        self.credentials.identity.public().node_id()
    }
}

/// Passes a client's packet on; keeps what an exit says of admission.
struct Deliver<'a, O: Output>(&'a mut O, &'a mut Roll);

impl<O: Output> Sink for Deliver<'_, O> {
    fn deliver(&mut self, packet: &[u8]) {
        self.0.deliver(packet);
    }
    fn control(&mut self, message: &[u8]) {
        self.1.post(EXIT, message);
    }
    fn inside(&mut self, packet: &[u8]) {
        self.0.inside(packet);
    }
}

/// A peer's session carries no packets outside of [`receive`].
struct Nothing;

impl Sink for Nothing {
    fn deliver(&mut self, _: &[u8]) {}
    fn control(&mut self, _: &[u8]) {}
}
