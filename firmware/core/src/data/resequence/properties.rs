//! What holds for every interleaving: several flows whose senders' slots are used again, loss, repetition, any reordering,
//! wrap of the order, memory that others fill, and time that jumps.

use super::*;
use crate::data::pool::tests::leak;
use crate::data::pool::{Block, Slot};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Blocks of the pool: packets here take one or two.
const BLOCKS: u32 = 300;
/// Senders' slots in use.
const FLOWS: usize = 4;
/// A sender gives a slot to another flow after this time without packets.
const REUSE_MS: u64 = 5_001;
/// What is repeated comes within this time: the receiver keeps a quiet flow's state no longer.
const REPEATED: Duration = Duration::from_millis(900);
/// Steps for one packet beside those of what it releases: looks for a slot, one window passed over, one walk along all that
/// may be held ahead.
const MOST_STEPS: u64 = 8 + WINDOW as u64 + AHEAD as u64;

#[derive(Clone, Debug)]
enum Op {
    /// The sender numbers so many packets of a flow; every eighth is pinned.
    Send(usize, u16),
    /// A packet that is under way arrives: which one.
    Arrive(usize),
    /// The next ones arrive in the order in which they were sent.
    ArriveRun(usize),
    /// One that has arrived lately arrives again.
    Repeat(usize),
    Lose(usize),
    /// So many packets of a flow are numbered, and all lost.
    LoseRun(usize, u16),
    /// Milliseconds pass, with the timeouts that were asked for.
    Pass(u64),
    /// The sender's slot goes to another flow.
    Reuse(usize),
    /// Others take so many blocks of the pool, and give back what they had taken before.
    Fill(u32),
}

fn op() -> impl Strategy<Value = Op> {
    let any = any::<usize>;
    prop_oneof![
        6 => (0..FLOWS, 1u16..40).prop_map(|(flow, n)| Op::Send(flow, n)),
        12 => any().prop_map(Op::Arrive),
        8 => (1usize..40).prop_map(Op::ArriveRun),
        4 => any().prop_map(Op::Repeat),
        3 => any().prop_map(Op::Lose),
        1 => (0..FLOWS, 1u16..6_000).prop_map(|(flow, n)| Op::LoseRun(flow, n)),
        4 => prop_oneof![4 => 0u64..40, 1 => 40u64..2_000].prop_map(Op::Pass),
        1 => (0..FLOWS).prop_map(Op::Reuse),
        2 => (0..BLOCKS).prop_map(Op::Fill),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    flow: u16,
    /// Counts on where the order wraps.
    place: u32,
}

#[derive(Clone, Copy, Debug)]
struct Packet {
    name: Name,
    pinned: bool,
}

impl Packet {
    /// Says who it is, in a length and with a filling that depend on it.
    fn bytes(self) -> Vec<u8> {
        let mut bytes = vec![self.name.place as u8; 6 + self.name.place as usize * 7 % 400];
        bytes[..2].copy_from_slice(&self.name.flow.to_be_bytes());
        bytes[2..6].copy_from_slice(&self.name.place.to_be_bytes());
        bytes
    }
}

/// Reads names back, and finds what was changed on the way.
#[derive(Default)]
struct Out(Vec<Name>);

impl Sink for Out {
    fn deliver(&mut self, bytes: &[u8]) {
        let name = Name {
            flow: u16::from_be_bytes([bytes[0], bytes[1]]),
            place: u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]),
        };
        let pinned = false;
        assert_eq!(bytes, Packet { name, pinned }.bytes(), "not what was sent");
        self.0.push(name);
    }
    fn control(&mut self, _: &[u8]) {}
}

/// One sender's slot.
struct Sender {
    generation: u16,
    next: u32,
}

struct Rig {
    pool: Pool<'static>,
    others: List,
    reseq: Resequencer<'static>,
    hold: Duration,
    now: Instant,
    senders: Vec<Sender>,
    /// Sent and neither arrived nor lost, oldest first.
    under_way: Vec<Packet>,
    /// First arrival.
    arrived: BTreeMap<Name, Instant>,
    /// Sent, not arrived (yet), not given up.
    missing: BTreeSet<Name>,
    /// Arrived, not delivered.
    held: BTreeSet<Name>,
    delivered: BTreeSet<Name>,
    /// Flows whose beginning the receiver does not know (any more): it may wait for what went before.
    begun_anew: BTreeSet<u16>,
    /// Per flow, when a packet came last.
    last: BTreeMap<u16, Instant>,
    out: Out,
    packets: u64,
    steps: u64,
}

impl Rig {
    fn new(hold_ms: u64, bases: [u16; FLOWS]) -> Self {
        let pool = Pool::new(leak(Slot::FREE, 400), leak(Block::FREE, BLOCKS as usize));
        let mut reseq = Resequencer::new(leak(RxFlow::FREE, 8));
        let hold = Duration::from_millis(hold_ms);
        reseq.set_hold(hold);
        work::steps();
        let mut rig = Self {
            pool,
            others: List::new(),
            reseq,
            hold,
            now: Instant::from_millis(1_000),
            senders: Vec::new(),
            under_way: Vec::new(),
            arrived: BTreeMap::new(),
            missing: BTreeSet::new(),
            held: BTreeSet::new(),
            delivered: BTreeSet::new(),
            begun_anew: BTreeSet::new(),
            last: BTreeMap::new(),
            out: Out::default(),
            packets: 0,
            steps: 0,
        };
        // Each flow is known from some place on.
        for (slot, base) in bases.into_iter().enumerate() {
            let next = u32::from(base);
            let generation = 0;
            rig.senders.push(Sender { generation, next });
            rig.send(slot, 1);
            rig.arrive(rig.under_way.len() - 1);
        }
        rig
    }

    fn send(&mut self, slot: usize, count: u16) {
        let sender = &mut self.senders[slot];
        for _ in 0..count {
            let flow = slot as u16 | sender.generation << 12;
            let name = Name {
                flow,
                place: sender.next,
            };
            sender.next += 1;
            let pinned = name.place % 8 == 7;
            self.under_way.push(Packet { name, pinned });
            self.missing.insert(name);
        }
    }

    fn arrive(&mut self, at: usize) {
        if at < self.under_way.len() {
            let packet = self.under_way.remove(at);
            self.handle(packet);
        }
    }

    /// Hands a packet in and holds what comes out against what is known.
    fn handle(&mut self, packet: Packet) {
        let Name { flow, place } = packet.name;
        let bytes = packet.bytes();
        let before = self.reseq.counters();
        let short = self.pool.free_blocks() < bytes.len().div_ceil(256) as u32;
        let first = !self.arrived.contains_key(&packet.name);
        self.arrived.entry(packet.name).or_insert(self.now);
        self.missing.remove(&packet.name);
        if first {
            self.held.insert(packet.name);
        }
        // A flow that was quiet may have been forgotten: it begins anew with what comes.
        let last = self.last.insert(flow, self.now);
        let forgotten = last.is_none_or(|last| self.now.since(last) > Duration::from_secs(1));
        if forgotten && (last.is_some() || flow >> 12 == 0) {
            self.begun_anew.insert(flow);
        }
        if forgotten && place as u16 >= START {
            self.given_up_before(packet.name);
        }
        self.reseq.handle_packet(
            self.now,
            &mut self.pool,
            FlowId(flow),
            Order(place as u16),
            (packet.pinned, 0, 0),
            &bytes,
            &mut self.out,
        );
        self.packets += 1;
        let released = self.out.0.len() as u64;
        let steps = work::steps();
        assert!(steps <= MOST_STEPS + released, "{steps} steps for a packet");
        self.steps += steps;
        let after = self.reseq.counters();
        let dropped = after.too_late != before.too_late || after.duplicates != before.duplicates;
        if dropped && first {
            assert!(
                after.too_late != before.too_late,
                "{packet:?} is no duplicate"
            );
            self.held.remove(&packet.name);
        }
        // Order may give way for want of memory, in a flow begun anew, and for one that does not care.
        let free = packet.pinned.then_some(packet.name);
        self.judge(short || forgotten, free);
    }

    /// Takes what was delivered: each once, none invented, none before an earlier one that was there or might still come.
    fn judge(&mut self, may_skip: bool, free: Option<Name>) {
        for name in std::mem::take(&mut self.out.0) {
            assert!(self.arrived.contains_key(&name), "{name:?} never arrived");
            assert!(self.delivered.insert(name), "{name:?} twice");
            assert!(self.held.remove(&name));
            if free == Some(name) {
                continue;
            }
            let earlier = |n: &Name| n.flow == name.flow && n.place < name.place;
            let waiting = self.held.iter().find(|n| earlier(n));
            assert_eq!(waiting, None, "{name:?} went before it");
            if !may_skip {
                self.judge_holes(name);
            }
            self.given_up_before(name);
        }
        self.nobody_waits_for_nothing();
    }

    /// Something before it is missing, or it would have gone out.
    fn nobody_waits_for_nothing(&self) {
        let known = |name: &&Name| !self.begun_anew.contains(&name.flow);
        for name in self.held.iter().filter(known) {
            let (flow, place) = (name.flow, 0);
            let mut holes = self.missing.range(Name { flow, place }..*name);
            assert!(holes.next().is_some(), "{name:?} waits for nothing");
        }
    }

    /// A hole is given up once.
    fn given_up_before(&mut self, name: Name) {
        self.missing
            .retain(|n| n.flow != name.flow || n.place > name.place);
    }

    /// Every packet before this one that has not arrived has been waited for as long as was asked.
    fn judge_holes(&self, name: Name) {
        let missing = self
            .missing
            .iter()
            .filter(|n| n.flow == name.flow && n.place < name.place);
        // The holes are many, but what shows the first one shows them all.
        for hole in missing.take(50) {
            let behind = || {
                let of_flow = self.arrived.iter().filter(|(n, _)| n.flow == hole.flow);
                of_flow.filter(|(n, _)| n.place > hole.place)
            };
            // It counts from the first packet that showed the hole; and no further ahead is anything held.
            let since = behind().map(|(_, at)| *at).min();
            let far = behind().any(|(n, _)| n.place - hole.place >= AHEAD as u32);
            let waited = far || since.is_some_and(|at| at + self.hold <= self.now);
            assert!(waited, "{name:?} did not wait for {hole:?}");
        }
    }

    /// Time passes; the resequencer is called when it asked for it.
    fn pass(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while self.reseq.poll_timeout() <= end {
            self.now = self.now.max(self.reseq.poll_timeout());
            let held = self.held.len() as u64;
            self.reseq
                .handle_timeout(self.now, &mut self.pool, &mut self.out);
            assert!(self.reseq.poll_timeout() > self.now, "asks again at once");
            let steps = work::steps();
            let most = 8 + held + FLOWS as u64 * u64::from(WINDOW);
            assert!(steps <= most, "{steps} steps with {held} held");
            self.judge(false, None);
            self.nobody_waits_too_long();
        }
        self.now = end;
        self.nobody_waits_too_long();
    }

    fn nobody_waits_too_long(&self) {
        for name in &self.held {
            let waited = self.now.since(self.arrived[name]);
            assert!(waited <= self.hold, "{name:?} is held for {waited:?}");
        }
    }

    fn repeat(&mut self, which: usize) {
        let lately = |at: &Instant| self.now.since(*at) < REPEATED;
        let names: Vec<Name> = self
            .arrived
            .iter()
            .filter(|(_, at)| lately(at))
            .map(|(n, _)| *n)
            .collect();
        if let Some(name) = which.checked_rem(names.len()).map(|at| names[at]) {
            let pinned = name.place % 8 == 7;
            self.handle(Packet { name, pinned });
        }
    }

    /// What is still under way of the flow before the one that ends now never arrives.
    fn reuse(&mut self, slot: usize) {
        self.pass(REUSE_MS);
        let sender = &mut self.senders[slot];
        let ended = slot as u16 | sender.generation << 12;
        self.under_way
            .retain(|p| p.name.flow & 0xfff != slot as u16 || p.name.flow == ended);
        *sender = Sender {
            generation: (sender.generation + 1) & 0xf,
            next: 0,
        };
        // The name is free again: sixteen generations ago nobody remembers.
        let again = slot as u16 | sender.generation << 12;
        self.missing.retain(|n| n.flow != again);
        self.last.remove(&again);
        self.begun_anew.remove(&again);
        self.arrived.retain(|n, _| n.flow != again);
        self.delivered.retain(|n| n.flow != again);
    }

    fn fill(&mut self, blocks: u32) {
        self.pool.clear(&mut self.others);
        for _ in 0..blocks.min(self.pool.free_blocks()) {
            if let Some(id) = self.pool.store(&[0; 10], Meta::default()) {
                self.pool.push(&mut self.others, id);
            }
        }
    }

    fn play(&mut self, op: Op) {
        let some = |which: usize, len: usize| which.checked_rem(len).unwrap_or(0);
        match op {
            Op::Send(slot, count) => self.send(slot, count),
            Op::Arrive(which) => self.arrive(some(which, self.under_way.len())),
            Op::ArriveRun(count) => (0..count).for_each(|_| self.arrive(0)),
            Op::Repeat(which) => self.repeat(which),
            Op::Lose(which) if !self.under_way.is_empty() => {
                self.under_way.remove(some(which, self.under_way.len()));
            }
            Op::Lose(_) => {}
            Op::LoseRun(slot, count) => {
                let before = self.under_way.len();
                self.send(slot, count);
                self.under_way.truncate(before);
            }
            Op::Pass(ms) => self.pass(ms),
            Op::Reuse(slot) => self.reuse(slot),
            Op::Fill(blocks) => self.fill(blocks),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The rig's assertions hold after every step; at the end nothing is held and all memory is back.
    #[test]
    fn each_packet_comes_out_once_in_order_and_in_time_and_memory_comes_back(
        hold in 0u64..=500,
        bases in [0u16..300, 65_000u16..65_535, 0u16..65_535, 0u16..1],
        ops in proptest::collection::vec(op(), 1..150),
    ) {
        let mut rig = Rig::new(hold, bases);
        ops.into_iter().for_each(|op| rig.play(op));
        rig.pass(501);
        prop_assert!(rig.held.is_empty(), "held for ever: {:?}", rig.held);
        rig.fill(0);
        prop_assert_eq!(rig.pool.free_blocks(), BLOCKS);
        prop_assert_eq!(rig.reseq.poll_timeout(), Instant::FAR);
    }
}
