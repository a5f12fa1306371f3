//! A neighbour: the sealed session with it, what it offers, and what we have borrowed.

use super::borrow::Loan;
use super::excess::Excess;
use super::guest::{self, Guest, Host};
use super::lend::Carried;
use super::part::{Part, Parts};
use super::roll::Told;
use crate::control::handshake::{Credentials, Initiator, Lifetime, SessionKeys};
use crate::data::path::{Path, Setup};
use crate::data::planner;
use crate::data::probe::State;
use crate::data::reset::Near;
use crate::data::tunnel::{Memory, Tunnel};
use crate::error::Refusal;
use crate::identity::PublicKey;
use crate::time::{Duration, Instant};
use crate::wire::control::{MAX_UPLINKS, Offer, WAY};
use crate::wire::{Capabilities, relay};
use core::net::SocketAddr;
use heapless::Vec;

/// Most neighbours with a session at a time.
pub const MAX_PEERS: usize = 12;

/// What was carried over one uplink since it was last booked, in IP bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Towards the Internet.
    pub up: u32,
    /// From the Internet.
    pub down: u32,
}

impl Tally {
    /// Counts bytes towards the Internet.
    pub fn add_up(&mut self, bytes: usize) {
        self.up = self.up.saturating_add(bytes as u32);
    }
    /// Counts bytes from the Internet.
    pub fn add_down(&mut self, bytes: usize) {
        self.down = self.down.saturating_add(bytes as u32);
    }
}

/// By way of whom a member is reached who does not hear us, or whom we do not hear.
#[derive(Debug)]
pub struct Detour {
    /// The direct neighbour that passes datagrams on, by its place.
    pub by: u8,
    /// Its leave to use the way; [`WAY`] and its own hops to the member stand for the uplink.
    pub loan: Loan,
    /// What the neighbour said of its round trip to the member, ms.
    pub rtt_ms: u16,
    /// When it last said so.
    pub stated: Instant,
}

impl Detour {
    /// Mesh hops to the member.
    pub fn hops(&self) -> u8 {
        (self.loan.uplink & !WAY) + 1
    }
}

/// A session in force.
#[derive(Debug)]
pub struct Session {
    /// When it is renewed, and when it ends.
    pub lifetime: Lifetime,
    /// What authenticates relay frames.
    pub relay: RelayKeys,
    /// The peer's connection ID.
    pub remote_cid: u32,
    /// Ours.
    pub local_cid: u32,
}

/// The keys of relay frames, through renewals: frames of the old and the new keys pass each other on the way, and a
/// responder does not know whether its answer arrived before it hears something under the new keys.
#[derive(Debug)]
pub struct RelayKeys {
    send: [u8; 16],
    recv: [u8; 16],
    /// Answered, but not heard of yet.
    next: Option<([u8; 16], [u8; 16])>,
    /// What the peer used before.
    before: Option<[u8; 16]>,
}

impl RelayKeys {
    fn new(keys: &SessionKeys) -> Self {
        Self {
            send: keys.relay_send,
            recv: keys.relay_recv,
            next: None,
            before: None,
        }
    }

    /// For frames that we send.
    pub fn sending(&self) -> &[u8; 16] {
        &self.send
    }

    /// Checks a frame from the peer.
    pub fn verify(&self, frame: &[u8]) -> Result<(), Refusal> {
        let next = self.next.as_ref().map(|(_, recv)| recv);
        let others = [next, self.before.as_ref()];
        relay::verify(frame, &self.recv).or_else(|why| {
            let known = others.into_iter().flatten();
            let mut known = known.map(|key| relay::verify(frame, key));
            known.find(Result::is_ok).unwrap_or(Err(why))
        })
    }

    fn renew(&mut self, keys: &SessionKeys, initiator: bool) {
        self.next = Some((keys.relay_send, keys.relay_recv));
        if initiator {
            self.confirm();
        }
    }

    /// The peer has the new keys.
    pub fn confirm(&mut self) {
        if let Some((send, recv)) = self.next.take() {
            self.before = Some(self.recv);
            (self.send, self.recv) = (send, recv);
        }
    }
}

/// A neighbour.
#[derive(Debug)]
pub struct Peer {
    /// Who.
    pub key: PublicKey,
    /// Where on the mesh.
    pub addr: SocketAddr,
    /// On which mesh interface.
    pub mesh: u8,
    /// How it is reached, if not directly.
    pub way: Option<Detour>,
    /// Its address is where it was itself heard since it has a way: handshakes that begin a session try that.
    pub near: bool,
    /// Its minor protocol version.
    pub minor: u8,
    /// Handshakes that we begin.
    pub initiator: Initiator,
    /// The handshake under way renews the session.
    pub rekeying: bool,
    /// Control messages go through it.
    pub tunnel: Tunnel<'static, 1>,
    /// The session, if there is one.
    pub session: Option<Session>,
    /// What it can lend.
    pub offers: Vec<Offer, MAX_UPLINKS>,
    /// What we borrow or ask for.
    pub loans: Vec<Loan, MAX_UPLINKS>,
    /// Our sessions may leave at its line.
    pub host: Option<Host>,
    /// Its sessions may leave at our line.
    pub guest: Option<Guest>,
    /// Our addresses there.
    pub with_host: Near,
    /// Its addresses here.
    pub with_us: Near,
    /// Our owner refuses it.
    pub refused: bool,
    /// How much its parts of what we lend count.
    pub weight: u8,
    /// Its owner refuses us.
    pub refuses_us: bool,
    /// Until when it is a member by the admin's word, as it last showed, Unix seconds; 0: without an end. `None`: no word is asked
    /// for.
    pub certified: Option<u64>,
    /// What we carried for it, ended grants included.
    pub carried: Carried,
    /// What was dropped of it since it is more than that.
    pub excess: Excess,
    /// What it may use of each of our uplinks, and what it does.
    pub(super) parts: Parts,
    /// What was carried for it over each of our uplinks, not booked yet.
    pub lent: [Tally; MAX_UPLINKS],
    /// What it carried for us over each of its uplinks, not booked yet.
    pub borrowed: [Tally; MAX_UPLINKS],
    /// What it knows of our list of revocations.
    pub told: Told,
    /// When our offers were last sent to it.
    pub offered_at: Instant,
    /// Last sign of life.
    pub heard: Instant,
}

impl Peer {
    /// A neighbour that was heard of.
    pub fn new(
        now: Instant,
        credentials: &Credentials,
        key: PublicKey,
        addr: SocketAddr,
        mesh: u8,
        seed: u64,
    ) -> Self {
        Self {
            key,
            addr,
            mesh,
            way: None,
            near: false,
            minor: 0,
            initiator: Initiator::new(credentials, key, seed),
            rekeying: false,
            tunnel: Tunnel::new(Memory::none(), [0; 16]),
            session: None,
            offers: Vec::new(),
            loans: Vec::new(),
            host: None,
            guest: None,
            with_host: Near::NONE,
            with_us: Near::NONE,
            refused: false,
            weight: 1,
            refuses_us: false,
            certified: None,
            carried: Carried::default(),
            excess: Excess::default(),
            parts: [[Part::NEW; 2]; MAX_UPLINKS],
            lent: Default::default(),
            borrowed: Default::default(),
            told: Told::default(),
            offered_at: Instant::ZERO,
            heard: now,
        }
    }

    /// A handshake has ended well: a session begins.
    #[allow(clippy::too_many_arguments)] // what a handshake gives
    pub fn establish(
        &mut self,
        now: Instant,
        keys: &SessionKeys,
        local_cid: u32,
        remote_cid: u32,
        initiator: bool,
        capabilities: Capabilities,
        secret: [u8; 16],
    ) {
        self.tunnel.reset(secret);
        self.tunnel
            .install_keys(&keys.send, &keys.recv, initiator, capabilities);
        let setup = Setup {
            id: 0,
            local_cid,
            remote_cid,
            headroom: self.hop_headroom(),
            outer: super::outer_headers(true),
            lent: false,
            known_rate: None,
        };
        let opened = self.tunnel.open_path(now, setup);
        debug_assert!(opened.is_ok());
        self.session = Some(Session {
            lifetime: Lifetime::new(now, initiator),
            relay: RelayKeys::new(keys),
            remote_cid,
            local_cid,
        });
        self.with_host = guest::addresses(&keys.relay_send);
        self.with_us = guest::addresses(&keys.relay_recv);
        self.forget_promises();
        self.told = Told::default();
        self.offered_at = Instant::ZERO;
        self.heard = now;
    }

    /// The session goes on with new keys: grants and the mesh path stay.
    pub fn renew(
        &mut self,
        now: Instant,
        keys: &SessionKeys,
        initiator: bool,
        capabilities: Capabilities,
    ) {
        self.tunnel.retire_old_keys();
        self.tunnel
            .install_keys(&keys.send, &keys.recv, initiator, capabilities);
        if let Some(s) = &mut self.session {
            s.lifetime = Lifetime::new(now, initiator);
            s.relay.renew(keys, initiator);
        }
    }

    /// The session is over.
    pub fn lose(&mut self) {
        if core::mem::take(&mut self.rekeying) {
            // There is nothing left to renew.
            self.initiator.cancel();
        }
        self.session = None;
        self.forget_promises();
    }

    /// What either side lets the other use ends.
    fn forget_promises(&mut self) {
        self.offers.clear();
        self.loans.clear();
        self.refuses_us = false;
        (self.host, self.guest) = (None, None);
    }

    /// Its parts of one of our uplinks, up and down, kbit/s; 0 = no limit.
    pub(super) fn parts_of(&self, uplink: u8) -> [u32; 2] {
        let parts = self.parts.get(usize::from(uplink));
        parts.map_or([0; 2], |both| both.each_ref().map(Part::kbit))
    }

    /// Bytes from it went to the Internet over an uplink of ours.
    pub fn count_lent_up(&mut self, uplink: u8, bytes: usize) {
        self.carried.up_bytes += bytes as u64;
        self.carried.up_packets = self.carried.up_packets.wrapping_add(1);
        if let Some(tally) = self.lent.get_mut(usize::from(uplink)) {
            tally.add_up(bytes);
        }
    }

    /// Bytes from the Internet came for it over an uplink of ours.
    pub fn count_lent_down(&mut self, uplink: u8, bytes: usize) {
        self.carried.down_bytes += bytes as u64;
        self.carried.down_packets = self.carried.down_packets.wrapping_add(1);
        if let Some(tally) = self.lent.get_mut(usize::from(uplink)) {
            tally.add_down(bytes);
        }
    }

    /// What a path over one of its uplinks is worth, kbit/s both ways: what it expects to have over, and no more than what a
    /// path was measured to carry there, by us towards the Internet and by the exit from there.
    pub fn worth(&self, now: Instant, uplink: u8, path: Option<&Path>) -> u32 {
        let offer = self.offers.iter().find(|o| o.uplink == uplink);
        if offer.is_some_and(|o| o.cost.is_metered()) {
            return 0;
        }
        let loan = self.loans.iter().find(|l| l.uplink == uplink);
        let (up, down) = offer.map_or((0, 0), |o| (o.up_kbit, o.down_kbit));
        let [mut seen_up, mut seen_down] = loan.map_or([0; 2], |l| l.seen(now));
        if let Some([now_up, now_down]) = path.map(Path::measured) {
            seen_up = if now_up > 0 { now_up } else { seen_up };
            seen_down = if now_down > 0 { now_down } else { seen_down };
        }
        planner::worth(up, seen_up).saturating_add(planner::worth(down, seen_down))
    }

    /// Whether it is there itself.
    #[inline(never)]
    pub fn is_at(&self, mesh: u8, addr: &SocketAddr) -> bool {
        self.mesh == mesh && self.addr == *addr
    }

    /// Mesh hops to it.
    pub fn hops(&self) -> u8 {
        self.way.as_ref().map_or(1, Detour::hops)
    }

    /// Bytes in front of each datagram to it, for whoever passes it on.
    pub fn hop_headroom(&self) -> u8 {
        if self.way.is_some() {
            relay::HEADER as u8
        } else {
            0
        }
    }

    /// It takes part where the mesh is several hops.
    pub fn knows_hops(&self) -> bool {
        self.tunnel.capabilities().has(Capabilities::HOPS)
    }

    /// From now on it is reached by this way, or directly. The session goes on.
    pub fn go_by(&mut self, way: Option<Detour>) {
        (self.way, self.near) = (way, false);
        // Sessions leave at direct neighbours' lines alone.
        (self.host, self.guest) = (None, None);
        let headroom = self.hop_headroom();
        self.tunnel.set_headroom(0, headroom);
    }

    /// It answers.
    pub fn is_up(&self) -> bool {
        self.session.is_some() && self.tunnel.path(0).is_some_and(|p| p.usable())
    }

    /// It has not answered for a while.
    pub fn is_lost(&self) -> bool {
        self.tunnel
            .path(0)
            .is_some_and(|p| p.state() == State::Dead)
    }

    /// Round-trip time over the mesh.
    pub fn rtt(&self) -> Duration {
        self.tunnel
            .path(0)
            .map_or(Duration::ZERO, crate::data::path::Path::srtt)
    }
}
