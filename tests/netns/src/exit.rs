//! An exit's daemon on a server of the lab, or in a home with a public address.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::Lab;
use crate::daemon::Daemon;
use crate::topology::plan::RESOLVER;

/// `burstmesh-proxy` in a namespace, running or not.
pub struct Exit<'l> {
    lab: &'l Lab,
    ns: String,
    port: u16,
    daemon: Option<Daemon>,
}

impl<'l> Exit<'l> {
    /// An exit on a server. `more` of the configuration stands at the end of `[nat]`.
    pub fn on_server(lab: &'l Lab, ns: &str, more: &str) -> Result<Self> {
        Self::new(lab, ns, 4454, "eth0", more)
    }

    /// An exit in a home, whose firewall lets the port in and members' packets out. The usual port is the agent's.
    pub fn at_home(lab: &'l Lab, home: &str) -> Result<Self> {
        let exit = Self::new(lab, home, 4455, "wan0", "")?;
        let port = exit.port;
        lab.nft(
            home,
            &format!(
                "insert rule inet home input iifname wan0 udp dport {port} accept\n\
                 insert rule inet home forward iifname bmx0 oifname wan0 accept\n"
            ),
        )?;
        Ok(exit)
    }

    fn new(lab: &'l Lab, ns: &str, port: u16, uplink: &str, more: &str) -> Result<Self> {
        let exit = Self {
            lab,
            ns: ns.to_owned(),
            port,
            daemon: None,
        };
        let dir = lab.ns(ns).dir().display().to_string();
        let text = format!(
            "state_dir = \"{dir}/state\"\ncontrol = \"{dir}/proxy.sock\"\n\
             listen = [\"0.0.0.0:{port}\", \"[::]:{port}\"]\n\
             [nat]\nuplink = \"{uplink}\"\n{more}[dns]\nv4 = [\"{RESOLVER}\"]\n"
        );
        fs::write(exit.config(), text).context("cannot write the exit's configuration")?;
        Ok(exit)
    }

    fn config(&self) -> PathBuf {
        self.lab.ns(&self.ns).dir().join("proxy.toml")
    }

    /// Runs a command of the exit's program and gives what it said.
    pub fn proxy(&self, arguments: &[&str]) -> Result<String> {
        let config = self.config().display().to_string();
        let mut command = self.lab.ns(&self.ns).command("burstmesh-proxy");
        let output = command
            .args(["--config", &config])
            .args(arguments)
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "burstmesh-proxy {arguments:?}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(said)
    }

    /// The public addresses that gateways send to.
    pub fn addresses(&self) -> Result<[String; 2]> {
        let (link, port) = (self.lab.link(&self.ns)?, self.port);
        Ok([
            format!("{}:{port}", link.v4),
            format!("[{}]:{port}", link.v6),
        ])
    }

    /// An invitation to a community of the exit.
    pub fn invite(&self, name: &str) -> Result<String> {
        let [v4, v6] = self.addresses()?;
        let said = self.proxy(&[
            "invite",
            name,
            "--expires",
            "1d",
            "--address",
            &v4,
            "--address",
            &v6,
        ])?;
        let found = said.split_whitespace().find(|w| w.starts_with("bm1"));
        Ok(found
            .with_context(|| format!("no invitation in: {said}"))?
            .to_owned())
    }

    /// The section by which a gateway's configuration names it.
    pub fn section(&self, more: &str) -> Result<String> {
        let ([v4, v6], key) = (self.addresses()?, self.proxy(&["key"])?);
        Ok(format!(
            "config exit '{}'\n\toption key '{}'\n\tlist address '{v4}'\n\tlist address '{v6}'\n{more}",
            self.ns,
            key.trim()
        ))
    }

    /// Starts it, or starts it again.
    pub fn start(&mut self) -> Result<()> {
        let config = self.config().display().to_string();
        let arguments = ["--config", &config, "run"];
        self.daemon = Some(self.lab.daemon(&self.ns, "burstmesh-proxy", &arguments)?);
        let begun = Instant::now();
        while self.proxy(&["status", "--json"]).is_err() {
            ensure!(
                begun.elapsed() < Duration::from_secs(10),
                "the exit does not answer: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Kills it as a crash would.
    pub fn kill(&mut self) -> Result<()> {
        self.daemon.take().context("the exit does not run")?.kill()
    }

    /// Its daemon.
    pub fn daemon(&self) -> Result<&Daemon> {
        self.daemon.as_ref().context("the exit does not run")
    }

    /// What it logged.
    pub fn log(&self) -> String {
        self.daemon.as_ref().map(Daemon::log).unwrap_or_default()
    }

    /// Its status.
    pub fn status(&self) -> Result<Value> {
        serde_json::from_str(&self.proxy(&["status", "--json"])?)
            .context("the exit's status is no JSON")
    }
}
