//! The data thread's loop.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;

use anyhow::{Context, Result};
use burstmesh_core::control::cookie::Budget;
use burstmesh_core::identity::CommunityId;
use burstmesh_core::node::exit::{Exit, Output};
use burstmesh_core::node::{Outgoing, Via};
use burstmesh_core::time::{Duration, Instant};
use burstmesh_linux::poll::{Events, Interest, Poll};
use burstmesh_linux::tun::Tun;
use burstmesh_linux::udp::{Options, RecvBatch, UdpSocket};
use burstmesh_linux::{clock, entropy};

use super::worker::{INNER_MTU, Worker};
use super::{Engine, memory, publish};

const TUN: u32 = 0;
const WAKE: u32 = 1;
const FIRST_LISTENER: u32 = 2;
/// Packets taken from the TUN in one round, so that sending gets its turn.
const TUN_ROUND: usize = 96;
/// Batches taken from one socket in one round.
const SOCKET_ROUND: usize = 4;
const SOCKET_BUFFER: u32 = 4 << 20;
const PUBLISH: Duration = Duration::from_secs(1);

/// Everything the loop holds.
pub struct Server {
    engine: Engine,
    exit: Exit<'static>,
    listeners: Vec<UdpSocket>,
    poll: Poll,
    worker: Worker,
    wake: UnixDatagram,
    names: HashMap<CommunityId, String>,
    leases: HashMap<IpAddr, usize>,
    unknown_lease: u64,
    send: Vec<u8>,
    recv: Box<RecvBatch>,
    publish_at: Instant,
}

impl Server {
    /// Binds the addresses and starts the handshake thread.
    pub fn new(engine: Engine) -> Result<Self> {
        let mut seed = [0; 32];
        entropy::fill(&mut seed).map_err(|e| anyhow::anyhow!("entropy: {e}"))?;
        let poll = Poll::new().map_err(|e| anyhow::anyhow!("poll: {e}"))?;
        let (wake, waker) = UnixDatagram::pair().context("wake-up socket")?;
        wake.set_nonblocking(true)?;
        waker.set_nonblocking(true)?;
        let waker = Arc::new(waker);
        let ring = |waker: &Arc<UnixDatagram>| {
            let waker = waker.clone();
            move || {
                // Full is fine: it is awake already.
                let _ = waker.send(&[1]);
            }
        };
        engine.lifecycle.on_change(ring(&waker));
        let worker = Worker::start(engine.leases.clone(), engine.dns.clone(), ring(&waker))?;
        let listeners = engine.listen.iter().map(|a| listen(*a)).collect::<Result<Vec<_>>>()?;
        let add = |fd: &burstmesh_linux::fd::Fd, token| {
            poll.add(fd, token, Interest::Read).map_err(|e| anyhow::anyhow!("poll: {e}"))
        };
        add(engine.tun.fd(), TUN)?;
        for (i, socket) in listeners.iter().enumerate() {
            add(socket.fd(), FIRST_LISTENER + i as u32)?;
        }
        poll.add_raw(wake.as_raw_fd(), WAKE, Interest::Read).map_err(|e| anyhow::anyhow!("poll: {e}"))?;
        crate::tun::set_mtu(engine.tun.name(), u32::from(INNER_MTU))?;
        Ok(Self {
            exit: Exit::new(engine.identity.clone(), memory::seats(), memory::for_a_seat, seed),
            engine,
            listeners,
            poll,
            worker,
            wake,
            names: HashMap::new(),
            leases: HashMap::new(),
            unknown_lease: 0,
            send: vec![0; 64 * 1024],
            recv: Box::new(RecvBatch::new()),
            publish_at: clock::now(),
        })
    }

    /// Serves until told to stop.
    pub fn run(mut self) -> Result<()> {
        self.follow_communities()?;
        self.engine.lifecycle.ready();
        let mut events = Events::<32>::new();
        while !self.engine.lifecycle.stopping() {
            let now = clock::now();
            if self.engine.lifecycle.take_reload()
                && let Err(error) = self.follow_communities()
            {
                tracing::error!("communities: {error:#}; those from before are served");
            }
            if now >= self.publish_at {
                self.publish(now);
            }
            self.exit.handle_timeout(now, &mut ToTun(&self.engine.tun));
            self.transmit(now);
            while let Some(task) = self.exit.poll_task(fresh) {
                self.worker.give(task);
            }
            let next = self.exit.poll_timeout(now).min(self.publish_at);
            if let Err(error) = self.poll.wait(&mut events, Some(next.since(now))) {
                tracing::warn!("{error}");
            }
            let now = clock::now();
            for event in events.iter() {
                match event.token {
                    TUN => self.read_tun(now),
                    WAKE => self.wake_up(now),
                    listener => self.read_listener(now, (listener - FIRST_LISTENER) as usize),
                }
            }
        }
        Ok(())
    }

    /// Serves the communities of the store, and ends what was removed from it.
    fn follow_communities(&mut self) -> Result<()> {
        let now = clock::now();
        let served = self.engine.leases.communities()?;
        let gone: Vec<_> =
            self.names.keys().filter(|id| !served.iter().any(|s| s.keys.id == **id)).copied().collect();
        for id in gone {
            self.exit.withdraw(id);
            self.names.remove(&id);
        }
        for s in served {
            for member in &s.revoked {
                self.exit.end(s.keys.id, member);
            }
            self.names.insert(s.keys.id, s.name.clone());
            if self.exit.serve(now, s.keys, Budget::SERVER).is_err() {
                tracing::error!("community {}: too many communities for one exit", s.name);
            }
        }
        self.follow_leases();
        Ok(())
    }

    fn follow_leases(&mut self) {
        self.leases.clear();
        for (seat, _, session) in self.exit.seats() {
            self.leases.insert(Ipv4Addr::from(session.lease.ipv4).into(), seat);
            self.leases.insert(Ipv6Addr::from(session.lease.ipv6).into(), seat);
        }
    }

    fn wake_up(&mut self, now: Instant) {
        let mut bell = [0; 64];
        while self.wake.recv(&mut bell).is_ok() {}
        while let Some(done) = self.worker.take() {
            if let Some(seat) = self.exit.handle_done(now, done) {
                self.follow_leases();
                if let Some((_, _, s)) = self.exit.seats().find(|(i, _, _)| *i == seat).filter(|(_, _, s)| s.handshakes == 1) {
                    let name = self.names.get(&s.community).map_or("", String::as_str);
                    tracing::info!("{name}: member {} has a session", s.key.node_id());
                }
            }
        }
    }

    fn read_tun(&mut self, now: Instant) {
        let mut packet = [0; 2048];
        for _ in 0..TUN_ROUND {
            let Ok(Some(len)) = self.engine.tun.read(&mut packet) else { return };
            let Some(packet) = packet.get_mut(..len) else { return };
            match destination(packet).and_then(|to| self.leases.get(&to)) {
                Some(seat) => self.exit.handle_inner(now, *seat, packet, &mut ToTun(&self.engine.tun)),
                None => self.unknown_lease += 1,
            }
        }
    }

    fn read_listener(&mut self, now: Instant, listener: usize) {
        for _ in 0..SOCKET_ROUND {
            let Some(socket) = self.listeners.get(listener) else { return };
            // Errors here are the network's answers about single datagrams (ICMP): the next one is read.
            match socket.recv_batch(&mut self.recv) {
                Ok(0) => return,
                Ok(_) => {}
                Err(_) => continue,
            }
            for d in self.recv.datagrams() {
                let stride = if d.segment_size == 0 { d.bytes.len() } else { d.segment_size };
                let via = Via::Listener(listener as u8);
                self.exit.handle_datagrams(now, via, d.from, d.bytes, stride, &mut ToTun(&self.engine.tun));
            }
        }
    }

    fn transmit(&mut self, now: Instant) {
        while let Some(Outgoing { via, to, len, stride }) = self.exit.poll_transmit(now, &mut self.send) {
            let Via::Listener(i) = via else { continue };
            if let (Some(socket), Some(run)) = (self.listeners.get(usize::from(i)), self.send.get(..len)) {
                // What cannot be sent is lost, and repaired like any other loss.
                let _ = socket.send_run(run, stride, to);
            }
        }
    }

    fn publish(&mut self, now: Instant) {
        self.publish_at = now + PUBLISH;
        let members = publish::members(&self.exit, &self.names, now);
        self.engine.board.publish(members, publish::refusals(&self.exit, self.unknown_lease));
        self.engine.lifecycle.alive();
    }
}

fn listen(address: std::net::SocketAddr) -> Result<UdpSocket> {
    let options = Options {
        v6_only: true,
        receive_buffer: SOCKET_BUFFER,
        send_buffer: SOCKET_BUFFER,
        ..Options::default()
    };
    UdpSocket::bind(address, &options).map_err(|e| anyhow::anyhow!("cannot listen on {address}: {e}"))
}

fn fresh(bytes: &mut [u8; 32]) {
    // Without entropy there must be no handshake; the kernel always has some once it is up.
    while entropy::fill(bytes).is_err() {}
}

/// The destination address of a packet.
fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(packet.get(16..20)?).ok()?)),
        6 => Some(IpAddr::from(<[u8; 16]>::try_from(packet.get(24..40)?).ok()?)),
        _ => None,
    }
}

struct ToTun<'a>(&'a Tun);

impl Output for ToTun<'_> {
    fn deliver(&mut self, _: usize, packet: &[u8]) {
        // A full device queue drops; the flow's own congestion control answers to that.
        let _ = self.0.write(packet);
    }
}
