//! A sender's headers and a receiver's, over more packets than orders have numbers.

use super::*;
use crate::data::pool::tests::leak;
use crate::data::pool::{Block, Pool, Slot};
use crate::data::resequence::{Resequencer, RxFlow, Sink};
use crate::time::Instant;
use crate::wire::checksum::Sum;
use crate::wire::record::FlowId;
use std::collections::VecDeque;
use std::vec::Vec;

const FLOW: FlowId = FlowId(1);

struct Nowhere;
impl Sink for Nowhere {
    fn deliver(&mut self, _: &[u8]) {}
    fn control(&mut self, _: &[u8]) {}
}

/// The `n`th segment of a flow whose acknowledgement moves on every 12,000 packets.
fn segment(n: u32) -> Vec<u8> {
    let mut p = vec![0; 41];
    (p[0], p[3], p[6], p[8], p[9]) = (0x45, 41, 0x40, 57, 6);
    p[4..6].copy_from_slice(&(n as u16).to_be_bytes());
    p[12..20].copy_from_slice(&[203, 0, 113, 9, 10, 0, 0, 1]);
    let sum = Sum::of(&p[..20]).field();
    p[10..12].copy_from_slice(&sum.to_be_bytes());
    p[20..24].copy_from_slice(&[1, 187, 156, 64]);
    p[24..28].copy_from_slice(&n.to_be_bytes());
    p[28..32].copy_from_slice(&(n / 12_000).to_be_bytes());
    (p[32], p[33], p[34]) = (0x50, 0x10, 2);
    p[36..38].copy_from_slice(&(n as u16).to_be_bytes());
    p
}

/// The `n`th segment of a flow of 20 a second, with timestamps in milliseconds.
fn slow(n: u32) -> Vec<u8> {
    let mut p = segment(n);
    p.truncate(40);
    p.extend([1, 1, 8, 10]);
    for clock in [n * 50, n * 50 - n % 7] {
        p.extend(clock.to_be_bytes());
    }
    p.push(0);
    (p[3], p[32]) = (53, 0x80);
    p[10..12].fill(0);
    let sum = Sum::of(&p[..20]).field();
    p[10..12].copy_from_slice(&sum.to_be_bytes());
    p
}

/// One on its way.
struct Sent {
    n: u32,
    told: Option<Vec<u8>>,
    saved: u8,
}

struct Ends {
    sender: Headers,
    receiver: Resequencer<'static>,
    pool: Pool<'static>,
    on_the_way: VecDeque<Sent>,
    segment: fn(u32) -> Vec<u8>,
    next: u32,
    /// Sent with all of their headers.
    whole: u32,
    unread: u32,
}

impl Ends {
    fn new() -> Self {
        Self {
            sender: Headers::NONE,
            receiver: Resequencer::new(leak(RxFlow::FREE, 8)),
            pool: Pool::new(leak(Slot::FREE, 16), leak(Block::FREE, 16)),
            on_the_way: VecDeque::new(),
            segment,
            next: 0,
            whole: 0,
            unread: 0,
        }
    }

    /// So many packets after a pause, each acknowledged when so many others have followed it.
    fn burst(&mut self, packets: u32, others: usize) {
        while !self.on_the_way.is_empty() {
            self.arrive(0);
        }
        self.sender.forget();
        for _ in 0..packets {
            self.send();
            if self.on_the_way.len() > others {
                self.arrive(0);
            }
        }
    }

    fn send(&mut self) {
        let (n, packet) = (self.next, (self.segment)(self.next));
        self.next += 1;
        let place = (Order(n as u16), true);
        let short = self
            .sender
            .shorten(place, How::default(), &packet, packet.len());
        let saved = short.as_ref().map_or(0, |s| {
            let saved = s.instead as i32 - s.prefix.len() as i32;
            saved.max(1) as u8
        });
        self.whole += u32::from(saved <= 1);
        let told = short.map(|s| [&s.prefix[..], &packet[s.instead..]].concat());
        self.on_the_way.push_back(Sent { n, told, saved });
    }

    /// What the receiver makes of one of them, and what the sender hears of that.
    fn arrive(&mut self, at: usize) {
        let Some(sent) = self.on_the_way.remove(at) else {
            return;
        };
        let order = Order(sent.n as u16);
        let meta = Meta {
            order,
            ..Meta::default()
        };
        let mut packet = (self.segment)(sent.n);
        if let Some(told) = &sent.told {
            let (how, told) = (How(told[0]), &told[1..]);
            let mut out = [0; 64];
            let Ok(len) = self.receiver.restore(FLOW, order, how, told, &mut out) else {
                self.unread += 1;
                return self.sender.lost(&meta, sent.saved);
            };
            assert_eq!(&out[..len], packet, "packet {}", sent.n);
            self.take(order, &mut packet);
            if how.has(How::WHOLE) {
                self.receiver.remember(FLOW, order, how, &packet);
            }
        } else {
            self.take(order, &mut packet);
        }
        self.sender.arrived(&meta, sent.saved);
    }

    fn take(&mut self, order: Order, packet: &mut [u8]) {
        let (now, flags) = (Instant::from_millis(1), (false, 0, 0));
        self.receiver.handle_packet(
            now,
            &mut self.pool,
            FLOW,
            order,
            flags,
            packet,
            &mut Nowhere,
        );
    }
}

#[test]
fn no_header_of_another_time_is_used_when_orders_have_wrapped() {
    for first in [0, 400, 1_200, 2_400] {
        let mut ends = Ends::new();
        ends.burst(400 + first, 60);
        for _ in 0..20 {
            ends.burst(3_000, 60);
        }
        ends.burst(12_000, 60);
        ends.burst(12_000, 60);
        assert_eq!(ends.unread, 0, "first {first}");
    }
}

#[test]
fn a_far_end_without_room_loses_two_packets_a_trial_and_is_left_in_peace() {
    let mut ends = Ends::new();
    ends.receiver = Resequencer::new(&mut []);
    ends.burst(10_000, 60);
    assert!((1..=u32::from(TRIALS * FAILURES)).contains(&ends.unread));
    let told = ends.on_the_way.iter().filter(|sent| sent.saved > 0);
    assert_eq!(told.count(), 0, "it is asked without end");
}

#[test]
fn a_slow_flow_whose_timestamps_have_moved_too_far_is_told_by_a_newer_header() {
    let mut ends = Ends::new();
    ends.segment = slow;
    // Ten minutes of it.
    ends.burst(12_000, 3);
    assert_eq!(ends.unread, 0);
    assert!(
        ends.whole < 120,
        "{} of {} were whole",
        ends.whole,
        ends.next
    );
}

#[test]
fn what_is_on_its_way_is_read_when_a_header_is_renewed_after_losses() {
    let mut ends = Ends::new();
    // Nothing has been sent by the second header yet: all is told by the first.
    ends.burst(330, 100);
    assert!(ends.on_the_way.iter().all(|sent| sent.saved > 1));
    // Eight of the oldest are lost with their path; the new header comes by a faster one, before the others.
    for _ in 0..8 {
        let sent = ends.on_the_way.pop_front().unwrap();
        let meta = Meta {
            order: Order(sent.n as u16),
            ..Meta::default()
        };
        ends.sender.lost(&meta, sent.saved);
    }
    ends.send();
    ends.arrive(ends.on_the_way.len() - 1);
    while !ends.on_the_way.is_empty() {
        ends.arrive(0);
    }
    assert_eq!(ends.unread, 0);
}

#[test]
fn a_header_that_comes_too_late_leaves_none_in_its_place_rather_than_the_one_before() {
    let mut ends = Ends::new();
    ends.burst(10_000, 0);
    // The next header is on its way for 5000 packets, by a slow path, and is acknowledged all the same.
    let place = loop {
        ends.send();
        let sent = ends.on_the_way.back().unwrap();
        if sent.saved == 1 {
            break How(sent.told.as_ref().unwrap()[0]);
        }
        ends.arrive(0);
    };
    let late = ends.on_the_way.pop_back().unwrap();
    for _ in 0..5_000 {
        ends.send();
        ends.arrive(0);
    }
    ends.on_the_way.push_back(late);
    ends.arrive(0);
    let before = ends.unread;
    for _ in 0..100 {
        ends.send();
        ends.arrive(0);
    }
    assert!(place.has(How::WHOLE) && ends.unread - before <= u32::from(LOSSES));
}
