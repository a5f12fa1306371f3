//! What holds for every sequence: flows that come and go and share too few slots, any lengths, memory that others fill, and
//! time that jumps.

use super::*;
use crate::data::inner::tests::{acknowledgement, udp_packet};
use crate::data::pool::List;
use crate::data::pool::tests::leak;
use crate::data::pool::{Block, Slot};
use crate::wire::record::Order;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const BLOCKS: u32 = 200;
/// Most slots for flows.
const SLOTS: usize = 16;
const FLOWS: u16 = 9;

#[derive(Clone, Debug)]
enum Op {
    /// So many packets of a flow, each with so much payload.
    Push(u16, usize, usize),
    /// So many are asked for.
    Pop(Kind, usize),
    /// Milliseconds pass.
    Pass(u64),
    /// Others take so many blocks of the pool, and give back what they had taken before.
    Fill(u32),
}

fn op() -> impl Strategy<Value = Op> {
    let kind = prop_oneof![Just(Kind::Light), Just(Kind::Burst)];
    prop_oneof![
        8 => (0..FLOWS, 8usize..1_380, 1usize..20).prop_map(|(f, l, n)| Op::Push(f, l, n)),
        8 => (kind, 1usize..20).prop_map(|(k, n)| Op::Pop(k, n)),
        3 => prop_oneof![8 => 0u64..60, 1 => 60u64..200_000].prop_map(Op::Pass),
        1 => (0..BLOCKS).prop_map(Op::Fill),
    ]
}

struct Rig {
    pool: Pool<'static>,
    others: List,
    queue: FairQueue<'static>,
    now: Instant,
    /// Per flow: how many were pushed, and the next that may come out; per name on the wire as well.
    pushed: [u32; FLOWS as usize],
    next: [u32; FLOWS as usize],
    next_of: BTreeMap<(usize, u16), u32>,
    out: BTreeSet<(usize, u32)>,
    /// Per name on the wire: the next order, and when it was last used.
    orders: BTreeMap<u16, (Order, Instant)>,
    popped: u32,
    /// How often one was asked for.
    asked: u64,
    /// Steps of all pops.
    steps: u64,
}

impl Rig {
    fn new(slots: usize) -> Self {
        work::steps();
        Self {
            pool: Pool::new(leak(Slot::FREE, 400), leak(Block::FREE, BLOCKS as usize)),
            others: List::new(),
            queue: FairQueue::new(leak(TxFlow::FREE, slots)),
            now: Instant::from_millis(1),
            pushed: [0; FLOWS as usize],
            next: [0; FLOWS as usize],
            next_of: BTreeMap::new(),
            out: BTreeSet::new(),
            orders: BTreeMap::new(),
            popped: 0,
            asked: 0,
            steps: 0,
        }
    }

    fn dropped(&self) -> u32 {
        self.queue.counters().overflow + self.queue.counters().aqm_drops
    }

    fn push(&mut self, flow: u16, len: usize) {
        let mut packet = udp_packet(flow, len);
        let number = &mut self.pushed[usize::from(flow)];
        packet[28..30].copy_from_slice(&flow.to_be_bytes());
        packet[30..34].copy_from_slice(&number.to_be_bytes());
        *number += 1;
        let inner = Inner::parse(&packet, &[0; 16]).unwrap();
        let before = self.dropped();
        let slot = self.queue.slot_for(self.now, &inner).unwrap();
        self.queue
            .push(self.now, &mut self.pool, slot, &inner, &packet);
        // Eight looks for the flow, and for each packet that has to go one at each flow that waits.
        let drops = u64::from(self.dropped() - before);
        let steps = work::steps();
        assert!(steps <= 8 + drops * SLOTS as u64, "{steps} steps to push");
    }

    /// Takes one packet and holds it against what is known; false when there is none.
    fn pop(&mut self, kind: Kind) -> bool {
        let before = self.dropped();
        let id = self
            .queue
            .pop(self.now, &mut self.pool, Turn::any(kind), Measure::USUAL);
        let drops = u64::from(self.dropped() - before);
        let steps = work::steps();
        let most = 2 * SLOTS as u64 + 1;
        assert!(steps <= most + drops, "{steps} steps to pop");
        self.steps += steps;
        self.asked += 1;
        let Some(id) = id else {
            return false;
        };
        self.popped += 1;
        let mut bytes = [0; 1_500];
        self.pool.copy_out(id, &mut bytes).unwrap();
        let flow = usize::from(u16::from_be_bytes([bytes[28], bytes[29]]));
        let number = u32::from_be_bytes([bytes[30], bytes[31], bytes[32], bytes[33]]);
        assert!(number < self.pushed[flow], "nobody pushed it");
        assert!(self.out.insert((flow, number)), "{number} of {flow} twice");
        // A flow that shared a slot and then found its own has two names for a moment; each has its order.
        let name = (flow, self.pool.meta(id).flow.0);
        let next = self.next_of.insert(name, number + 1).unwrap_or(0);
        let shared = self.queue.counters().shared_slots > 0;
        let least = if shared { next } else { self.next[flow] };
        assert!(number >= least, "{number} of flow {flow} is late");
        self.next[flow] = number + 1;
        self.check_name(id);
        self.pool.release(id);
        true
    }

    /// Orders of a name follow each other; a name is another flow's only when sixteen reuses of its slot lie between.
    fn check_name(&mut self, id: PacketId) {
        let meta = self.pool.meta(id);
        let (next, last) = self
            .orders
            .get(&meta.flow.0)
            .copied()
            .unwrap_or((Order(0), Instant::ZERO));
        let again = meta.order == Order(0) && self.now.since(last) > Duration::from_secs(75);
        assert!(meta.order == next || again, "{meta:?}, expected {next:?}");
        self.orders
            .insert(meta.flow.0, (meta.order.next(), self.now));
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
        match op {
            Op::Push(flow, len, count) => (0..count).for_each(|_| self.push(flow, len)),
            Op::Pop(kind, count) => (0..count).for_each(|_| {
                self.pop(kind);
            }),
            Op::Pass(ms) => self.now += Duration::from_millis(ms),
            Op::Fill(blocks) => self.fill(blocks),
        }
        self.queue.expire(self.now);
        let pushed: u32 = self.pushed.iter().sum();
        let known = self.popped + self.dropped() + self.queue.packets();
        assert_eq!(pushed, known, "each is waiting, out, or counted as dropped");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn each_packet_comes_out_in_its_flows_order_or_is_counted_and_memory_comes_back(
        slots in prop_oneof![Just(6usize), Just(SLOTS)],
        ops in proptest::collection::vec(op(), 1..150),
    ) {
        let mut rig = Rig::new(slots);
        ops.into_iter().for_each(|op| rig.play(op));
        while rig.pop(Kind::Light) || rig.pop(Kind::Burst) || rig.queue.packets() > 0 {}
        prop_assert_eq!(rig.queue.bytes(), 0);
        // On average a pop looks at few flows: each pass over one is paid by what it sent or by its having come.
        let pushed: u32 = rig.pushed.iter().sum();
        let others = u64::from(rig.popped + rig.dropped() + 3 * pushed);
        prop_assert!(rig.steps <= rig.asked + others, "{} steps", rig.steps);
        rig.fill(0);
        prop_assert_eq!(rig.pool.free_blocks(), BLOCKS);
    }

    #[test]
    fn flows_that_all_have_something_to_send_never_get_far_from_each_other(
        lens in proptest::collection::vec(8usize..1_380, 2..6),
    ) {
        let pool = Pool::new(leak(Slot::FREE, 2_000), leak(Block::FREE, 9_000));
        let mut rig = Rig { pool, ..Rig::new(SLOTS) };
        for (flow, len) in lens.iter().enumerate() {
            (0..120).for_each(|_| rig.push(flow as u16, *len));
        }
        // As long as none has run empty.
        while rig.next.iter().all(|sent| *sent < 119) && (rig.pop(Kind::Light) || rig.pop(Kind::Burst)) {
            let sent = |at: usize| i64::from(rig.next[at]) * (lens[at] as i64 + 28);
            let all = || (0..lens.len()).map(sent);
            let apart = all().max().unwrap() - all().min().unwrap();
            prop_assert!(apart <= i64::from(LIGHT_QUANTUM + 2 * QUANTUM), "{apart} bytes apart");
        }
    }

    #[test]
    fn thinning_leaves_the_newest_acknowledgement_and_every_one_that_says_more(
        steps in proptest::collection::vec((0u32..4, 0u8..8), 1..80),
    ) {
        let mut rig = Rig::new(SLOTS);
        let (mut highest, mut special, mut pushed) = (1, 0, 0);
        let (mut seen, mut special_out, mut popped) = (1, 0, 0);
        for (more, what) in steps {
            if what == 0 {
                // All leave.
                while let Some(id) = rig.queue.pop(rig.now, &mut rig.pool, Turn::any(Kind::Light), Measure::USUAL)
                    .or_else(|| rig.queue.pop(rig.now, &mut rig.pool, Turn::any(Kind::Burst), Measure::USUAL))
                {
                    let bytes = rig.pool.front_bytes_mut(id);
                    let ack = u32::from_be_bytes([bytes[28], bytes[29], bytes[30], bytes[31]]);
                    prop_assert!(ack >= seen, "{ack} after {seen}");
                    (seen, popped) = (ack, popped + 1);
                    special_out += u32::from(bytes[33] != 0x10);
                    rig.pool.release(id);
                }
                prop_assert_eq!((seen, special_out), (highest, special));
            } else {
                highest += more;
                let flags = if what == 1 { 0x40 } else { 0 };
                special += u32::from(flags > 0);
                let packet = acknowledgement(highest, flags, &[]);
                let inner = Inner::parse(&packet, &[0; 16]).unwrap();
                let slot = rig.queue.slot_for(rig.now, &inner).unwrap();
                rig.queue.push(rig.now, &mut rig.pool, slot, &inner, &packet);
                pushed += 1;
            }
            prop_assert_eq!(pushed, popped + rig.queue.counters().thinned + rig.queue.packets());
        }
    }
}
