//! The daemon: `burstmesh-core`'s gateway between the kernel's sockets, its TUN and its routing.

mod accounts;
mod admission;
#[cfg_attr(not(feature = "control-net"), path = "community/none.rs")]
mod community;
mod endings;
mod engine;
mod history;
mod identity;
mod lan;
mod lending;
mod network;
mod outlet;
pub(crate) mod pause;
mod pooling;
mod refusing;
mod reload;
mod routing;
mod sockets;
mod spread;
mod status;
mod tenths;

use crate::cli::Exit;
use crate::commands::{Loaded, load};
use crate::config::values::LogLevel;
use crate::config::{Config, Problem};
use burstmesh_core::time::Duration;
use burstmesh_linux::log::{self, Level};
use burstmesh_linux::netlink::{Monitor, Rtnl};
use burstmesh_linux::poll::Poll;
use burstmesh_linux::process::Output;
use burstmesh_linux::signal::{self, Signals};
use burstmesh_linux::tun::Tun;
use burstmesh_linux::watchdog::Watchdog;
use burstmesh_linux::{control, file, info, process};
use core::fmt::Write as _;
use engine::Engine;
use static_cell::StaticCell;

/// Bytes of static memory that the control network takes.
pub(crate) const CONTROL_NET: usize = community::COST;
/// The agent counts as hung when it has not beaten for so long.
const HANG: Duration = Duration::from_millis(1_000);

static CONFIG: StaticCell<Config> = StaticCell::new();

/// Runs the agent until it is told to stop.
pub fn run(config_path: &str, socket: &str, bus: &str) -> Exit {
    let config = match load(config_path, &mut complain) {
        Loaded::Good(config) => config,
        Loaded::Bad | Loaded::Unreadable => return Exit::Usage,
    };
    log::set_level(level(config.community.log_level));
    if !config.community.enabled {
        log::write(
            Level::Info,
            format_args!("switched off in {config_path} (option enabled '0'): nothing to do"),
        );
        return Exit::Success;
    }
    signal::report_crashes();
    match start(CONFIG.init(config), socket, bus) {
        Ok(mut engine) => {
            process::give_back_stack();
            let exit = engine.serve(config_path);
            engine.stop();
            exit
        }
        Err(Failure) => Exit::Failure,
    }
}

fn complain(file: &str, p: &Problem) {
    let _ = writeln!(Output::Error, "{file}:{}: {p}", p.line);
}

fn level(level: LogLevel) -> Level {
    match level {
        LogLevel::Error => Level::Error,
        LogLevel::Warn => Level::Warn,
        LogLevel::Info => Level::Info,
        _ => Level::Debug,
    }
}

/// The agent cannot start; why is said already.
struct Failure;

fn because(what: &str, why: impl core::fmt::Display) -> Failure {
    // As text in every build: the log in memory goes with the process.
    log::write(Level::Error, format_args!("{what}: {why}"));
    Failure
}

/// Sets everything up; on failure nothing is left behind.
#[inline(never)]
fn start(config: &'static mut Config, socket: &str, bus: &str) -> Result<Engine, Failure> {
    if process::is_root() {
        process::forbid_new_privileges()
            .and_then(|()| process::keep_network_capabilities())
            .map_err(|e| because("giving up privileges", e))?;
    }
    let credentials = identity::credentials(config)?;
    let epoch = identity::next_epoch(config);
    make_directory_of(socket);
    // The control socket and the device first: a second agent ends here, before it touches what the first one set up.
    let server = control::Server::open(socket)
        .map_err(|e| because("control socket (is an agent running already?)", e))?;
    let ubus = engine::bus(bus).map_err(|e| because("ubus", e))?;
    let tun = Tun::open(routing::TUN).map_err(|e| {
        because(
            "cannot make the device bm0 (is kmod-tun there, are we root, is no other agent running?)",
            e,
        )
    })?;
    let watchdog =
        Watchdog::start(HANG, (), routing::withdraw).map_err(|e| because("watchdog", e))?;
    let signals = Signals::open().map_err(|e| because("signals", e))?;
    let mut rtnl = Rtnl::open().map_err(|e| because("netlink", e))?;
    // A crashed run may have left rules.
    routing::delete_rules(&mut rtnl);
    routing::accept_answers(tun.name());
    routing::prepare(config).map_err(|e| because("firewall", e))?;
    let monitor = Monitor::open().map_err(|e| because("netlink", e))?;
    let poll = Poll::new().map_err(|e| because("poll", e))?;
    info!(
        "community {}, {} profile, {} KB of static memory, pid {}",
        config.community.name,
        crate::limits::PROFILE,
        crate::limits::total() / 1024,
        process::id()
    );
    Engine::new(
        config,
        credentials,
        epoch,
        engine::Parts {
            server,
            ubus,
            watchdog,
            signals,
            rtnl,
            tun,
            monitor,
            poll,
        },
    )
}

fn make_directory_of(path: &str) {
    if let Some((dir, _)) = path
        .rsplit_once('/')
        .filter(|(d, _)| !d.is_empty() && !file::exists(d))
    {
        let _ = file::create_dir(dir);
    }
}
