//! What holds for two ends over a network that does anything: datagrams lost, repeated and arbitrarily late on three paths, paths
//! that fall silent, several flows, little memory, and time that jumps.

use super::*;
use crate::data::inner::tests::udp_packet;
use crate::data::pool::tests::leak;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

const PATHS: usize = 3;
const BLOCKS: usize = 600;
/// Datagrams of one look, and looks without an end: far more than the memory holds.
const MOST_DATAGRAMS: usize = 4_000;

#[derive(Clone, Debug)]
enum Op {
    /// So many packets of a flow with so much payload.
    Offer(u16, usize, usize),
    /// Milliseconds in which everything arrives after 10 ms, in order.
    Calm(u64),
    /// Milliseconds in which everything may happen to a datagram.
    Chaos(u64),
    /// Nothing passes on this path for some milliseconds.
    Silent(usize, u64),
    /// A path costs so much from now on.
    Price(usize, u8),
    /// Nobody is called for so many milliseconds.
    Jump(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0u16..5, 8usize..1_300, 1usize..120).prop_map(|(f, l, n)| Op::Offer(f, l, n)),
        3 => (1u64..120).prop_map(Op::Calm),
        6 => (1u64..120).prop_map(Op::Chaos),
        1 => (0..PATHS, 1u64..1_500).prop_map(|(p, ms)| Op::Silent(p, ms)),
        1 => (0..PATHS, 0u8..4).prop_map(|(p, level)| Op::Price(p, level)),
        1 => (1u64..4_000).prop_map(Op::Jump),
    ]
}

struct Datagram {
    path: usize,
    to_b: bool,
    sent: u64,
    bytes: Vec<u8>,
}

/// Which packets came out, by flow, and how many after a later one of their flow.
#[derive(Default)]
struct Out {
    delivered: BTreeSet<(u16, u32)>,
    newest: BTreeMap<u16, u32>,
    overtaken: u32,
}

impl Sink for Out {
    fn deliver(&mut self, p: &[u8]) {
        let flow = u16::from_be_bytes([p[20], p[21]]);
        let number = u32::from_be_bytes([p[28], p[29], p[30], p[31]]);
        assert!(
            self.delivered.insert((flow, number)),
            "{number} of {flow} twice"
        );
        let newest = self.newest.entry(flow).or_insert(number);
        self.overtaken += u32::from(number < *newest);
        *newest = number.max(*newest);
    }
    fn control(&mut self, _: &[u8]) {}
}

struct Net {
    a: Tunnel<'static>,
    b: Tunnel<'static>,
    out: Out,
    back: Out,
    under_way: Vec<Datagram>,
    /// ms; per path, until when it is silent.
    now: u64,
    silent: [u64; PATHS],
    seed: u64,
    offered: BTreeMap<u16, u32>,
    /// Calls and datagrams, to hold steps against.
    events: u64,
}

fn tunnel(secret: u8) -> Tunnel<'static> {
    let memory = Memory {
        slots: leak(Slot::FREE, 500),
        blocks: leak(Block::FREE, BLOCKS),
        tx_flows: leak(TxFlow::FREE, 32),
        rx_flows: leak(RxFlow::FREE, 32),
    };
    Tunnel::new(memory, [secret; 16])
}

impl Net {
    fn new(seed: u64) -> Self {
        let (mut a, mut b) = (tunnel(1), tunnel(2));
        a.install_keys(&[1; 32], &[2; 32], true, Capabilities::OURS);
        b.install_keys(&[2; 32], &[1; 32], false, Capabilities::OURS);
        for id in 0..PATHS as u16 {
            let setup = |local_cid, remote_cid| Setup {
                id,
                local_cid,
                remote_cid,
                headroom: 0,
                outer: 28,
                lent: id > 0,
                known_rate: Some(1_000_000),
            };
            let (ca, cb) = (100 + u32::from(id), 200 + u32::from(id));
            a.open_path(Instant::ZERO, setup(ca, cb)).unwrap();
            b.open_path(Instant::ZERO, setup(cb, ca)).unwrap();
        }
        let mut net = Self {
            a,
            b,
            out: Out::default(),
            back: Out::default(),
            under_way: Vec::new(),
            now: 0,
            silent: [0; PATHS],
            seed,
            offered: BTreeMap::new(),
            events: 0,
        };
        net.calm(1_000);
        work::steps();
        net.events = 0;
        net
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }

    fn at(&self) -> Instant {
        Instant::from_millis(self.now)
    }

    fn offer(&mut self, flow: u16, len: usize, count: usize) {
        for _ in 0..count {
            let number = self.offered.entry(flow).or_default();
            let mut packet = udp_packet(flow, len);
            packet[28..32].copy_from_slice(&number.to_be_bytes());
            let now = Instant::from_millis(self.now);
            self.events += 1;
            if self.a.handle_inner(now, &mut packet).is_ok() {
                *number += 1;
            }
        }
    }

    /// A millisecond passes at both ends.
    fn tick(&mut self, ms: u64) {
        self.now += ms;
        let now = self.at();
        self.a.handle_timeout(now, &mut self.back);
        self.b.handle_timeout(now, &mut self.out);
        let mut buffer = [0; 4_000];
        for to_b in [true, false] {
            let mut datagrams = 0;
            let end = if to_b { &mut self.a } else { &mut self.b };
            while let Some(t) = end.poll_transmit(now, &mut buffer) {
                for bytes in buffer[..t.len].chunks(t.stride) {
                    datagrams += 1;
                    assert!(datagrams < MOST_DATAGRAMS, "never stops sending");
                    let (path, sent, bytes) = (t.path, self.now, bytes.to_vec());
                    if self.silent[path] <= self.now {
                        self.under_way.push(Datagram {
                            path,
                            to_b,
                            sent,
                            bytes,
                        });
                    }
                }
            }
            self.events += 2 + datagrams as u64;
        }
    }

    fn hand_in(&mut self, d: &Datagram) {
        let now = self.at();
        self.events += 1;
        let mut bytes = d.bytes.clone();
        let (end, out) = if d.to_b {
            (&mut self.b, &mut self.out)
        } else {
            (&mut self.a, &mut self.back)
        };
        // A repeated one is refused.
        let _ = if bytes[0] & 15 == 5 {
            end.handle_path_message(now, d.path, &mut bytes).map(drop)
        } else {
            end.handle_data(now, d.path, &mut bytes, out)
        };
    }

    fn calm(&mut self, ms: u64) {
        for _ in 0..ms {
            self.tick(1);
            let (due, later) = std::mem::take(&mut self.under_way)
                .into_iter()
                .partition(|d| d.sent + 10 <= self.now);
            self.under_way = later;
            let due: Vec<Datagram> = due;
            due.iter().for_each(|d| self.hand_in(d));
        }
    }

    fn chaos(&mut self, ms: u64) {
        for _ in 0..ms {
            self.tick(1);
            for _ in 0..self.random(12) {
                if self.under_way.is_empty() {
                    break;
                }
                let at = self.random(self.under_way.len() as u64) as usize;
                let fate = self.random(20);
                let d = self.under_way.swap_remove(at);
                if fate > 1 {
                    self.hand_in(&d);
                }
                if fate > 16 {
                    self.under_way.push(d);
                }
            }
        }
    }

    fn play(&mut self, op: Op) {
        match op {
            Op::Offer(flow, len, count) => self.offer(flow, len, count),
            Op::Calm(ms) => self.calm(ms),
            Op::Chaos(ms) => self.chaos(ms),
            Op::Silent(path, ms) => self.silent[path] = self.now + ms,
            Op::Price(path, level) => {
                let now = self.at();
                self.a.set_terms(now, path, [0; 2], Cost::new(level));
            }
            Op::Jump(ms) => self.tick(ms),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn each_packet_comes_out_once_or_is_counted_as_dropped_and_memory_comes_back(
        seed in any::<u64>(), ops in proptest::collection::vec(op(), 1..40),
    ) {
        let mut net = Net::new(seed);
        ops.into_iter().for_each(|op| net.play(op));
        // Silent paths come back, and everything is sent or given up.
        net.calm(9_000);
        let ((own, queue, _), (_, _, order)) = (net.a.counters(), net.b.counters());
        let offered: u32 = net.offered.values().sum();
        let delivered = net.out.delivered.len() as u32;
        for (flow, number) in &net.out.delivered {
            prop_assert!(net.offered.get(flow).is_some_and(|n| number < n), "nobody sent it");
        }
        let dropped = queue.overflow + queue.aqm_drops + own.misfits + own.abandoned + order.too_late;
        prop_assert!(offered <= delivered + dropped, "{} of {offered} lost: {queue:?} {own:?} {order:?}", offered - delivered);
        prop_assert!(net.out.overtaken <= order.late, "{} overtaken, {order:?}", net.out.overtaken);
        prop_assert_eq!(net.a.memory_used().0, 0);
        prop_assert_eq!(net.b.memory_used().0, 0);
        prop_assert_eq!((net.a.backlog(), net.b.backlog()), (0, 0));
        // What a call or a datagram costs beside its bytes: looks at paths and flows, on average.
        let each = work::steps() / net.events;
        prop_assert!(each <= 30 * PATHS as u64, "{each} steps for each of {} events", net.events);
    }
}
