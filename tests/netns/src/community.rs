//! The real daemons in a lab: an exit that invites to every community of the topology, and an agent in every home.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::Lab;
use crate::daemon::Daemon;
use crate::exit::Exit;

/// How long a stopped daemon may take.
const STOP: Duration = Duration::from_secs(5);

/// The communities of one exit, running in a lab; mostly one.
pub struct Community<'l> {
    lab: &'l Lab,
    /// The exit that founded them.
    pub exit: Exit<'l>,
    agents: BTreeMap<String, Daemon>,
    /// By the community's name.
    invitations: BTreeMap<String, String>,
    /// The lines' addresses are shared.
    shares: bool,
}

impl<'l> Community<'l> {
    /// Starts the exit and, with its community's invitation, an agent in every home.
    pub fn up(lab: &'l Lab) -> Result<Self> {
        let mut community = Self::exit_only(lab)?;
        for home in &lab.topology().homes {
            community.start_agent(&home.name, "")?;
        }
        Ok(community)
    }

    /// Starts only the exit, with communities that invite.
    pub fn exit_only(lab: &'l Lab) -> Result<Self> {
        Self::exit_with(lab, "")
    }

    /// The same with more of a configuration: it stands at the end of `[nat]`.
    pub fn exit_with(lab: &'l Lab, more: &str) -> Result<Self> {
        Self::of(lab, Exit::on_server(lab, "exit", more)?)
    }

    /// Starts an agent in every home, of communities that have no exit: the lines' addresses are shared.
    pub fn without_exit(lab: &'l Lab) -> Result<Self> {
        let mut community = Self::idle(lab, Exit::on_server(lab, "exit", "")?);
        community.shares = true;
        for home in &lab.topology().homes {
            let name = &home.community;
            if !community.invitations.contains_key(name) {
                let founded = ["keygen", "--invitation", name];
                let invitation = lab.ns(&home.name).run("burstmesh", &founded)?;
                community
                    .invitations
                    .insert(name.clone(), invitation.trim().to_owned());
            }
            community.start_agent(&home.name, "")?;
        }
        Ok(community)
    }

    fn idle(lab: &'l Lab, exit: Exit<'l>) -> Self {
        Self {
            lab,
            exit,
            agents: BTreeMap::new(),
            invitations: BTreeMap::new(),
            shares: false,
        }
    }

    /// Starts `exit`, with communities that invite.
    pub fn of(lab: &'l Lab, exit: Exit<'l>) -> Result<Self> {
        let mut community = Self::idle(lab, exit);
        for home in &lab.topology().homes {
            let name = &home.community;
            if !community.invitations.contains_key(name) {
                community.proxy(&["community", "add", name])?;
                let invitation = community.exit.invite(name)?;
                community.invitations.insert(name.clone(), invitation);
            }
        }
        community.start_exit()?;
        Ok(community)
    }

    /// Members have certificates from now on; agents that start later have invitations that say so.
    pub fn certify(&mut self) -> Result<()> {
        let names: Vec<String> = self.invitations.keys().cloned().collect();
        for name in names {
            self.proxy(&["community", "certify", &name])?;
            let invitation = self.exit.invite(&name)?;
            self.invitations.insert(name, invitation);
        }
        Ok(())
    }

    /// The invitation that a home's agent has.
    pub fn invitation(&self, home: &str) -> Result<&str> {
        let name = &self.lab.topology().home(home)?.community;
        let found = self.invitations.get(name);
        Ok(found.with_context(|| format!("nobody was invited to {name}"))?)
    }

    /// Runs a command of the exit's program and gives what it said.
    pub fn proxy(&self, arguments: &[&str]) -> Result<String> {
        self.exit.proxy(arguments)
    }

    /// Starts the exit again.
    pub fn start_exit(&mut self) -> Result<()> {
        self.exit.start()
    }

    /// Kills the exit as a crash would.
    pub fn kill_exit(&mut self) -> Result<()> {
        self.exit.kill()
    }

    /// What the exit logged.
    pub fn exit_log(&self) -> String {
        self.exit.log()
    }

    /// The exit's status.
    pub fn exit_status(&self) -> Result<Value> {
        self.exit.status()
    }

    /// How many of the members' packets the exit's firewall refused.
    pub fn refused_inside(&self) -> Result<u64> {
        let status = self.exit_status()?;
        let all = status["firewall"].as_array().cloned().unwrap_or_default();
        let drops = all
            .iter()
            .filter(|c| c["name"] != "up" && c["name"] != "down");
        Ok(drops.filter_map(|c| c["packets"].as_u64()).sum())
    }

    /// Whether `target` answers pings of the tunnel's own address in `home`, past all rules of the gateway: bound to the
    /// device, with the mark of pooled connections (0x10000000).
    pub fn pings(&self, home: &str, target: &str) -> bool {
        let family = if target.contains(':') { "-6" } else { "-4" };
        let mut ping = self.lab.ns(home).command("ping");
        ping.args([family, "-n", "-c", "2", "-i", "0.3", "-W", "1"])
            .args(["-m", "268435456", "-I", "bm0", target])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        ping.status().is_ok_and(|status| status.success())
    }

    /// The UCI file of a home: one invitation, the line lent, the clients served. `more` is appended.
    pub fn write_agent_config(&self, home: &str, more: &str) -> Result<PathBuf> {
        let dir = self.lab.ns(home).dir();
        let has_line = self
            .lab
            .topology()
            .homes
            .iter()
            .any(|h| h.name == home && h.has_line());
        let line = if has_line {
            "config uplink 'wan'\n\toption ifname 'wan0'\n\toption lend '1'\n"
        } else {
            ""
        };
        let shares = if has_line && self.shares {
            "\toption share_address '1'\n"
        } else {
            ""
        };
        let no_uplink = if has_line {
            ""
        } else {
            "\toption no_uplink '1'\n"
        };
        let ports = 0..self.lab.topology().mesh_ports(home).max(1);
        let mesh: String = ports
            .map(|n| format!("config mesh\n\toption ifname 'mesh{n}'\n\n"))
            .collect();
        let text = format!(
            "config community\n\toption invitation '{}'\n\toption key_file '{}/key'\n{no_uplink}\n\
             {mesh}{line}{shares}\n\
             config client 'lan'\n\toption ifname 'lan0'\n{more}",
            self.invitation(home)?,
            dir.display(),
        );
        let path = dir.join("burstmesh.uci");
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// The same, with other words in the place of some that are in it.
    ///
    /// # Errors
    /// Also when those words are not in it.
    pub fn write_changed_config(&self, home: &str, words: &str, others: &str) -> Result<PathBuf> {
        let path = self.write_agent_config(home, "")?;
        let text = std::fs::read_to_string(&path)?;
        ensure!(text.contains(words), "no {words:?} in {text}");
        std::fs::write(&path, text.replace(words, others))?;
        Ok(path)
    }

    /// Starts the agent of a home with the workspace's own program.
    pub fn start_agent(&mut self, home: &str, more: &str) -> Result<()> {
        let config = self.write_agent_config(home, more)?;
        self.start_agent_with(home, &config)
    }

    /// Starts the agent of a home with a configuration that was written already.
    pub fn start_agent_with(&mut self, home: &str, config: &Path) -> Result<()> {
        let config = config.display().to_string();
        let agent = self.lab.daemon(
            home,
            "burstmesh",
            &["run", "--config", &config, "--socket", &self.socket(home)],
        )?;
        self.agents.insert(home.to_owned(), agent);
        Ok(())
    }

    /// Starts another program as the agent of a home: `command` is what stands before `run` (an emulator, a build).
    pub fn start_other_agent(&mut self, home: &str, command: &[&str]) -> Result<()> {
        let config = self.write_agent_config(home, "")?.display().to_string();
        let (program, before) = command.split_first().context("no program")?;
        let mut process = self.lab.ns(home).command(program);
        process
            .args(before)
            .args(["run", "--config", &config, "--socket", &self.socket(home)]);
        let agent = self.lab.daemon_from(home, "burstmesh", process)?;
        self.agents.insert(home.to_owned(), agent);
        Ok(())
    }

    fn socket(&self, home: &str) -> String {
        self.lab
            .ns(home)
            .dir()
            .join("agent.sock")
            .display()
            .to_string()
    }

    /// The agent of a home.
    pub fn agent(&mut self, home: &str) -> Result<&mut Daemon> {
        self.agents
            .get_mut(home)
            .with_context(|| format!("no agent in {home}"))
    }

    /// Stops the agent of a home in the regular way.
    pub fn stop_agent(&mut self, home: &str) -> Result<()> {
        let mut agent = self
            .agents
            .remove(home)
            .with_context(|| format!("no agent in {home}"))?;
        let status = agent.terminate(STOP)?;
        ensure!(
            status.success(),
            "the agent of {home} ended with {status}: {}",
            agent.log()
        );
        Ok(())
    }

    /// Kills the agent of a home as a crash would.
    pub fn kill_agent(&mut self, home: &str) -> Result<()> {
        self.agents
            .remove(home)
            .with_context(|| format!("no agent in {home}"))?
            .kill()
    }

    /// The status of a home's agent.
    pub fn status(&self, home: &str) -> Result<Value> {
        let socket = self.socket(home);
        let arguments = ["status", "--json", "--socket", &socket];
        let text = self.lab.ns(home).run("burstmesh", &arguments)?;
        serde_json::from_str(&text)
            .with_context(|| format!("the status of {home} is no JSON: {text}"))
    }

    /// The status of a home's agent as people read it.
    pub fn status_table(&self, home: &str) -> Result<String> {
        let socket = self.socket(home);
        let arguments = ["status", "--socket", &socket];
        self.lab.ns(home).run("burstmesh", &arguments)
    }

    /// The rows of a home's ledger.
    pub fn ledger(&self, home: &str) -> Result<Vec<Value>> {
        let socket = self.socket(home);
        let arguments = ["ledger", "--json", "--socket", &socket];
        let text = self.lab.ns(home).run("burstmesh", &arguments)?;
        serde_json::from_str(&text)
            .with_context(|| format!("the ledger of {home} is no JSON: {text}"))
    }

    /// Runs a command of a home's agent that asks it over its socket.
    pub fn ask(&self, home: &str, words: &[&str]) -> Result<String> {
        let socket = self.socket(home);
        let arguments = [words, &["--socket", &socket]].concat();
        self.lab.ns(home).run("burstmesh", &arguments)
    }

    /// Waits until a home's status fulfils `wanted`; returns how long it took.
    pub fn wait(
        &self,
        home: &str,
        limit: Duration,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Duration> {
        let begun = Instant::now();
        loop {
            let status = self.status(home);
            if status.as_ref().is_ok_and(&wanted) {
                return Ok(begun.elapsed());
            }
            if begun.elapsed() > limit {
                let log = self.agents.get(home).map(Daemon::log).unwrap_or_default();
                bail!("{home}: not {what} within {limit:?}; status {status:?}; log:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until a home pools over at least `paths` lines.
    pub fn wait_pooling(&self, home: &str, paths: usize, limit: Duration) -> Result<Duration> {
        self.wait(home, limit, &format!("pooling over {paths} lines"), |s| {
            s["pooling"] == true && live_paths(s) >= paths
        })
    }

    /// Waits until every home pools over as many lines as its community has.
    pub fn wait_all_pooling(&self, limit: Duration) -> Result<()> {
        let homes = &self.lab.topology().homes;
        for home in homes.iter().filter(|h| self.agents.contains_key(&h.name)) {
            let fellows = homes.iter().filter(|h| h.community == home.community);
            let lines = fellows.filter(|h| h.has_line()).count();
            self.wait_pooling(&home.name, lines, limit)?;
        }
        Ok(())
    }

    /// The agent of a home reads its configuration again.
    pub fn reload(&mut self, home: &str) -> Result<()> {
        self.agent(home)?.signal(libc::SIGHUP)
    }
}

/// Fetches `url` from `client` with a new connection; true if the answer came whole within `limit`.
pub fn fetches(lab: &Lab, client: &str, url: &str, limit: Duration) -> bool {
    let limit = format!("{:.2}", limit.as_secs_f64());
    let mut command = lab.ns(client).command("curl");
    command.args(["-sfg", "-o", "/dev/null", "--max-time", &limit, url]);
    command.status().is_ok_and(|status| status.success())
}

/// Tries new connections until one works; how long that took, or `None` after `limit`.
pub fn first_fetch(lab: &Lab, client: &str, url: &str, limit: Duration) -> Option<Duration> {
    let begun = Instant::now();
    while begun.elapsed() < limit {
        if fetches(lab, client, url, Duration::from_millis(500)) {
            return Some(begun.elapsed()).filter(|took| *took <= limit);
        }
    }
    None
}

/// How many paths of a status are live.
pub fn live_paths(status: &Value) -> usize {
    let paths = status["paths"].as_array();
    paths.map_or(0, |all| all.iter().filter(|p| p["state"] == "live").count())
}

/// How many neighbours of a status have a session.
pub fn sessions(status: &Value) -> usize {
    let peers = status["peers"].as_array();
    peers.map_or(0, |all| all.iter().filter(|p| p["session"] == true).count())
}

/// So many neighbours share their addresses with the home of a status: what to wait for where no exit is used.
pub fn has_hosts(count: usize) -> impl Fn(&Value) -> bool {
    move |status| {
        status["hosts"]
            .as_array()
            .is_some_and(|all| all.len() == count)
    }
}
