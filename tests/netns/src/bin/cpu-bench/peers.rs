//! The tunnels that are compared, each from the gateway `gw1` to `exit`, for the traffic of the client `c1` to `web`.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use burstmesh_netns::community::Community;
use burstmesh_netns::{Daemon, Lab};

/// One way from the client to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tunnel {
    /// No tunnel: the kernel forwards.
    Plain,
    /// Ours.
    Burstmesh,
    /// OpenVPN in user space with ChaCha20-Poly1305.
    OpenVpn,
    /// fastd with its fastest authenticated method.
    Fastd,
}

/// The processes of a tunnel.
pub enum Ends<'l> {
    /// None.
    Nobody,
    /// An agent and an exit.
    Ours(Box<Community<'l>>),
    /// Two daemons.
    Pair([Daemon; 2]),
}

const INSIDE: [&str; 2] = ["10.9.0.1", "10.9.0.2"];

impl Tunnel {
    /// All, the ones compared with first.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Burstmesh, Self::OpenVpn, Self::Fastd];

    /// What it is called in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "no tunnel",
            Self::Burstmesh => "burstmesh",
            Self::OpenVpn => "openvpn, ChaCha20-Poly1305",
            Self::Fastd => "fastd, salsa2012+umac",
        }
    }

    /// A program that it needs and that is not here.
    pub fn missing(self) -> Option<&'static str> {
        let program = match self {
            Self::Plain | Self::Burstmesh => return None,
            Self::OpenVpn => "openvpn",
            Self::Fastd => "fastd",
        };
        let found = ["/usr/sbin", "/usr/bin"]
            .iter()
            .any(|dir| std::path::Path::new(dir).join(program).exists());
        (!found).then_some(program)
    }

    /// Raises it, and returns when it carries the client's packets.
    pub fn raise(self, lab: &Lab) -> Result<Ends<'_>> {
        match self {
            Self::Plain => Ok(Ends::Nobody),
            Self::Burstmesh => {
                let community = Community::up(lab)?;
                community.wait_pooling("gw1", 1, Duration::from_secs(20))?;
                Ok(Ends::Ours(Box::new(community)))
            }
            Self::OpenVpn => pair(lab, openvpn(lab)?),
            Self::Fastd => pair(lab, fastd(lab)?),
        }
    }
}

impl Ends<'_> {
    /// Process IDs, the gateway's end first.
    pub fn pids(&mut self) -> Result<Vec<u32>> {
        Ok(match self {
            Self::Nobody => Vec::new(),
            Self::Ours(community) => {
                let exit = community.exit.daemon()?.pid();
                vec![community.agent("gw1")?.pid(), exit]
            }
            Self::Pair(daemons) => daemons.iter().map(Daemon::pid).collect(),
        })
    }
}

/// Addresses, routes and translation for a plain tunnel called `tun0` at both ends.
fn pair<'l>(lab: &'l Lab, mut daemons: [Daemon; 2]) -> Result<Ends<'l>> {
    let web = lab.link("web")?.v4.to_string();
    for ((ns, own), (other, daemon)) in [("gw1", INSIDE[0]), ("exit", INSIDE[1])]
        .into_iter()
        .zip([INSIDE[1], INSIDE[0]].into_iter().zip(&mut daemons))
    {
        daemon.wait_until(Duration::from_secs(10), |_| {
            Ok(lab.ns(ns).run("ip", &["link", "show", "tun0"]).is_ok())
        })?;
        let ip = |line: &str| lab.ns(ns).run("ip", &line.split(' ').collect::<Vec<_>>());
        ip("link set tun0 mtu 1420 up")?;
        ip(&format!("address replace {own} peer {other} dev tun0"))?;
    }
    let gw1 = lab.ns("gw1");
    gw1.run("ip", &["route", "add", &web, "dev", "tun0"])?;
    gw1.run(
        "nft",
        &["add rule inet home zone_burstmesh iifname lan0 oifname tun0 accept"],
    )?;
    gw1.run(
        "nft",
        &["add rule inet home postrouting oifname tun0 masquerade"],
    )?;
    gw1.run(
        "nft",
        &["add rule inet home forward tcp flags syn tcp option maxseg size set rt mtu"],
    )?;
    let exit = lab.ns("exit");
    exit.sysctl("net/ipv4/ip_forward", "1")?;
    exit.run("nft", &["add table ip far"])?;
    exit.run(
        "nft",
        &["add chain ip far out { type nat hook postrouting priority srcnat; }"],
    )?;
    exit.run("nft", &["add rule ip far out oifname eth0 masquerade"])?;
    Ok(Ends::Pair(daemons))
}

fn openvpn(lab: &Lab) -> Result<[Daemon; 2]> {
    let mut prints = Vec::new();
    for ns in ["gw1", "exit"] {
        let dir = lab.ns(ns).dir().display().to_string();
        let (key, cert) = (format!("{dir}/vpn.key"), format!("{dir}/vpn.crt"));
        let make = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=x -keyout";
        let mut arguments: Vec<&str> = make.split(' ').collect();
        arguments.extend([&key, "-out", &cert]);
        lab.ns(ns).run("openssl", &arguments)?;
        let said = lab.ns(ns).run(
            "openssl",
            &["x509", "-in", &cert, "-noout", "-fingerprint", "-sha256"],
        )?;
        prints.push(
            said.trim()
                .rsplit('=')
                .next()
                .unwrap_or_default()
                .to_owned(),
        );
    }
    let start = |ns: &str, other: &str, more: String| {
        let dir = lab.ns(ns).dir().display().to_string();
        let line = format!(
            "--dev tun0 --dev-type tun --proto udp --cert {dir}/vpn.crt --key {dir}/vpn.key \
             --data-ciphers CHACHA20-POLY1305 --disable-dco --verb 1 --peer-fingerprint {other} {more}"
        );
        lab.daemon(ns, "openvpn", &line.split_whitespace().collect::<Vec<_>>())
    };
    let (gateway, exit) = (
        prints.first().context("no certificate")?,
        prints.get(1).context("no certificate")?,
    );
    let far = lab.link("exit")?.v4;
    Ok([
        start(
            "gw1",
            exit,
            format!("--tls-client --remote {far} 1194 --nobind"),
        )?,
        start("exit", gateway, "--tls-server --dh none --port 1194".into())?,
    ])
}

fn fastd(lab: &Lab) -> Result<[Daemon; 2]> {
    let mut keys = Vec::new();
    for ns in ["gw1", "exit"] {
        let said = lab
            .ns(ns)
            .run("fastd", &["--generate-key", "--machine-readable"])?;
        let secret = said.trim().to_owned();
        let config = lab.ns(ns).dir().join("fastd-key.conf");
        fs::write(&config, format!("secret \"{secret}\";\n"))?;
        let public = lab.ns(ns).run(
            "fastd",
            &[
                "--config",
                &config.display().to_string(),
                "--show-key",
                "--machine-readable",
            ],
        )?;
        keys.push((secret, public.trim().to_owned()));
    }
    let start = |ns: &str, secret: &str, other: &str, more: String, bind: &str| {
        let path = lab.ns(ns).dir().join("fastd.conf");
        fs::write(
            &path,
            format!(
                "mode tun;\ninterface \"tun0\";\nmethod \"salsa2012+umac\";\nmtu 1420;\n{bind}\n\
                 secret \"{secret}\";\nlog level warn;\npeer \"other\" {{ key \"{other}\"; {more} }}\n"
            ),
        )?;
        lab.daemon(ns, "fastd", &["--config", &path.display().to_string()])
    };
    let far = lab.link("exit")?.v4;
    let [(s1, p1), (s2, p2)] = keys.as_slice() else {
        anyhow::bail!("no keys");
    };
    Ok([
        start("gw1", s1, p2, format!("remote {far} port 10000;"), "")?,
        start("exit", s2, p1, String::new(), "bind any port 10000;")?,
    ])
}
