//! The data road, stage by stage: `STAGE NANOSECONDS` for each packet of 1372 bytes.
//!
//! Two tunnels stand back to back. Their time is virtual and goes on by a millisecond a round; what a stage costs is read from the
//! machine's clock around a round's packets, so that reading it costs next to nothing. With `flood ..` it throws junk instead, with `receive ..` it is
//! the client of a download; `road told ROUNDS` and `road whole ROUNDS` are the tunnels alone, with headers that do not travel and
//! without, for an emulator to count what it executes.

mod crossings;
mod flood;
mod receive;

use burstmesh_core::data::inner::Inner;
use burstmesh_core::data::path::Setup;
use burstmesh_core::data::pool::{Block, Slot};
use burstmesh_core::data::queue::TxFlow;
use burstmesh_core::data::resequence::{RxFlow, Sink};
use burstmesh_core::data::seal::Keys;
use burstmesh_core::data::tunnel::{Memory, Tunnel};
use burstmesh_core::time::Instant;
use burstmesh_core::wire::Capabilities;
use burstmesh_core::wire::checksum::Sum;
use std::hint::black_box;
use std::ops::Range;
use std::time::{Duration, Instant as Clock};

const PACKET: usize = 1372;
/// A round's packets: what a router takes from its TUN at one wake-up under load.
const BATCH: usize = 16;
/// Room for one call of `poll_transmit`.
const RUN: usize = 24_000;
const ROUNDS: u64 = 400;
/// Rounds before anything counts: the tunnels have to find their paths alive.
const WARM: u64 = 300;
const OURS: Capabilities = Capabilities::OURS;
/// Path messages have this in their first byte's low half.
const MESSAGE: u8 = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [word, rest @ ..] if word == "flood" => flood::run(rest),
        [word, rest @ ..] if word == "receive" => receive::run(rest),
        [word, how, rounds] if word == "road" => {
            let capabilities = match how.as_str() {
                "whole" => Capabilities(OURS.0 & !Capabilities::COMPRESS.0),
                _ => OURS,
            };
            Road::new(capabilities).run(rounds.parse()?);
            Ok(())
        }
        _ => stages(),
    }
}

fn stages() -> Result<(), Box<dyn std::error::Error>> {
    let crossings = crossings::measure()?;
    let classify = alone(|packet| {
        let _ = black_box(Inner::parse(black_box(packet), &[7; 16]));
    });
    let (seal, open) = (sealing(), opening());
    let road = Road::new(OURS).run(ROUNDS);
    for (stage, cost) in [
        ("read", crossings.read),
        ("classify", classify),
        ("queue", road.taken - classify),
        ("schedule", road.sent - seal),
        ("seal", seal),
        ("send", crossings.send),
        ("receive", crossings.receive),
        ("open", open),
        ("resequence", road.received - open),
        ("write", crossings.write),
        ("feedback", road.feedback),
    ] {
        println!("stage {stage} {cost:.0}");
    }
    Ok(())
}

/// Mean nanoseconds of something done to a packet.
fn alone(mut stage: impl FnMut(&mut [u8])) -> f64 {
    let mut packets = vec![packet(); BATCH];
    let begun = Clock::now();
    for _ in 0..ROUNDS {
        for packet in &mut packets {
            stage(packet);
        }
    }
    begun.elapsed().as_nanos() as f64 / (ROUNDS as usize * BATCH) as f64
}

fn keys(initiator: bool) -> Keys {
    let mut keys = Keys::default();
    let (first, second) = ([1; 32], [2; 32]);
    if initiator {
        keys.install(&first, &second, true);
    } else {
        keys.install(&second, &first, false);
    }
    keys
}

fn sealing() -> f64 {
    let keys = keys(true);
    let mut number = 0;
    alone(|packet| {
        number += 1;
        let _ = black_box(keys.seal(keys.sending(), 0, number, &[0; 12], packet));
    })
}

fn opening() -> f64 {
    let (sender, mut receiver) = (keys(true), keys(false));
    let mut sealed = packet();
    let phase = sender.sending();
    let Ok(tag) = sender.seal(phase, 0, 1, &[0; 12], &mut sealed) else {
        return f64::NAN;
    };
    // Each time from the same sealed bytes, without what it costs to copy them.
    let copying = alone(|packet| {
        packet.copy_from_slice(black_box(&sealed));
        black_box(packet);
    });
    let both = alone(|packet| {
        packet.copy_from_slice(&sealed);
        let opened = receiver.open(phase, 0, 1, &[0; 12], packet, &tag);
        assert!(black_box(opened).is_ok(), "what was sealed opens");
    });
    both - copying
}

/// A segment of an upload, IPv4 and TCP with timestamps.
fn packet() -> Vec<u8> {
    let mut packet = vec![0; PACKET];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&(PACKET as u16).to_be_bytes());
    packet[8..10].copy_from_slice(&[64, 6]);
    packet[12..20].copy_from_slice(&[10, 0, 0, 2, 88, 0, 0, 1]);
    let sum = Sum::of(&packet[..20]).field();
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet[20..24].copy_from_slice(&[0x9c, 0x40, 0x01, 0xbb]);
    packet[32..34].copy_from_slice(&[0x80, 0x10]);
    packet[40..44].copy_from_slice(&[1, 1, 8, 10]);
    packet
}

/// Counts what arrives.
#[derive(Default)]
struct Delivered(u64);

impl Sink for Delivered {
    fn deliver(&mut self, packet: &[u8]) {
        black_box(packet);
        self.0 += 1;
    }
    fn control(&mut self, _: &[u8]) {}
}

/// Two tunnels with one path.
struct Road {
    near: Tunnel<'static>,
    far: Tunnel<'static>,
    delivered: Delivered,
}

/// Mean nanoseconds for each packet.
struct Costs {
    taken: f64,
    sent: f64,
    received: f64,
    feedback: f64,
}

fn tunnel(secret: u8) -> Tunnel<'static> {
    fn leak<T: Clone>(value: T, count: usize) -> &'static mut [T] {
        Box::leak(vec![value; count].into_boxed_slice())
    }
    let memory = Memory {
        slots: leak(Slot::FREE, 2000),
        blocks: leak(Block::FREE, 6000),
        tx_flows: leak(TxFlow::FREE, 64),
        rx_flows: leak(RxFlow::FREE, 64),
    };
    Tunnel::new(memory, [secret; 16])
}

impl Road {
    fn new(capabilities: Capabilities) -> Self {
        let (mut near, mut far) = (tunnel(1), tunnel(2));
        near.install_keys(&[1; 32], &[2; 32], true, capabilities);
        far.install_keys(&[2; 32], &[1; 32], false, capabilities);
        for (tunnel, local_cid, remote_cid) in [(&mut near, 1, 2), (&mut far, 2, 1)] {
            let setup = Setup {
                id: 0,
                local_cid,
                remote_cid,
                headroom: 0,
                outer: 28,
                lent: false,
                // 400 Mbit/s: more than the rounds bring.
                known_rate: Some(50_000_000),
            };
            assert!(
                tunnel.open_path(Instant::ZERO, setup).is_ok(),
                "a path opens"
            );
        }
        Self {
            near,
            far,
            delivered: Delivered::default(),
        }
    }

    fn run(mut self, rounds: u64) -> Costs {
        let mut spent = [Duration::ZERO; 4];
        let mut before = 0;
        let (mut there, mut back) = (Wire::new(), Wire::new());
        for round in 0..WARM + rounds {
            if round == WARM {
                spent = [Duration::ZERO; 4];
                before = self.delivered.0;
            }
            let now = Instant::from_micros((round + 1) * 1000);
            let begun = Clock::now();
            if round >= WARM / 2 {
                self.take(now);
            }
            let taken = Clock::now();
            self.near.handle_timeout(now, &mut self.delivered);
            there.send(&mut self.near, now);
            let sent = Clock::now();
            there.receive(&mut self.far, now, &mut self.delivered);
            let received = Clock::now();
            self.far.handle_timeout(now, &mut self.delivered);
            back.send(&mut self.far, now);
            back.receive(&mut self.near, now, &mut Delivered::default());
            let costs = [
                taken - begun,
                sent - taken,
                received - sent,
                received.elapsed(),
            ];
            for (sum, cost) in spent.iter_mut().zip(costs) {
                *sum += cost;
            }
        }
        let packets = (self.delivered.0 - before) as f64;
        assert!(
            packets > 0.9 * (rounds as usize * BATCH) as f64,
            "{packets} arrived"
        );
        let [taken, sent, received, feedback] = spent.map(|sum| sum.as_nanos() as f64 / packets);
        Costs {
            taken,
            sent,
            received,
            feedback,
        }
    }

    fn take(&mut self, now: Instant) {
        let mut packet = packet();
        for n in 0..BATCH as u32 {
            // Sequence number, and the sender's milliseconds.
            packet[24..28].copy_from_slice(&n.to_be_bytes());
            packet[44..48].copy_from_slice(&(now.as_micros32() / 1000).to_be_bytes());
            let _ = black_box(self.near.handle_inner(now, &mut packet));
        }
    }
}

/// Datagrams on their way, in one buffer: nothing is copied between the stages.
struct Wire {
    buffer: Vec<u8>,
    runs: Vec<(Range<usize>, usize)>,
}

impl Wire {
    fn new() -> Self {
        Self {
            buffer: vec![0; 4 * RUN * BATCH],
            runs: Vec::with_capacity(4 * BATCH),
        }
    }

    /// Takes all that a tunnel has to send.
    fn send(&mut self, tunnel: &mut Tunnel<'static>, now: Instant) {
        self.runs.clear();
        let mut at = 0;
        while let Some(room) = self.buffer.get_mut(at..at + RUN) {
            let Some(run) = tunnel.poll_transmit(now, room) else {
                return;
            };
            self.runs.push((at..at + run.len, run.stride));
            at += run.len;
        }
    }

    /// Hands it to the other tunnel.
    fn receive(&mut self, tunnel: &mut Tunnel<'static>, now: Instant, sink: &mut Delivered) {
        for (range, stride) in &self.runs {
            for datagram in self.buffer[range.clone()].chunks_mut(*stride) {
                let message = datagram.first().is_some_and(|byte| byte & 15 == MESSAGE);
                let taken = if message {
                    tunnel.handle_path_message(now, 0, datagram).map(drop)
                } else {
                    tunnel.handle_data(now, 0, datagram, sink).map(drop)
                };
                assert!(taken.is_ok(), "{taken:?}");
            }
        }
    }
}
