//! One end of an encrypted session that spreads packets over paths: the meeting point of the data road's parts.
//!
//! The same type is the gateway's end and the exit's end. The owner ([`crate::node`]) opens paths, hands in packets
//! and datagrams, and sends what [`Tunnel::poll_transmit`] gives on the path that it names.

#[cfg(test)]
mod any_network;
mod explain;
mod lanes;
mod message;
mod receive;
mod sooner;
mod spread;
mod standby;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod told;
pub(in crate::data) mod train;
mod transmit;
mod trial;

use super::black_hole::BlackHole;
use super::inner::Inner;
use super::lane::Lane;
use super::path::{Path, Setup};
use super::pool::{Block, List, PacketId, Pool, Slot};
use super::queue::{self, FairQueue, TxFlow};
use super::resequence::{self, Resequencer, RxFlow, Sink};
use super::seal::Keys;
pub use super::segment::NotTaken;
use super::segment::{Offload, each_packet};
use super::work;
use crate::crypto;
use crate::error::Refusal;
use crate::time::{Duration, Instant};
use crate::wire::Capabilities;
use crate::wire::control::MAX_LEN;
use crate::wire::path::Cost;
use crate::wire::{frame, record};
use core::ops::{Deref, DerefMut};
use heapless::{Deque, Vec};

/// Most paths of one session.
pub const MAX_PATHS: usize = 8;
/// What a full data frame adds to an inner packet: header, record header, tag.
pub const FRAME_OVERHEAD: usize = frame::OVERHEAD + record::PACKET_HEADER;
/// IPv6 asks every link to carry this much (RFC 8200, 5).
const IPV6_MINIMUM: u16 = 1280;
/// A lost or doubtful packet is sent again at most so often.
const MAX_REPAIRS: u8 = 4;

/// No hole is waited for longer.
const MOST_HOLD: Duration = Duration::from_millis(500);
/// How long a lent path rests after its owner was last seen to need it.
const YIELD: Duration = Duration::from_millis(300);

/// The memory of a tunnel, owned by the caller; see `limits` for what each part costs.
#[derive(Debug)]
pub struct Memory<'m> {
    /// One per packet held.
    pub slots: &'m mut [Slot],
    /// Packet bytes.
    pub blocks: &'m mut [Block],
    /// One per flow sent.
    pub tx_flows: &'m mut [TxFlow],
    /// One per flow received.
    pub rx_flows: &'m mut [RxFlow],
}

/// A run of datagrams of one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The path's place in the tunnel.
    pub path: usize,
    /// Bytes written to the caller's buffer.
    pub len: usize,
    /// Every datagram with its headroom has this many bytes, but the last may be shorter.
    pub stride: usize,
    /// How many datagrams.
    pub count: u32,
    /// A path message: it may go to an address that is still to be proved.
    pub message: bool,
}

/// Totals of a tunnel beside its paths' own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets queued for repair.
    pub repairs: u32,
    /// Control messages that found no room.
    pub control_dropped: u32,
    /// Packets dropped because no path in use carries their size any more.
    pub misfits: u32,
    /// Packets that were lost and not sent again: pinned ones, and those lost too often.
    pub abandoned: u32,
}

/// One end of a session with room for so many paths.
pub type Tunnel<'m, const PATHS: usize = MAX_PATHS> = AnyTunnel<'m, [Option<Path>; PATHS]>;

/// One end of a session, whatever room it has for paths: what it does is written and compiled once.
#[derive(Debug)]
pub struct AnyTunnel<'m, Paths: ?Sized = [Option<Path>]> {
    keys: Keys,
    initiator: bool,
    capabilities: Capabilities,
    pool: Pool<'m>,
    queue: FairQueue<'m>,
    resequencer: Resequencer<'m>,
    repair: List,
    /// Numbered, but did not fit the run it was taken for: goes first.
    stash: Option<PacketId>,
    control: Deque<Vec<u8, MAX_LEN>, 4>,
    spread: spread::Spread,
    /// Of flows that no rule is about.
    lane: Lane,
    /// Whose turn it is, when both could send: flows that keep to a path, or others.
    kept_next: bool,
    secret: [u8; 16],
    drawn: u64,
    /// What one-way delays are measured from: the first one seen.
    delay_origin: Option<u32>,
    /// How long a hole may wait, as the other end was last told.
    told_hold: Duration,
    standby: standby::Standby,
    counters: Counters,
    /// Last, so that its length may stay open.
    paths: Paths,
}

impl Memory<'static> {
    /// No memory: for a tunnel that carries control messages only.
    pub fn none() -> Self {
        Self {
            slots: &mut [],
            blocks: &mut [],
            tx_flows: &mut [],
            rx_flows: &mut [],
        }
    }
}

impl<'m, const PATHS: usize> Tunnel<'m, PATHS> {
    /// A tunnel without keys and paths. `secret` is fresh entropy: tokens and flow names are drawn from it.
    pub fn new(memory: Memory<'m>, secret: [u8; 16]) -> Self {
        Self {
            keys: Keys::default(),
            initiator: false,
            capabilities: Capabilities::NONE,
            pool: Pool::new(memory.slots, memory.blocks),
            queue: FairQueue::new(memory.tx_flows),
            resequencer: Resequencer::new(memory.rx_flows),
            repair: List::new(),
            stash: None,
            control: Deque::new(),
            spread: spread::Spread::default(),
            lane: Lane::Auto,
            kept_next: false,
            secret,
            drawn: 0,
            delay_origin: None,
            told_hold: Duration::ZERO,
            standby: standby::Standby::default(),
            counters: Counters::default(),
            paths: [const { None }; PATHS],
        }
    }
}

impl<'m, const PATHS: usize> Deref for Tunnel<'m, PATHS> {
    type Target = AnyTunnel<'m>;

    fn deref(&self) -> &AnyTunnel<'m> {
        self
    }
}

impl<'m, const PATHS: usize> DerefMut for Tunnel<'m, PATHS> {
    fn deref_mut(&mut self) -> &mut AnyTunnel<'m> {
        self
    }
}

impl AnyTunnel<'_> {
    /// Begins a session from scratch: all paths, flows and packets of an earlier one are forgotten.
    pub fn reset(&mut self, secret: [u8; 16]) {
        self.queue.clear(&mut self.pool);
        self.resequencer.clear(&mut self.pool);
        self.pool.clear(&mut self.repair);
        if let Some(id) = self.stash.take() {
            self.pool.release(id);
        }
        for path in &mut self.paths {
            if let Some(mut p) = path.take() {
                self.pool.clear(&mut p.in_flight);
            }
        }
        self.control.clear();
        self.keys = Keys::default();
        (self.secret, self.delay_origin) = (secret, None);
        self.told_hold = Duration::ZERO;
    }

    /// Keys of a finished handshake: the first, or the next phase.
    pub fn install_keys(
        &mut self,
        send: &[u8; 32],
        recv: &[u8; 32],
        initiator: bool,
        capabilities: Capabilities,
    ) {
        self.keys.install(send, recv, initiator);
        self.initiator = initiator;
        self.capabilities = capabilities;
        // Nobody asks an exit what its members' flows look like.
        self.resequencer.set_names(initiator.then_some(self.secret));
    }
    /// What both ends can.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }
    /// The other end has the newest keys as well.
    pub fn keys_confirmed(&self) -> bool {
        self.keys.is_confirmed()
    }
    /// Forgets the key phase before the current one.
    pub fn retire_old_keys(&mut self) {
        self.keys.retire_old();
    }

    /// Opens a path. [`Refusal::Full`] if all places are taken.
    pub fn open_path(&mut self, now: Instant, setup: Setup) -> Result<usize, Refusal> {
        let at = self
            .paths
            .iter()
            .position(Option::is_none)
            .ok_or(Refusal::Full)?;
        if let Some(place) = self.paths.get_mut(at) {
            *place = Some(Path::new(now, setup));
        }
        Ok(at)
    }

    /// Another number of bytes in front of each datagram of a path from now on.
    pub fn set_headroom(&mut self, at: usize, headroom: u8) {
        if let Some(path) = self.path_mut(at) {
            path.setup.headroom = headroom;
        }
    }

    /// The place that [`Self::open_path`] will take next.
    pub fn free_place(&self) -> Option<usize> {
        self.paths.iter().position(Option::is_none)
    }

    /// Closes a path; what was on its way there goes by the others.
    pub fn close_path(&mut self, at: usize) {
        self.rescue(at);
        if let Some(place) = self.paths.get_mut(at) {
            *place = None;
        }
    }

    /// The path at this place.
    pub fn path(&self, at: usize) -> Option<&Path> {
        self.paths.get(at).and_then(Option::as_ref)
    }
    /// The place of the path with this ID.
    pub fn place_of(&self, id: u16) -> Option<usize> {
        self.paths
            .iter()
            .position(|p| p.as_ref().is_some_and(|p| p.id() == id))
    }
    /// All paths with their places.
    pub fn paths(&self) -> impl Iterator<Item = (usize, &Path)> {
        self.paths
            .iter()
            .enumerate()
            .inspect(|_| work::step())
            .filter_map(|(i, p)| p.as_ref().map(|p| (i, p)))
    }
    fn path_mut(&mut self, at: usize) -> Option<&mut Path> {
        self.paths.get_mut(at).and_then(Option::as_mut)
    }

    /// Some path carries packets.
    pub fn is_up(&self) -> bool {
        self.paths().any(|(_, p)| p.usable())
    }

    /// Largest inner packet that every path in use carries; `None` without such a path. A path too narrow for IPv6's
    /// minimum (RFC 8200, 5) does not count beside wider ones: it carries what fits.
    pub fn inner_mtu(&self) -> Option<u16> {
        let inner = |(_, p): (usize, &Path)| p.mtu() - FRAME_OVERHEAD as u16;
        let all = || self.paths().filter(|(_, p)| p.usable()).map(inner);
        all()
            .filter(|mtu| *mtu >= IPV6_MINIMUM)
            .min()
            .or_else(|| all().max())
    }

    /// Takes a client's packet. May change it (MSS). The packet is copied; the buffer is free afterwards.
    pub fn handle_inner(&mut self, now: Instant, packet: &mut [u8]) -> Result<Inner, NotTaken> {
        self.handle_large(now, packet, Offload::default())
    }

    /// Takes what the kernel hands over: a packet whose checksum may have to be completed, or a large segment that is cut
    /// into packets here, before they are queued, so that fair queueing and the AQM see packets. Changes the buffer.
    pub fn handle_large(
        &mut self,
        now: Instant,
        packet: &mut [u8],
        offload: Offload,
    ) -> Result<Inner, NotTaken> {
        let (inner, lane) = self.read(packet)?;
        let mtu = self.inner_mtu();
        each_packet(packet, &inner, offload, mtu, |packet| {
            self.enqueue(now, &inner, lane, packet);
        })?;
        Ok(inner)
    }

    /// Queues a control message for the other end. [`Refusal::Full`] if four are waiting: say it again later.
    pub fn send_control(&mut self, message: &[u8]) -> Result<(), Refusal> {
        let taken = Vec::from_slice(message)
            .ok()
            .and_then(|m| self.control.push_back(m).ok());
        if taken.is_none() {
            self.counters.control_dropped = self.counters.control_dropped.saturating_add(1);
        }
        taken.ok_or(Refusal::Full)
    }

    /// The passing of time: holes given up, paths found dead, tails rescued.
    pub fn handle_timeout(&mut self, now: Instant, sink: &mut dyn Sink) {
        self.resequencer.handle_timeout(now, &mut self.pool, sink);
        self.queue.expire(now);
        let doubt = self.paths().any(|(_, p)| p.prober.doubtful(now));
        for at in 0..self.paths.len() {
            let Some(path) = self.path_mut(at) else {
                continue;
            };
            if doubt {
                path.prober.look_if_idle(now);
            }
            let tail = path.tail_at().is_some_and(|t| t <= now);
            if path.prober.check(now) {
                path.counters.deaths = path.counters.deaths.saturating_add(1);
                path.rate.restart();
                self.rescue(at);
            } else if tail {
                path.suspect = true;
                self.rescue(at);
            }
            if let Some(path) = self.path_mut(at) {
                if tail {
                    path.runs.conclude(now, path.next_number);
                }
                if path.black_hole.is_certain() {
                    path.black_hole = BlackHole::default();
                    path.prober.size_anew(now);
                }
            }
        }
        self.review_standby(now);
    }

    /// When [`Self::handle_timeout`] or [`Self::poll_transmit`] has something to do.
    pub fn poll_timeout(&self, now: Instant) -> Instant {
        self.poll_timeout_held(now, Instant::ZERO)
    }

    /// The same where packets wait for `open_at`, and [`Self::poll_upkeep`] is asked until then.
    pub fn poll_timeout_held(&self, now: Instant, open_at: Instant) -> Instant {
        let packets = self.packets_at(now).min(self.train_due(now));
        let mut at = self.resequencer.poll_timeout().min(packets.max(open_at));
        for (_, path) in self.paths() {
            at = at.min(path.prober.poll_timeout());
            at = at.min(path.rx.report_at.unwrap_or(Instant::FAR));
            at = at.min(path.tail_at().unwrap_or(Instant::FAR));
        }
        at.max(now)
    }

    /// Moves everything that is on its way on a path to the repair list.
    fn rescue(&mut self, at: usize) {
        let Some(path) = self.paths.get_mut(at).and_then(Option::as_mut) else {
            return;
        };
        while let Some(id) = self.pool.pop(&mut path.in_flight) {
            path.black_hole.lost(sent_len(&self.pool, id));
            let number = self.pool.meta(id).counter;
            path.runs.know(number, self.pool.part(id), false);
            note_lost(&mut self.queue, &self.pool, id);
            queue_repair(&mut self.pool, &mut self.repair, &mut self.counters, id);
        }
        path.oldest_sent = None;
    }

    /// How long the other end should let a hole wait: the spread of the paths' delays, the time to notice that a path
    /// went silent (the slowest way to lose a packet), and to send again.
    fn hold(&self, now: Instant) -> Duration {
        let (mut least, mut most, mut rtt) = (i32::MAX, i32::MIN, Duration::ZERO);
        // One that stands by may step in before the other end hears of it.
        let soon = |p: &Path| p.carries() || (p.usable() && !p.cost.is_metered());
        for (_, p) in self.paths().filter(|(_, p)| soon(p)) {
            let delay = p.rate.delay(now).unwrap_or(0);
            (least, most) = (least.min(delay), most.max(delay));
            rtt = rtt.max(p.srtt());
        }
        let spread = if most > least {
            most.saturating_sub(least) as u64
        } else {
            0
        };
        let hold = Duration::from_micros(spread) + rtt.times(3) + Duration::from_millis(120);
        hold.min(MOST_HOLD)
    }

    /// An unguessable number.
    fn token(&mut self) -> u64 {
        self.drawn += 1;
        crypto::sip24(&self.secret, &self.drawn.to_be_bytes())
    }

    /// What the queue, the resequencer and the tunnel counted.
    pub fn counters(&self) -> (Counters, queue::Counters, resequence::Counters) {
        (
            self.counters,
            self.queue.counters(),
            self.resequencer.counters(),
        )
    }
    /// Packets waiting for a path.
    pub fn backlog(&self) -> u32 {
        self.queue.packets() + self.repair.packets()
    }
    /// Since when something has been held back for order's sake; `None` while nothing is.
    pub fn holding_since(&self) -> Option<Instant> {
        self.resequencer.holding_since(&self.pool)
    }
    /// No path is beyond doubt: all are dead, or silent for a round trip and `margin` although something was sent.
    pub fn in_doubt(&self, now: Instant, margin: Duration) -> bool {
        !self.paths().any(|(_, p)| {
            let prober = &p.prober;
            prober.is_up() && !prober.silent_for(now, prober.srtt() + margin)
        })
    }
    /// Some flow has sent something lately, within this time.
    pub fn active(&self, now: Instant, within: Duration) -> bool {
        self.queue.active(now, within)
    }
    /// Flows that hold a sender's slot.
    pub fn flows(&self) -> usize {
        self.queue.flows()
    }
    /// Blocks of packet memory in use, and in all.
    pub fn memory_used(&self) -> (u32, u32) {
        (
            self.pool.capacity() - self.pool.free_blocks(),
            self.pool.capacity(),
        )
    }

    /// The owner of the line under a lent path needs it: no bursts on it for a moment.
    pub fn yield_to_owner(&mut self, now: Instant, at: usize) {
        if let Some(p) = self.path_mut(at) {
            p.yields_until = now + YIELD;
        }
    }

    /// The most that a path's lender lets through, towards the exit and from it, in kbit/s (0: no limit), and what its use
    /// costs. The exit is told at once.
    pub fn set_terms(&mut self, now: Instant, at: usize, limits: [u32; 2], cost: Cost) {
        if let Some(p) = self.path_mut(at)
            && p.agree(limits, cost)
        {
            p.prober.look_now(now);
        }
    }

    /// The shell learned something about a path (an ICMP error, a route change): look at once.
    pub fn look_now(&mut self, now: Instant, at: usize) {
        if let Some(p) = self.path_mut(at) {
            p.prober.look_now(now);
        }
    }
}

/// Bytes of the packet as it was sent.
fn sent_len(pool: &Pool<'_>, id: PacketId) -> usize {
    pool.len_of(id) - usize::from(pool.saved(id))
}

/// The far end may not have the header that a packet brought, or was told by.
fn note_lost(queue: &mut FairQueue<'_>, pool: &Pool<'_>, id: PacketId) {
    let (meta, saved) = (pool.meta(id), pool.saved(id));
    if saved > 0
        && let Some((headers, _)) = queue.headers(&meta)
    {
        headers.lost(&meta, saved);
    }
}

fn queue_repair(pool: &mut Pool<'_>, repair: &mut List, counters: &mut Counters, id: PacketId) {
    let meta = pool.meta(id);
    if meta.pinned || meta.repairs >= MAX_REPAIRS {
        counters.abandoned = counters.abandoned.saturating_add(1);
        return pool.release(id);
    }
    if let Some(m) = pool.meta_mut(id) {
        m.repairs += 1;
    }
    counters.repairs = counters.repairs.saturating_add(1);
    pool.push(repair, id);
}
