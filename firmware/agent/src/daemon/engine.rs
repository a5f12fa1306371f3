//! The data loop: wait, take what came, let time pass, send what is due.

mod arrivals;
mod errands;
mod household;
mod leave;
mod requests;
mod settings;

pub use requests::bus;

use super::accounts::Accounts;
use super::admission::Papers;
use super::community::Community;
use super::history::History;
use super::lan::Lan;
use super::lending::Lending;
use super::network::{self, MeshState, UplinkState};
use super::outlet::{Outlet, Road};
use super::pause::Pause;
use super::pooling::{Pooler, Tools};
use super::sockets::{Sent, Sockets};
use super::{Failure, because, refusing, routing};
use crate::cli::Exit;
use crate::config::Config;
use crate::limits::{BLOCKS, RECV_BYTES, RECV_SLOTS, RX_FLOWS, SLOTS, TX_FLOWS};
use burstmesh_core::control::handshake::Credentials;
use burstmesh_core::data::pieces::Pieces;
use burstmesh_core::data::pool::{Block, Slot};
use burstmesh_core::data::queue::TxFlow;
use burstmesh_core::data::resequence::RxFlow;
use burstmesh_core::data::tunnel::Memory;
use burstmesh_core::node::alarm::Alarm;
use burstmesh_core::node::gateway::{Gateway, Route};
use burstmesh_core::node::{Outgoing, Via};
use burstmesh_core::time::{Duration, Instant};
use burstmesh_core::wire::control::MAX_UPLINKS;
use burstmesh_linux::netlink::{Monitor, Rtnl};
use burstmesh_linux::poll::{Events, Interest, Poll};
use burstmesh_linux::rest::{Look, Rest};
use burstmesh_linux::signal::{Signal, Signals};
use burstmesh_linux::tun::Tun;
use burstmesh_linux::ubus::Ubus;
use burstmesh_linux::udp::{RecvBatch, segmentation_works};
use burstmesh_linux::watchdog::Watchdog;
use burstmesh_linux::worker::Owner;
use burstmesh_linux::{clock, control, entropy, error, info, log, warn};
use errands::{Ended, Errand};
use heapless::Vec;
use household::Household;
use static_cell::{ConstStaticCell, StaticCell};

static SLOT_MEMORY: ConstStaticCell<[Slot; SLOTS]> = ConstStaticCell::new([Slot::FREE; SLOTS]);
static BLOCK_MEMORY: ConstStaticCell<[Block; BLOCKS]> = ConstStaticCell::new([Block::FREE; BLOCKS]);
static TX_MEMORY: ConstStaticCell<[TxFlow; TX_FLOWS]> =
    ConstStaticCell::new([TxFlow::FREE; TX_FLOWS]);
static RX_MEMORY: ConstStaticCell<[RxFlow; RX_FLOWS]> =
    ConstStaticCell::new([RxFlow::FREE; RX_FLOWS]);
static RECV_MEMORY: ConstStaticCell<Received> = ConstStaticCell::new(Received::new());
static GATEWAY: StaticCell<Gateway<'static>> = StaticCell::new();

const TUN: u32 = 0;
const SIGNALS: u32 = 1;
const MONITOR: u32 = 2;
const CONTROL: u32 = 3;
const WORK: u32 = 4;
const FIREWALL: u32 = 5;
const WRITTEN: u32 = 6;
const UBUS: u32 = 7;

/// What comes in: datagrams glued by the kernel, or a large segment from the TUN.
type Received = RecvBatch<RECV_SLOTS, RECV_BYTES>;
/// Packets taken from the TUN in one round, so that sending gets its turn. A large segment is about as many: then nobody
/// looks in vain whether there are more.
const TUN_ROUND: usize = 40;
/// The network is looked at this often even if the kernel reports nothing.
const LOOK: Duration = Duration::from_secs(5);
const BEAT: Duration = Duration::from_millis(200);

/// The kernel's ends that the daemon holds.
pub struct Parts {
    pub server: control::Server,
    pub ubus: Ubus,
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
    worker: Owner<Errand, Ended>,
    papers: Papers,
    pooler: Pooler,
    accounts: Accounts,
    lending: Lending,
    pause: Pause,
    history: History,
    community: Community,
    uplinks: Vec<UplinkState, MAX_UPLINKS>,
    meshes: Vec<MeshState, 4>,
    rest: Rest,
    look_at: Instant,
    beat_at: Instant,
    household: Household,
    started: Instant,
    refused: Alarm,
    stopping: Option<Exit>,
    reload: bool,
}

impl Engine {
    pub fn new(
        config: &'static mut Config,
        credentials: Credentials,
        epoch: u64,
        mut parts: Parts,
    ) -> Result<Self, Failure> {
        let now = clock::now();
        let gateway = gateway(now, config, credentials, epoch)?;
        let worker = errands::start().map_err(|e| because("worker", e))?;
        let accounts = Accounts::open(now, config, &mut parts.rtnl)?;
        let pairs = [
            (parts.tun.fd(), TUN),
            (parts.signals.fd(), SIGNALS),
            (parts.monitor.fd(), MONITOR),
            (parts.server.fd(), CONTROL),
            (worker.fd(), WORK),
            (accounts.fd(), WRITTEN),
        ];
        for (fd, token) in pairs {
            parts
                .poll
                .add(fd, token, Interest::Read)
                .map_err(|e| because("poll", e))?;
        }
        gateway.set_lane(config.community.lane);
        refusing::follow(gateway, now, &[], config);
        let mut papers = Papers::default();
        papers.offer(config, gateway);
        let mut seed = [0; 8];
        entropy::fill(&mut seed).map_err(|e| because("entropy", e))?;
        let seed = u64::from_ne_bytes(seed);
        let community = Community::new(now, gateway.node_id(), seed);
        info!("node {}", gateway.node_id());
        Ok(Self {
            road: Road::new(Sockets::new(segmentation_works()), &parts.tun),
            parts,
            config,
            gateway,
            lan: Lan::default(),
            recv: RECV_MEMORY.take(),
            worker,
            papers,
            pooler: Pooler::default(),
            pause: accounts.pause(),
            accounts,
            lending: Lending::default(),
            history: History::new(now),
            community,
            uplinks: Vec::new(),
            meshes: Vec::new(),
            rest: Rest::new(now),
            look_at: now,
            beat_at: now,
            household: Household::default(),
            started: now,
            refused: Alarm::default(),
            stopping: None,
            reload: false,
        })
    }

    /// Runs until a signal says stop.
    // What runs rarely stays apart from it (`inline(never)` here and there): LLVM takes in whatever has one caller, and in a function
    // of 45 KB no value keeps its register.
    #[inline(never)]
    pub fn serve(&mut self, config_path: &str) -> Exit {
        let mut events = Events::<32>::new();
        if self.pause.is_on() {
            self.apply_pause(clock::now());
        }
        loop {
            let now = clock::now();
            if now >= self.look_at {
                self.look(now);
            }
            if self.rest.is_over(now) {
                self.read_tun(now);
            }
            if self.pause.handle_timeout(now) {
                self.apply_pause(now);
            }
            self.pass_time(now);
            self.meet(now);
            let (gateway, rtnl) = (&mut *self.gateway, &mut self.parts.rtnl);
            if self
                .accounts
                .handle_timeout(now, gateway, rtnl, self.config)
            {
                self.lend(now);
                self.history
                    .handle_time(now, self.gateway.link().tunnel().paths());
            }
            self.watch(now);
            self.transmit(now);
            self.give_work(now);
            self.beat(now);
            self.parts.ubus.handle_timeout(now, &self.parts.poll);
            if let Some(exit) = self.stopping {
                return exit;
            }
            if core::mem::take(&mut self.reload) {
                self.reload(config_path);
            }
            let next = self
                .gateway
                .poll_timeout(now)
                .min(self.rest.poll_timeout())
                .min(self.look_at)
                .min(self.beat_at)
                .min(self.accounts.poll_timeout())
                .min(self.pause.poll_timeout())
                .min(self.pooler.endings.poll_timeout())
                .min(self.community.poll_timeout())
                .min(self.parts.ubus.poll_timeout());
            self.sleep(&mut events, now, next);
        }
    }

    /// Lends what the rules allow now.
    fn lend(&mut self, now: Instant) {
        self.lending.follow(
            now,
            self.gateway,
            self.config,
            &self.accounts,
            &self.uplinks,
            self.pause.is_on(),
        );
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
        let found = self.take_from_tun(now);
        let fd = (self.parts.tun.fd(), TUN);
        if let Err(error) = self.rest.looked(now, found, &self.parts.poll, fd) {
            warn!("{}", error);
        }
    }

    /// Takes what clients send, one round.
    #[inline(never)]
    fn take_from_tun(&mut self, now: Instant) -> Look {
        let (mut left, mut found) = (TUN_ROUND, Look::Nothing);
        while left > 0 {
            let room = self.recv.scratch();
            let (len, offload) = match self.parts.tun.read(room) {
                Ok(Some(read)) => read,
                Ok(None) => return found,
                Err(error) => {
                    error!("{}: {}; somebody has taken it away", routing::TUN, error);
                    self.stopping = Some(Exit::Failure);
                    return found;
                }
            };
            found = Look::All;
            left = left.saturating_sub(offload.packets(len));
            let packet = room.get_mut(..len).unwrap_or_default();
            let mut out = outlet(&mut self.road, &self.parts, self.config);
            if self.pooler.endings.is_empty() || !self.pooler.endings.answer(packet, &mut out) {
                self.gateway.handle_large(now, packet, offload, &mut out);
            }
        }
        Look::More
    }

    fn pass_time(&mut self, now: Instant) {
        let mut out = outlet(&mut self.road, &self.parts, self.config);
        self.gateway.handle_timeout(now, &mut out);
        // Also what the round before brought.
        out.flush();
        let mut tools = Tools {
            rtnl: &mut self.parts.rtnl,
            poll: &self.parts.poll,
            token: FIREWALL,
            tun: self.parts.tun.name(),
            config: self.config,
        };
        self.pooler.follow(now, self.gateway, &mut tools);
        if self.pooler.endings.poll_timeout() <= now {
            let mut out = outlet(&mut self.road, &self.parts, self.config);
            self.pooler.endings.handle_timeout(now, &mut out);
            out.flush();
        }
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
            let run = Pieces::of_run(run, stride);
            if self
                .road
                .sockets
                .send(&self.parts.poll, self.config, via, to, run)
                == Sent::Unreachable
            {
                self.gateway.handle_unreachable(now, via);
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
                warn!("watchdog: {}; starting another", error);
                if let Ok(w) = Watchdog::start(super::HANG, (), routing::withdraw) {
                    self.parts.watchdog = w;
                }
            }
        }
    }

    /// Junk is counted; a flood of it is worth one line now and then.
    fn tell_refusals(&mut self, now: Instant) {
        self.papers.look(now, self.gateway);
        self.gateway.look_for_floods(now, |node, dropped| {
            warn!(
                "{} sends far more than it is lent: {} of its datagrams dropped so far",
                node, dropped
            );
        });
        let (road, version, gate) = self.gateway.refusals();
        let total = gate
            .refused()
            .iter()
            .fold(road.total(), |sum, (_, n)| sum.saturating_add(*n));
        if self.refused.look(now, total) {
            warn!(
                "{} datagrams refused so far, {} of another protocol version: see burstmesh status",
                total, version
            );
        }
    }

    /// Where runs were found to be lost, nothing is handed over in one piece any more.
    fn stop_broken_runs(&self) {
        let link = self.gateway.link();
        let broken = link.tunnel().paths().filter(|(_, p)| !p.runs().allowed());
        for (at, _) in broken {
            if let Some(Route::Own { uplink, .. }) = link.route(at) {
                self.road.sockets.stop_runs(uplink);
            }
        }
    }

    /// What others have taken away of the router's settings that are ours.
    fn put_back(&mut self) {
        if !routing::is_in_place() {
            warn!("the firewall's table inet burstmesh is gone: somebody has flushed it; put back");
            self.pooler.table_is_gone();
        }
        self.pooler
            .mend_device(&mut self.parts.rtnl, self.parts.tun.name());
    }

    /// Looks at uplinks and mesh interfaces, and tells the gateway what is new.
    #[inline(never)]
    fn look(&mut self, now: Instant) {
        self.look_at = now + LOOK;
        self.tell_refusals(now);
        self.lan.look(&mut self.parts.rtnl, self.config);
        self.stop_broken_runs();
        self.put_back();
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
            self.household.forget(i);
            let name = self.config.uplinks.get(i).map_or("", |u| u.ifname.as_str());
            info!(
                "uplink {} {}",
                name,
                if state.up {
                    "has a way out"
                } else {
                    "has no way out"
                }
            );
        }
        self.uplinks = uplinks;
        let on_link = network::on_link(&mut self.parts.rtnl, self.config);
        self.pooler.set_on_link(on_link);
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
                        Err(error) => warn!("mesh on {}: {}", mesh.ifname, error),
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

    /// Leaves the router as it was.
    pub fn stop(mut self) {
        self.take_leave();
        let Self {
            mut parts,
            gateway,
            mut road,
            lan,
            config,
            pooler,
            mut accounts,
            ..
        } = self;
        // A script under way must not come after what takes everything back.
        drop(pooler);
        let now = clock::now();
        accounts.book(now, gateway, &mut parts.rtnl, config);
        gateway.leave();
        while let Some(o) = gateway.poll_transmit(now, road.send) {
            let run = road.send.get(..o.len).unwrap_or_default();
            let run = Pieces::of_run(run, o.stride);
            let _ = road.sockets.send(&parts.poll, config, o.via, o.to, run);
        }
        routing::tear_down(&mut parts.rtnl);
        lan.restore();
        parts.watchdog.leave();
        accounts.stop(now, config);
        info!("stopped");
    }
}

/// The gateway, in its place. Apart, because one lies on the stack on its way there.
#[inline(never)]
fn gateway(
    now: Instant,
    config: &Config,
    credentials: Credentials,
    epoch: u64,
) -> Result<&'static mut Gateway<'static>, Failure> {
    let mut seed = [0; 32];
    entropy::fill(&mut seed).map_err(|e| because("entropy", e))?;
    let memory = Memory {
        slots: SLOT_MEMORY.take(),
        blocks: BLOCK_MEMORY.take(),
        tx_flows: TX_MEMORY.take(),
        rx_flows: RX_MEMORY.take(),
    };
    let config = settings::gateway_config(config, credentials, epoch, seed);
    Ok(GATEWAY.init_with(|| Gateway::new(now, config, memory)))
}

/// The sockets over an uplink.
fn over_uplink(number: u8) -> impl Fn(Via) -> bool {
    move |via| matches!(via, Via::Uplink { uplink, .. } if uplink == number)
}

fn outlet<'a>(road: &'a mut Road, parts: &'a Parts, config: &'a Config) -> Outlet<'a> {
    Outlet {
        road,
        tun: &parts.tun,
        poll: &parts.poll,
        config,
    }
}
