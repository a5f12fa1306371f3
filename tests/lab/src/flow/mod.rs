//! What clients and servers do: bulk flows over TCP or something like QUIC, and a light flow that asks and is answered.

pub mod congestion;
pub mod packet;
pub mod receiver;
pub mod sender;

use congestion::Law;
use packet::{Way, numbers};
use receiver::Receiver;
use sender::Sender;
use smoltcp::wire::{Ipv4Packet, TcpPacket};

/// IPv4, TCP and timestamps.
const TCP_HEADERS: usize = 52;
/// IPv4, UDP, and QUIC's short header with its tag.
const QUIC_HEADERS: usize = 55;
/// The light flow asks this often, us.
const PING_EVERY: u64 = 20_000;

/// What a flow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// With SACK and timestamps, as kernels send it.
    Tcp(Law),
    /// Packet numbers, acknowledgements by ranges, CUBIC.
    Quic,
    /// 64 bytes every 20 ms, answered at once.
    Ping,
}

/// One flow, both ends of it.
#[derive(Debug)]
pub struct Flow {
    pub kind: Kind,
    pub way: Way,
    /// Over which gateway, and past burstmesh over its line alone.
    pub gateway: usize,
    pub direct: bool,
    payload: usize,
    mtu: usize,
    pub sender: Sender,
    pub receiver: Receiver,
    ping_at: u64,
    /// In-order arrivals: when, and how many bytes of payload.
    pub progress: Vec<(u64, u32)>,
    /// Of the light flow: when asked, and how long until the answer.
    pub answers: Vec<(u64, u64)>,
    pub asked: u64,
    pub began: u64,
}

impl Flow {
    /// A bulk flow, or the light one; `way.down` says where the bulk goes. `bytes`: how much there is.
    pub fn new(kind: Kind, way: Way, gateway: usize, mtu: usize, now: u64, bytes: u64) -> Self {
        let (payload, patience) = match kind {
            Kind::Tcp(_) => (mtu - TCP_HEADERS, 40_000),
            Kind::Quic | Kind::Ping => (mtu - QUIC_HEADERS, 25_000),
        };
        let law = if let Kind::Tcp(law) = kind {
            law
        } else {
            Law::Cubic
        };
        let chunks = bytes.div_ceil(payload as u64);
        Self {
            kind,
            way,
            gateway,
            direct: false,
            payload,
            mtu,
            sender: Sender::new(law, kind == Kind::Quic, chunks),
            receiver: Receiver::new(patience),
            ping_at: now,
            progress: Vec::new(),
            answers: Vec::new(),
            asked: 0,
            began: now,
        }
    }

    /// The next packet to send, and whether it goes down.
    pub fn poll(&mut self, now: u64) -> Option<(bool, Vec<u8>)> {
        if self.kind == Kind::Ping {
            return self.poll_ping(now);
        }
        self.sender.handle_timeout(now);
        if let Some(said) = self.acknowledge(now) {
            return Some(said);
        }
        let (serial, chunk) = self.sender.poll(now)?;
        let packet = if self.kind == Kind::Quic {
            self.way.udp(&[serial, chunk], self.mtu)
        } else {
            let seq = self.seq(chunk);
            self.way.tcp(now, seq, 0, &[], &ZEROS[..self.payload])
        };
        Some((self.way.down, packet))
    }

    /// The acknowledgement that is due. Many packets that come at once are acknowledged as if they came one by one.
    fn acknowledge(&mut self, now: u64) -> Option<(bool, Vec<u8>)> {
        let (blocks, serials) = self.receiver.poll(now)?;
        Some((!self.way.down, self.acknowledgement(now, &blocks, &serials)))
    }

    fn poll_ping(&mut self, now: u64) -> Option<(bool, Vec<u8>)> {
        if now < self.ping_at {
            return None;
        }
        self.ping_at = now + PING_EVERY;
        self.asked += 1;
        Some((self.way.down, self.way.udp(&[now], 64)))
    }

    fn back(&self) -> Way {
        Way {
            down: !self.way.down,
            ..self.way
        }
    }

    fn seq(&self, chunk: u64) -> u32 {
        (chunk * self.payload as u64) as u32
    }

    /// The chunk at a sequence number, which is near the oldest one on its way.
    fn chunk(&self, seq: u32) -> u64 {
        let una = self.sender.una();
        let ahead = seq.wrapping_sub(self.seq(una)) as i32;
        una.saturating_add_signed(i64::from(ahead) / self.payload as i64)
    }

    fn acknowledgement(&self, now: u64, blocks: &[(u64, u64)], serials: &[(u64, u64)]) -> Vec<u8> {
        if self.kind == Kind::Quic {
            let ranges: Vec<u64> = serials.iter().flat_map(|(a, b)| [a + 1, b + 1]).collect();
            return self.back().udp(&ranges, QUIC_HEADERS + ranges.len() * 8);
        }
        let blocks: Vec<(u32, u32)> = blocks
            .iter()
            .map(|(a, b)| (self.seq(*a), self.seq(*b)))
            .collect();
        let ack = self.seq(self.receiver.next);
        self.back().tcp(now, 1, ack, &blocks, &[])
    }

    /// A packet of this flow arrived, at the client (`down`) or at the server; an answer to it.
    pub fn take(&mut self, now: u64, down: bool, packet: &[u8]) -> Option<(bool, Vec<u8>)> {
        if self.kind == Kind::Ping {
            let asked = numbers(packet).next()?;
            if down == self.way.down {
                return Some((!down, self.back().udp(&[asked], 64)));
            }
            self.answers.push((asked, now - asked));
        } else if down == self.way.down {
            self.take_data(now, packet);
            return self.acknowledge(now);
        } else {
            self.take_acknowledgement(now, packet);
        }
        None
    }

    fn take_data(&mut self, now: u64, packet: &[u8]) {
        let (serial, chunk) = if self.kind == Kind::Quic {
            let mut n = numbers(packet);
            (n.next().unwrap(), n.next().unwrap())
        } else {
            let ip = Ipv4Packet::new_unchecked(packet);
            let seq = TcpPacket::new_unchecked(ip.payload()).seq_number().0 as u32;
            (0, self.chunk(seq))
        };
        let more = self.receiver.take(now, serial, chunk);
        if more > 0 {
            self.progress.push((now, more as u32 * self.payload as u32));
        }
    }

    fn take_acknowledgement(&mut self, now: u64, packet: &[u8]) {
        if self.kind == Kind::Quic {
            let ends: Vec<u64> = numbers(packet).take_while(|n| *n > 0).collect();
            for run in ends.chunks_exact(2) {
                let news = (run[0] - 1).max(self.sender.oldest())..run[1] - 1;
                news.for_each(|serial| self.sender.acked(now, serial));
            }
        } else {
            let ip = Ipv4Packet::new_unchecked(packet);
            let tcp = TcpPacket::new_unchecked(ip.payload());
            let below = self.chunk(tcp.ack_number().0 as u32);
            let blocks = tcp.selective_ack_ranges().unwrap();
            self.sender.acked_below(now, below);
            for (from, to) in blocks.iter().flatten() {
                let run = self.chunk(*from)..self.chunk(*to);
                run.for_each(|chunk| self.sender.acked_chunk(now, chunk));
            }
        }
        self.sender.detect(now);
    }

    /// When [`Self::poll`] has something to do.
    pub fn timeout(&self) -> u64 {
        match self.kind {
            Kind::Ping => self.ping_at,
            _ => self.sender.timeout().min(self.receiver.timeout()),
        }
    }

    /// Payload bytes that arrived in order from one time to before another.
    pub fn bytes(&self, from: u64, to: u64) -> u64 {
        let within = self.progress.iter().filter(|(t, _)| (from..to).contains(t));
        within.map(|(_, n)| u64::from(*n)).sum()
    }
}

static ZEROS: [u8; 1500] = [0; 1500];
