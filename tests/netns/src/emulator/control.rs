//! Handles to change and read lines and meshes while they run.

use std::sync::Arc;

use anyhow::{Result, anyhow};

use super::Remote;
use super::counters::{Counters, Traffic};
use super::engine::Engine;
use super::pipe::Shape;
use crate::units::{Loss, Rate, Span};

/// A direction of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the near end (the home) to the far end (the Internet).
    Up,
    /// From the far end to the near end.
    Down,
}

/// A line between two namespaces.
#[derive(Clone)]
pub struct Line {
    remote: Remote,
    segment: usize,
    counters: [Arc<Counters>; 2],
}

impl Line {
    pub(super) fn new(remote: Remote, segment: usize, counters: [Arc<Counters>; 2]) -> Self {
        Self {
            remote,
            segment,
            counters,
        }
    }

    /// Drops everything, queued and in flight too; the carrier stays, so nobody is told.
    pub fn silent(&self) -> Result<()> {
        self.gate(&[0, 1], true)
    }

    /// Drops everything in one direction only.
    pub fn silent_way(&self, way: Way) -> Result<()> {
        self.gate(&[index(way)], true)
    }

    /// Pulls the cable: both ends lose their carrier, and everything in flight.
    pub fn down(&self) -> Result<()> {
        self.gate(&[0, 1], true)?;
        self.carrier(false)
    }

    /// Ends `silent` and `down`.
    pub fn up(&self) -> Result<()> {
        self.carrier(true)?;
        self.gate(&[0, 1], false)
    }

    /// Changes the rate of one direction from now on, for what still waits too.
    pub fn set_rate(&self, way: Way, rate: Rate) -> Result<()> {
        self.reshape(way, move |shape| shape.rate = Some(rate))
    }

    /// Changes the delay of one direction.
    pub fn set_delay(&self, way: Way, delay: Span) -> Result<()> {
        self.reshape(way, move |shape| shape.delay = delay)
    }

    /// Changes the random loss of one direction.
    pub fn set_loss(&self, way: Way, loss: Loss) -> Result<()> {
        self.reshape(way, move |shape| shape.loss = loss)
    }

    /// Changes anything about one direction.
    pub fn reshape(
        &self,
        way: Way,
        change: impl FnOnce(&mut Shape) + Send + 'static,
    ) -> Result<()> {
        let segment = self.segment;
        self.remote
            .ask(move |engine, now| reshape(engine, segment, index(way), now, change))?
    }

    /// What one direction has carried and dropped.
    pub fn traffic(&self, way: Way) -> Traffic {
        let [up, down] = &self.counters;
        match way {
            Way::Up => up.read(),
            Way::Down => down.read(),
        }
    }

    fn gate(&self, pipes: &[usize], silent: bool) -> Result<()> {
        let (segment, pipes) = (self.segment, pipes.to_vec());
        self.remote.ask(move |engine, now| {
            let Some(segment) = engine.segments.get_mut(segment) else {
                return;
            };
            for index in pipes {
                let Some(pipe) = segment.pipes.get_mut(index) else {
                    continue;
                };
                let Some(port) = segment.ports.get(index) else {
                    continue;
                };
                for packet in pipe.silence(now, silent) {
                    port.counters.silenced.add(packet.bytes);
                }
            }
        })
    }

    fn carrier(&self, on: bool) -> Result<()> {
        let segment = self.segment;
        self.remote.ask(move |engine, _| {
            let Some(segment) = engine.segments.get(segment) else {
                return Ok(());
            };
            segment
                .ports
                .iter()
                .try_for_each(|port| port.tap.set_carrier(on))
        })?
    }
}

/// A mesh segment: stations that share one medium.
#[derive(Clone)]
pub struct Mesh {
    remote: Remote,
    segment: usize,
    counters: Vec<Arc<Counters>>,
}

impl Mesh {
    pub(super) fn new(remote: Remote, segment: usize, counters: Vec<Arc<Counters>>) -> Self {
        Self {
            remote,
            segment,
            counters,
        }
    }

    /// Makes one station deaf and mute (true), or ends that; its carrier stays.
    pub fn silence_station(&self, station: usize, silent: bool) -> Result<()> {
        self.with_port(station, move |port| {
            port.silent = silent;
            Ok(())
        })
    }

    /// Takes one station's carrier away, and its frames, or gives it back.
    pub fn set_carrier(&self, station: usize, on: bool) -> Result<()> {
        self.with_port(station, move |port| {
            port.silent = !on;
            port.tap.set_carrier(on)
        })
    }

    /// Cuts the whole segment: every frame is dropped, carriers stay.
    pub fn silent(&self) -> Result<()> {
        self.gate(true)
    }

    /// Ends `silent`.
    pub fn up(&self) -> Result<()> {
        self.gate(false)
    }

    /// Changes anything about the medium.
    pub fn reshape(&self, change: impl FnOnce(&mut Shape) + Send + 'static) -> Result<()> {
        let segment = self.segment;
        self.remote
            .ask(move |engine, now| reshape(engine, segment, 0, now, change))?
    }

    /// What one station has sent, and what became of it.
    pub fn traffic(&self, station: usize) -> Option<Traffic> {
        self.counters.get(station).map(|counters| counters.read())
    }

    fn gate(&self, silent: bool) -> Result<()> {
        let segment = self.segment;
        self.remote.ask(move |engine, now| {
            let Some(segment) = engine.segments.get_mut(segment) else {
                return;
            };
            let Some(pipe) = segment.pipes.first_mut() else {
                return;
            };
            for packet in pipe.silence(now, silent) {
                if let Some(port) = segment.ports.get(packet.sender) {
                    port.counters.silenced.add(packet.bytes);
                }
            }
        })
    }

    fn with_port(
        &self,
        station: usize,
        work: impl FnOnce(&mut super::Port) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let segment = self.segment;
        self.remote.ask(move |engine, _| {
            let port = engine
                .segments
                .get_mut(segment)
                .and_then(|segment| segment.ports.get_mut(station));
            work(port.ok_or_else(|| anyhow!("the mesh has no station {station}"))?)
        })?
    }
}

fn index(way: Way) -> usize {
    match way {
        Way::Up => 0,
        Way::Down => 1,
    }
}

fn reshape(
    engine: &mut Engine,
    segment: usize,
    pipe: usize,
    now: u64,
    change: impl FnOnce(&mut Shape),
) -> Result<()> {
    let pipe = engine
        .segments
        .get_mut(segment)
        .and_then(|segment| segment.pipes.get_mut(pipe));
    let pipe = pipe.ok_or_else(|| anyhow!("no such line"))?;
    let mut shape = pipe.shape().clone();
    change(&mut shape);
    pipe.reshape(now, shape);
    Ok(())
}
