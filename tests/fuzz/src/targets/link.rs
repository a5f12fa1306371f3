//! Two tunnels over a hostile link that the input drives, and one tunnel whose authentic peer writes nonsense.

use std::collections::BTreeMap;

use burstmesh_core::data::path::Setup;
use burstmesh_core::data::pool::{Block, Slot};
use burstmesh_core::data::queue::TxFlow;
use burstmesh_core::data::resequence::{RxFlow, Sink};
use burstmesh_core::data::seal::Keys;
use burstmesh_core::data::tunnel::{Memory, Tunnel};
use burstmesh_core::time::Instant;
use burstmesh_core::wire::{Capabilities, frame};

/// Paths of the model.
const PATHS: usize = 2;
/// One way, in microseconds.
const DELAY: u64 = 5_000;
/// Most commands of one input: what bounds a run's time.
const STEPS: usize = 400;
/// Time after the last fault in which everything must come to rest.
const REST_MS: u64 = 20_000;

/// The memory of one tunnel.
struct Store {
    slots: Vec<Slot>,
    blocks: Vec<Block>,
    tx: Vec<TxFlow>,
    rx: Vec<RxFlow>,
}

impl Store {
    /// So little that the input can fill it.
    fn new() -> Self {
        Self {
            slots: vec![Slot::FREE; 96],
            blocks: vec![Block::FREE; 256],
            tx: vec![TxFlow::FREE; 8],
            rx: vec![RxFlow::FREE; 8],
        }
    }

    fn tunnel(&mut self, secret: u8) -> Tunnel<'_> {
        let memory = Memory {
            slots: &mut self.slots,
            blocks: &mut self.blocks,
            tx_flows: &mut self.tx,
            rx_flows: &mut self.rx,
        };
        Tunnel::new(memory, [secret; 16])
    }
}

fn open_paths(tunnel: &mut Tunnel<'_>, local: u32, remote: u32) {
    for id in 0..PATHS as u16 {
        let setup = Setup {
            id,
            local_cid: local + u32::from(id),
            remote_cid: remote + u32::from(id),
            headroom: 0,
            outer: 28,
            lent: id > 0,
            known_rate: None,
        };
        let place = tunnel.open_path(Instant::ZERO, setup);
        assert_eq!(place, Ok(usize::from(id)));
    }
}

/// A UDP packet (IPv4, no checksum) of flow `flow` that carries `number` and a pattern made from it.
fn packet(flow: u8, number: u32, payload: usize) -> Vec<u8> {
    let total = (32 + payload) as u16;
    let mut p = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0];
    p[2..4].copy_from_slice(&total.to_be_bytes());
    p.extend_from_slice(&[10, 0, 0, 1, 203, 0, 113, 9]);
    p.extend_from_slice(&[0x20, flow, 0, 9]);
    p.extend_from_slice(&(total - 20).to_be_bytes());
    p.extend_from_slice(&[0, 0]);
    p.extend_from_slice(&number.to_be_bytes());
    p.extend((0..payload).map(|i| (number as usize).wrapping_mul(31).wrapping_add(i) as u8));
    p
}

/// What one end has been handed, against what the other end was given.
#[derive(Default)]
struct Ledger {
    /// By number: what was sent and has not arrived yet.
    open: BTreeMap<u32, Vec<u8>>,
    arrived: u32,
}

impl Sink for Ledger {
    fn deliver(&mut self, p: &[u8]) {
        let number = p.get(28..32).and_then(|n| n.try_into().ok());
        let number = u32::from_be_bytes(number.expect("a packet is as long as it was"));
        let sent = self.open.remove(&number);
        assert!(sent.is_some(), "{number} was never sent, or came twice");
        assert_eq!(sent.as_deref(), Some(p), "{number} was altered");
        self.arrived += 1;
    }
    fn control(&mut self, _: &[u8]) {}
}

struct OnTheWay {
    due: u64,
    path: usize,
    to_b: bool,
    bytes: Vec<u8>,
}

struct Model<'m> {
    a: Tunnel<'m>,
    b: Tunnel<'m>,
    at_a: Ledger,
    at_b: Ledger,
    link: Vec<OnTheWay>,
    silent: [bool; PATHS],
    now: u64,
    next: u32,
}

impl Model<'_> {
    fn time(&self) -> Instant {
        Instant::from_micros(self.now)
    }

    fn send(&mut self, from_a: bool, flow: u8, payload: usize) {
        let now = self.time();
        let mut bytes = packet(flow, self.next, payload);
        let (tunnel, ledger) = if from_a {
            (&mut self.a, &mut self.at_b)
        } else {
            (&mut self.b, &mut self.at_a)
        };
        if tunnel.handle_inner(now, &mut bytes).is_ok() {
            ledger.open.insert(self.next, bytes);
        }
        self.next += 1;
    }

    fn emit(&mut self, from_a: bool) {
        let mut out = vec![0; 16_000];
        let now = self.time();
        let tunnel = if from_a { &mut self.a } else { &mut self.b };
        for _ in 0..1_000 {
            let Some(t) = tunnel.poll_transmit(now, &mut out) else {
                return;
            };
            assert!(t.len <= out.len() && t.stride > 0 && t.path < PATHS);
            if self.silent[t.path] {
                continue;
            }
            for datagram in out[..t.len].chunks(t.stride) {
                self.link.push(OnTheWay {
                    due: self.now + DELAY * (1 + 3 * t.path as u64),
                    path: t.path,
                    to_b: from_a,
                    bytes: datagram.to_vec(),
                });
            }
        }
        panic!("a thousand runs at one instant: it never stops sending");
    }

    fn arrive(&mut self) {
        let now = self.time();
        self.link.sort_by_key(|d| d.due);
        let later = self.link.partition_point(|d| d.due <= self.now);
        for mut d in self.link.drain(..later).collect::<Vec<_>>() {
            let (tunnel, ledger) = if d.to_b {
                (&mut self.b, &mut self.at_b)
            } else {
                (&mut self.a, &mut self.at_a)
            };
            if d.bytes.first().is_some_and(|kind| kind & 15 == 5) {
                let _ = tunnel.handle_path_message(now, d.path, &mut d.bytes);
            } else {
                let _ = tunnel.handle_data(now, d.path, &mut d.bytes, ledger);
            }
        }
    }

    /// Passes `us` microseconds of virtual time.
    fn pass(&mut self, us: u64) {
        let end = self.now + us;
        loop {
            self.arrive();
            let now = self.time();
            self.a.handle_timeout(now, &mut self.at_a);
            self.b.handle_timeout(now, &mut self.at_b);
            self.emit(true);
            self.emit(false);
            if self.now >= end {
                return;
            }
            let link = self.link.iter().map(|d| d.due).min().unwrap_or(u64::MAX);
            let timers = self.a.poll_timeout(now).min(self.b.poll_timeout(now));
            let next = link.min(timers.as_micros());
            self.now = next.clamp(self.now + 500, end.max(self.now + 500));
        }
    }

    /// One command: what happens to the link, or who sends.
    fn obey(&mut self, command: u8, what: u8) {
        let at = usize::from(what) % self.link.len().max(1);
        match command % 9 {
            0 | 1 => self.send(command.is_multiple_of(9), what & 3, usize::from(what) * 6),
            2 => self.pass(u64::from(what) * 400),
            3 => self.silent[usize::from(what) % PATHS] = what & 0x80 != 0,
            4 if !self.link.is_empty() => drop(self.link.remove(at)),
            5 => {
                if let Some(d) = self.link.get(at) {
                    let (due, bytes) = (d.due + u64::from(what) * 50, d.bytes.clone());
                    let (path, to_b) = (d.path, d.to_b);
                    self.link.push(OnTheWay {
                        due,
                        path,
                        to_b,
                        bytes,
                    });
                }
            }
            6 => {
                if let Some(d) = self.link.get_mut(at) {
                    let place = usize::from(what).wrapping_mul(37) % d.bytes.len().max(1);
                    d.bytes[place] ^= what | 1;
                }
            }
            7 => {
                if let Some(d) = self.link.get_mut(at) {
                    d.due += u64::from(what) * 2_000;
                }
            }
            _ => {
                for i in 0..what {
                    self.send(what & 1 == 0, what & 3, usize::from(i % 7) * 200);
                }
            }
        }
    }

    /// After the last fault: everything comes to rest, all memory is free, and packets pass again.
    fn rest(&mut self) {
        self.silent = [false; PATHS];
        self.pass(REST_MS * 1_000);
        for end in [&self.a, &self.b] {
            let counters = end.counters();
            assert_eq!(end.backlog(), 0, "{counters:?}");
            assert_eq!(end.memory_used().0, 0, "{counters:?}");
            assert!(end.is_up(), "{counters:?}");
        }
        let before = (self.at_a.arrived, self.at_b.arrived);
        self.send(true, 1, 100);
        self.send(false, 1, 100);
        self.pass(1_000_000);
        let after = (self.at_a.arrived, self.at_b.arrived);
        assert_eq!(after, (before.0 + 1, before.1 + 1), "the road is open");
    }
}

/// Two ends on virtual time. The input is pairs of bytes, a command and its argument: send, wait, silence a path, drop,
/// duplicate, corrupt, delay. Every delivered packet was sent, arrives once and unaltered; at the end all memory is free.
pub fn two_nodes(data: &[u8]) {
    let (mut store_a, mut store_b) = (Store::new(), Store::new());
    let (mut a, mut b) = (store_a.tunnel(1), store_b.tunnel(2));
    a.install_keys(&[1; 32], &[2; 32], true, Capabilities::OURS);
    b.install_keys(&[2; 32], &[1; 32], false, Capabilities::OURS);
    open_paths(&mut a, 100, 200);
    open_paths(&mut b, 200, 100);
    let mut model = Model {
        a,
        b,
        at_a: Ledger::default(),
        at_b: Ledger::default(),
        link: Vec::new(),
        silent: [false; PATHS],
        now: 0,
        next: 0,
    };
    model.pass(100_000);
    for command in data.chunks_exact(2).take(STEPS) {
        model.obey(command[0], command[1]);
    }
    model.rest();
}

/// What a lying peer delivers is his affair.
struct Anything;

impl Sink for Anything {
    fn deliver(&mut self, _: &[u8]) {}
    fn control(&mut self, _: &[u8]) {}
}

/// A member who holds the session's keys and writes what it likes: records, feedback and path messages under right
/// seals. Each message of the input is a head of four bytes (kind and path, step of the packet number, milliseconds
/// that pass, length) and its body. Nothing panics, and after a reset all memory is free.
pub fn peer(data: &[u8]) {
    let mut store = Store::new();
    let mut tunnel = store.tunnel(1);
    tunnel.install_keys(&[1; 32], &[2; 32], true, Capabilities::OURS);
    open_paths(&mut tunnel, 100, 200);
    let mut keys = Keys::default();
    keys.install(&[2; 32], &[1; 32], false);
    let (mut now, mut number, mut rest) = (0u64, [0u64; PATHS], data);
    let mut out = vec![0; 16_000];
    for turn in 0..STEPS as u32 {
        let Some((&[kind, step, wait, len], tail)) = rest.split_first_chunk::<4>() else {
            break;
        };
        let (body, tail) = tail.split_at(usize::from(len).min(tail.len()));
        rest = tail;
        now += u64::from(wait) * 1_000;
        let at = Instant::from_micros(now);
        let path = usize::from(kind >> 4) % PATHS;
        number[path] += u64::from(step);
        if kind & 1 == 0 {
            let mut datagram = data_frame(&keys, path, number[path], body);
            let _ = tunnel.handle_data(at, path, &mut datagram, &mut Anything);
        } else {
            let mut datagram = path_message(&keys, path, number[path] as u32, body);
            let _ = tunnel.handle_path_message(at, path, &mut datagram);
        }
        let _ = tunnel.handle_inner(at, &mut packet(kind >> 2 & 3, turn, usize::from(len) * 5));
        tunnel.handle_timeout(at, &mut Anything);
        assert!(tunnel.poll_timeout(at) >= at);
        for _ in 0..64 {
            let Some(t) = tunnel.poll_transmit(at, &mut out) else {
                break;
            };
            assert!(t.len <= out.len() && t.stride > 0 && t.path < PATHS);
        }
    }
    tunnel.reset([3; 16]);
    assert_eq!(tunnel.memory_used().0, 0, "a reset frees everything");
}

fn data_frame(keys: &Keys, path: usize, number: u64, records: &[u8]) -> Vec<u8> {
    let header = frame::Header {
        phase: 0,
        cid: 100 + path as u32,
        counter: (number & 0x00ff_ffff) as u32,
    };
    let mut out = vec![0; frame::HEADER];
    header.emit(&mut out).unwrap();
    let mut body = records.to_vec();
    let tag = keys.seal(0, path as u32, number, &out, &mut body).unwrap();
    [out, body, tag.to_vec()].concat()
}

fn path_message(keys: &Keys, path: usize, counter: u32, body: &[u8]) -> Vec<u8> {
    use burstmesh_core::data::seal::PATH_MESSAGES;
    use burstmesh_core::wire::path;
    let header = path::Header {
        cid: 100 + path as u32,
        path: path as u16,
        phase: 0,
        counter,
    };
    let mut out = vec![0; path::HEADER];
    header.emit(&mut out).unwrap();
    let mut sealed = body.to_vec();
    sealed.resize(body.len().max(path::BODY), 0);
    let word = path as u32 | PATH_MESSAGES;
    let tag = keys
        .seal(0, word, u64::from(counter), &out, &mut sealed)
        .unwrap();
    [out, sealed, tag.to_vec()].concat()
}
