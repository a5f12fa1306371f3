//! One direction of a line, or the medium of a mesh, as pure logic over virtual time.
//!
//! The road of a packet: a drop-tail queue per sender, served in turn; one serializer at the set rate; random loss
//! (a lost packet has used its airtime); a delay with jitter that keeps the order. Time is nanoseconds handed in;
//! work is done lazily at the calls, yet dated exactly, so being called late shifts nothing.

use std::collections::VecDeque;

use super::rng::Rng;
use crate::units::{Loss, QueueLimit, Rate, Span};

/// Nanoseconds on a monotonic clock.
pub type Nanos = u64;

/// What one direction of a line does to packets.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// IP-level rate; without one, packets take no time of their own.
    pub rate: Option<Rate>,
    /// One-way delay after the last bit was sent.
    pub delay: Span,
    /// Each packet's delay is drawn evenly from `delay - jitter ..= delay + jitter`, never passing an earlier packet.
    pub jitter: Span,
    /// Share of packets lost at random.
    pub loss: Loss,
    /// How much may wait; one packet always may.
    pub queue: QueueLimit,
    /// Larger IP packets vanish without an ICMP message (a path MTU black hole).
    pub largest: Option<u32>,
}

impl Default for Shape {
    fn default() -> Self {
        let (delay, jitter) = (Span::default(), Span::default());
        Self {
            rate: None,
            delay,
            jitter,
            loss: Loss::default(),
            queue: QueueLimit::Time(Span::ms(100)),
            largest: None,
        }
    }
}

/// Why a packet was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The sender's queue is full.
    QueueFull,
    /// The pipe is silent.
    Silent,
    /// The packet is larger than the black hole lets through.
    TooLarge,
}

/// What comes out of a pipe.
#[derive(Debug, PartialEq, Eq)]
pub enum Output<T> {
    /// A packet arrived; it was due at `due`.
    Arrived { packet: Packet<T>, due: Nanos },
    /// A packet was lost on the way.
    Lost(Packet<T>),
}

/// A packet in a pipe.
#[derive(Debug, PartialEq, Eq)]
pub struct Packet<T> {
    /// Which of the pipe's senders gave it.
    pub sender: usize,
    /// Its length on the IP level.
    pub bytes: u32,
    /// The frame itself.
    pub item: T,
}

struct Queue<T> {
    packets: VecDeque<Packet<T>>,
    bytes: u64,
}

/// One direction of a line (one sender), or a shared medium (several).
pub struct Pipe<T> {
    shape: Shape,
    silent: bool,
    queues: Vec<Queue<T>>,
    turn: usize,
    serving: Option<(Nanos, Packet<T>)>,
    flying: VecDeque<(Nanos, Packet<T>)>,
    lost: VecDeque<Packet<T>>,
    last_due: Nanos,
    loss_rng: Rng,
    jitter_rng: Rng,
}

impl<T> Pipe<T> {
    /// A pipe for `senders` senders; `seed` and `stream` fix its losses and jitter.
    pub fn new(shape: Shape, senders: usize, seed: u64, stream: u64) -> Self {
        Self {
            shape,
            silent: false,
            queues: (0..senders)
                .map(|_| Queue {
                    packets: VecDeque::new(),
                    bytes: 0,
                })
                .collect(),
            turn: 0,
            serving: None,
            flying: VecDeque::new(),
            lost: VecDeque::new(),
            last_due: 0,
            loss_rng: Rng::new(seed, stream * 2),
            jitter_rng: Rng::new(seed, stream * 2 + 1),
        }
    }

    /// The present shape.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Changes the shape from `now` on. The packet being sent and those in flight keep their times.
    pub fn reshape(&mut self, now: Nanos, shape: Shape) {
        self.advance(now);
        self.shape = shape;
    }

    /// Makes the pipe drop everything offered and held, or carry again. The dropped packets come back.
    pub fn silence(&mut self, now: Nanos, silent: bool) -> Vec<Packet<T>> {
        self.advance(now);
        self.silent = silent;
        if !silent {
            return Vec::new();
        }
        let mut dropped: Vec<_> = self
            .serving
            .take()
            .into_iter()
            .chain(self.flying.drain(..))
            .map(|(_, p)| p)
            .collect();
        for queue in &mut self.queues {
            queue.bytes = 0;
            dropped.extend(queue.packets.drain(..));
        }
        dropped
    }

    /// Takes a packet of `bytes` IP bytes from `sender`, or gives it back with the reason.
    pub fn offer(
        &mut self,
        now: Nanos,
        sender: usize,
        bytes: u32,
        item: T,
    ) -> Result<(), (Refusal, T)> {
        // Who is served next is decided by who was there at that moment: settle the past before the newcomer.
        self.advance(now);
        if self.silent {
            return Err((Refusal::Silent, item));
        }
        if self.shape.largest.is_some_and(|largest| bytes > largest) {
            return Err((Refusal::TooLarge, item));
        }
        let limit = self.shape.queue.bytes(self.shape.rate);
        let Some(queue) = self.queues.get_mut(sender) else {
            return Err((Refusal::Silent, item));
        };
        if !queue.packets.is_empty() && queue.bytes + u64::from(bytes) > limit {
            return Err((Refusal::QueueFull, item));
        }
        queue.bytes += u64::from(bytes);
        queue.packets.push_back(Packet {
            sender,
            bytes,
            item,
        });
        if self.serving.is_none() {
            self.serve_next(now);
            self.advance(now);
        }
        Ok(())
    }

    /// The next thing that came out up to `now`; call until `None`.
    pub fn poll(&mut self, now: Nanos) -> Option<Output<T>> {
        self.advance(now);
        if let Some(packet) = self.lost.pop_front() {
            return Some(Output::Lost(packet));
        }
        let due = self.flying.front()?.0;
        if due > now {
            return None;
        }
        self.flying
            .pop_front()
            .map(|(due, packet)| Output::Arrived { packet, due })
    }

    /// When `poll` may next give something; `None` while the pipe is empty.
    pub fn deadline(&self) -> Option<Nanos> {
        if let Some((due, _)) = self.flying.front() {
            return Some(*due);
        }
        let (done, _) = self.serving.as_ref()?;
        Some(
            done + self
                .shape
                .delay
                .nanos()
                .saturating_sub(self.shape.jitter.nanos()),
        )
    }

    /// IP bytes waiting in all queues, the packet being sent not among them.
    pub fn backlog(&self) -> u64 {
        self.queues.iter().map(|queue| queue.bytes).sum()
    }

    /// Lets the serializer finish whatever was finished at `now`.
    fn advance(&mut self, now: Nanos) {
        while let Some((done, packet)) = self.serving.take_if(|(done, _)| *done <= now) {
            self.launch(done, packet);
            self.serve_next(done);
        }
    }

    /// Starts the next packet at `start`, the senders taking turns.
    fn serve_next(&mut self, start: Nanos) {
        let count = self.queues.len();
        for step in 1..=count {
            let index = (self.turn + step) % count;
            let Some(queue) = self.queues.get_mut(index) else {
                continue;
            };
            let Some(packet) = queue.packets.pop_front() else {
                continue;
            };
            queue.bytes -= u64::from(packet.bytes);
            self.turn = index;
            let time = self.shape.rate.map_or(0, |rate| rate.time_of(packet.bytes));
            self.serving = Some((start + time, packet));
            return;
        }
    }

    /// Sends a packet whose last bit left at `done` on its way, or loses it.
    fn launch(&mut self, done: Nanos, packet: Packet<T>) {
        let loss = self.shape.loss.probability();
        if loss > 0.0 && self.loss_rng.unit() < loss {
            self.lost.push_back(packet);
            return;
        }
        let (delay, jitter) = (self.shape.delay.nanos(), self.shape.jitter.nanos());
        let mut due = done + delay;
        if jitter > 0 {
            let drawn = (self.jitter_rng.unit() * 2.0 * jitter as f64) as u64;
            due = (due + drawn).saturating_sub(jitter).max(done);
        }
        self.last_due = self.last_due.max(due);
        self.flying.push_back((self.last_due, packet));
    }
}

#[cfg(test)]
#[path = "pipe_tests.rs"]
mod tests;
