//! From the topology to interfaces, addresses and routes.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::Ipv6Addr;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::{Lab, cleanup, home};
use crate::canary::{FAR, LINE, NEAR};
use crate::emulator::{Line, Socket};
use crate::namespace::Namespace;
use crate::packages;
use crate::topology::plan::{self, CORE, Link};
use crate::topology::{Host, LineSpec};

/// Settings of every namespace: quick and quiet addresses, packets taken only from where one would send to (as many
/// routers do), and CUBIC, which is what transfers are judged with.
const SETTINGS: [(&str, &str); 9] = [
    ("net/ipv6/conf/all/accept_dad", "0"),
    ("net/ipv6/conf/default/accept_dad", "0"),
    ("net/ipv6/conf/default/dad_transmits", "0"),
    ("net/ipv6/conf/default/router_solicitations", "0"),
    ("net/ipv6/conf/default/accept_ra", "0"),
    ("net/ipv4/conf/all/rp_filter", "1"),
    ("net/ipv4/conf/default/rp_filter", "1"),
    ("net/ipv4/ping_group_range", "0 2147483647"),
    ("net/ipv4/tcp_congestion_control", "cubic"),
];

/// What makes a namespace a router.
pub(super) const ROUTER: [(&str, &str); 3] = [
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv6/conf/all/forwarding", "1"),
    ("net/ipv6/conf/default/forwarding", "1"),
];

/// Length of a TAP's queue towards the emulator: it must hold what comes in while the emulator does not run.
const TAP_QUEUE: u32 = 5000;

impl Lab {
    pub(super) fn build(&mut self) -> Result<()> {
        allow_cubic()?;
        self.make_namespaces()?;
        self.make_core()?;
        let topology = self.topology.clone();
        for (index, spec) in topology.homes.iter().enumerate() {
            self.make_home(index, spec)?;
        }
        for (index, exit) in topology.exits.iter().enumerate() {
            self.make_host(exit, plan::exit(index))?;
            let prefix = format!(
                "route add {}/48 via {}\n",
                plan::exit_prefix(index),
                plan::exit(index).v6
            );
            self.ip(CORE, &prefix)?;
        }
        for (index, host) in topology.hosts.iter().enumerate() {
            self.make_host(host, plan::host(index))?;
        }
        self.make_mesh()?;
        self.make_links()?;
        if topology.canary {
            self.make_canary()?;
        }
        self.start_resolvers()
    }

    /// Every namespace of the topology with the address of its resolver.
    fn members(&self) -> Vec<(String, String)> {
        let resolver = plan::RESOLVER.to_string();
        let mut members = vec![(CORE.to_owned(), resolver.clone())];
        for home in &self.topology.homes {
            let gateway = if home.dns {
                "127.0.0.1".to_owned()
            } else {
                resolver.clone()
            };
            let lan = if home.dns {
                plan::LAN_GATEWAY.to_string()
            } else {
                resolver.clone()
            };
            members.extend([(home.name.clone(), gateway), (home.client.clone(), lan)]);
        }
        let others = self
            .topology
            .exits
            .iter()
            .chain(&self.topology.hosts)
            .map(|host| host.name.clone());
        members.extend(others.map(|name| (name, resolver.clone())));
        if self.topology.canary {
            members
                .extend(["canary-a", "canary-b"].map(|name| (name.to_owned(), resolver.clone())));
        }
        members
    }

    fn make_namespaces(&mut self) -> Result<()> {
        let members = self.members();
        let mut script = String::new();
        for (name, _) in &members {
            writeln!(script, "netns add {}-{name}", self.prefix)?;
        }
        let made = ip(&["-batch", "-"], &script);
        if made.is_err() {
            // None of them is known to the lab yet, so nobody else would remove the first ones.
            cleanup::delete_namespaces(&self.prefix)?;
        }
        made?;
        for (name, resolver) in members {
            let system_name = format!("{}-{name}", self.prefix);
            let namespace =
                Namespace::open(&name, &system_name, &self.run_dir.join(&name), &resolver)?;
            namespace.sysctls(&SETTINGS)?;
            self.namespaces.insert(name.clone(), namespace);
            self.ip(&name, "link set lo up\n")?;
        }
        Ok(())
    }

    fn make_core(&self) -> Result<()> {
        self.ns(CORE).sysctls(&ROUTER)?;
        let mut script = String::new();
        writeln!(script, "address add {}/32 dev lo", plan::MODEM)?;
        writeln!(script, "address add {}/32 dev lo", plan::RESOLVER)?;
        writeln!(script, "address add {}/128 dev lo", plan::RESOLVER6)?;
        self.ip(CORE, &script)
    }

    /// An exit or another host: "eth0" on a link to the core, default routes over it.
    fn make_host(&mut self, host: &Host, link: Link) -> Result<()> {
        self.attach(&host.name, "eth0", host.line.as_ref())?;
        let core_end = core_interface(&host.name);
        let mut inside = addresses("eth0", &link, false);
        let mut outside = addresses(&core_end, &link, true);
        for address in &host.also {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            writeln!(inside, "address add {address}/{bits} dev eth0")?;
            writeln!(
                outside,
                "route add {address}/{bits} via {}",
                link.same_family(*address)
            )?;
        }
        writeln!(inside, "route add default via {}", link.core4)?;
        writeln!(inside, "route add default via {}", link.core6)?;
        self.ip(&host.name, &inside)?;
        self.ip(CORE, &outside)
    }

    /// Joins a namespace to the core: an emulated line, or a plain pair as fast as the machine.
    pub(super) fn attach(
        &mut self,
        name: &str,
        interface: &str,
        line: Option<&LineSpec>,
    ) -> Result<()> {
        let core_end = core_interface(name);
        if let Some(spec) = line {
            let line = self.add_line((name, interface), (CORE, &core_end), spec)?;
            self.lines.insert(name.to_owned(), line);
        } else {
            let (near, far) = (self.ns(name).system_name(), self.ns(CORE).system_name());
            ip(
                &["-batch", "-"],
                &format!(
                    "link add name {interface} netns {near} address {} type veth peer name {core_end} netns {far}\n",
                    mac_text(name, interface)
                ),
            )?;
            self.ip(name, &format!("link set {interface} up\n"))?;
            self.ip(CORE, &format!("link set {core_end} up\n"))?;
        }
        Ok(())
    }

    fn add_line(&mut self, near: (&str, &str), far: (&str, &str), spec: &LineSpec) -> Result<Line> {
        let mut emulator = self.emulator.take().context("the emulator is gone")?;
        let line = emulator.add_line(
            &self.socket(near.0, near.1),
            &self.socket(far.0, far.1),
            spec.up(),
            spec.down(),
        );
        self.emulator = Some(emulator);
        for (name, interface) in [near, far] {
            self.ip(
                name,
                &format!(
                    "link set {interface} mtu {} txqueuelen {TAP_QUEUE} up\n",
                    spec.mtu
                ),
            )?;
        }
        line
    }

    fn socket<'a>(&'a self, name: &str, interface: &'a str) -> Socket<'a> {
        Socket {
            netns: self.ns(name).netns(),
            interface,
            mac: mac(name, interface),
        }
    }

    fn make_mesh(&mut self) -> Result<()> {
        let Some(spec) = self.topology.mesh.clone() else {
            return Ok(());
        };
        self.stations = self
            .topology
            .homes
            .iter()
            .filter(|home| home.mesh)
            .map(|home| home.name.clone())
            .collect();
        let mut emulator = self.emulator.take().context("the emulator is gone")?;
        let sockets: Vec<_> = self
            .stations
            .iter()
            .map(|station| self.socket(station, "mesh0"))
            .collect();
        let mesh = emulator.add_mesh(&sockets, spec.shape.over(&spec.shape));
        drop(sockets);
        self.emulator = Some(emulator);
        self.mesh = Some(mesh?);
        for station in &self.stations {
            self.ip(
                station,
                &format!(
                    "link set mesh0 mtu {} txqueuelen {TAP_QUEUE} up\n",
                    spec.mtu
                ),
            )?;
        }
        Ok(())
    }

    fn make_links(&mut self) -> Result<()> {
        let mut ports = std::collections::BTreeMap::new();
        for link in self.topology.links.clone() {
            let [near, far] = link.between.each_ref().map(|home| {
                let port = ports.entry(home.clone()).or_insert(0);
                *port += 1;
                (home.as_str(), format!("mesh{}", *port - 1))
            });
            let line = self.add_line((near.0, &near.1), (far.0, &far.1), &link.line)?;
            self.lines.insert(link.name(), line);
        }
        Ok(())
    }

    fn make_canary(&mut self) -> Result<()> {
        let spec = LineSpec::parse(LINE)?;
        let line = self.add_line(("canary-a", "eth0"), ("canary-b", "eth0"), &spec)?;
        self.lines.insert("canary".to_owned(), line);
        // Fixed neighbours: asking for one would look like a disturbance.
        for (name, peer, address, other) in [
            ("canary-a", "canary-b", NEAR, FAR),
            ("canary-b", "canary-a", FAR, NEAR),
        ] {
            let neighbour = format!(
                "neighbour add {other} lladdr {} dev eth0",
                mac_text(peer, "eth0")
            );
            self.ip(
                name,
                &format!("address add {address}/30 dev eth0\n{neighbour}\n"),
            )?;
        }
        Ok(())
    }

    /// Runs `ip` commands, one a line, in a namespace.
    pub fn ip(&self, name: &str, script: &str) -> Result<()> {
        ip(&["-n", self.ns(name).system_name(), "-batch", "-"], script)
            .with_context(|| format!("in {name}"))
    }

    /// Puts this address to the far end of somebody's line, as a device behind the same provider's box.
    pub fn stand_beside(&self, name: &str, address: Ipv6Addr) -> Result<()> {
        let interface = core_interface(name);
        self.ip(
            CORE,
            &format!("address add {address}/128 dev {interface}\n"),
        )
    }

    fn start_resolvers(&mut self) -> Result<()> {
        if self.topology.homes.iter().any(|home| home.dns) {
            packages::require(&["dnsmasq"])?;
            let core = home::start_resolver(self)?;
            self.daemons.push(core);
            for spec in self.topology.homes.clone().iter().filter(|home| home.dns) {
                let forwarder = home::start_forwarder(self, &spec.name)?;
                self.daemons.push(forwarder);
            }
        }
        Ok(())
    }
}

/// Name of the core's interface to a member.
pub(super) fn core_interface(name: &str) -> String {
    format!("to-{name}")
}

/// `ip` commands that give one end of a link its addresses.
pub(super) fn addresses(interface: &str, link: &Link, core: bool) -> String {
    let (v4, v6) = if core {
        (link.core4, link.core6)
    } else {
        (link.v4, link.v6)
    };
    format!("address add {v4}/30 dev {interface}\naddress add {v6}/64 dev {interface}\n")
}

/// A hardware address that depends on the names alone, so that captures of two runs look alike.
fn mac(name: &str, interface: &str) -> [u8; 6] {
    let hash = name
        .bytes()
        .chain(*b"/")
        .chain(interface.bytes())
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    let [a, b, c, d, ..] = hash.to_be_bytes();
    [0x02, 0xb0, a, b, c, d]
}

fn mac_text(name: &str, interface: &str) -> String {
    mac(name, interface)
        .map(|byte| format!("{byte:02x}"))
        .join(":")
}

/// Runs `ip` with a batch on its standard input.
pub(super) fn ip(arguments: &[&str], script: &str) -> Result<()> {
    feed(Command::new(packages::locate("ip")).args(arguments), script)
}

/// Runs a command with `input` on its standard input; fails when it does.
pub(super) fn feed(command: &mut Command, input: &str) -> Result<()> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!(
            "{}: {}\n{input}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// A namespace may only choose among the congestion controls that the host allows to everyone.
fn allow_cubic() -> Result<()> {
    const ALLOWED: &str = "/proc/sys/net/ipv4/tcp_allowed_congestion_control";
    let allowed = std::fs::read_to_string(ALLOWED)?;
    if !allowed.split_whitespace().any(|name| name == "cubic") {
        std::fs::write(ALLOWED, format!("{} cubic", allowed.trim()))
            .context("cannot allow TCP CUBIC")?;
    }
    Ok(())
}
