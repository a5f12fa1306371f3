//! The data thread's loop.

use std::collections::HashMap;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;

use anyhow::{Context, Result};
use burstmesh_core::control::cookie::Budget;
use burstmesh_core::identity::CommunityId;
use burstmesh_core::node::alarm::Alarm;
use burstmesh_core::node::exit::Exit;
use burstmesh_core::node::job::Done;
use burstmesh_core::time::{Duration, Instant};
use burstmesh_linux::poll::{Events, Interest, Poll};
use burstmesh_linux::rest::Rest;
use burstmesh_linux::{clock, entropy};

use super::inside::Inside;
use super::members::Members;
use super::sockets::Sockets;
use super::worker::{Answer, INNER_MTU, Worker};
use super::{Engine, Plan, memory, publish};
use crate::leases::{Served, unix};
use crate::lifecycle::Lifecycle;
use crate::status::{Board, Seats};

const TUN: u32 = 0;
const WAKE: u32 = 1;
const FIRST_LISTENER: u32 = 2;
const PUBLISH: Duration = Duration::from_secs(1);
/// No more often is it said that all seats are taken.
const SAY_FULL: Duration = Duration::from_secs(60);
/// Longest run of datagrams, with room to spare.
const SEND_ROOM: usize = 64 * 1024;
/// The core holds 64 handshakes that wait: cookies are asked for before that is full.
const BUDGET: Budget = Budget {
    waiting: 16,
    ..Budget::SERVER
};

/// Everything the loop holds.
pub struct Server {
    exit: Exit<'static>,
    inside: Inside,
    members: Members,
    sockets: Sockets,
    worker: Worker,
    poll: Poll,
    rest: Rest,
    /// Rung by other threads.
    bell: UnixDatagram,
    board: Arc<Board>,
    lifecycle: Arc<Lifecycle>,
    names: HashMap<CommunityId, String>,
    room: Vec<u8>,
    publish_at: Instant,
    plan: Plan,
    /// Strangers' junk.
    refused: Alarm,
    /// When it was said last that there is no seat.
    full_said: Option<Instant>,
}

impl Server {
    /// Binds the addresses, starts the handshake thread, and serves the communities of now.
    pub fn new(engine: Engine) -> Result<Self> {
        let plan = engine.plan;
        let mut seed = [0; 32];
        entropy::fill(&mut seed)?;
        crate::tun::set_mtu(engine.tun.name(), u32::from(INNER_MTU))?;
        let sockets = Sockets::bind(&engine.listen)?;
        let (bell, ringer) = UnixDatagram::pair().context("a pair of sockets")?;
        bell.set_nonblocking(true)?;
        ringer.set_nonblocking(true)?;
        let ringer = Arc::new(ringer);
        let ring = || {
            let ringer = ringer.clone();
            // No room: it rings already.
            move || drop(ringer.send(&[1]))
        };
        engine.lifecycle.on_change(ring());
        let worker = Worker::start(engine.leases.clone(), engine.dns, ring())?;
        let poll = Poll::new()?;
        poll.add(engine.tun.fd(), TUN, Interest::Read)?;
        poll.add_raw(bell.as_raw_fd(), WAKE, Interest::Read)?;
        for (fd, token) in sockets.fds().zip(FIRST_LISTENER..) {
            poll.add(fd, token, Interest::Read)?;
        }
        let exit = Exit::new(
            engine.identity,
            memory::seats(plan.seats),
            plan.memory,
            seed,
        );
        let mut ports = [0; 8];
        entropy::fill(&mut ports)?;
        let mut server = Self {
            members: Members::new(clock::now(), exit.node_id(), u64::from_ne_bytes(ports)),
            exit,
            plan,
            refused: Alarm::default(),
            full_said: None,
            inside: Inside::new(engine.tun, plan.seats),
            sockets,
            worker,
            poll,
            rest: Rest::new(clock::now()),
            bell,
            board: engine.board,
            lifecycle: engine.lifecycle,
            names: HashMap::new(),
            room: vec![0; SEND_ROOM],
            publish_at: clock::now(),
        };
        server.serve(clock::now(), engine.leases.communities()?);
        Ok(server)
    }

    /// Serves until told to stop.
    pub fn run(mut self) -> Result<()> {
        self.lifecycle.ready();
        let mut events = Events::<32>::new();
        while !self.lifecycle.stopping() {
            let now = clock::now();
            if self.lifecycle.take_reload() {
                self.worker.communities();
            }
            if now >= self.publish_at {
                self.publish(now);
            }
            if self.rest.is_over(now) {
                self.read_inside(now)?;
            }
            self.exit.handle_timeout(now, &mut self.inside);
            // Also what the round before brought.
            self.inside.flush();
            let (exit, room) = (&mut self.exit, &mut self.room);
            self.members
                .meet(now, exit, &mut self.inside, &mut self.sockets, room);
            self.sockets.transmit(now, &mut self.exit, &mut self.room);
            self.hand_out()?;
            let next = self.exit.poll_timeout(now).min(self.publish_at);
            let next = next.min(self.rest.poll_timeout());
            let next = next.min(self.members.poll_timeout());
            self.poll
                .wait(&mut events, Some(next.since(clock::now())))?;
            let now = clock::now();
            for event in events.iter() {
                match event.token {
                    TUN => self.read_inside(now)?,
                    WAKE => self.collect(now)?,
                    token => {
                        let at = (token - FIRST_LISTENER) as usize;
                        self.sockets.receive(at, &mut self.exit, &mut self.inside);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes what the Internet has sent.
    fn read_inside(&mut self, now: Instant) -> Result<()> {
        let found = self.inside.read(now, &mut self.exit)?;
        let fd = (self.inside.fd(), TUN);
        Ok(self.rest.looked(now, found, &self.poll, fd)?)
    }

    /// Gives waiting handshakes to the thread.
    fn hand_out(&mut self) -> Result<()> {
        while self.worker.has_room() {
            let mut failed = None;
            let fresh = |bytes: &mut [u8; 32]| failed = entropy::fill(bytes).err();
            let Some(task) = self.exit.poll_task(fresh) else {
                break;
            };
            // A key that was not drawn must not be used.
            failed.map_or(Ok(()), Err)?;
            self.worker.handshake(task);
        }
        Ok(())
    }

    /// Takes what the thread has done.
    fn collect(&mut self, now: Instant) -> Result<()> {
        while self.bell.recv(&mut [0; 8]).is_ok() {}
        while let Some(answer) = self.worker.take()? {
            match answer {
                Answer::Handshake(done) => self.done(now, *done),
                Answer::Communities(Ok(served)) => self.serve(now, served),
                Answer::Communities(Err(error)) => {
                    tracing::error!("{error}; the communities of before are served");
                }
            }
        }
        Ok(())
    }

    fn done(&mut self, now: Instant, done: Done) {
        let Some(seat) = self.exit.handle_done(now, done) else {
            self.take_news();
            return self.say_if_full(now);
        };
        let Some((_, _, session)) = self.exit.seats().find(|(at, _, _)| *at == seat) else {
            return;
        };
        let lease = session.lease;
        if session.handshakes == 1 {
            self.inside.begin(seat);
            let community = self.names.get(&session.community);
            tracing::info!(
                community = community.map_or("", String::as_str),
                member = %session.key.node_id(),
                "session begins"
            );
        }
        // A lease that was freed and given away again before its old session ended: the store's word is the later one.
        self.exit
            .end_where(|at, s| at != seat && s.lease.ipv4 == lease.ipv4);
        self.inside.lease(seat, &lease);
    }

    /// A member may have brought a newer list of removed members.
    fn take_news(&mut self) {
        while let Some((community, list)) = self.exit.take_news() {
            tracing::info!(
                community = self.names.get(&community).map_or("", String::as_str),
                "list {} of removed members, {} of them",
                list.number(),
                list.nodes().count()
            );
            self.worker.keep(community, list);
        }
    }

    /// A handshake led to nothing: for want of a seat?
    fn say_if_full(&mut self, now: Instant) {
        let lately = self.full_said.is_some_and(|at| now.since(at) < SAY_FULL);
        if self.exit.is_full() && !lately {
            self.full_said = Some(now);
            tracing::warn!(
                "somebody is turned away: all {} seats are taken; see [limits], and `member list` for who is here",
                self.plan.seats
            );
        }
    }

    /// Serves these communities, and ends what was served and is not in the list.
    fn serve(&mut self, now: Instant, served: Vec<Served>) {
        let names: HashMap<_, _> = served.iter().map(|s| (s.keys.id, s.name.clone())).collect();
        for gone in self.names.keys().filter(|id| !names.contains_key(id)) {
            self.exit.withdraw(*gone);
        }
        self.names = names;
        for community in served {
            // Removed and forgotten members alike: what is no member has no session.
            self.exit.end_where(|_, s| {
                s.community == community.keys.id && !community.members.contains(&s.key)
            });
            let id = community.keys.id;
            if self.exit.serve(now, community.keys, BUDGET).is_err() {
                tracing::error!(
                    community = community.name,
                    "not served: one exit serves at most {} communities",
                    burstmesh_core::node::exit::MAX_COMMUNITIES
                );
            }
            self.exit.set_rates(now, id, community.rates);
            let list = community.revocations.as_ref();
            self.exit.set_admission(id, community.admin, list, unix());
        }
        self.inside.keep(&self.exit);
        // A removed member is gone from the status at once.
        self.publish_at = now;
    }

    fn publish(&mut self, now: Instant) {
        self.publish_at = now + PUBLISH;
        self.inside.keep(&self.exit);
        self.exit.set_time(unix());
        let (refused, version) = publish::refused(&self.exit);
        if self.refused.look(now, refused) {
            tracing::warn!(
                "{refused} datagrams refused so far, {version} of another protocol version: see burstmesh-proxy status"
            );
        }
        let members = publish::members(&self.exit, &self.names, &self.inside, now);
        let refusals = publish::refusals(&self.exit, self.inside.drops(), self.sockets.drops());
        let seats = Seats {
            taken: members.len(),
            most: self.plan.seats,
            memory_bytes: self.plan.seat_bytes * self.exit.seats_kept() as u64,
            memory_most_bytes: self.plan.seat_bytes * self.plan.seats as u64,
        };
        self.board.publish(members, refusals, seats);
        self.lifecycle.alive();
    }
}
