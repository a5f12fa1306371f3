//! Putting each flow back in order, for a bounded time.
//!
//! In-order packets pass straight from the receive buffer to the sink; only packets behind a hole are copied into
//! the pool. A hole waits as long as the sender's hint says (its paths' spread plus its repair time), then the
//! flow goes on without it; a late original is still delivered, once. Flows never wait for each other.

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use super::inner::Inner;
use super::pool::{List, Meta, PacketId, Pool};
use super::shape::Pace;
use super::work;
use crate::error::Refusal;
use crate::time::{Duration, Instant};
use crate::wire::headers::{Context, How, REACH, restore_whole};
use crate::wire::record::{FlowId, MAX_BODY, Order, Record, Records};

/// Orders remembered per flow: half behind the next expected one (duplicates), half ahead of it (what may be held).
pub const WINDOW: u16 = 4096;
const AHEAD: i16 = (WINDOW / 2) as i16;
/// A header is not older than another in whose place it comes by more.
const LATE: i16 = 2 * WINDOW as i16;
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
    /// A packet of the control network.
    fn inside(&mut self, _packet: &[u8]) {}
}

/// Receiver's state of one flow.
#[derive(Clone, Copy, Debug)]
pub struct RxFlow {
    id: FlowId,
    used: bool,
    next: Order,
    held: List,
    /// The held packet that was put among others last: what follows mostly belongs near it.
    finger: Option<PacketId>,
    /// No hole is to be given up before; meaningful while `held` is not empty.
    deadline: Instant,
    last: Instant,
    /// The path to which the flow keeps at the other end, as its place + 1; 0 = it does not.
    led: u8,
    /// For people: what comes, by which paths in this second and the one before (a bit each), and a part of the name of the
    /// flow that goes the other way.
    pace: Pace,
    via: [u8; 2],
    name: u32,
    /// Headers by which its packets may be told.
    headers: [Context; 2],
    seen: [u32; WORDS],
}

impl RxFlow {
    /// A free slot.
    pub const FREE: Self = Self {
        id: FlowId(0),
        used: false,
        next: Order(0),
        held: List::new(),
        finger: None,
        deadline: Instant::ZERO,
        last: Instant::ZERO,
        led: 0,
        pace: Pace::NONE,
        via: [0; 2],
        name: 0,
        headers: [Context::NONE; 2],
        seen: [0; WORDS],
    };

    /// What comes.
    pub fn pace(&self, now: Instant) -> Pace {
        self.pace.at(now)
    }
    /// By which paths it came lately, by their places, a bit each.
    pub fn came(&self) -> u8 {
        self.via[0] | self.via[1]
    }

    /// One more packet, for people. `names`: the key of flows' names.
    fn count(&mut self, now: Instant, at: usize, bytes: &[u8], names: Option<&[u8; 16]>) {
        if self.pace.count(now, bytes.len()) {
            self.via = [0, self.via[0]];
            // Another flow may have its number by now.
            let back = names.and_then(|key| Inner::parse_back(bytes, key));
            self.name = back.map_or(0, |inner| inner.hash as u32);
        }
        self.via[0] |= 1 << (at & 7);
    }

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
        work::step();
        self.set(self.next.plus(AHEAD as u16), false);
        self.next = self.next.next();
    }

    /// Puts a packet where its order belongs: mostly the end, else from where the last one was put on. What a later path
    /// brings comes in its own order, so few are passed.
    fn insert(&mut self, pool: &mut Pool<'_>, id: PacketId, order: Order) {
        let behind = |id: PacketId, pool: &Pool<'_>| order.ahead_of(pool.meta(id).order) > 0;
        if self.held.back().is_none_or(|back| behind(back, pool)) {
            return pool.push(&mut self.held, id);
        }
        let (mut before, mut at) = match self.finger.filter(|f| behind(*f, pool)) {
            Some(finger) => (Some(finger), pool.after(finger)),
            None => (None, self.held.front()),
        };
        while let Some(here) = at
            && behind(here, pool)
        {
            work::step();
            before = at;
            at = pool.after(here);
        }
        pool.insert_after(&mut self.held, before, id);
        self.finger = Some(id);
    }

    fn take_front(&mut self, pool: &mut Pool<'_>) -> Option<PacketId> {
        let id = pool.pop(&mut self.held)?;
        self.finger = self.finger.filter(|finger| *finger != id);
        Some(id)
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
    /// Packets dropped because their flow was past them by more than is remembered.
    pub too_late: u32,
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
    /// The key by which flows that go the other way are named, where people ask for them.
    names: Option<[u8; 16]>,
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
            names: None,
        }
    }

    /// People ask for flows, which have their names by this key.
    pub fn set_names(&mut self, key: Option<[u8; 16]>) {
        self.names = key;
    }
    /// What comes of the flow that goes the other way under this name.
    pub fn named(&self, name: u32) -> Option<&RxFlow> {
        let mut used = self.flows.iter().filter(|f| f.used);
        used.find(|f| f.name == name)
    }
    /// What comes of each flow.
    pub fn paces(&self, now: Instant) -> impl Iterator<Item = Pace> {
        let used = self.flows.iter().filter(|f| f.used);
        used.map(move |f| f.pace(now))
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

    /// Takes one packet that came by path `via`; delivers it, holds it, or drops a duplicate. `led`: the path to which the other
    /// end keeps its flow (place + 1, or 0). Says whether that is news.
    #[allow(clippy::too_many_arguments)] // the fields of one record, and where it goes
    pub fn handle_packet(
        &mut self,
        now: Instant,
        pool: &mut Pool<'_>,
        id: FlowId,
        order: Order,
        (pinned, led, via): (bool, u8, usize),
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
        if ahead < -AHEAD {
            self.counters.too_late = self.counters.too_late.wrapping_add(1);
            return false;
        }
        if ahead < AHEAD && flow.has(order) {
            self.counters.duplicates = self.counters.duplicates.wrapping_add(1);
            return false;
        }
        flow.count(now, via, bytes, self.names.as_ref());
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
            self.pass(now, pool, at, bytes, sink);
        } else if pinned || ahead < 0 {
            self.counters.late = self.counters.late.wrapping_add(u32::from(ahead < 0));
            self.counters.delivered = self.counters.delivered.wrapping_add(1);
            sink.deliver(bytes);
        } else {
            self.hold(now, pool, at, order, bytes, sink);
        }
        news
    }

    /// The header by which the packet at this place may be told, if it is remembered.
    fn header(&self, id: FlowId, order: Order, how: How) -> Option<&Context> {
        let flow = self.flows.get(self.find(id)?)?;
        flow.headers.get(how.place()).filter(|c| c.reaches(order))
    }

    /// Every packet in this frame that is told by a header is told by one that is remembered.
    pub fn reads(&self, body: &[u8]) -> bool {
        Records::new(body).all(|record| match record {
            Ok(Record::Told {
                flow, order, how, ..
            }) => how.has(How::WHOLE) || self.header(flow, order, how).is_some(),
            _ => true,
        })
    }

    /// Writes the packet that is told to the front of `out`; returns its length.
    ///
    /// # Errors
    /// [`Refusal::Malformed`]; [`Refusal::Unknown`] if it is told by a header that is not remembered.
    pub fn restore(
        &self,
        id: FlowId,
        order: Order,
        how: How,
        told: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Refusal> {
        if how.has(How::WHOLE) {
            return restore_whole(told, out);
        }
        let header = self.header(id, order, how).ok_or(Refusal::Unknown)?;
        header.restore(how, told, out)
    }

    /// Remembers the header of the packet at this place of a known flow. Its sender takes what arrived for remembered. So after
    /// this its place holds it, or a later one, or none: never one before it.
    pub fn remember(&mut self, id: FlowId, order: Order, how: How, packet: &[u8]) {
        let Some(flow) = self.find(id).and_then(|at| self.flows.get_mut(at)) else {
            return;
        };
        let late = order.ahead_of(flow.next) < -AHEAD;
        for old in flow.headers.iter_mut().filter(|_| !late) {
            // Orders wrap: what is further away than any packet is told would look like one of another time.
            let near = |at: Order| (-LATE..REACH).contains(&order.ahead_of(at));
            if !old.order().is_some_and(near) {
                *old = Context::NONE;
            }
        }
        let place = flow.headers.get_mut(how.place());
        if let Some(place) = place.filter(|p| p.order().is_none_or(|old| order.ahead_of(old) > 0)) {
            let context = Context::of(order, packet, packet.len());
            *place = context.filter(|_| !late).unwrap_or(Context::NONE);
        }
    }

    #[cfg(test)]
    pub(in crate::data) fn forget_headers(&mut self) {
        let all = self.flows.iter_mut();
        all.for_each(|f| f.headers = [Context::NONE; 2]);
    }

    /// The place of a known flow.
    fn find(&self, id: FlowId) -> Option<usize> {
        let n = self.flows.len();
        let start = usize::from(id.0 & 0xfff).checked_rem(n)?;
        let mut places = (0..n.min(8)).map(|i| (start + i) % n);
        places.find(|at| {
            work::step();
            self.flows.get(*at).is_some_and(|f| f.used && f.id == id)
        })
    }

    fn slot_for(&mut self, now: Instant, id: FlowId, order: Order) -> Option<usize> {
        let n = self.flows.len();
        let start = usize::from(id.0 & 0xfff).checked_rem(n)?;
        let mut free = None;
        for i in 0..n.min(8) {
            let at = (start + i) % n;
            work::step();
            let flow = self.flows.get(at)?;
            if flow.used && flow.id == id {
                return Some(at);
            }
            // The same sender's slot in an earlier generation is a flow that ended.
            let newer = (id.0 >> 12).wrapping_sub(flow.id.0 >> 12) & 0xf;
            let ended = flow.used && flow.id.0 & 0xfff == id.0 & 0xfff && newer < 8;
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
            // Memory is short: what is held before it goes out now, holes or not, then this packet and what follows it.
            self.give_up_to(now, pool, at, order, sink);
            return self.pass(now, pool, at, bytes, sink);
        };
        self.counters.held = self.counters.held.wrapping_add(1);
        let Some(flow) = self.flows.get_mut(at) else {
            return;
        };
        let until = now + self.hold;
        flow.deadline = if flow.held.is_empty() {
            until
        } else {
            flow.deadline.min(until)
        };
        self.next_deadline = self.next_deadline.min(flow.deadline);
        flow.insert(pool, id, order);
    }

    /// Delivers the packet that is expected next, and those held behind it.
    fn pass(
        &mut self,
        now: Instant,
        pool: &mut Pool<'_>,
        at: usize,
        bytes: &[u8],
        sink: &mut dyn Sink,
    ) {
        if let Some(flow) = self.flows.get_mut(at) {
            flow.advance();
        }
        self.counters.delivered = self.counters.delivered.wrapping_add(1);
        sink.deliver(bytes);
        self.release_run(now, pool, at, sink);
    }

    /// Delivers held packets while they are next in order.
    fn release_run(&mut self, now: Instant, pool: &mut Pool<'_>, at: usize, sink: &mut dyn Sink) {
        let Some(flow) = self.flows.get_mut(at) else {
            return;
        };
        while flow.has(flow.next) {
            if let Some(id) = flow.held.front()
                && pool.meta(id).order == flow.next
            {
                flow.take_front(pool);
                hand_over(&mut self.counters, now, pool, id, sink);
            }
            flow.advance();
        }
    }

    /// Gives up every hole before `target`, and goes on from there.
    fn skip_to(
        &mut self,
        now: Instant,
        pool: &mut Pool<'_>,
        at: usize,
        target: Order,
        sink: &mut dyn Sink,
    ) {
        self.give_up_to(now, pool, at, target, sink);
        self.release_run(now, pool, at, sink);
    }

    /// Gives up every hole before `target`: what is held below it goes out, and `target` is expected next.
    fn give_up_to(
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
            flow.take_front(pool);
            hand_over(&mut self.counters, now, pool, id, sink);
        }
        if target.ahead_of(flow.next) >= WINDOW as i16 {
            // Nothing of what is remembered lies in the new window: no need to go there step by step.
            (flow.next, flow.seen) = (target, [0; WORDS]);
        }
        while target.ahead_of(flow.next) > 0 {
            flow.advance();
        }
    }

    /// Gives up the holes whose time is over.
    pub fn handle_timeout(&mut self, now: Instant, pool: &mut Pool<'_>, sink: &mut dyn Sink) {
        if now < self.next_deadline {
            return;
        }
        self.next_deadline = Instant::FAR;
        for at in 0..self.flows.len() {
            work::step();
            let Some(flow) = self.flows.get(at).filter(|f| f.used) else {
                continue;
            };
            if !flow.held.is_empty() && flow.deadline <= now {
                self.give_up_waited(now, pool, at, sink);
            }
            let Some(flow) = self.flows.get_mut(at) else {
                break;
            };
            if !flow.held.is_empty() {
                self.next_deadline = self.next_deadline.min(flow.deadline);
            } else if now.since(flow.last) > IDLE {
                flow.used = false;
            }
        }
    }

    /// Gives up the holes behind which a packet has waited its time. Packets are held by order, not by age: one look at
    /// all of the flow finds the last that must go, and when the next one must.
    fn give_up_waited(
        &mut self,
        now: Instant,
        pool: &mut Pool<'_>,
        at: usize,
        sink: &mut dyn Sink,
    ) {
        let (mut target, mut oldest) = (None, Instant::FAR);
        let mut here = self.flows.get(at).and_then(|f| f.held.front());
        while let Some(id) = here {
            work::step();
            let meta = pool.meta(id);
            if meta.at + self.hold <= now {
                (target, oldest) = (Some(meta.order), Instant::FAR);
            } else {
                oldest = oldest.min(meta.at);
            }
            here = pool.after(id);
        }
        if let Some(target) = target {
            self.skip_to(now, pool, at, target, sink);
        }
        if let Some(flow) = self.flows.get_mut(at) {
            flow.deadline = oldest + self.hold;
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
