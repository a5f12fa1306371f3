//! A running lab: namespaces, lines and daemons, and how to reach them.

mod build;
mod cleanup;
mod home;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::daemon::Daemon;
use crate::emulator::{Emulator, LatenessReading, Line, Mesh, Way};
use crate::namespace::Namespace;
use crate::topology::plan::{self, Link};
use crate::topology::{LanIpv6, Topology};
use crate::{packages, root};

use cleanup::{Turn, clean_leftovers};

static RUNS: AtomicU32 = AtomicU32::new(0);

/// A lab that is up; dropping it takes everything down again, after a panic too.
pub struct Lab {
    topology: Topology,
    // Dropped in this order: daemons first, then the interfaces, then (in `drop`) the namespaces.
    daemons: Vec<Daemon>,
    emulator: Option<Emulator>,
    lines: BTreeMap<String, Line>,
    mesh: Option<Mesh>,
    stations: Vec<String>,
    namespaces: BTreeMap<String, Namespace>,
    prefix: String,
    run_dir: PathBuf,
    _turn: File,
}

impl Lab {
    /// Builds the lab; waits until no other lab runs on this machine, and none will while it is up.
    pub fn up(topology: &Topology) -> Result<Self> {
        Self::in_turn(topology, Turn::Alone)
    }

    /// Builds the lab; others of this kind may run beside it. For tests that hold no rate of several lines against a bar.
    pub fn beside(topology: &Topology) -> Result<Self> {
        Self::in_turn(topology, Turn::Beside)
    }

    fn in_turn(topology: &Topology, turn: Turn) -> Result<Self> {
        topology.validate()?;
        root::check()?;
        packages::require(&["ip", "nft"])?;
        let turn = cleanup::take_turn(turn)?;
        clean_leftovers()?;
        cleanup::prune_runs();
        let prefix = format!(
            "bm{}-{}",
            std::process::id(),
            RUNS.fetch_add(1, Ordering::Relaxed)
        );
        let run_dir = cleanup::runs_dir().join(&prefix);
        fs::create_dir_all(&run_dir).context("cannot make the run directory")?;
        let mut lab = Self {
            topology: topology.clone(),
            daemons: Vec::new(),
            emulator: Some(Emulator::start(topology.seed)?),
            lines: BTreeMap::new(),
            mesh: None,
            stations: Vec::new(),
            namespaces: BTreeMap::new(),
            prefix,
            run_dir,
            _turn: turn,
        };
        lab.build()
            .with_context(|| format!("cannot build lab {}", topology.name))?;
        Ok(lab)
    }

    /// The topology it was built from.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// A namespace by its name in the topology ("core" is the Internet).
    ///
    /// # Panics
    /// When the topology has no such name: a mistake in the test.
    #[expect(
        clippy::panic,
        reason = "a name that is not in the topology is a mistake in the test"
    )]
    pub fn ns(&self, name: &str) -> &Namespace {
        let known = || {
            self.namespaces
                .keys()
                .cloned()
                .collect::<Vec<_>>()
                .join(", ")
        };
        self.namespaces
            .get(name)
            .unwrap_or_else(|| panic!("no namespace {name}; there are {}", known()))
    }

    /// The access line of a home, exit or host ("canary" for the plain line beside).
    ///
    /// # Panics
    /// When it has none: a mistake in the test.
    #[expect(
        clippy::panic,
        reason = "a line that is not in the topology is a mistake in the test"
    )]
    pub fn line(&self, owner: &str) -> &Line {
        self.lines
            .get(owner)
            .unwrap_or_else(|| panic!("{owner} has no line"))
    }

    /// Bytes that the homes' lines carried towards them so far.
    pub fn carried<const N: usize>(&self, homes: [&str; N]) -> [u64; N] {
        homes.map(|home| self.line(home).traffic(Way::Down).delivered.bytes)
    }

    /// The same during `time` from now on.
    pub fn carried_within<const N: usize>(&self, homes: [&str; N], time: Duration) -> [u64; N] {
        let before = self.carried(homes);
        std::thread::sleep(time);
        let after = self.carried(homes);
        core::array::from_fn(|n| after[n] - before[n])
    }

    /// The mesh segment.
    ///
    /// # Panics
    /// When the topology has none: a mistake in the test.
    #[expect(
        clippy::panic,
        reason = "a mesh that is not in the topology is a mistake in the test"
    )]
    pub fn mesh(&self) -> &Mesh {
        self.mesh
            .as_ref()
            .unwrap_or_else(|| panic!("topology {} has no mesh", self.topology.name))
    }

    /// The number of a home on the mesh segment.
    pub fn station(&self, home: &str) -> Result<usize> {
        let found = self.stations.iter().position(|station| station == home);
        found.with_context(|| format!("{home} is not on the mesh"))
    }

    /// Addresses of a home's access line, an exit or a host.
    pub fn link(&self, name: &str) -> Result<Link> {
        let topology = &self.topology;
        if let Some(index) = topology.homes.iter().position(|home| home.name == name) {
            return Ok(plan::home(index, topology.home(name)?.cgnat));
        }
        if let Some(index) = topology.exits.iter().position(|exit| exit.name == name) {
            return Ok(plan::exit(index));
        }
        let index = topology.hosts.iter().position(|host| host.name == name);
        index
            .map(plan::host)
            .with_context(|| format!("{name} has no link to the Internet"))
    }

    /// The IPv6 prefix (/64) in a home's LAN: gateway ::1, client ::10 (hexadecimal).
    pub fn lan_prefix(&self, home: &str) -> Result<Option<std::net::Ipv6Addr>> {
        let index = self
            .topology
            .homes
            .iter()
            .position(|candidate| candidate.name == home);
        let index = index.with_context(|| format!("no home {home}"))?;
        Ok(match self.topology.home(home)?.lan_ipv6() {
            LanIpv6::Global => Some(plan::home_prefix(index)),
            LanIpv6::Local => Some(plan::local_prefix(index)),
            LanIpv6::None => None,
        })
    }

    /// A folder for the files of this run. Logs of the last runs stay, so that a failure can be read later; large
    /// files go with the lab.
    pub fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// What every namespace name of this run begins with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Starts a long-running program in a namespace; its log is `<name>.log` in the run folder.
    pub fn daemon(&self, ns: &str, name: &str, arguments: &[&str]) -> Result<Daemon> {
        let mut command = self.ns(ns).command(name);
        command.args(arguments);
        self.daemon_from(ns, name, command)
    }

    /// Starts a prepared command (from `ns(..).command(..)`) as a daemon.
    pub fn daemon_from(&self, ns: &str, name: &str, command: Command) -> Result<Daemon> {
        let stem = Path::new(name)
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        Daemon::start(
            &format!("{stem} in {ns}"),
            command,
            &self.run_dir.join(format!("{ns}-{stem}.log")),
        )
    }

    /// How late the emulator has sent packets so far.
    pub fn lateness(&self) -> Result<LatenessReading> {
        Ok(self
            .emulator
            .as_ref()
            .context("the emulator is gone")?
            .lateness())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.daemons.clear();
        let names: Vec<_> = self
            .namespaces
            .values()
            .map(|ns| ns.system_name().to_owned())
            .collect();
        cleanup::end_processes(&names);
        self.emulator = None;
        self.namespaces.clear();
        // What cannot be removed now is removed by the next run.
        let _ = cleanup::delete_namespaces(&self.prefix);
        cleanup::remove_large_files(&self.run_dir);
    }
}
