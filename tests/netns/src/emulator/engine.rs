//! The thread that moves the frames: reads every TAP, runs the pipes, writes what is due.

use std::io::{Error, ErrorKind};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::counters::{Counters, Lateness};
use super::pipe::{Nanos, Output, Packet, Pipe, Refusal};
use super::switch::{MacTable, Target};
use super::tap::Tap;
use crate::sys;

/// Bytes of an Ethernet header, which a line's rate does not count.
const ETHERNET: usize = 14;
/// Room for one frame; interfaces of the lab have at most this MTU less the header.
const FRAME: usize = 2048;
/// Frames taken from one port before the others get their turn.
const READ_BATCH: usize = 64;
/// Two rounds begin at least this far apart, like a network card's interrupt moderation: it bounds both the
/// processor time of the emulator and the error it adds to a delay.
const ROUND: Nanos = 100_000;

/// Something done to the engine between two rounds.
pub(super) type Command = Box<dyn FnOnce(&mut Engine, Nanos) + Send>;

/// A frame in flight.
pub(super) struct Frame {
    buffer: Vec<u8>,
    target: Target,
}

/// One end of a line, or one station of a mesh.
pub(super) struct Port {
    pub(super) tap: Tap,
    pub(super) counters: Arc<Counters>,
    /// Neither sends nor hears, though its carrier is there.
    pub(super) silent: bool,
}

/// Ports and the pipes between them.
pub(super) struct Segment {
    pub(super) ports: Vec<Port>,
    /// Two for a line (one per sending port), one for a mesh.
    pub(super) pipes: Vec<Pipe<Frame>>,
    /// Only a mesh learns addresses.
    pub(super) table: Option<MacTable>,
}

pub(super) struct Engine {
    epoll: OwnedFd,
    wake: Arc<OwnedFd>,
    commands: Receiver<Command>,
    pub(super) segments: Vec<Segment>,
    lateness: Arc<Lateness>,
    pool: Vec<Vec<u8>>,
    stop: bool,
}

impl Engine {
    pub(super) fn new(
        wake: Arc<OwnedFd>,
        commands: Receiver<Command>,
        lateness: Arc<Lateness>,
    ) -> Result<Self> {
        // SAFETY: plain integer; the result is checked.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if epoll < 0 {
            return Err(Error::last_os_error()).context("epoll");
        }
        // SAFETY: just opened, owned by no one else.
        let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
        let engine = Self {
            epoll,
            wake,
            commands,
            segments: Vec::new(),
            lateness,
            pool: Vec::new(),
            stop: false,
        };
        engine.watch(engine.wake.as_raw_fd(), u64::MAX)?;
        Ok(engine)
    }

    /// Adds a segment and begins to carry; its index is `segments.len() - 1` afterwards.
    pub(super) fn add(&mut self, segment: Segment) -> Result<()> {
        let index = self.segments.len() as u64;
        for (port, end) in segment.ports.iter().enumerate() {
            self.watch(end.tap.fd(), index << 32 | port as u64)?;
        }
        self.segments.push(segment);
        Ok(())
    }

    /// Ends the loop after this round.
    pub(super) fn stop(&mut self) {
        self.stop = true;
    }

    pub(super) fn run(mut self) {
        sys::prefer_this_thread();
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 64];
        while !self.stop {
            let begun = sys::monotonic();
            let ready = self.wait(&mut events, begun);
            for event in events.get(..ready).unwrap_or_default() {
                self.handle(event.u64);
            }
            self.deliver();
            let spent = sys::monotonic() - begun;
            if ready > 0 && spent < ROUND {
                std::thread::sleep(Duration::from_nanos(ROUND - spent));
            }
        }
    }

    /// Waits for frames, a command or the next deadline; gives the number of events.
    fn wait(&self, events: &mut [libc::epoll_event], now: Nanos) -> usize {
        let deadline = self
            .segments
            .iter()
            .flat_map(|segment| &segment.pipes)
            .filter_map(Pipe::deadline)
            .min();
        let left = deadline.map(|deadline| deadline.saturating_sub(now));
        let timeout = left.map(|left| libc::timespec {
            tv_sec: (left / 1_000_000_000) as libc::time_t,
            tv_nsec: (left % 1_000_000_000) as libc::c_long,
        });
        let timeout = timeout
            .as_ref()
            .map_or(std::ptr::null(), std::ptr::from_ref);
        let room = events.len() as libc::c_int;
        // SAFETY: the pointers describe `events` and `timeout`, alive during the call; no signal mask.
        let ready = unsafe {
            libc::epoll_pwait2(
                self.epoll.as_raw_fd(),
                events.as_mut_ptr(),
                room,
                timeout,
                std::ptr::null(),
            )
        };
        usize::try_from(ready).unwrap_or(0)
    }

    fn handle(&mut self, token: u64) {
        if token == u64::MAX {
            return self.run_commands();
        }
        let (segment, port) = ((token >> 32) as usize, (token & 0xffff_ffff) as usize);
        if let Some(segment) = self.segments.get_mut(segment) {
            segment.take_in(port, &mut self.pool);
        }
    }

    fn run_commands(&mut self) {
        let mut count = 0u64;
        // SAFETY: reads eight bytes into an eight-byte integer.
        unsafe { libc::read(self.wake.as_raw_fd(), (&raw mut count).cast(), 8) };
        loop {
            match self.commands.try_recv() {
                Ok(command) => command(self, sys::monotonic()),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => return self.stop(),
            }
        }
    }

    fn deliver(&mut self) {
        let now = sys::monotonic();
        for segment in &mut self.segments {
            segment.give_out(now, &self.lateness, &mut self.pool);
        }
    }

    fn watch(&self, fd: RawFd, token: u64) -> Result<()> {
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: token,
        };
        // SAFETY: `event` is valid for the call; the descriptor is open.
        let result = unsafe {
            libc::epoll_ctl(
                self.epoll.as_raw_fd(),
                libc::EPOLL_CTL_ADD,
                fd,
                &raw mut event,
            )
        };
        if result < 0 {
            Err(Error::last_os_error()).context("epoll_ctl")
        } else {
            Ok(())
        }
    }
}

impl Segment {
    /// Reads the frames that a port's namespace has sent.
    fn take_in(&mut self, port: usize, pool: &mut Vec<Vec<u8>>) {
        let Some(end) = self.ports.get(port) else {
            return;
        };
        // A line's two directions are two pipes of one sender; a mesh is one pipe of many.
        let (pipe, sender) = if self.table.is_some() {
            (0, port)
        } else {
            (port, 0)
        };
        let Some(pipe) = self.pipes.get_mut(pipe) else {
            return;
        };
        for _ in 0..READ_BATCH {
            let mut buffer = pool.pop().unwrap_or_default();
            buffer.resize(FRAME, 0);
            let Some(length) = end.tap.receive(&mut buffer) else {
                pool.push(buffer);
                return;
            };
            buffer.truncate(length);
            let bytes = length.saturating_sub(ETHERNET) as u32;
            end.counters.offered.add(bytes);
            let target = match &mut self.table {
                Some(table) => table.route(port, &buffer).unwrap_or(Target::Everyone),
                None => Target::Station(1 - port),
            };
            let frame = Frame { buffer, target };
            let result = if end.silent {
                Err((Refusal::Silent, frame))
            } else {
                pipe.offer(sys::monotonic(), sender, bytes, frame)
            };
            if let Err((refusal, frame)) = result {
                let tally = match refusal {
                    Refusal::QueueFull => &end.counters.queue_full,
                    Refusal::Silent => &end.counters.silenced,
                    Refusal::TooLarge => &end.counters.too_large,
                };
                tally.add(bytes);
                pool.push(frame.buffer);
            }
        }
    }

    /// Writes the frames that are due.
    fn give_out(&mut self, now: Nanos, lateness: &Lateness, pool: &mut Vec<Vec<u8>>) {
        for (index, pipe) in self.pipes.iter_mut().enumerate() {
            while let Some(output) = pipe.poll(now) {
                let (packet, due) = match output {
                    Output::Arrived { packet, due } => (packet, Some(due)),
                    Output::Lost(packet) => (packet, None),
                };
                let sender = if self.table.is_some() {
                    packet.sender
                } else {
                    index
                };
                let Some(from) = self.ports.get(sender) else {
                    continue;
                };
                if let Some(due) = due {
                    lateness.add(now - due);
                    from.counters.delivered.add(packet.bytes);
                    transmit(&self.ports, sender, &packet);
                } else {
                    from.counters.lost.add(packet.bytes);
                }
                pool.push(packet.item.buffer);
            }
        }
    }
}

fn transmit(ports: &[Port], sender: usize, packet: &Packet<Frame>) {
    match packet.item.target {
        Target::Station(station) => {
            if let Some(port) = ports.get(station).filter(|port| !port.silent) {
                port.tap.send(&packet.item.buffer);
            }
        }
        Target::Everyone => {
            for (_, port) in ports
                .iter()
                .enumerate()
                .filter(|(index, port)| *index != sender && !port.silent)
            {
                port.tap.send(&packet.item.buffer);
            }
        }
    }
}

/// An eventfd to wake the engine's thread with.
pub(super) fn waker() -> Result<OwnedFd> {
    // SAFETY: plain integers; the result is checked.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(Error::last_os_error()).context("eventfd");
    }
    // SAFETY: just opened, owned by no one else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Wakes the engine's thread.
pub(super) fn wake(waker: &OwnedFd) {
    let one = 1u64;
    loop {
        // SAFETY: writes eight bytes from an eight-byte integer.
        let written = unsafe { libc::write(waker.as_raw_fd(), (&raw const one).cast(), 8) };
        if written >= 0 || Error::last_os_error().kind() != ErrorKind::Interrupted {
            return;
        }
    }
}
