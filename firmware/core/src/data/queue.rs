//! Fair queueing before numbering (after RFC 8290): one queue per flow, deficit round robin, CoDel in each.
//!
//! Nothing here has an order or a path yet, so dropping leaves no hole downstream. A flow that has just become
//! busy is *light*: it goes first, for one quantum; what outlasts that is a *burst* and takes its turn. Flows that keep
//! to one path have their turns there, apart from all that may go anywhere.

mod flow;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
mod turn;

pub use flow::TxFlow;
pub use turn::{Kind, Turn};

use super::codel::Measure;
use super::headers::Headers;
use super::inner::{self, Inner};
use super::lane::{Lane, Why};
use super::pool::{Meta, PacketId, Pool};
use super::shape::Pace;
use super::work;
use crate::time::{Duration, Instant};
use crate::wire::record::FlowId;
use flow::{LIGHT_QUANTUM, PAUSE, Stage};
use heapless::Vec;

/// Bytes that a flow may send per turn.
const QUANTUM: i32 = 1_500;
/// Idle flows are looked for this often.
const SWEEP: Duration = Duration::from_millis(100);
/// A flow without packets for this long gives its slot up.
const IDLE: Duration = Duration::from_secs(120);
/// So many flows are told of.
pub const BUSIEST: usize = 8;
/// Those that may go anywhere, and each path's own.
const LANES: usize = super::tunnel::MAX_PATHS + 1;
const NONE: u16 = u16::MAX;

#[derive(Clone, Copy, Debug, Default)]
struct Round {
    head: Option<u16>,
    tail: Option<u16>,
}

/// What happened at the queue since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets dropped by the AQM.
    pub aqm_drops: u32,
    /// Packets marked by the AQM.
    pub marks: u32,
    /// Packets dropped because packet memory ran out.
    pub overflow: u32,
    /// Acknowledgements whose place a later one took.
    pub thinned: u32,
    /// New flows that found no slot and shared another's.
    pub shared_slots: u32,
}

/// All flows of one sender.
#[derive(Debug)]
pub struct FairQueue<'m> {
    flows: &'m mut [TxFlow],
    /// Light and burst rounds, by lane.
    rounds: [[Round; 2]; LANES],
    /// In which lanes flows stand: bit 0 for those that may go anywhere, then the paths'.
    standing: u16,
    /// Has shown itself as a burst since it was last asked, and keeps to one path.
    turned: Option<u16>,
    packets: u32,
    bytes: u32,
    sweep: u16,
    sweep_at: Instant,
    /// Late paths are taken first: a burst of which nothing waits keeps its place, or it would go by the early ones as a light flow.
    pub(in crate::data) late_first: bool,
    counters: Counters,
}

impl<'m> FairQueue<'m> {
    /// Takes the caller's flow slots (at most 4,096: a flow ID has 12 bits of slot).
    pub fn new(flows: &'m mut [TxFlow]) -> Self {
        let most = flows.len().min(4096);
        let flows = flows.get_mut(..most).unwrap_or_default();
        flows.fill(TxFlow::FREE);
        Self {
            flows,
            rounds: [[Round::default(); 2]; LANES],
            standing: 0,
            turned: None,
            packets: 0,
            bytes: 0,
            sweep: 0,
            sweep_at: Instant::ZERO,
            late_first: false,
            counters: Counters::default(),
        }
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }
    /// Packets waiting.
    pub fn packets(&self) -> u32 {
        self.packets
    }
    /// Bytes waiting.
    pub fn bytes(&self) -> u32 {
        self.bytes
    }
    /// Flows that hold a slot.
    pub fn flows(&self) -> usize {
        self.flows.iter().filter(|f| f.used).count()
    }
    /// Whether some flow has sent something lately, within this time.
    pub fn active(&self, now: Instant, within: Duration) -> bool {
        let mut flows = self.flows.iter();
        flows.any(|f| f.used && now.since(f.last) < within)
    }
    /// Is anything waiting in this round?
    pub fn waiting(&self, turn: Turn) -> bool {
        self.head(turn).is_some()
    }
    /// In which lanes something may be waiting, a bit each.
    pub fn standing(&self) -> u16 {
        self.standing
    }
    fn head(&self, turn: Turn) -> Option<u16> {
        let rounds = self.rounds.get(usize::from(turn.lane))?;
        rounds.get(turn.kind as usize)?.head
    }

    /// The flow in this slot.
    pub fn flow(&self, slot: u16) -> Option<&TxFlow> {
        self.flows.get(usize::from(slot))
    }
    /// The flow that has become a burst since the last call, if it keeps to one path.
    pub fn take_turned(&mut self) -> Option<u16> {
        let slot = self.turned.take()?;
        self.flows.get_mut(usize::from(slot))?.settled = true;
        Some(slot)
    }
    /// How many bursts keep to each path and are at work, by lane; without the one in `besides`.
    pub fn bursts(&self, now: Instant, besides: u16) -> [u16; LANES] {
        let mut all = [0; LANES];
        for (slot, flow) in self.flows.iter().enumerate() {
            if flow.path != 0
                && slot != usize::from(besides)
                && flow.weighs(now)
                && let Some(there) = all.get_mut(usize::from(flow.path))
            {
                *there += 1;
            }
        }
        all
    }
    /// Gives a flow its lane.
    pub fn set_lane(&mut self, slot: u16, lane: Lane) {
        if let Some(flow) = self.flows.get_mut(usize::from(slot))
            && flow.lane != lane
        {
            flow.lane = lane;
            (flow.path, flow.why, flow.settled) = (0, Why::Spread, false);
        }
    }
    /// A flow keeps to this path (its place + 1) from its next turn on; `second` would have been the next best.
    pub fn keep_to(&mut self, slot: u16, path: u8, second: u8, why: Why) {
        if let Some(flow) = self.flows.get_mut(usize::from(slot))
            && flow.lane == Lane::PerSession
        {
            (flow.path, flow.second, flow.why) = (path, second, why);
        }
    }
    /// The flows that sent the most packets lately, the busiest first.
    pub fn busiest(&self, now: Instant) -> Vec<&TxFlow, BUSIEST> {
        let mut all = Vec::<&TxFlow, BUSIEST>::new();
        let packets = |flow: &TxFlow| flow.pace(now).lately();
        for flow in self.flows.iter().filter(|f| f.used) {
            let at = all.iter().position(|f| packets(f) < packets(flow));
            let at = at.unwrap_or(all.len());
            if packets(flow) > 0 && at < BUSIEST {
                if all.is_full() {
                    all.pop();
                }
                let _ = all.insert(at, flow);
            }
        }
        all
    }
    /// What each flow sends.
    pub fn paces(&self, now: Instant) -> impl Iterator<Item = Pace> {
        let used = self.flows.iter().filter(|f| f.used);
        used.map(move |f| f.pace(now))
    }
    /// The next of the flows that may go anywhere is light, and no burst that has run empty.
    pub fn next_is_light(&self) -> bool {
        let first = self.head(Turn::any(Kind::Light));
        first
            .and_then(|slot| self.flow(slot))
            .is_some_and(TxFlow::is_light)
    }
    /// The first flow in this round.
    pub fn first(&self, turn: Turn) -> Option<u16> {
        self.head(turn)
    }

    /// Queues a packet of the flow in `slot`. When memory runs out the longest queue loses its first packet, not the
    /// newcomer.
    pub fn push(
        &mut self,
        now: Instant,
        pool: &mut Pool<'_>,
        slot: u16,
        inner: &Inner,
        packet: &[u8],
    ) {
        if self.replaces(now, pool, slot, inner, packet) {
            return;
        }
        let pinned = inner.pure_ack;
        let meta = Meta {
            slot,
            pinned,
            at: now,
            ..Meta::default()
        };
        let id = loop {
            // An eighth is left for what must be put in order: a hole given up costs more than a packet not sent yet.
            let room = self.packets == 0 || pool.free_blocks() >= pool.capacity() / 8;
            if room && let Some(id) = pool.store(packet, meta) {
                break id;
            }
            self.counters.overflow = self.counters.overflow.saturating_add(1);
            if !self.drop_from_longest(pool) {
                return;
            }
        };
        self.packets += 1;
        self.bytes += packet.len() as u32;
        let Some(flow) = self.flows.get_mut(usize::from(slot)) else {
            return;
        };
        pool.push(&mut flow.list, id);
        let since = now.since(flow.last);
        if since >= PAUSE {
            flow.burst = false;
            flow.headers.forget();
        }
        flow.last = now;
        flow.spend(since, packet.len());
        flow.pace.count(now, packet.len());
        (flow.ect, flow.acks, flow.ack) = (inner.ect, pinned, inner.ack);
        flow.plain = inner.plain_ack && inner.hash == flow.hash;
        if flow.stage == Stage::Idle {
            self.wake(slot);
        }
    }

    /// Puts a flow that has something to send again into a round.
    fn wake(&mut self, slot: u16) {
        let late_first = self.late_first;
        let Some(flow) = self.flows.get_mut(usize::from(slot)) else {
            return;
        };
        let light = flow.lane != Lane::PerPacket && !(late_first && flow.burst);
        let exceeds = light && flow.exceeds();
        (flow.stage, flow.deficit) = if light {
            (Stage::Light, LIGHT_QUANTUM)
        } else {
            (Stage::Bulk, QUANTUM)
        };
        if exceeds {
            self.outlasts(slot);
        }
        self.append(if light { Kind::Light } else { Kind::Burst }, slot);
    }

    /// A flow sends more than a light one may.
    fn outlasts(&mut self, slot: u16) {
        let flow = self.flows.get_mut(usize::from(slot));
        if flow.is_some_and(TxFlow::outlasts) {
            self.turned = Some(slot);
        }
    }

    /// An acknowledgement takes the place of the one that waits last in its flow where it says all of it, so that a narrow way
    /// back carries few and new ones (RFC 3449, 5.2.2).
    fn replaces(
        &mut self,
        now: Instant,
        pool: &mut Pool<'_>,
        slot: u16,
        inner: &Inner,
        packet: &[u8],
    ) -> bool {
        let flow = self.flows.get_mut(usize::from(slot));
        let Some(flow) = flow.filter(|f| f.plain && inner.plain_ack && f.hash == inner.hash) else {
            return false;
        };
        // The same number again is news: something came, and not what is missing.
        if inner.ack.wrapping_sub(flow.ack) as i32 <= 0 {
            return false;
        }
        let Some(waits) = flow.list.back().map(|id| pool.front_bytes_mut(id)) else {
            return false;
        };
        if waits.len() != packet.len() {
            return false;
        }
        waits.copy_from_slice(packet);
        (flow.ack, flow.last) = (inner.ack, now);
        self.counters.thinned = self.counters.thinned.wrapping_add(1);
        true
    }

    /// The slot of the flow with this name, which may be new.
    pub fn slot_for(&mut self, now: Instant, inner: &Inner) -> Option<u16> {
        let hash = inner.hash;
        let n = self.flows.len();
        if n == 0 {
            return None;
        }
        // Open addressing over a short run: eight looks, then the oldest idle slot among them.
        let start = (hash as u32 as usize) % n;
        let mut free = None;
        for i in 0..n.min(8) {
            let at = (start + i) % n;
            work::step();
            let flow = self.flows.get(at)?;
            if flow.used && flow.hash == hash {
                return Some(at as u16);
            }
            let idle = flow.stage == Stage::Idle
                && (!flow.used || now.since(flow.last) > Duration::from_secs(5));
            if idle && free.is_none_or(|(_, last)| flow.last < last) {
                free = Some((at, flow.last));
            }
        }
        let Some((at, _)) = free else {
            self.counters.shared_slots = self.counters.shared_slots.saturating_add(1);
            return Some(start as u16);
        };
        let flow = self.flows.get_mut(at)?;
        let generation = flow.generation.wrapping_add(u8::from(flow.used)) & 0xf;
        *flow = TxFlow {
            hash,
            used: true,
            generation,
            last: now,
            far: inner.dst,
            port: inner.dst_port,
            protocol: inner.protocol,
            credit: LIGHT_QUANTUM as i16,
            ..TxFlow::FREE
        };
        Some(at as u16)
    }

    /// A packet waits no longer.
    fn gone(&mut self, pool: &Pool<'_>, id: PacketId) {
        self.packets = self.packets.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(pool.len_of(id) as u32);
    }

    /// Of the flows that stand in a round: nobody else has packets, and a look at every slot for each packet would cost a
    /// router more than the packet.
    fn longest(&self) -> Option<u16> {
        let mut longest = (0, None);
        for round in self.rounds.as_flattened() {
            let mut here = round.head;
            while let Some(at) = here {
                work::step();
                let flow = self.flows.get(usize::from(at))?;
                if flow.list.bytes() > longest.0 {
                    longest = (flow.list.bytes(), Some(at));
                }
                here = (round.tail != here).then_some(flow.next);
            }
        }
        longest.1
    }

    fn drop_from_longest(&mut self, pool: &mut Pool<'_>) -> bool {
        let Some(flow) = self
            .longest()
            .and_then(|at| self.flows.get_mut(usize::from(at)))
        else {
            return false;
        };
        let Some(id) = pool.pop(&mut flow.list) else {
            return false;
        };
        self.gone(pool, id);
        pool.release(id);
        true
    }

    /// Length of the next packet of the flow at the head of a round; `None` also when that flow has run empty or moved.
    pub fn front_len(&self, turn: Turn, pool: &Pool<'_>) -> Option<usize> {
        let flow = self.flows.get(usize::from(self.head(turn)?))?;
        let front = flow.list.front().filter(|_| flow.path == turn.lane)?;
        Some(pool.len_of(front))
    }

    /// How many bytes shorter the next packet of the flow at the head of a round is likely to be sent.
    pub fn saves(&self, turn: Turn) -> usize {
        let flow = self.head(turn).and_then(|at| self.flow(at));
        flow.map_or(0, |flow| flow.headers.saves())
    }

    /// Headers of the flow that a numbered packet belongs to, and whether it is its newest; `None` if that flow is over.
    pub fn headers(&mut self, meta: &Meta) -> Option<(&mut Headers, bool)> {
        let flow = self.flows.get_mut(usize::from(meta.slot))?;
        let newest = flow.next_order == meta.order.next();
        (u16::from(flow.generation) == meta.flow.0 >> 12).then_some((&mut flow.headers, newest))
    }

    /// Length of the packet that [`Self::pop`] would look at first. Flows at the head that have run empty leave.
    pub fn peek_len(&mut self, turn: Turn, pool: &Pool<'_>) -> Option<usize> {
        loop {
            work::step();
            if let Some(len) = self.front_len(turn, pool) {
                return Some(len);
            }
            // Each turn takes one flow out of this round, so this ends.
            let empty = self.head(turn)?;
            self.move_on(turn, empty);
        }
    }

    /// Takes the next packet of a round and numbers it. `measure` is what its wait is held against.
    pub fn pop(
        &mut self,
        now: Instant,
        pool: &mut Pool<'_>,
        turn: Turn,
        measure: Measure,
    ) -> Option<PacketId> {
        // Each pass either returns, drops a packet, or moves a flow on: bounded by what is queued.
        for _ in 0..2 * self.flows.len() + self.packets as usize {
            work::step();
            let slot = self.head(turn)?;
            let flow = self.flows.get_mut(usize::from(slot))?;
            if flow.deficit <= 0 || flow.list.is_empty() || flow.path != turn.lane {
                self.move_on(turn, slot);
                continue;
            }
            let id = pool.pop(&mut flow.list)?;
            self.gone(pool, id);
            if self.aqm_drops(now, pool, slot, id, measure) {
                pool.release(id);
                continue;
            }
            let flow = self.flows.get_mut(usize::from(slot))?;
            flow.deficit -= pool.len_of(id) as i32;
            number(flow, slot, pool.meta_mut(id)?);
            if turn.kind == Kind::Light && flow.list.is_empty() {
                self.move_on(turn, slot);
            }
            return Some(id);
        }
        None
    }

    fn aqm_drops(
        &mut self,
        now: Instant,
        pool: &mut Pool<'_>,
        slot: u16,
        id: PacketId,
        measure: Measure,
    ) -> bool {
        let Some(flow) = self.flows.get_mut(usize::from(slot)) else {
            return false;
        };
        let sojourn = now.since(pool.meta(id).at);
        if !flow
            .codel
            .drop(now, sojourn, flow.list.bytes() < 1500, measure)
        {
            return false;
        }
        if flow.ect {
            self.counters.marks = self.counters.marks.saturating_add(1);
            inner::mark_congested(pool.front_bytes_mut(id));
            return false;
        }
        self.counters.aqm_drops = self.counters.aqm_drops.saturating_add(1);
        true
    }

    /// A flow at the head of a round has used its turn up, or is empty, or keeps to another path by now.
    pub fn move_on(&mut self, turn: Turn, slot: u16) {
        self.take_head(turn);
        let Some(flow) = self.flows.get_mut(usize::from(slot)) else {
            return;
        };
        // An empty burst passes through the burst round once, so that it cannot stay light by pausing briefly (RFC 8290, 4.2), and
        // acknowledgements do, so that they can be thinned; what is light and empty leaves.
        if flow.list.is_empty() && (turn.kind == Kind::Burst || flow.is_light()) {
            flow.stage = Stage::Idle;
            return;
        }
        let moves = flow.deficit > 0 && flow.path != turn.lane && !flow.list.is_empty();
        let kind = if moves { turn.kind } else { Kind::Burst };
        if kind == Kind::Burst {
            flow.stage = Stage::Bulk;
        }
        if flow.deficit <= 0 {
            flow.deficit += QUANTUM;
            self.outlasts(slot);
        }
        self.append(kind, slot);
    }

    /// Puts a flow at the end of a round of its path; one that is light goes before bursts that have just run empty.
    fn append(&mut self, kind: Kind, slot: u16) {
        let Some(flow) = self.flows.get_mut(usize::from(slot)) else {
            return;
        };
        let lane = usize::from(flow.path);
        let rounds = self.rounds.get_mut(lane);
        let Some(round) = rounds.and_then(|r| r.get_mut(kind as usize)) else {
            return;
        };
        let first = kind == Kind::Light && flow.is_light();
        flow.next = round.head.filter(|_| first).unwrap_or(NONE);
        if first {
            round.head = Some(slot);
            round.tail = round.tail.or(Some(slot));
        } else {
            match round.tail.and_then(|t| self.flows.get_mut(usize::from(t))) {
                Some(tail) => tail.next = slot,
                None => round.head = Some(slot),
            }
            round.tail = Some(slot);
        }
        self.standing |= 1 << lane;
    }

    fn take_head(&mut self, turn: Turn) {
        let Some(rounds) = self.rounds.get_mut(usize::from(turn.lane)) else {
            return;
        };
        if let Some(round) = rounds.get_mut(turn.kind as usize) {
            let next = round
                .head
                .and_then(|h| self.flows.get(usize::from(h)))
                .map_or(NONE, |f| f.next);
            round.head = (next != NONE).then_some(next);
            if round.head.is_none() {
                round.tail = None;
            }
        }
        if rounds.iter().all(|r| r.head.is_none()) {
            self.standing &= !(1 << turn.lane);
        }
    }

    /// Frees slots of flows that have been idle for two minutes; looks at a few, now and then.
    pub fn expire(&mut self, now: Instant) {
        if now < self.sweep_at {
            return;
        }
        self.sweep_at = now + SWEEP;
        for _ in 0..16.min(self.flows.len()) {
            let at = usize::from(self.sweep) % self.flows.len();
            self.sweep = ((at + 1) % self.flows.len()) as u16;
            if let Some(flow) = self.flows.get_mut(at)
                && flow.used
                && flow.stage == Stage::Idle
                && now.since(flow.last) > IDLE
            {
                let generation = flow.generation.wrapping_add(1) & 0xf;
                *flow = TxFlow {
                    generation,
                    ..TxFlow::FREE
                };
            }
        }
    }

    /// Forgets everything queued (the session ended).
    pub fn clear(&mut self, pool: &mut Pool<'_>) {
        for flow in self.flows.iter_mut() {
            pool.clear(&mut flow.list);
            *flow = TxFlow::FREE;
        }
        self.rounds = [[Round::default(); 2]; LANES];
        (self.packets, self.bytes, self.standing, self.turned) = (0, 0, 0, None);
    }
}

fn number(flow: &mut TxFlow, slot: u16, meta: &mut Meta) {
    meta.flow = FlowId((slot & 0xfff) | (u16::from(flow.generation) << 12));
    meta.order = flow.next_order;
    flow.next_order = flow.next_order.next();
}
