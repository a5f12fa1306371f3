//! The data loop: wait, take what came, let time pass, send what is due.

use super::lan::Lan;
use super::network::{self, MeshState, UplinkState};
use super::outlet::{Outlet, Road};
use super::pooling::Pooler;
use super::reload::Reload;
use super::sockets::{FIRST_TOKEN, Sent, Sockets};
use super::{Failure, because, complain, routing, status};
use crate::cli::Exit;
use crate::commands::{Loaded, load};
use crate::config::Config;
use crate::limits::{BLOCKS, RECV_BYTES, RECV_SLOTS, RX_FLOWS, SLOTS, TX_FLOWS};
use burstmesh_core::control::handshake::Credentials;
use burstmesh_core::data::pool::{Block, Slot};
use burstmesh_core::data::queue::TxFlow;
use burstmesh_core::data::resequence::RxFlow;
use burstmesh_core::data::tunnel::Memory;
use burstmesh_core::node::gateway::{self, ExitConfig, Gateway, MAX_EXITS, Route, UplinkConfig};
use burstmesh_core::node::job::{Anyone, Done, Task};
use burstmesh_core::node::{Outgoing, Via};
use burstmesh_core::time::{Duration, Instant};
use burstmesh_core::wire::control::MAX_UPLINKS;
use burstmesh_linux::netlink::{Monitor, Rtnl};
use burstmesh_linux::poll::{Events, Interest, Poll};
use burstmesh_linux::signal::{Signal, Signals};
use burstmesh_linux::tun::Tun;
use burstmesh_linux::udp::{RecvBatch, segmentation_works};
use burstmesh_linux::watchdog::Watchdog;
use burstmesh_linux::worker::{Owner, Worker};
use burstmesh_linux::{clock, control, debug, entropy, error, info, log, warn};
use heapless::Vec;
use static_cell::{ConstStaticCell, StaticCell};

static SLOT_MEMORY: ConstStaticCell<[Slot; SLOTS]> = ConstStaticCell::new([Slot::FREE; SLOTS]);
static BLOCK_MEMORY: ConstStaticCell<[Block; BLOCKS]> = ConstStaticCell::new([Block::FREE; BLOCKS]);
static TX_MEMORY: ConstStaticCell<[TxFlow; TX_FLOWS]> =
    ConstStaticCell::new([TxFlow::FREE; TX_FLOWS]);
static RX_MEMORY: ConstStaticCell<[RxFlow; RX_FLOWS]> =
    ConstStaticCell::new([RxFlow::FREE; RX_FLOWS]);
static RECV_MEMORY: ConstStaticCell<Received> = ConstStaticCell::new(Received::new());
static GATEWAY: StaticCell<Gateway<'static>> = StaticCell::new();
static WORKER: Worker<Task, Done> = Worker::new();

const TUN: u32 = 0;
const SIGNALS: u32 = 1;
const MONITOR: u32 = 2;
const CONTROL: u32 = 3;
const WORK: u32 = 4;

/// What comes in: datagrams glued by the kernel, or a large segment from the TUN.
type Received = RecvBatch<RECV_SLOTS, RECV_BYTES>;
/// Packets taken from the TUN in one round, so that sending gets its turn. A large segment is about as many: then nobody
/// looks in vain whether there are more.
const TUN_ROUND: usize = 40;
/// Batches taken from one socket in one round.
const SOCKET_ROUND: usize = 4;
/// The network is looked at this often even if the kernel reports nothing.
const LOOK: Duration = Duration::from_secs(5);
/// So many refusals between two looks are worth a line in the log, at most once in [`TELL`].
const MANY: u32 = 100;
const TELL: Duration = Duration::from_secs(60);
const BEAT: Duration = Duration::from_millis(200);

/// Asymmetric cryptography, on the worker's thread.
fn work(task: Task) -> Done {
    task.run(&mut Anyone)
}

/// The kernel's ends that the daemon holds.
pub struct Parts {
    pub server: control::Server,
    pub watchdog: Watchdog,
    pub signals: Signals,
    pub rtnl: Rtnl,
    pub tun: Tun,
    pub monitor: Monitor,
    pub poll: Poll,
}

/// Everything at run time.
pub struct Engine {
    parts: Parts,
    config: &'static mut Config,
    gateway: &'static mut Gateway<'static>,
    road: Road,
    lan: Lan,
    recv: &'static mut Received,
    worker: Owner<Task, Done>,
    pooler: Pooler,
    uplinks: Vec<UplinkState, MAX_UPLINKS>,
    meshes: Vec<MeshState, 4>,
    look_at: Instant,
    beat_at: Instant,
    started: Instant,
    /// Refusals at the last look, and when they were last worth a line in the log.
    refused: (u32, Option<Instant>),
    stopping: Option<Exit>,
    reload: bool,
}

impl Engine {
    pub fn new(
        config: &'static mut Config,
        credentials: Credentials,
        epoch: u64,
        parts: Parts,
    ) -> Result<Self, Failure> {
        let now = clock::now();
        let mut seed = [0; 32];
        entropy::fill(&mut seed).map_err(|e| because("entropy", e))?;
        let memory = Memory {
            slots: SLOT_MEMORY.take(),
            blocks: BLOCK_MEMORY.take(),
            tx_flows: TX_MEMORY.take(),
            rx_flows: RX_MEMORY.take(),
        };
        let gateway = GATEWAY.init_with(|| {
            Gateway::new(
                now,
                gateway_config(config, credentials, epoch, seed),
                memory,
            )
        });
        let worker = WORKER.start(work, 5).map_err(|e| because("worker", e))?;
        let pairs = [
            (parts.tun.fd(), TUN),
            (parts.signals.fd(), SIGNALS),
            (parts.monitor.fd(), MONITOR),
            (parts.server.fd(), CONTROL),
            (worker.fd(), WORK),
        ];
        for (fd, token) in pairs {
            parts
                .poll
                .add(fd, token, Interest::Read)
                .map_err(|e| because("poll", e))?;
        }
        info!("node {}", gateway.node_id());
        Ok(Self {
            road: Road::new(Sockets::new(segmentation_works()), &parts.tun),
            parts,
            config,
            gateway,
            lan: Lan::default(),
            recv: RECV_MEMORY.take(),
            worker,
            pooler: Pooler::default(),
            uplinks: Vec::new(),
            meshes: Vec::new(),
            look_at: now,
            beat_at: now,
            started: now,
            refused: (0, None),
            stopping: None,
            reload: false,
        })
    }

    /// Runs until a signal says stop.
    pub fn serve(&mut self, config_path: &str) -> Exit {
        let mut events = Events::<32>::new();
        loop {
            let now = clock::now();
            if now >= self.look_at {
                self.look(now);
            }
            self.pass_time(now);
            self.transmit(now);
            self.give_work(now);
            self.beat(now);
            if let Some(exit) = self.stopping {
                return exit;
            }
            if core::mem::take(&mut self.reload) {
                self.reload(config_path);
            }
            let next = self
                .gateway
                .poll_timeout(now)
                .min(self.look_at)
                .min(self.beat_at);
            if let Err(error) = self.parts.poll.wait(&mut events, Some(next.since(now))) {
                warn!("{error}");
            }
            let now = clock::now();
            for event in events.iter() {
                self.handle(now, event.token);
            }
        }
    }

    fn handle(&mut self, now: Instant, token: u32) {
        match token {
            TUN => self.read_tun(now),
            SIGNALS => self.handle_signals(),
            MONITOR => {
                if self.parts.monitor.drain().is_ok_and(|c| c.any()) {
                    // Changes come in flocks: look when they have settled.
                    self.look_at = self.look_at.min(now + Duration::from_millis(50));
                }
            }
            CONTROL => {
                let view = status::View {
                    gateway: self.gateway,
                    config: self.config,
                    now,
                    started: self.started,
                    applied: self.pooler.applied(),
                    uplinks: &self.uplinks,
                    tun: &self.parts.tun,
                    road: &self.road,
                };
                let served = self
                    .parts
                    .server
                    .serve(|line, out| match line.trim_ascii() {
                        "log" => log::recent(|bytes| out.write(bytes)),
                        line => status::answer(&view, line, out),
                    });
                if let Err(error) = served {
                    debug!("control socket: {error}");
                }
            }
            WORK => {
                while let Some(done) = self.worker.poll() {
                    self.gateway.handle_done(now, done);
                }
            }
            socket => self.read_socket(now, socket.wrapping_sub(FIRST_TOKEN) as usize),
        }
    }

    fn handle_signals(&mut self) {
        while let Some(signal) = self.parts.signals.next() {
            match signal {
                Signal::Stop => self.stopping = Some(Exit::Success),
                Signal::Reload => self.reload = true,
                Signal::Dump => log::set_level(log::Level::Debug),
            }
        }
    }

    fn read_tun(&mut self, now: Instant) {
        let mut left = TUN_ROUND;
        while left > 0 {
            let room = self.recv.scratch();
            let (len, offload) = match self.parts.tun.read(room) {
                Ok(Some(read)) => read,
                Ok(None) => return,
                Err(error) => {
                    error!("{}: {error}; somebody has taken it away", routing::TUN);
                    self.stopping = Some(Exit::Failure);
                    return;
                }
            };
            left = left.saturating_sub(offload.packets(len));
            let packet = room.get_mut(..len).unwrap_or_default();
            let mut out = outlet(&mut self.road, &self.parts, self.config);
            self.gateway.handle_large(now, packet, offload, &mut out);
        }
    }

    fn read_socket(&mut self, now: Instant, place: usize) {
        for _ in 0..SOCKET_ROUND {
            let Some(socket) = self.road.sockets.at(place) else {
                return;
            };
            let via = socket.via;
            let filled = match socket.udp.recv_batch(self.recv) {
                Ok(0) => return,
                Ok(filled) => filled,
                Err(error) => {
                    if error.is_unreachable() {
                        self.gateway.handle_unreachable(now, via);
                    }
                    continue;
                }
            };
            // Read after receiving: an arrival stamped too early would pass for a shorter line for many seconds, and
            // every later packet for one that waited in a queue.
            let now = clock::now();
            let mut out = outlet(&mut self.road, &self.parts, self.config);
            for d in self.recv.datagrams() {
                self.gateway
                    .handle_datagrams(now, via, d.from, d.bytes, d.segment_size, &mut out);
            }
            // With room to spare nothing more was there.
            if filled < RECV_SLOTS {
                return;
            }
        }
    }

    fn pass_time(&mut self, now: Instant) {
        let mut out = outlet(&mut self.road, &self.parts, self.config);
        self.gateway.handle_timeout(now, &mut out);
        // Also what the round before brought.
        out.flush();
        let (gateway, rtnl) = (&*self.gateway, &mut self.parts.rtnl);
        self.pooler
            .follow(now, gateway, rtnl, self.parts.tun.name());
    }

    fn transmit(&mut self, now: Instant) {
        while let Some(Outgoing {
            via,
            to,
            len,
            stride,
        }) = self.gateway.poll_transmit(now, self.road.send)
        {
            let run = self.road.send.get(..len).unwrap_or_default();
            if self
                .road
                .sockets
                .send(&self.parts.poll, self.config, via, to, run, stride)
                == Sent::Unreachable
            {
                self.gateway.handle_unreachable(now, via);
            }
        }
    }

    fn give_work(&mut self, now: Instant) {
        let fresh = |bytes: &mut [u8; 32]| {
            // Without entropy there must be no handshake; the kernel always has some once it is up.
            while entropy::fill(bytes).is_err() {}
        };
        while let Some(task) = self.gateway.poll_task(now, fresh) {
            if let Err(task) = self.worker.submit(task) {
                // The worker is behind: do this one here rather than lose it.
                self.gateway.handle_done(now, work(task));
            }
        }
    }

    fn beat(&mut self, now: Instant) {
        if now < self.beat_at {
            return;
        }
        self.beat_at = now + BEAT;
        match self.parts.watchdog.beat() {
            Ok(false) => {}
            Ok(true) => {
                warn!("was not answering for a while: clients went over the own line meanwhile");
                self.pooler.withdrawn();
            }
            Err(error) => {
                warn!("watchdog: {error}; starting another");
                if let Ok(w) = Watchdog::start(super::HANG, (), routing::withdraw) {
                    self.parts.watchdog = w;
                }
            }
        }
    }

    /// Junk is counted; a flood of it is worth one line now and then.
    fn tell_refusals(&mut self, now: Instant) {
        let (road, version, gate) = self.gateway.refusals();
        let total = road
            .total()
            .saturating_add(gate.bad_mac)
            .saturating_add(gate.malformed);
        let (before, told) = self.refused;
        self.refused.0 = total;
        if total.saturating_sub(before) > MANY && told.is_none_or(|t| now.since(t) > TELL) {
            self.refused.1 = Some(now);
            warn!(
                "{total} datagrams refused so far, {version} of another protocol version: see burstmesh status"
            );
        }
    }

    /// Where runs were found to be lost, nothing is handed over in one piece any more.
    fn stop_broken_runs(&self) {
        let link = self.gateway.link();
        let broken = link
            .tunnel()
            .paths()
            .filter(|(_, p)| p.runs().found_broken());
        for (at, _) in broken {
            if let Some(Route::Own { uplink, .. }) = link.route(at) {
                self.road.sockets.stop_runs(uplink);
            }
        }
    }

    /// Looks at uplinks and mesh interfaces, and tells the gateway what is new.
    fn look(&mut self, now: Instant) {
        self.look_at = now + LOOK;
        self.tell_refusals(now);
        self.lan.look(&mut self.parts.rtnl, self.config);
        self.stop_broken_runs();
        let uplinks = network::uplinks(&mut self.parts.rtnl, self.config);
        for (i, state) in uplinks.iter().enumerate() {
            let before = self.uplinks.get(i).copied().unwrap_or_default();
            if *state == before {
                continue;
            }
            let number = i as u8;
            self.road
                .sockets
                .close(&self.parts.poll, over_uplink(number));
            self.gateway.handle_uplink(now, number, state.up);
            let name = self.config.uplinks.get(i).map_or("", |u| u.ifname.as_str());
            info!(
                "uplink {name} {}",
                if state.up {
                    "has a way out"
                } else {
                    "has no way out"
                }
            );
        }
        self.uplinks = uplinks;
        let meshes = network::meshes(&mut self.parts.rtnl, self.config);
        for (i, state) in meshes.iter().enumerate() {
            let before = self.meshes.get(i).copied().unwrap_or_default();
            let Some(mesh) = self.config.meshes.get(i).filter(|_| *state != before) else {
                continue;
            };
            let number = i as u8;
            match state.index {
                Some(index) => {
                    match self.road.sockets.open_mesh(
                        &self.parts.poll,
                        number,
                        &mesh.ifname,
                        index,
                        mesh.port,
                    ) {
                        Ok(()) => info!("mesh on {}", mesh.ifname),
                        Err(error) => warn!("mesh on {}: {error}", mesh.ifname),
                    }
                    self.gateway.handle_mesh(now, number);
                }
                None => self
                    .road
                    .sockets
                    .close(&self.parts.poll, |via| via == Via::Mesh(number)),
            }
        }
        self.meshes = meshes;
    }

    /// A new configuration. What cannot change in a running agent is said, and what was there goes on.
    fn reload(&mut self, path: &str) {
        let Loaded::Good(new) = load(path, &mut complain) else {
            return warn!("{path} has errors: the settings from before stay in force");
        };
        let now = clock::now();
        let reload = Reload::new(self.config, new);
        if reload.needs_restart(self.config) {
            info!("the new settings need a restart: flows are cut once");
            self.stopping = Some(Exit::Failure);
            return;
        }
        log::set_level(super::level(reload.new.community.log_level));
        for uplink in reload.replaced_uplinks(self.config) {
            self.road
                .sockets
                .close(&self.parts.poll, over_uplink(uplink));
            self.gateway.replace_uplink(now, uplink);
            if let Some(state) = self.uplinks.get_mut(usize::from(uplink)) {
                *state = UplinkState::default();
            }
        }
        for mesh in reload.replaced_meshes(self.config) {
            self.road
                .sockets
                .close(&self.parts.poll, |via| via == Via::Mesh(mesh));
            if let Some(state) = self.meshes.get_mut(usize::from(mesh)) {
                *state = MeshState::default();
            }
        }
        let exits_moved = reload.exits_differ(self.config);
        *self.config = reload.new;
        if exits_moved {
            self.road
                .sockets
                .close(&self.parts.poll, |via| matches!(via, Via::Uplink { .. }));
            self.gateway.set_exits(now, exit_configs(self.config));
        }
        self.gateway.set_uplinks(now, &uplink_configs(self.config));
        let ports = self.config.meshes.iter().map(|m| m.port).collect();
        self.gateway.set_meshes(now, ports);
        if let Err(error) = routing::prepare(self.config) {
            warn!("firewall: {error}");
        }
        self.pooler.firewall_is_new();
        self.look_at = now;
        info!("settings reloaded");
    }

    /// Leaves the router as it was.
    pub fn stop(self) {
        let Self {
            mut parts,
            gateway,
            mut road,
            lan,
            config,
            ..
        } = self;
        let now = clock::now();
        gateway.leave();
        while let Some(o) = gateway.poll_transmit(now, road.send) {
            let _ = road.sockets.send(
                &parts.poll,
                config,
                o.via,
                o.to,
                road.send.get(..o.len).unwrap_or_default(),
                o.stride,
            );
        }
        routing::tear_down(&mut parts.rtnl);
        lan.restore();
        parts.watchdog.leave();
        info!("stopped");
    }
}

/// The sockets over an uplink.
fn over_uplink(number: u8) -> impl Fn(Via) -> bool {
    move |via| matches!(via, Via::Uplink { uplink, .. } if uplink == number)
}

fn uplink_config(u: &crate::config::Uplink) -> UplinkConfig {
    let kbit =
        |rate: crate::config::values::Rate| u32::try_from(rate.0 / 1_000).unwrap_or(u32::MAX);
    UplinkConfig {
        lend: u.lend,
        lend_up_kbit: kbit(u.lend_up),
        lend_down_kbit: kbit(u.lend_down),
    }
}

fn uplink_configs(config: &Config) -> Vec<UplinkConfig, MAX_UPLINKS> {
    config.uplinks.iter().map(uplink_config).collect()
}

fn exit_configs(config: &Config) -> Vec<ExitConfig, MAX_EXITS> {
    let exits = config.exits.iter();
    exits
        .map(|e| ExitConfig {
            key: e.key,
            addresses: e.addresses.clone(),
        })
        .collect()
}

fn gateway_config(
    config: &Config,
    credentials: Credentials,
    epoch: u64,
    seed: [u8; 32],
) -> gateway::Config {
    gateway::Config {
        credentials,
        epoch,
        exits: exit_configs(config),
        uplinks: uplink_configs(config),
        mesh_ports: config.meshes.iter().map(|m| m.port).collect(),
        seed,
    }
}

fn outlet<'a>(road: &'a mut Road, parts: &'a Parts, config: &'a Config) -> Outlet<'a> {
    Outlet {
        road,
        tun: &parts.tun,
        poll: &parts.poll,
        config,
    }
}
