//! A pair of tunnels on virtual time over links with rate, delay, queue and loss.

use super::*;
use crate::data::inner::tests::udp_packet;
use crate::data::pool::tests::leak;
use crate::data::probe::State;
use std::collections::VecDeque;
use std::vec::Vec;

#[derive(Clone, Copy)]
pub(super) struct Link {
    pub rate: u64,
    pub delay: u64,
    pub loss_permille: u64,
    pub silent: (u64, u64),
    pub mtu: (u64, usize),
    /// Some device on the way cannot cut runs: of each only the first datagram arrives.
    pub mangles_runs: bool,
}

impl Link {
    pub fn mbit(rate: u64, delay_ms: u64) -> Self {
        Self {
            rate: rate * 125_000,
            delay: delay_ms * 1000,
            loss_permille: 0,
            silent: (0, 0),
            mtu: (u64::MAX, 0),
            mangles_runs: false,
        }
    }
}

#[derive(Default)]
struct Wire {
    free: u64,
    queued: VecDeque<(u64, Vec<u8>)>,
}

/// Counts what arrives, and that it arrives in order.
#[derive(Default)]
pub(super) struct Receiver {
    pub bytes: u64,
    pub packets: Vec<u32>,
    pub control: Vec<Vec<u8>>,
    /// Whole packets, where they are asked for.
    pub kept: Option<Vec<Vec<u8>>>,
}

impl Sink for Receiver {
    fn deliver(&mut self, p: &[u8]) {
        self.bytes += p.len() as u64;
        if let Some(kept) = &mut self.kept {
            kept.push(p.to_vec());
        }
        self.packets
            .push(u32::from_be_bytes([p[28], p[29], p[30], p[31]]));
    }
    fn control(&mut self, m: &[u8]) {
        self.control.push(m.to_vec());
    }
}

pub(super) struct Pair {
    pub a: Tunnel<'static>,
    pub b: Tunnel<'static>,
    pub at_a: Receiver,
    pub at_b: Receiver,
    links: Vec<Link>,
    wires: Vec<[Wire; 2]>,
    now: u64,
    seed: u64,
    /// Frames that told packets by a header which their receiver did not have.
    pub unread: u32,
}

fn tunnel(secret: u8) -> Tunnel<'static> {
    let memory = Memory {
        slots: leak(Slot::FREE, 3000),
        blocks: leak(Block::FREE, 8000),
        tx_flows: leak(TxFlow::FREE, 128),
        rx_flows: leak(RxFlow::FREE, 128),
    };
    Tunnel::new(memory, [secret; 16])
}

impl Pair {
    pub fn new(links: &[Link], capabilities: Capabilities) -> Self {
        let (mut a, mut b) = (tunnel(1), tunnel(2));
        a.install_keys(&[1; 32], &[2; 32], true, capabilities);
        b.install_keys(&[2; 32], &[1; 32], false, capabilities);
        for i in 0..links.len() {
            let setup = |local, remote| Setup {
                id: i as u16,
                local_cid: local,
                remote_cid: remote,
                headroom: 0,
                outer: 28,
                lent: i > 0,
                known_rate: None,
            };
            let (ca, cb) = (100 + i as u32, 200 + i as u32);
            a.open_path(Instant::ZERO, setup(ca, cb)).unwrap();
            b.open_path(Instant::ZERO, setup(cb, ca)).unwrap();
        }
        let wires = links.iter().map(|_| Default::default()).collect();
        Self {
            a,
            b,
            at_a: Receiver::default(),
            at_b: Receiver::default(),
            links: links.to_vec(),
            wires,
            now: 0,
            seed: 7,
            unread: 0,
        }
    }

    fn random(&mut self) -> u64 {
        self.seed = self
            .seed
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        self.seed >> 33
    }

    fn emit(&mut self, from_a: bool) {
        let now = Instant::from_micros(self.now);
        let mut out = vec![0u8; 20_000];
        loop {
            let t = if from_a {
                self.a.poll_transmit(now, &mut out)
            } else {
                self.b.poll_transmit(now, &mut out)
            };
            let Some(t) = t else { return };
            for (n, datagram) in out[..t.len].chunks(t.stride).enumerate() {
                let (link, dice) = (self.links[t.path], self.random() % 1000);
                let wire = &mut self.wires[t.path][usize::from(from_a)];
                let start = wire.free.max(self.now);
                let lost = dice < link.loss_permille
                    || (link.mangles_runs && n > 0)
                    || (link.silent.0 <= self.now && self.now < link.silent.1)
                    || (self.now >= link.mtu.0 && datagram.len() > link.mtu.1);
                // A queue of 100 ms at the link, as routers have.
                if start - self.now > 100_000 {
                    continue;
                }
                wire.free = start + (datagram.len() as u64 + 28) * 1_000_000 / link.rate;
                if !lost {
                    wire.queued
                        .push_back((wire.free + link.delay, datagram.to_vec()));
                }
            }
        }
    }

    fn arrive(&mut self) {
        let now = Instant::from_micros(self.now);
        for i in 0..self.wires.len() {
            for to_b in [false, true] {
                while self.wires[i][usize::from(to_b)]
                    .queued
                    .front()
                    .is_some_and(|(t, _)| *t <= self.now)
                {
                    let (_, mut d) = self.wires[i][usize::from(to_b)].queued.pop_front().unwrap();
                    let (t, sink) = if to_b {
                        (&mut self.b, &mut self.at_b)
                    } else {
                        (&mut self.a, &mut self.at_a)
                    };
                    if d[0] & 15 == 5 {
                        t.handle_path_message(now, i, &mut d).unwrap();
                    } else {
                        let taken = t.handle_data(now, i, &mut d, sink);
                        self.unread += u32::from(taken == Err(Refusal::Unknown));
                        assert!(matches!(taken, Ok(()) | Err(Refusal::Unknown)), "{taken:?}");
                    }
                }
            }
        }
    }

    /// Runs until `ms`, calling `feed` each 200 us of virtual time.
    pub fn run(&mut self, ms: u64, mut feed: impl FnMut(&mut Self, Instant)) {
        while self.now < ms * 1000 {
            self.now += 200;
            let now = Instant::from_micros(self.now);
            self.arrive();
            feed(self, now);
            self.a.handle_timeout(now, &mut self.at_a);
            self.b.handle_timeout(now, &mut self.at_b);
            self.emit(true);
            self.emit(false);
        }
    }
}

/// Keeps a burst of one flow waiting at `a`: less than the AQM minds.
fn greedy(next: &mut u32) -> impl FnMut(&mut Pair, Instant) + '_ {
    waiting(40, next)
}

/// Keeps so many packets of one flow waiting at `a`.
pub(super) fn waiting(packets: u32, next: &mut u32) -> impl FnMut(&mut Pair, Instant) + '_ {
    move |p, now| {
        // At most so many tries: a full memory drops what it is given.
        for _ in p.a.backlog()..packets {
            let mut packet = udp_packet(1, 1372);
            packet[28..32].copy_from_slice(&next.to_be_bytes());
            *next += 1;
            p.a.handle_inner(now, &mut packet).unwrap();
        }
    }
}

fn in_order(packets: &[u32]) -> bool {
    packets.windows(2).all(|w| w[0] < w[1])
}

/// Share of the links' sum over 5 to 15 s, in percent of inner bytes.
fn share(links: &[Link], packets: u32) -> (f64, Pair) {
    let mut pair = Pair::new(links, Capabilities::OURS);
    let mut next = 0;
    pair.run(5_000, |_, _| {});
    let mut feed = waiting(packets, &mut next);
    pair.run(10_000, &mut feed);
    let before = pair.at_b.bytes;
    pair.run(20_000, &mut feed);
    drop(feed);
    let sum: u64 = links.iter().map(|l| l.rate).sum();
    (
        (pair.at_b.bytes - before) as f64 / (sum * 10) as f64 * 100.0,
        pair,
    )
}

#[test]
fn three_equal_links_carry_their_sum_in_order() {
    let (share, pair) = share(&[Link::mbit(20, 10); 3], 40);
    let (_, q, r) = pair.a.counters();
    println!("{share:.1} {q:?} {r:?} {:?}", pair.b.counters());
    assert!(share > 90.0, "{share}");
    assert!(in_order(&pair.at_b.packets));
}

#[test]
fn unlike_links_carry_their_sum_in_order() {
    for links in [
        [Link::mbit(20, 10), Link::mbit(10, 40)],
        [Link::mbit(50, 5), Link::mbit(10, 60)],
        [Link::mbit(100, 10), Link::mbit(10, 10)],
    ] {
        // More than the early path sends until the late one arrives, so that the late one joins.
        let (share, pair) = share(&links, 300);
        println!("{share:.1} {:?}", pair.b.counters());
        assert!(share > 89.0, "{share}");
        assert!(in_order(&pair.at_b.packets));
    }
}

/// Looks at paths and flows for each packet that arrives, with a burst over so many equal links.
fn steps_per_packet(links: usize) -> f64 {
    let mut pair = Pair::new(&vec![Link::mbit(10, 10); links], Capabilities::OURS);
    let mut next = 0;
    pair.run(3_000, |_, _| {});
    let mut feed = waiting(100, &mut next);
    pair.run(5_000, &mut feed);
    let before = pair.at_b.packets.len();
    work::steps();
    pair.run(7_000, &mut feed);
    work::steps() as f64 / (pair.at_b.packets.len() - before) as f64
}

#[test]
fn with_eight_paths_a_packet_costs_a_few_looks_at_each() {
    let eight = steps_per_packet(8);
    println!("{eight:.0}");
    assert!(eight < 200.0, "{eight}");
}

#[test]
fn nobody_is_woken_for_a_line_that_what_waits_does_not_use() {
    let mut pair = Pair::new(&[Link::mbit(50, 5), Link::mbit(10, 60)], Capabilities::OURS);
    let mut next = 0;
    pair.run(3_000, |_, _| {});
    // Too little for the later line to join.
    let mut feed = waiting(6, &mut next);
    let (mut waited, mut in_vain) = (0, 0);
    for ms in 3_001..6_000 {
        pair.run(ms, &mut feed);
        let now = Instant::from_micros(pair.now);
        waited += u32::from(pair.a.backlog() > 0);
        in_vain += u32::from(pair.a.backlog() > 0 && pair.a.poll_timeout(now) <= now);
    }
    assert!(waited > 1_000, "{waited}");
    assert!(in_vain < waited / 100, "{in_vain} of {waited}");
}

#[test]
fn losses_are_repaired_and_none_reaches_the_flow() {
    let mut lossy = Link::mbit(20, 10);
    lossy.loss_permille = 10;
    let (share, pair) = share(&[Link::mbit(20, 10), lossy], 40);
    println!("{share:.1} {:?} {:?}", pair.a.counters(), pair.b.counters());
    assert!(share > 88.0, "{share}");
    assert!(in_order(&pair.at_b.packets));
    let last = *pair.at_b.packets.last().unwrap() as usize;
    let dropped = pair.a.counters().1.aqm_drops as usize;
    assert_eq!(
        pair.at_b.packets.len() + dropped,
        last + 1,
        "every packet that was numbered arrived"
    );
}

#[test]
fn a_line_that_goes_silent_costs_no_packet_and_is_used_again() {
    let mut silent = Link::mbit(20, 10);
    silent.silent = (8_000_000, 11_000_000);
    let mut pair = Pair::new(&[Link::mbit(20, 10), silent], Capabilities::OURS);
    let mut next = 0;
    let mut seen = (0u64, 0u64, 0u64);
    pair.run(3_000, |_, _| {});
    let mut feed = greedy(&mut next);
    pair.run(15_000, |p, now| {
        feed(p, now);
        if p.at_b.bytes > seen.0 {
            seen = (p.at_b.bytes, now.as_micros(), seen.2);
        } else if now.as_micros() > 5_000_000 {
            seen.2 = seen.2.max(now.as_micros() - seen.1);
        }
    });
    println!("longest gap {} ms", seen.2 / 1000);
    assert!(seen.2 < 300_000, "{} us", seen.2);
    assert!(in_order(&pair.at_b.packets));
    let last = *pair.at_b.packets.last().unwrap() as usize;
    let dropped = pair.a.counters().1.aqm_drops as usize;
    assert_eq!(pair.at_b.packets.len() + dropped, last + 1);
    let path = pair.a.path(1).unwrap();
    assert_eq!(path.state(), State::Live);
    assert!(path.rate().rate() > 2_000_000, "{:?}", path.rate());
}

#[test]
fn a_light_flow_beside_a_burst_hardly_waits() {
    let mut pair = Pair::new(
        &[Link::mbit(20, 10), Link::mbit(10, 40)],
        Capabilities::OURS,
    );
    let mut next = 0;
    pair.run(3_000, |_, _| {});
    let mut feed = greedy(&mut next);
    pair.run(6_000, &mut feed);
    let (mut sent, mut delays, mut tick) = (VecDeque::new(), Vec::new(), 0u64);
    pair.run(16_000, |p, now| {
        feed(p, now);
        tick += 1;
        if tick.is_multiple_of(500) {
            let id = 0xf000_0000u32 + tick as u32;
            let mut packet = udp_packet(77, 60);
            packet[28..32].copy_from_slice(&id.to_be_bytes());
            sent.push_back((id, now));
            p.a.handle_inner(now, &mut packet).unwrap();
        }
        while let Some((_, at)) = sent
            .front()
            .filter(|(id, _)| p.at_b.packets.iter().rev().take(600).any(|x| x == id))
        {
            delays.push(now.since(*at).as_micros());
            sent.pop_front();
        }
    });
    delays.sort_unstable();
    let p99 = delays[delays.len() * 99 / 100];
    println!("p50 {} p99 {p99}", delays[delays.len() / 2]);
    assert!(delays.len() > 90);
    assert!(p99 < 10_000 + 20_000, "p99 {p99} us");
}

#[test]
fn without_the_bundle_capability_frames_hold_one_record() {
    let mut pair = Pair::new(&[Link::mbit(20, 10)], Capabilities::NONE);
    pair.run(1_000, |_, _| {});
    pair.a.send_control(b"hello").unwrap();
    pair.run(1_100, |_, _| {});
    assert_eq!(pair.at_b.control, [b"hello".to_vec()]);
}

#[test]
fn a_rekey_in_the_middle_of_a_burst_loses_nothing() {
    let mut pair = Pair::new(&[Link::mbit(20, 10)], Capabilities::OURS);
    let mut next = 0;
    pair.run(2_000, |_, _| {});
    pair.run(4_000, greedy(&mut next));
    pair.b
        .install_keys(&[4; 32], &[3; 32], false, Capabilities::OURS);
    pair.run(4_010, greedy(&mut next));
    pair.a
        .install_keys(&[3; 32], &[4; 32], true, Capabilities::OURS);
    pair.run(5_000, greedy(&mut next));
    pair.a.retire_old_keys();
    pair.b.retire_old_keys();
    pair.run(6_000, greedy(&mut next));
    let last = *pair.at_b.packets.last().unwrap() as usize;
    assert!(pair.at_b.packets.len() > last - 2 && in_order(&pair.at_b.packets));
}

#[test]
fn a_packet_larger_than_the_paths_is_refused_with_the_mtu() {
    let mut pair = Pair::new(&[Link::mbit(20, 10)], Capabilities::OURS);
    pair.run(1_000, |_, _| {});
    assert_eq!(pair.a.inner_mtu(), Some(1442));
    let now = Instant::from_millis(1_000);
    assert_eq!(
        pair.a.handle_inner(now, &mut udp_packet(1, 1420)),
        Err(NotTaken::TooBig(1442))
    );
    assert_eq!(
        pair.a.handle_inner(now, &mut [0; 40]),
        Err(NotTaken::Malformed)
    );
}

/// Keeps 40 packets of the largest size that is allowed waiting at `a`.
fn saturate(p: &mut Pair, now: Instant, next: &mut u32) {
    while p.a.backlog() < 40 {
        let mtu = usize::from(p.a.inner_mtu().unwrap_or(1442).min(1442));
        let mut packet = udp_packet(1, mtu - 28);
        packet[28..32].copy_from_slice(&next.to_be_bytes());
        *next += 1;
        p.a.handle_inner(now, &mut packet).unwrap();
    }
}

#[test]
fn packets_too_large_for_the_path_that_is_left_do_not_stop_the_others() {
    let (mut wide, mut narrow) = (Link::mbit(20, 10), Link::mbit(20, 10));
    wide.silent = (4_000_000, u64::MAX);
    // It comes after the wide one has gone, so packets for the wide one are waiting.
    narrow.silent = (0, 4_300_000);
    narrow.mtu = (0, 1400);
    let mut pair = Pair::new(&[wide, narrow], Capabilities::OURS);
    let mut next = 0;
    pair.run(6_000, |p, now| saturate(p, now, &mut next));
    let before = pair.at_b.bytes;
    pair.run(10_000, |p, now| saturate(p, now, &mut next));
    let mbit = (pair.at_b.bytes - before) * 8 / 4_000_000;
    assert!(mbit >= 17, "{mbit} Mbit/s of 20");
    assert!(pair.a.counters().0.misfits > 0);
    // And with nothing to do, nothing is asked for at once.
    let mut spins = 0;
    pair.run(12_000, |p, now| {
        spins += u32::from(p.a.poll_timeout(now) <= now);
    });
    assert!(pair.a.backlog() == 0 && spins < 2_000, "{spins} of 10000");
}

#[test]
fn a_path_whose_mtu_shrinks_is_measured_anew_within_a_second() {
    let mut link = Link::mbit(20, 10);
    link.mtu = (4_000_000, 1400);
    let mut pair = Pair::new(&[link], Capabilities::OURS);
    let mut next = 0;
    pair.run(4_000, |p, now| saturate(p, now, &mut next));
    assert_eq!(pair.a.path(0).unwrap().mtu(), 1472);
    pair.run(5_000, |p, now| saturate(p, now, &mut next));
    assert_eq!(pair.a.path(0).unwrap().mtu(), 1380);
    // The losses have cost rate; it comes back.
    pair.run(8_000, |p, now| saturate(p, now, &mut next));
    let before = pair.at_b.bytes;
    pair.run(11_000, |p, now| saturate(p, now, &mut next));
    let mbit = (pair.at_b.bytes - before) * 8 / 3_000_000;
    assert!(mbit >= 16, "{mbit} Mbit/s of 20");
}

#[test]
fn a_path_that_becomes_wider_is_used_so_within_ten_minutes() {
    let mut link = Link::mbit(20, 10);
    link.mtu = (0, 1300);
    let mut pair = Pair::new(&[link], Capabilities::OURS);
    pair.run(3_000, |_, _| {});
    assert_eq!(pair.a.path(0).unwrap().mtu(), 1280);
    pair.links[0].mtu = (u64::MAX, 0);
    pair.run(660_000, |_, _| {});
    assert_eq!(pair.a.path(0).unwrap().mtu(), 1472);
}

#[test]
fn a_path_too_narrow_for_ipv6_does_not_narrow_the_others() {
    let mut narrow = Link::mbit(20, 10);
    narrow.mtu = (0, 1240);
    let mut pair = Pair::new(&[Link::mbit(20, 10), narrow], Capabilities::OURS);
    pair.run(3_000, |_, _| {});
    assert_eq!(pair.a.inner_mtu(), Some(1442));
    let mut alone = Pair::new(&[narrow], Capabilities::OURS);
    alone.run(3_000, |_, _| {});
    assert_eq!(alone.a.inner_mtu(), Some(1202));
}

#[test]
fn a_line_that_mangles_runs_gets_single_datagrams_and_carries_them_all() {
    let line = Link {
        mangles_runs: true,
        ..Link::mbit(50, 10)
    };
    let mut pair = Pair::new(&[line], Capabilities::OURS);
    let mut next = 0;
    let mut feed = greedy(&mut next);
    pair.run(10_000, &mut feed);
    assert!(!pair.a.path(0).unwrap().runs().allowed());
    let (lost, bytes) = (pair.a.path(0).unwrap().counters().lost, pair.at_b.bytes);
    pair.run(15_000, &mut feed);
    let share = (pair.at_b.bytes - bytes) as f64 / (50.0 * 125_000.0 * 5.0);
    assert!(share > 0.85, "{share}");
    assert!(pair.a.path(0).unwrap().counters().lost - lost < 20);
}

#[test]
fn a_line_that_goes_silent_in_a_burst_keeps_its_runs() {
    // Each time all that is under way is lost, and all that is sent after it arrives.
    for silent in [3_000_000..3_100_000, 3_000_000..3_020_000] {
        let line = Link {
            silent: (silent.start, silent.end),
            ..Link::mbit(50, 10)
        };
        let mut pair = Pair::new(&[line], Capabilities::OURS);
        let mut next = 0;
        pair.run(6_000, greedy(&mut next));
        let path = pair.a.path(0).unwrap();
        assert!(path.counters().lost > 64 || path.counters().repairs > 64);
        assert!(path.runs().allowed(), "{:?}", path.runs());
    }
}

#[test]
fn a_stream_over_a_line_so_wide_that_trains_come_in_one_go_loses_nothing_at_its_start() {
    let mut pair = Pair::new(&[Link::mbit(2_000, 1)], Capabilities::OURS);
    let (mut next, mut most) = (0, 0);
    pair.run(3_000, |_, _| {});
    // 22 Mbit/s, a packet each half millisecond.
    pair.run(4_000, |p, now| {
        while next < (now.as_micros() - 3_000_000) / 500 {
            p.a.handle_inner(now, &mut udp_packet(1, 1372)).unwrap();
            next += 1;
        }
        most = most.max(p.a.backlog());
    });
    assert!(most < 10, "{most} packets waited");
    assert!(pair.at_b.packets.len() as u64 + 10 > next, "{next}");
}
