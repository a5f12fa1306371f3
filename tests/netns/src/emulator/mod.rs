//! A seeded link emulator: lines and mesh segments between namespaces, in one thread of the test's own process.
//!
//! The host kernel has no netem. A line here is two TAP devices and a [`pipe::Pipe`] per direction; a mesh is one
//! TAP per station and one pipe for the air they share. The logic is pure and tested on virtual time (`pipe.rs`,
//! `switch.rs`); the thread (`engine.rs`) only moves bytes. Everything may be changed while packets fly.

mod control;
mod counters;
mod engine;
pub mod pipe;
pub(crate) mod rng;
pub mod switch;
mod tap;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, anyhow};

pub use control::{Line, Mesh, Way};
pub use counters::{Count, LatenessReading, Traffic};
pub use pipe::Shape;

use counters::{Counters, Lateness};
use engine::{Command, Engine, Port, Segment};
use tap::Tap;

/// Where a TAP of the emulator goes.
#[derive(Debug)]
pub struct Socket<'a> {
    /// The open network namespace.
    pub netns: &'a File,
    /// The interface's name in it.
    pub interface: &'a str,
    /// Its hardware address.
    pub mac: [u8; 6],
}

/// The running emulator; dropping it takes its interfaces away.
pub struct Emulator {
    remote: Remote,
    seed: u64,
    streams: u64,
    lateness: Arc<Lateness>,
    thread: Option<JoinHandle<()>>,
}

impl Emulator {
    /// Starts the thread; `seed` fixes every loss and every jitter.
    pub fn start(seed: u64) -> Result<Self> {
        let waker = Arc::new(engine::waker()?);
        let (sender, receiver) = channel();
        let lateness = Arc::new(Lateness::new());
        let engine = Engine::new(Arc::clone(&waker), receiver, Arc::clone(&lateness))?;
        let thread = std::thread::Builder::new()
            .name("link-emulator".into())
            .spawn(move || engine.run())?;
        let remote = Remote {
            waker,
            commands: Arc::new(Mutex::new(sender)),
        };
        Ok(Self {
            remote,
            seed,
            streams: 0,
            lateness,
            thread: Some(thread),
        })
    }

    /// Makes a line; `up` is the direction from `near` to `far`.
    pub fn add_line(
        &mut self,
        near: &Socket<'_>,
        far: &Socket<'_>,
        up: Shape,
        down: Shape,
    ) -> Result<Line> {
        let ports = [Self::port(near)?, Self::port(far)?];
        let counters = [
            Arc::clone(&ports[0].counters),
            Arc::clone(&ports[1].counters),
        ];
        let pipes = vec![self.pipe(up, 1), self.pipe(down, 1)];
        let segment = self.add(Segment {
            ports: ports.into(),
            pipes,
            table: None,
        })?;
        Ok(Line::new(self.remote.clone(), segment, counters))
    }

    /// Makes a mesh segment on which all stations share one medium of the given shape.
    pub fn add_mesh(&mut self, stations: &[Socket<'_>], shape: Shape) -> Result<Mesh> {
        let ports = stations
            .iter()
            .map(Self::port)
            .collect::<Result<Vec<_>>>()?;
        let counters = ports
            .iter()
            .map(|port| Arc::clone(&port.counters))
            .collect();
        let pipes = vec![self.pipe(shape, stations.len())];
        let segment = self.add(Segment {
            ports,
            pipes,
            table: Some(switch::MacTable::default()),
        })?;
        Ok(Mesh::new(self.remote.clone(), segment, counters))
    }

    /// How late packets have left so far: the emulator's own noise.
    pub fn lateness(&self) -> LatenessReading {
        self.lateness.read()
    }

    fn port(socket: &Socket<'_>) -> Result<Port> {
        let tap = Tap::create(socket.netns, socket.interface, socket.mac)?;
        Ok(Port {
            tap,
            counters: Arc::new(Counters::default()),
            silent: false,
        })
    }

    fn pipe(&mut self, shape: Shape, senders: usize) -> pipe::Pipe<engine::Frame> {
        self.streams += 1;
        pipe::Pipe::new(shape, senders, self.seed, self.streams)
    }

    fn add(&mut self, segment: Segment) -> Result<usize> {
        self.remote
            .ask(move |engine, _| engine.add(segment).map(|()| engine.segments.len() - 1))?
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // A dead thread has nothing left to stop.
        let _ = self.remote.ask(|engine, _| engine.stop());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A way to do something in the engine's thread and wait for the answer.
#[derive(Clone)]
pub(crate) struct Remote {
    waker: Arc<OwnedFd>,
    commands: Arc<Mutex<Sender<Command>>>,
}

impl Remote {
    fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Engine, u64) -> T + Send + 'static,
    ) -> Result<T> {
        let (sender, answer) = channel();
        let command: Command = Box::new(move |engine, now| drop(sender.send(work(engine, now))));
        let commands = self
            .commands
            .lock()
            .map_err(|_| anyhow!("another user of the emulator panicked"))?;
        commands
            .send(command)
            .map_err(|_| anyhow!("the emulator's thread is gone"))?;
        engine::wake(&self.waker);
        answer.recv().context("the emulator's thread is gone")
    }
}
