//! `run`: puts the parts together, in the order in which they need each other, and takes them down in the other.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use burstmesh_linux::netlink::Monitor;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::config::{Config, Http};
use crate::control::{self, Socket};
use crate::data::{self, Engine, Plan};
use crate::ipv6::Leased;
use crate::leases::{Book, LeaseBook};
use crate::ledger::Ledger;
use crate::lifecycle::{Lifecycle, lock};
use crate::nat::Nat;
use crate::status::{Board, Facts};
use crate::store::Store;
use crate::{dashboard, dns, http, key, nat, tun};

/// How often the firewall's rules are looked for.
const LOOK: Duration = Duration::from_millis(250);

/// Serves until it is told to stop. `config` is what `path` says.
///
/// # Errors
/// Whatever cannot be set up; what was set up by then is taken down again.
pub fn run(path: &Path, told: &Config) -> Result<()> {
    // Both fail where another exit runs, before anything of its is touched.
    let socket = Socket::bind(&told.control)?;
    let tun = tun::open(told)?;
    let mut config = told.clone();
    for said in settle(&mut config) {
        tracing::info!("{said}");
    }
    let identity = key::load_or_create(&config.state_dir)?;
    let store = Store::open(&config.state_dir, config.leases.get_ref())?;
    let book = Arc::new(Book::new(store, Leased::of(&config)));
    let facts = Facts {
        key: identity.public(),
        listen: config.listen.get_ref().clone(),
        resolvers: config.resolvers().collect(),
    };
    let engine = Engine {
        listen: facts.listen.clone(),
        identity,
        tun,
        dns: config.dns.clone(),
        plan: Plan::of(config.limits.get_ref()),
        leases: book.clone(),
        board: Arc::new(Board::new(facts, book.clone())),
        lifecycle: Arc::new(Lifecycle::default()),
    };
    let ledger = Ledger::start(engine.board.clone(), book.clone())?;
    let nat = Arc::new(Nat::raise(&config)?);
    let reloader = Arc::new(Reloader {
        path: path.into(),
        told: told.clone(),
        running: Mutex::new(config),
        book,
        nat: nat.clone(),
        lifecycle: engine.lifecycle.clone(),
    });
    let served = serve(told, &socket, reloader, engine);
    // The threads keep their handles until the process ends: the rules are taken down here and now.
    nat.lower();
    ledger.close();
    served
}

/// Finds on this machine what the configuration leaves to it. Returns what an admin should know of it.
pub fn settle(config: &mut Config) -> [String; 3] {
    [
        Leased::of(config).describe(),
        dns::settle(config),
        Plan::of(config.limits.get_ref()).describe(),
    ]
}

/// Everything that comes after the rules: there is no moment in which a member could reach what it must not.
fn serve(config: &Config, socket: &Socket, reloader: Arc<Reloader>, engine: Engine) -> Result<()> {
    listen_to_signals(reloader.clone())?;
    guard_rules(reloader.clone())?;
    socket.serve(commands(engine.board.clone(), reloader))?;
    if let Http::On(address) = config.metrics {
        http::start("metrics", address, http::router(engine.board.clone()))?;
    }
    if let Http::On(address) = config.dashboard.0 {
        let token = dashboard::token(&config.state_dir)?;
        let router = dashboard::router(engine.board.clone(), &token);
        http::start("dashboard", address, router)?;
    }
    warn_if_empty(engine.leases.as_ref());
    tun::raise(&engine.tun, config)?;
    data::run(engine)
}

/// What a reload does: other rules, and the data thread looks at the communities again.
struct Reloader {
    path: PathBuf,
    /// What the file said at the start.
    told: Config,
    /// What is in force.
    running: Mutex<Config>,
    book: Arc<Book>,
    nat: Arc<Nat>,
    lifecycle: Arc<Lifecycle>,
}

impl Reloader {
    /// Puts the rules back that somebody has removed, without which members would reach what they must not, and makes them
    /// anew when something else stands on the uplink's link.
    fn look_after_rules(&self, network_changed: bool) {
        if !self.nat.is_up() {
            return;
        }
        let running = lock(&self.running);
        if !nat::is_in_place() {
            tracing::error!(
                "the firewall's table is gone: somebody has flushed it; putting it back"
            );
        } else if !network_changed || !self.nat.is_stale(&running) {
            return;
        }
        if let Err(error) = self.nat.apply(&running) {
            tracing::error!("cannot put the firewall's table in place: {error:#}");
        }
    }

    /// A mistake in the file leaves everything as it was. Returns what there is to say: what needs a restart.
    fn reload(&self) -> Result<String> {
        let new = Config::load(&self.path)?;
        new.check_machine(&self.path)?;
        let mut running = lock(&self.running);
        let next = running.taking_over(&new);
        self.nat.apply(&next)?;
        self.book.set_ipv6(Leased::of(&next));
        *running = next;
        self.lifecycle.reload();
        let waiting = self.told.needs_restart(&new);
        if waiting.is_empty() {
            tracing::info!("reloaded");
            return Ok(String::new());
        }
        let said = format!(
            "reloaded, but for {}: that needs a restart",
            waiting.join(", ")
        );
        tracing::warn!("{said}");
        Ok(said)
    }
}

fn commands(board: Arc<Board>, reloader: Arc<Reloader>) -> control::Handler {
    Arc::new(move |command| match command {
        "status" => Ok(serde_json::to_string(&board.snapshot()?)?),
        // Communities or members changed in the store; the file did not.
        "refresh" => {
            reloader.lifecycle.reload();
            Ok(String::new())
        }
        "reload" => reloader.reload(),
        other => bail!("unknown command {other:?}"),
    })
}

/// Looks whether the rules are there and right, on a thread of its own: putting them back may wait for `nft`.
fn guard_rules(reloader: Arc<Reloader>) -> Result<()> {
    let mut monitor = Monitor::open()?;
    let watch = move || {
        // What changed since the rules were made and before anybody heard of it.
        let mut changed = true;
        loop {
            reloader.look_after_rules(changed);
            thread::sleep(LOOK);
            changed = !monitor.drain().is_ok_and(|changes| !changes.any());
        }
    };
    thread::Builder::new().name("guard".into()).spawn(watch)?;
    Ok(())
}

fn listen_to_signals(reloader: Arc<Reloader>) -> Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).context("signals")?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                if signal == SIGHUP {
                    if let Err(error) = reloader.reload() {
                        tracing::error!("not reloaded, nothing changed: {error:#}");
                    }
                } else {
                    tracing::info!("stopping");
                    reloader.lifecycle.stop();
                }
            }
        })?;
    Ok(())
}

fn warn_if_empty(book: &dyn LeaseBook) {
    if book.communities().is_ok_and(|all| all.is_empty()) {
        tracing::warn!("no community is served yet: burstmesh-proxy community add NAME");
    }
}
