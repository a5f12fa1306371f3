//! `run`: puts the parts together, in the order in which they need each other, and takes them down in the other.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::config::{Config, Ipv6Mode, Metrics};
use crate::control::{self, Socket};
use crate::data::{self, Engine};
use crate::leases::{Book, LeaseBook};
use crate::lifecycle::Lifecycle;
use crate::nat::Nat;
use crate::status::{Board, Facts};
use crate::store::Store;
use crate::{http, key, tun};

/// Serves until it is told to stop. `config` is what `path` says.
///
/// # Errors
/// Whatever cannot be set up; what was set up by then is taken down again.
pub fn run(path: &Path, config: &Config) -> Result<()> {
    // Both fail where another exit runs, before anything of its is touched.
    let socket = Socket::bind(&config.control)?;
    let tun = tun::open(config)?;
    let identity = key::load_or_create(&config.state_dir)?;
    let store = Store::open(&config.state_dir, config.leases.get_ref())?;
    let ipv6 = *config.nat.ipv6.get_ref() != Ipv6Mode::Off;
    let book = Arc::new(Book::new(store, ipv6));
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
        leases: book.clone(),
        board: Arc::new(Board::new(facts, book)),
        lifecycle: Arc::new(Lifecycle::default()),
    };
    let nat = Arc::new(Nat::raise(config)?);
    let served = serve(path, config, &socket, &nat, engine);
    // The threads keep their handles until the process ends: the rules are taken down here and now.
    nat.lower();
    served
}

/// Everything that comes after the rules: there is no moment in which a member could reach what it must not.
fn serve(
    path: &Path,
    config: &Config,
    socket: &Socket,
    nat: &Arc<Nat>,
    engine: Engine,
) -> Result<()> {
    let reloader = Arc::new(Reloader {
        path: path.into(),
        nat: nat.clone(),
        lifecycle: engine.lifecycle.clone(),
    });
    listen_to_signals(reloader.clone())?;
    socket.serve(commands(engine.board.clone(), reloader))?;
    if let Metrics::On(address) = config.metrics {
        http::start(address, engine.board.clone())?;
    }
    warn_if_empty(engine.leases.as_ref());
    tun::raise(&engine.tun, config)?;
    data::run(engine)
}

/// What a reload does: other rules, and the data thread looks at the communities again.
struct Reloader {
    path: PathBuf,
    nat: Arc<Nat>,
    lifecycle: Arc<Lifecycle>,
}

impl Reloader {
    /// A mistake in the file leaves everything as it was.
    fn reload(&self) -> Result<()> {
        let config = Config::load(&self.path)?;
        config.check_machine(&self.path)?;
        self.nat.apply(&config)?;
        self.lifecycle.reload();
        Ok(())
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
        "reload" => reloader.reload().map(|()| String::new()),
        other => bail!("unknown command {other:?}"),
    })
}

fn listen_to_signals(reloader: Arc<Reloader>) -> Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).context("signals")?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                if signal == SIGHUP {
                    match reloader.reload() {
                        Ok(()) => tracing::info!("reloaded"),
                        Err(error) => tracing::error!("not reloaded, nothing changed: {error:#}"),
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
