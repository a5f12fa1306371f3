//! Putting each flow back in order, for a bounded time.
//!
//! In-order packets pass straight from the receive buffer to the sink; only packets behind a hole are copied into
//! the pool. A hole waits as long as the sender's hint says (its paths' spread plus its repair time), then the
//! flow goes on without it; a late original is still delivered, once. Flows never wait for each other.

use super::pool::{List, Meta, PacketId, Pool};
use crate::time::{Duration, Instant};
use crate::wire::record::{FlowId, MAX_BODY, Order};

/// Orders remembered per flow: half behind the next expected one (duplicates), half ahead of it (what may be held).
pub const WINDOW: u16 = 4096;
const AHEAD: i16 = (WINDOW / 2) as i16;
const WORDS: usize = WINDOW as usize / 32;
/// A flow that begins further in than this was not lost at its start: its state here was given up in between.
const START: u16 = 256;
const IDLE: Duration = Duration::from_secs(60);

/// Where delivered packets and control messages go.
pub trait Sink {
    /// An inner packet, in its flow's order.
    fn deliver(&mut self, packet: &[u8]);
    /// A control message from the other end.
    fn control(&mut self, message: &[u8]);
}

/// Receiver's state of one flow.
#[derive(Clone, Copy, Debug)]
pub struct RxFlow {
    id: FlowId,
    used: bool,
    next: Order,
    held: List,
    /// When the hole at `next` is given up; meaningful while `held` is not empty.
    deadline: Instant,
    last: Instant,
    /// The path to which the flow keeps at the other end, as its place + 1; 0 = it does not.
    led: u8,
    seen: [u32; WORDS],
}

impl RxFlow {
    /// A free slot.
    pub const FREE: Self = Self {
        id: FlowId(0),
        used: false,
        next: Order(0),
        held: List::new(),
        deadline: Instant::ZERO,
        last: Instant::ZERO,
        led: 0,
        seen: [0; WORDS],
    };

    fn has(&self, order: Order) -> bool {
        let at = order.0 & (WINDOW - 1);
        self.seen
            .get(usize::from(at >> 5))
            .is_some_and(|w| w & (1 << (at & 31)) != 0)
    }
    fn set(&mut self, order: Order, value: bool) {
        let at = order.0 & (WINDOW - 1);
        if let Some(w) = self.seen.get_mut(usize::from(at >> 5)) {
            *w = if value {
                *w | (1 << (at & 31))
            } else {
                *w & !(1 << (at & 31))
            };
        }
    }
    /// Moves on by one place and forgets the place that leaves the window's far end.
    fn advance(&mut self) {
        self.set(self.next.plus(AHEAD as u16), false);
        self.next = self.next.next();
    }
}

/// What the resequencer did since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets delivered.
    pub delivered: u32,
    /// Packets that had to wait.
    pub held: u32,
    /// Packets dropped because they were there already.
    pub duplicates: u32,
    /// Packets delivered after their hole had been given up.
    pub late: u32,
    /// Holes given up.
    pub given_up: u32,
    /// The longest that a packet was held, in us.
    pub longest_hold_us: u32,
}

/// All flows of one receiver.
#[derive(Debug)]
pub struct Resequencer<'m> {
    flows: &'m mut [RxFlow],
    hold: Duration,
    next_deadline: Instant,
    counters: Counters,
}

impl<'m> Resequencer<'m> {
    /// Takes the caller's flow slots.
    pub fn new(flows: &'m mut [RxFlow]) -> Self {
        flows.fill(RxFlow::FREE);
        Self {
            flows,
            hold: Duration::from_millis(300),
            next_deadline: Instant::FAR,
            counters: Counters::default(),
        }
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }
    /// How long a hole may wait, as the sender says; bounded here to half a second.
    pub fn set_hold(&mut self, hold: Duration) {
        self.hold = hold.min(Duration::from_millis(500));
    }
    /// When a hole will be given up, or [`Instant::FAR`].
    pub fn poll_timeout(&self) -> Instant {
        self.next_deadline
    }

    /// Arrival of the oldest packet that is being held.
    pub fn holding_since(&self, pool: &Pool<'_>) -> Option<Instant> {
        let fronts = self.flows.iter().filter_map(|f| f.held.front());
        fronts.map(|id| pool.meta(id).at).min()
    }

    /// Takes one packet; delivers it, holds it, or drops a duplicate. `led`: the path to which the other end keeps its flow
    /// (place + 1, or 0). Says whether that is news.
    #[allow(clippy::too_many_arguments)] // the fields of one record, and where it goes
    pub fn handle_packet(
        &mut self,
        now: Instant,
        pool: &mut Pool<'_>,
        id: FlowId,
        order: Order,
        (pinned, led): (bool, u8),
        bytes: &[u8],
        sink: &mut dyn Sink,
    ) -> bool {
        let Some(at) = self.slot_for(now, id, order) else {
            // No slot: a packet out of order is better than no packet.
            self.counters.delivered = self.counters.delivered.wrapping_add(1);
            sink.deliver(bytes);
            return false;
        };
        let Some(flow) = self.flows.get_mut(at) else {
            return false;
        };
        flow.last = now;
        let ahead = order.ahead_of(flow.next);
        if ahead < -AHEAD || (ahead < AHEAD && flow.has(order)) {
            self.counters.duplicates = self.counters.duplicates.wrapping_add(1);
            return false;
        }
        // What was sent before, and again, says nothing about where the flow is now.
        let news = ahead >= 0 && flow.led != led;
        if news {
            flow.led = led;
        }
        if ahead >= AHEAD {
            self.skip_to(
                now,
                pool,
                at,
                order.plus((AHEAD as u16).wrapping_neg().wrapping_add(1)),
                sink,
            );
        }
        let Some(flow) = self.flows.get_mut(at) else {
            return news;
        };
        flow.set(order, true);
        if order == flow.next {
            flow.advance();
            self.counters.delivered = self.counters.delivered.wrapping_add(1);
            sink.deliver(bytes);
            self.release_run(now, pool, at, sink);
        } else if pinned || ahead < 0 {
            self.counters.late = self.counters.late.wrapping_add(u32::from(ahead < 0));
            self.counters.delivered = self.counters.delivered.wrapping_add(1);
            sink.deliver(bytes);
        } else {
            self.hold(now, pool, at, order, bytes, sink);
        }
        news
    }

    fn slot_for(&mut self, now: Instant, id: FlowId, order: Order) -> Option<usize> {
        let n = self.flows.len();
        let start = usize::from(id.0 & 0xfff).checked_rem(n)?;
        let mut free = None;
        for i in 0..n.min(8) {
            let at = (start + i) % n;
            let flow = self.flows.get(at)?;
            if flow.used && flow.id == id {
                return Some(at);
            }
            // The same sender's slot in another generation is a flow that ended.
            let ended = flow.used && flow.id.0 & 0xfff == id.0 & 0xfff;
            let idle = !flow.used || ended || now.since(flow.last) > Duration::from_secs(1);
            if idle && flow.held.is_empty() && free.is_none_or(|(_, last)| flow.last < last) {
                free = Some((at, flow.last));
            }
        }
        let (at, _) = free?;
        let next = if order.0 < START { Order(0) } else { order };
        *self.flows.get_mut(at)? = RxFlow {
            id,
            used: true,
            next,
            last: now,
            ..RxFlow::FREE
        };
        Some(at)
    }

    fn hold(
        &mut self,
        now: Instant,
        pool: &mut Pool<'_>,
        at: usize,
        order: Order,
        bytes: &[u8],
        sink: &mut dyn Sink,
    ) {
        let meta = Meta {
            order,
            at: now,
            slot: at as u16,
            ..Meta::default()
        };
        let Some(id) = pool.store(bytes, meta) else {
            // Memory is short: what is held goes out now, holes or not, and this packet after it.
            self.skip_to(now, pool, at, order, sink);
            if let Some(flow) = self.flows.get_mut(at) {
                flow.advance();
            }
            self.counters.delivered = self.counters.delivered.wrapping_add(1);
            return sink.deliver(bytes);
        };
        self.counters.held = self.counters.held.wrapping_add(1);
        let Some(flow) = self.flows.get_mut(at) else {
            return;
        };
        let first = flow.held.is_empty();
        insert_sorted(pool, &mut flow.held, id, order);
        if first {
            flow.deadline = now + self.hold;
            self.next_deadline = self.next_deadline.min(flow.deadline);
        }
    }

    /// Delivers held packets while they are next in order, then sets the next hole's deadline.
    fn release_run(&mut self, now: Instant, pool: &mut Pool<'_>, at: usize, sink: &mut dyn Sink) {
        let Some(flow) = self.flows.get_mut(at) else {
            return;
        };
        while flow.has(flow.next) {
            if let Some(id) = flow.held.front()
                && pool.meta(id).order == flow.next
            {
                pool.pop(&mut flow.held);
                hand_over(&mut self.counters, now, pool, id, sink);
            }
            flow.advance();
        }
        if let Some(front) = flow.held.front() {
            flow.deadline = pool.meta(front).at + self.hold;
            self.next_deadline = self.next_deadline.min(flow.deadline);
        }
    }

    /// Gives up every hole before `target`: what is held below it goes out, and `target` is expected next.
    fn skip_to(
        &mut self,
        now: Instant,
        pool: &mut Pool<'_>,
        at: usize,
        target: Order,
        sink: &mut dyn Sink,
    ) {
        let Some(flow) = self.flows.get_mut(at) else {
            return;
        };
        self.counters.given_up = self.counters.given_up.wrapping_add(1);
        while let Some(id) = flow.held.front()
            && pool.meta(id).order.ahead_of(target) < 0
        {
            pool.pop(&mut flow.held);
            hand_over(&mut self.counters, now, pool, id, sink);
        }
        if target.ahead_of(flow.next) >= WINDOW as i16 {
            // Nothing of what is remembered lies in the new window: no need to go there step by step.
            (flow.next, flow.seen) = (target, [0; WORDS]);
        }
        while target.ahead_of(flow.next) > 0 {
            flow.advance();
        }
        self.release_run(now, pool, at, sink);
    }

    /// Gives up the holes whose time is over.
    pub fn handle_timeout(&mut self, now: Instant, pool: &mut Pool<'_>, sink: &mut dyn Sink) {
        if now < self.next_deadline {
            return;
        }
        self.next_deadline = Instant::FAR;
        for at in 0..self.flows.len() {
            while let Some(front) = self
                .flows
                .get(at)
                .filter(|f| f.deadline <= now)
                .and_then(|f| f.held.front())
            {
                let target = pool.meta(front).order;
                self.skip_to(now, pool, at, target, sink);
            }
            let Some(flow) = self.flows.get_mut(at) else {
                break;
            };
            if !flow.held.is_empty() {
                self.next_deadline = self.next_deadline.min(flow.deadline);
            } else if flow.used && now.since(flow.last) > IDLE {
                flow.used = false;
            }
        }
    }

    /// Forgets all flows; what is held is dropped (the session ended).
    pub fn clear(&mut self, pool: &mut Pool<'_>) {
        for flow in self.flows.iter_mut() {
            pool.clear(&mut flow.held);
            *flow = RxFlow::FREE;
        }
        self.next_deadline = Instant::FAR;
    }
}

fn insert_sorted(pool: &mut Pool<'_>, list: &mut List, id: PacketId, order: Order) {
    if list
        .back()
        .is_some_and(|b| order.ahead_of(pool.meta(b).order) > 0)
    {
        return pool.push(list, id);
    }
    let (mut before, mut at) = (None, list.front());
    while let Some(here) = at
        && pool.meta(here).order.ahead_of(order) < 0
    {
        before = at;
        at = pool.after(here);
    }
    pool.insert_after(list, before, id);
}

fn hand_over(
    counters: &mut Counters,
    now: Instant,
    pool: &mut Pool<'_>,
    id: PacketId,
    sink: &mut dyn Sink,
) {
    let mut bytes = [0u8; MAX_BODY];
    counters.longest_hold_us = counters
        .longest_hold_us
        .max(now.since(pool.meta(id).at).as_micros() as u32);
    counters.delivered = counters.delivered.wrapping_add(1);
    if let Some(n) = pool.copy_out(id, &mut bytes) {
        sink.deliver(bytes.get(..n).unwrap_or_default());
    }
    pool.release(id);
}

#[cfg(test)]
mod tests {
    use super::super::pool::{Block, Slot};
    use super::*;
    use proptest::prelude::*;

    #[derive(Default)]
    struct Out(Vec<u16>);
    impl Sink for Out {
        fn deliver(&mut self, p: &[u8]) {
            self.0.push(u16::from_be_bytes([p[0], p[1]]));
        }
        fn control(&mut self, _: &[u8]) {}
    }

    struct Rig {
        pool: Pool<'static>,
        reseq: Resequencer<'static>,
        out: Out,
    }
    impl Rig {
        fn new() -> Self {
            let slots = Box::leak(vec![Slot::FREE; 3000].into_boxed_slice());
            let blocks = Box::leak(vec![Block::FREE; 3000].into_boxed_slice());
            let flows = Box::leak(vec![RxFlow::FREE; 8].into_boxed_slice());
            Self {
                pool: Pool::new(slots, blocks),
                reseq: Resequencer::new(flows),
                out: Out::default(),
            }
        }
        fn packet(&mut self, ms: u64, order: u16) {
            let now = Instant::from_millis(ms);
            let bytes = order.to_be_bytes();
            self.reseq.handle_packet(
                now,
                &mut self.pool,
                FlowId(1),
                Order(order),
                (false, 0),
                &bytes,
                &mut self.out,
            );
        }
        fn timeout(&mut self, ms: u64) {
            self.reseq
                .handle_timeout(Instant::from_millis(ms), &mut self.pool, &mut self.out);
        }
    }

    #[test]
    fn a_jump_over_more_than_the_window_forgets_it_and_goes_on() {
        let mut r = Rig::new();
        for order in [0u16, 1, 32_000, 32_001, 62_000, 62_000] {
            r.packet(0, order);
        }
        r.timeout(1_000);
        assert_eq!(r.out.0, [0, 1, 32_000, 32_001, 62_000]);
        assert_eq!(r.reseq.counters().duplicates, 1);
    }

    #[test]
    fn a_filled_hole_releases_what_waited_behind_it() {
        let mut r = Rig::new();
        for (ms, order) in [(0, 0), (1, 2), (2, 3), (3, 1), (4, 4)] {
            r.packet(ms, order);
        }
        assert_eq!(r.out.0, [0, 1, 2, 3, 4]);
        assert_eq!(r.reseq.counters().longest_hold_us, 2000);
    }

    #[test]
    fn a_hole_is_given_up_at_its_deadline_and_a_late_original_still_arrives_once() {
        let mut r = Rig::new();
        for (ms, order) in [(0, 0), (1, 2), (50, 4)] {
            r.packet(ms, order);
        }
        assert_eq!(r.reseq.poll_timeout(), Instant::from_millis(301));
        r.timeout(301);
        assert_eq!(r.out.0, [0, 2]);
        assert_eq!(r.reseq.poll_timeout(), Instant::from_millis(350));
        r.timeout(350);
        r.packet(360, 1);
        r.packet(361, 1);
        r.packet(362, 5);
        assert_eq!(r.out.0, [0, 2, 4, 1, 5]);
        assert_eq!(r.reseq.counters().duplicates, 1);
    }

    #[test]
    fn a_pinned_packet_never_waits_and_leaves_no_hole() {
        let mut r = Rig::new();
        r.packet(0, 0);
        r.reseq.handle_packet(
            Instant::ZERO,
            &mut r.pool,
            FlowId(1),
            Order(2),
            (true, 0),
            &[0, 2],
            &mut r.out,
        );
        r.packet(1, 1);
        r.packet(1, 3);
        assert_eq!(r.out.0, [0, 2, 1, 3]);
    }

    #[test]
    fn a_new_generation_of_a_slot_starts_afresh() {
        let mut r = Rig::new();
        (0..40).for_each(|o| r.packet(0, o));
        r.reseq.handle_packet(
            Instant::ZERO,
            &mut r.pool,
            FlowId(0x1001),
            Order(0),
            (false, 0),
            &[9, 9],
            &mut r.out,
        );
        assert_eq!(r.out.0.len(), 41);
    }

    proptest! {
        /// Any interleaving with losses and duplicates: each packet at most once, none invented, order kept except
        /// for late ones, memory back at the end.
        #[test]
        fn nothing_is_lost_duplicated_or_invented(
            arrivals in proptest::collection::vec((0u16..120, 0u64..3), 1..400), base in 0u16..=65535,
        ) {
            let mut r = Rig::new();
            r.packet(0, base);
            let (mut ms, mut sent) = (0, std::collections::BTreeSet::from([base]));
            for (jump, dt) in arrivals {
                ms += dt;
                r.timeout(ms);
                let order = base.wrapping_add(jump);
                sent.insert(order);
                r.packet(ms, order);
            }
            r.timeout(ms + 1000);
            let mut got = r.out.0.clone();
            got.sort_unstable();
            prop_assert_eq!(got, sent.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(r.pool.free_blocks(), 3000);
        }

        #[test]
        fn without_loss_any_reordering_within_the_hold_is_undone(seed in proptest::collection::vec(0u16..8, 200)) {
            let mut r = Rig::new();
            let mut order: Vec<u16> = (0..200).collect();
            for (i, k) in seed.iter().enumerate() {
                let j = (i + usize::from(*k)).min(199);
                order.swap(i, j);
            }
            order.iter().for_each(|o| r.packet(0, *o));
            prop_assert_eq!(&r.out.0, &(0..200).collect::<Vec<u16>>());
        }
    }
}
