//! Receiving: opening data frames, and learning from feedback.

use super::{AnyTunnel, note_lost, queue_repair, sent_len};
use crate::data::path::Path;
use crate::data::pool::{Meta, PacketId};
use crate::data::resequence::Sink;
use crate::error::Refusal;
use crate::time::{Duration, Instant};
use crate::wire::feedback::{Feedback, TICK_US};
use crate::wire::frame::{HEADER, Header, OVERHEAD, TAG, expand_counter};
use crate::wire::headers::{How, LONGEST};
use crate::wire::record::{FlowId, Order, Record, Records};

/// A packet is lost when this many later ones of its path have arrived (RFC 9002, 6.1.1).
const PACKET_THRESHOLD: u64 = 3;
/// No packet that is told is longer: what a datagram carries, and a header.
const LONGEST_TOLD: usize = 1472 + LONGEST;

impl AnyTunnel<'_> {
    /// Takes a data frame that arrived on a path; delivers what is in order to `sink`.
    pub fn handle_data(
        &mut self,
        now: Instant,
        at: usize,
        datagram: &mut [u8],
        sink: &mut dyn Sink,
    ) -> Result<(), Refusal> {
        let len = datagram.len();
        let head = Header::parse(datagram)?;
        let path = self
            .paths
            .get_mut(at)
            .and_then(Option::as_mut)
            .ok_or(Refusal::Unknown)?;
        let number = expand_counter(head.counter, path.rx.window.next());
        path.rx.window.check(number)?;
        let (header, rest) = datagram
            .split_at_mut_checked(HEADER)
            .ok_or(Refusal::Malformed)?;
        let (body, tag) = rest
            .split_at_mut_checked(len - OVERHEAD)
            .ok_or(Refusal::Malformed)?;
        debug_assert_eq!(tag.len(), TAG);
        self.keys.open(
            head.phase,
            u32::from(path.setup.id),
            number,
            header,
            body,
            tag,
        )?;
        // As if it had not come: its sender sends again what nobody can read.
        if !self.resequencer.reads(body) {
            return Err(Refusal::Unknown);
        }
        let gap = number > path.rx.window.next();
        path.rx.window.insert(number)?;
        let outer = path.account_received(len);
        path.rx.arrived(now, number, outer);
        // Reports about reports alone would never end (RFC 9000, 13.2.1, has the same rule).
        if !matches!(Records::new(body).next(), Some(Ok(Record::Feedback(_)))) {
            path.rx.note_news(now, gap);
        }
        self.handle_records(now, at, body, sink)
    }

    fn handle_records(
        &mut self,
        now: Instant,
        at: usize,
        body: &[u8],
        sink: &mut dyn Sink,
    ) -> Result<(), Refusal> {
        for record in Records::new(body) {
            match record? {
                Record::Packet {
                    flow,
                    order,
                    pinned,
                    leads,
                    bytes,
                } => self.handle_packet(now, at, (flow, order), (pinned, leads), bytes, sink),
                Record::Told {
                    flow,
                    order,
                    how,
                    told,
                } => {
                    let mut packet = [0; LONGEST_TOLD];
                    let restored = self
                        .resequencer
                        .restore(flow, order, how, told, &mut packet);
                    let n = match restored {
                        // A record before it in this frame has begun a flow in its flow's place.
                        Err(Refusal::Unknown) => continue,
                        other => other?,
                    };
                    let bytes = packet.get(..n).unwrap_or_default();
                    let flags = (how.has(How::PINNED), how.has(How::LEADS));
                    self.handle_packet(now, at, (flow, order), flags, bytes, sink);
                    if how.has(How::WHOLE) {
                        self.resequencer.remember(flow, order, how, bytes);
                    }
                }
                Record::Feedback(body) => self.handle_feedback(now, &Feedback::parse(body)?),
                Record::Control(message) => sink.control(message),
                Record::Loose(packet) => {
                    if let Some(path) = self.path_mut(at) {
                        path.carried(now);
                    }
                    sink.deliver(packet);
                }
                Record::Inside(packet) => sink.inside(packet),
            }
        }
        Ok(())
    }

    fn handle_packet(
        &mut self,
        now: Instant,
        at: usize,
        (flow, order): (FlowId, Order),
        (pinned, leads): (bool, bool),
        bytes: &[u8],
        sink: &mut dyn Sink,
    ) {
        if let Some(path) = self.path_mut(at) {
            path.carried(now);
        }
        let led = if leads { at as u8 + 1 } else { 0 };
        let news = self.resequencer.handle_packet(
            now,
            &mut self.pool,
            flow,
            order,
            (pinned, led, at),
            bytes,
            sink,
        );
        if news {
            self.follow(now, led, bytes);
        }
    }

    /// Learns what arrived on a path of ours: acknowledges, repairs, measures.
    fn handle_feedback(&mut self, now: Instant, f: &Feedback) {
        self.resequencer
            .set_hold(Duration::from_millis(u64::from(f.hold)));
        let Some(at) = self.place_of(f.path) else {
            return;
        };
        let Some(path) = self.paths.get_mut(at).and_then(Option::as_mut) else {
            return;
        };
        let largest = expand32(f.largest, path.next_number);
        if largest >= path.next_number {
            return;
        }
        let mut learned = Learned::default();
        let (mut before, mut here) = (None, path.in_flight.front());
        while let Some(id) = here {
            let meta = self.pool.meta(id);
            if meta.counter > largest {
                break;
            }
            here = self.pool.after(id);
            match verdict(f, largest, meta.counter) {
                Verdict::Arrived => {
                    learned.acked += 1;
                    path.black_hole.arrived(sent_len(&self.pool, id));
                    path.runs.know(meta.counter, self.pool.part(id), true);
                    learned.sample(now, f, largest, &meta);
                    let saved = self.pool.saved(id);
                    if saved > 0
                        && let Some((headers, _)) = self.queue.headers(&meta)
                    {
                        headers.arrived(&meta, saved);
                    }
                    self.pool.unlink(&mut path.in_flight, before, id);
                    self.pool.release(id);
                }
                Verdict::Lost => {
                    learned.lost += 1;
                    path.black_hole.lost(sent_len(&self.pool, id));
                    path.runs.know(meta.counter, self.pool.part(id), false);
                    note_lost(&mut self.queue, &self.pool, id);
                    self.pool.unlink(&mut path.in_flight, before, id);
                    queue_repair(&mut self.pool, &mut self.repair, &mut self.counters, id);
                }
                Verdict::Open => before = Some(id),
            }
        }
        let oldest = path
            .in_flight
            .front()
            .map(|id: PacketId| self.pool.meta(id).at);
        path.learn(now, f, largest, oldest, &learned, &mut self.delay_origin);
        self.tell_longer_hold(now, at);
    }

    /// Who only sends has little to report, but a receiver that waits too shortly gives up what is being repaired.
    fn tell_longer_hold(&mut self, now: Instant, at: usize) {
        let longer = self.hold(now).saturating_sub(self.told_hold);
        if longer > self.told_hold.shr(3)
            && let Some(path) = self.path_mut(at)
        {
            path.rx.report_soon(now);
        }
    }
}

/// What one report taught.
#[derive(Debug, Default)]
pub(in crate::data) struct Learned {
    pub acked: u32,
    pub lost: u32,
    rtt: Option<Duration>,
    /// One-way delays, raw: arrival by their clock less departure by ours.
    delays: heapless::Vec<u32, 5>,
}

impl Learned {
    fn sample(&mut self, now: Instant, f: &Feedback, largest: u64, meta: &Meta) {
        let back = largest - meta.counter;
        let earlier = if back == 0 {
            let held = Duration::from_micros(u64::from(f.delay) * u64::from(TICK_US));
            self.rtt = Some(now.since(meta.at).saturating_sub(held));
            Some(0)
        } else {
            f.samples
                .iter()
                .find(|s| u64::from(s.back) == back)
                .map(|s| s.earlier)
        };
        if let Some(earlier) = earlier {
            let arrival = f.arrival.wrapping_sub(u32::from(earlier) * TICK_US);
            let _ = self
                .delays
                .push(arrival.wrapping_sub(meta.at.as_micros32()));
        }
    }
}

enum Verdict {
    Arrived,
    Lost,
    Open,
}

/// Did packet `number` arrive, according to a report whose newest is `largest`?
fn verdict(f: &Feedback, largest: u64, number: u64) -> Verdict {
    let mut top = largest + 1;
    for range in &f.ranges {
        top = top.saturating_sub(u64::from(range.gap));
        if number >= top {
            break;
        }
        top = top.saturating_sub(u64::from(range.len));
        if number >= top {
            return Verdict::Arrived;
        }
    }
    if largest - number >= PACKET_THRESHOLD {
        Verdict::Lost
    } else {
        Verdict::Open
    }
}

/// The packet number that ends in the 32 bits `low` and is nearest below `next`.
fn expand32(low: u32, next: u64) -> u64 {
    let candidate = (next & !0xffff_ffff) | u64::from(low);
    if candidate >= next && candidate >= 1 << 32 {
        candidate - (1 << 32)
    } else {
        candidate
    }
}

impl Path {
    /// Takes what a report taught into rate, delay and liveness.
    fn learn(
        &mut self,
        now: Instant,
        f: &Feedback,
        largest: u64,
        oldest: Option<Instant>,
        learned: &Learned,
        origin: &mut Option<u32>,
    ) {
        self.counters.acked = self.counters.acked.wrapping_add(learned.acked);
        self.counters.lost = self.counters.lost.wrapping_add(learned.lost);
        self.runs.conclude(now, self.next_number);
        for raw in &learned.delays {
            let origin = *origin.get_or_insert(*raw);
            self.rate.delay_sample(now, raw.wrapping_sub(origin) as i32);
        }
        if largest > self.largest_acked || learned.acked > 0 {
            self.largest_acked = self.largest_acked.max(largest);
            self.suspect = false;
            self.prober.confirmed(now, learned.rtt);
            self.progress = now;
        }
        self.oldest_sent = oldest;
        if oldest.is_some() {
            self.prober.data_sent(now);
        }
        self.rate
            .report(now, f.arrival, f.bytes, learned.acked, learned.lost);
        match self.train.report(now, f, largest) {
            Some((rate, true)) => self.rate.trained(rate),
            Some((rate, false)) => self.rate.at_least(rate),
            None => {}
        }
        self.set_pace();
    }
}
