//! One behaviour each, by hand.

use super::*;
use crate::data::inner::tests::{acknowledgement, tcp_packet, udp_packet};
use crate::data::pool::{Block, Slot};
use std::vec::Vec;

const LIGHT: Turn = Turn::any(Kind::Light);
const BURST: Turn = Turn::any(Kind::Burst);

fn memory() -> (Vec<Slot>, Vec<Block>, Vec<TxFlow>) {
    (
        vec![Slot::FREE; 512],
        vec![Block::FREE; 2048],
        vec![TxFlow::FREE; 64],
    )
}

fn push(q: &mut FairQueue<'_>, pool: &mut Pool<'_>, now: Instant, port: u16, len: usize) {
    let p = udp_packet(port, len);
    let inner = Inner::parse(&p, &[0; 16]).unwrap();
    let slot = q.slot_for(now, &inner).unwrap();
    q.push(now, pool, slot, &inner, &p);
}

fn drain(q: &mut FairQueue<'_>, pool: &mut Pool<'_>, now: Instant) -> Vec<(u16, u16)> {
    let mut out = Vec::new();
    loop {
        let Some(id) = q
            .pop(now, pool, LIGHT, Measure::USUAL)
            .or_else(|| q.pop(now, pool, BURST, Measure::USUAL))
        else {
            return out;
        };
        out.push((pool.meta(id).flow.0, pool.meta(id).order.0));
        pool.release(id);
    }
}

fn push_packet(q: &mut FairQueue<'_>, pool: &mut Pool<'_>, now: Instant, packet: &[u8]) {
    let inner = Inner::parse(packet, &[0; 16]).unwrap();
    let slot = q.slot_for(now, &inner).unwrap();
    q.push(now, pool, slot, &inner, packet);
}

/// Everything that waits, as bytes.
fn packets(q: &mut FairQueue<'_>, pool: &mut Pool<'_>, now: Instant) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    while let Some(id) = q
        .pop(now, pool, LIGHT, Measure::USUAL)
        .or_else(|| q.pop(now, pool, BURST, Measure::USUAL))
    {
        let mut bytes = vec![0; 1_500];
        let n = pool.copy_out(id, &mut bytes).unwrap();
        out.push(bytes[..n].to_vec());
        pool.release(id);
    }
    out
}

#[test]
fn of_acknowledgements_that_wait_the_newest_stays_and_what_says_more_stays_too() {
    let (mut s, mut b, mut f) = memory();
    let (mut pool, mut q) = (Pool::new(&mut s, &mut b), FairQueue::new(&mut f));
    let now = Instant::from_millis(1);
    let plain = |ack: u32| acknowledgement(ack, 0, &[]);
    let waiting = [
        plain(u32::MAX - 10),
        plain(u32::MAX),
        plain(90),
        // Twice the same: something came, but not what is missing.
        plain(90),
        plain(90),
        // What came behind the gap.
        acknowledgement(90, 0, &[1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2]),
        // Congestion was seen.
        acknowledgement(95, 0x40, &[]),
        plain(99),
        // One that was overtaken.
        plain(97),
        tcp_packet(smoltcp::wire::TcpControl::None, None, b"data"),
        plain(120),
        plain(130),
    ];
    for packet in &waiting {
        push_packet(&mut q, &mut pool, now, packet);
    }
    let left = [2, 3, 4, 5, 6, 7, 8, 9, 11].map(|i| waiting[i].clone());
    assert_eq!(packets(&mut q, &mut pool, now), left);
    assert_eq!((q.counters().thinned, q.packets(), q.bytes()), (3, 0, 0));
    // What has left is not replaced.
    push_packet(&mut q, &mut pool, now, &plain(140));
    assert_eq!(packets(&mut q, &mut pool, now), [plain(140)]);
    assert_eq!(pool.free_blocks(), pool.capacity());
}

#[test]
fn two_bursts_share_by_turns_and_each_keeps_its_order() {
    let (mut s, mut b, mut f) = memory();
    let (mut pool, mut q) = (Pool::new(&mut s, &mut b), FairQueue::new(&mut f));
    let now = Instant::from_millis(1);
    for port in [1, 2] {
        (0..50).for_each(|_| push(&mut q, &mut pool, now, port, 1400));
    }
    let out = drain(&mut q, &mut pool, now);
    assert_eq!(out.len(), 100);
    let first = out[0].0;
    let half = out[..50].iter().filter(|(flow, _)| *flow == first).count();
    assert!((20..=30).contains(&half), "{half}");
    for flow in [first, out.iter().find(|(f, _)| *f != first).unwrap().0] {
        let orders: Vec<_> = out
            .iter()
            .filter(|(f, _)| *f == flow)
            .map(|(_, o)| *o)
            .collect();
        assert_eq!(orders, (0..50).collect::<Vec<u16>>());
    }
}

#[test]
fn what_keeps_to_a_path_has_its_turns_there_and_moves_with_it() {
    let (mut s, mut b, mut f) = memory();
    let (mut pool, mut q) = (Pool::new(&mut s, &mut b), FairQueue::new(&mut f));
    let now = Instant::from_millis(1);
    (0..9).for_each(|_| push(&mut q, &mut pool, now, 1, 1400));
    let slot = q.first(LIGHT).unwrap();
    q.set_lane(slot, Lane::PerSession);
    q.keep_to(slot, 2, 1, Why::Began);
    let on = |kind| Turn { kind, lane: 2 };
    assert_eq!(q.peek_len(LIGHT, &pool), None);
    let mut seen = 0;
    for kind in [Kind::Light, Kind::Burst] {
        while let Some(id) = q.pop(now, &mut pool, on(kind), Measure::USUAL) {
            pool.release(id);
            seen += 1;
        }
    }
    assert_eq!((seen, q.packets()), (9, 0));
    // It outlasted what a light flow may send.
    assert_eq!(q.take_turned(), Some(slot));
    assert_eq!(q.bursts(now, u16::MAX)[2], 1);
    assert_eq!(q.peek_len(on(Kind::Burst), &pool), None);
    assert_eq!(q.standing(), 0);
}

#[test]
fn the_busiest_flows_of_the_last_second_are_told_with_their_lanes() {
    let (mut s, mut b, mut f) = memory();
    let (mut pool, mut q) = (Pool::new(&mut s, &mut b), FairQueue::new(&mut f));
    let (now, later) = (Instant::from_millis(1), Instant::from_millis(1_100));
    for port in 1..=20 {
        (0..port).for_each(|_| push(&mut q, &mut pool, now, port, 60));
    }
    assert!(q.busiest(now).is_empty(), "the second is not over");
    let told: Vec<_> = q.busiest(later).iter().map(|f| f.told(later)).collect();
    let packets: Vec<u16> = told.iter().map(|b| b.packets).collect();
    assert_eq!(packets, (13..=20).rev().collect::<Vec<u16>>());
    let first = told.first().unwrap();
    assert_eq!((first.protocol, first.port), (17, 9));
    assert_eq!(first.far[12..], [203, 0, 113, 9]);
    assert_eq!(
        (first.lane, first.paths, first.why),
        (Lane::Auto, 0, Why::Light)
    );
    assert!(q.busiest(Instant::from_millis(3_300)).is_empty());
}

#[test]
fn a_new_flow_goes_before_a_standing_burst() {
    let (mut s, mut b, mut f) = memory();
    let (mut pool, mut q) = (Pool::new(&mut s, &mut b), FairQueue::new(&mut f));
    let now = Instant::from_millis(1);
    (0..50).for_each(|_| push(&mut q, &mut pool, now, 1, 1400));
    while q.pop(now, &mut pool, LIGHT, Measure::USUAL).is_some() {}
    push(&mut q, &mut pool, now, 2, 50);
    assert!(q.waiting(LIGHT));
    let id = q.pop(now, &mut pool, LIGHT, Measure::USUAL).unwrap();
    assert_eq!(pool.len_of(id), 78);
}

/// So many packets of this length come every so many ms and leave at once: how often of a hundred times as a light flow's.
fn light_of(packets: usize, len: usize, every: u64) -> usize {
    let (mut s, mut b, mut f) = memory();
    let (mut pool, mut q) = (Pool::new(&mut s, &mut b), FairQueue::new(&mut f));
    let passes = |n: u64| {
        let now = Instant::from_millis(1 + n * every);
        (0..packets).for_each(|_| push(&mut q, &mut pool, now, 1, len));
        let light = q.next_is_light();
        drain(&mut q, &mut pool, now);
        light
    };
    (0..100).map(passes).filter(|light| *light).count()
}

#[test]
fn what_never_waits_is_a_burst_all_the_same_when_it_is_more_than_comes_back_to_a_light_flow() {
    // 9 Mbit/s that never fill the paths, in gusts and evenly: else they would go past others that wait.
    assert_eq!(light_of(4, 1_372, 5), 0);
    assert!(light_of(1, 1_372, 1) < 5);
    // A call, and a video of 1.7 Mbit/s.
    assert_eq!(light_of(1, 150, 20), 100);
    assert_eq!(light_of(3, 1_172, 17), 100);
}

#[test]
fn a_light_flow_that_ran_empty_begins_as_one_again_though_no_burst_has_had_its_turn() {
    let (mut s, mut b, mut f) = memory();
    let (mut pool, mut q) = (Pool::new(&mut s, &mut b), FairQueue::new(&mut f));
    for ms in [1, 21, 41] {
        (0..9).for_each(|_| push(&mut q, &mut pool, Instant::from_millis(ms), 2, 1_400));
        push(&mut q, &mut pool, Instant::from_millis(ms), 1, 50);
        let now = Instant::from_millis(ms);
        let first = q.pop(now, &mut pool, LIGHT, Measure::USUAL).unwrap();
        assert_eq!(pool.len_of(first), 78);
    }
}

#[test]
fn a_flow_that_ran_empty_does_not_stand_in_the_way_of_the_next() {
    let (mut s, mut b, mut f) = memory();
    let (mut pool, mut q) = (Pool::new(&mut s, &mut b), FairQueue::new(&mut f));
    let now = Instant::from_millis(1);
    push(&mut q, &mut pool, now, 1, 50);
    assert_eq!(drain(&mut q, &mut pool, now).len(), 1);
    (0..9).for_each(|_| push(&mut q, &mut pool, now, 2, 1400));
    while q.pop(now, &mut pool, LIGHT, Measure::USUAL).is_some() {}
    push(&mut q, &mut pool, now, 1, 50);
    assert_eq!(q.packets(), 6);
    let mut seen = 0;
    while q
        .peek_len(LIGHT, &pool)
        .or_else(|| q.peek_len(BURST, &pool))
        .is_some()
    {
        seen += drain(&mut q, &mut pool, now).len();
    }
    assert_eq!((seen, q.packets()), (6, 0));
}

#[test]
fn when_memory_runs_out_the_longest_queue_pays() {
    let (mut s, mut b, mut f) = memory();
    let (mut pool, mut q) = (Pool::new(&mut s, &mut b), FairQueue::new(&mut f));
    let now = Instant::from_millis(1);
    (0..600).for_each(|_| push(&mut q, &mut pool, now, 1, 1400));
    push(&mut q, &mut pool, now, 2, 1400);
    assert!(q.counters().overflow > 0);
    let out = drain(&mut q, &mut pool, now);
    let flows: std::collections::HashSet<_> = out.iter().map(|(f, _)| *f).collect();
    assert_eq!(flows.len(), 2);
    assert_eq!(pool.free_blocks(), pool.capacity());
}

#[test]
fn a_burst_is_not_light_again_after_a_pause_while_late_paths_come_first() {
    let (mut s, mut b, mut f) = memory();
    let (mut pool, mut q) = (Pool::new(&mut s, &mut b), FairQueue::new(&mut f));
    let mut light = |late_first: bool, port: u16| {
        q.late_first = late_first;
        let now = Instant::from_millis(1_000);
        (0..10).for_each(|_| push(&mut q, &mut pool, now, port, 1_000));
        drain(&mut q, &mut pool, now);
        let later = now + Duration::from_millis(20);
        push(&mut q, &mut pool, later, port, 1_000);
        let light = q.waiting(LIGHT);
        drain(&mut q, &mut pool, later);
        light
    };
    assert_eq!([light(false, 1), light(true, 2)], [true, false]);
}
