//! Topologies as data: who is there and over which lines, read from TOML and checked before anything is built.

pub mod plan;
mod validate;

use anyhow::{Context as _, Result, anyhow};
use serde::Deserialize;

use crate::emulator::Shape;
use crate::units::{Loss, QueueLimit, Rate, Span};

/// The topologies that come with the lab, by name.
const BUILTIN: [(&str, &str); 9] = [
    (
        "three-homes",
        include_str!("../../topologies/three-homes.toml"),
    ),
    (
        "unequal-homes",
        include_str!("../../topologies/unequal-homes.toml"),
    ),
    (
        "calibration",
        include_str!("../../topologies/calibration.toml"),
    ),
    (
        "no-own-line",
        include_str!("../../topologies/no-own-line.toml"),
    ),
    (
        "two-communities",
        include_str!("../../topologies/two-communities.toml"),
    ),
    ("unshaped", include_str!("../../topologies/unshaped.toml")),
    (
        "exit-at-home",
        include_str!("../../topologies/exit-at-home.toml"),
    ),
    ("two-hops", include_str!("../../topologies/two-hops.toml")),
    (
        "at-provider",
        include_str!("../../topologies/at-provider.toml"),
    ),
];

/// A whole lab.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// What it is called in messages.
    pub name: String,
    /// Fixes every random loss and jitter.
    #[serde(default = "one")]
    pub seed: u64,
    /// A plain line beside the measured ones, to tell a noisy machine by.
    #[serde(default = "yes")]
    pub canary: bool,
    /// The segment that the homes' `mesh0` ports share.
    pub mesh: Option<MeshSpec>,
    /// Mesh links of two homes each, for homes that do not all hear each other.
    #[serde(default, rename = "link")]
    pub links: Vec<MeshLink>,
    /// Households.
    #[serde(default, rename = "home")]
    pub homes: Vec<Home>,
    /// Servers that run the exit.
    #[serde(default, rename = "exit")]
    pub exits: Vec<Host>,
    /// Other hosts of the Internet.
    #[serde(default, rename = "host")]
    pub hosts: Vec<Host>,
}

/// A household: a gateway namespace called `name` with one client namespace behind it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Home {
    /// Name of the gateway's namespace.
    pub name: String,
    /// Name of the client's namespace.
    pub client: String,
    /// Whether it has a `mesh0` port.
    #[serde(default = "yes")]
    pub mesh: bool,
    /// The community it is a member of.
    #[serde(default = "elm_street")]
    pub community: String,
    /// Its own access line, if it has one.
    pub line: Option<LineSpec>,
    /// Its access line is no emulated one but as fast as the machine.
    #[serde(default)]
    pub unshaped: bool,
    /// IPv4 on the access line.
    #[serde(default = "yes")]
    pub ipv4: bool,
    /// IPv6 on the access line.
    #[serde(default = "yes")]
    pub ipv6: bool,
    /// The provider translates the home's IPv4 addresses (100.64.0.0/10) once more.
    #[serde(default)]
    pub cgnat: bool,
    /// What the client's IPv6 address is; left out: global with IPv6 on the line, local without.
    pub lan_ipv6: Option<LanIpv6>,
    /// A DNS forwarder on the gateway, asking the provider's resolver.
    #[serde(default)]
    pub dns: bool,
}

/// The IPv6 prefix of a household.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LanIpv6 {
    /// A /64 that the provider routes to the home.
    Global,
    /// A unique local /64.
    Local,
    /// No IPv6 at all.
    None,
}

/// A server or another host of the Internet.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Name of its namespace; its DNS name is this with ".test".
    pub name: String,
    /// More addresses that the Internet routes to it, such as private ones.
    #[serde(default)]
    pub also: Vec<std::net::IpAddr>,
    /// It stands in the homes' providers' network: towards it the addresses of `cgnat` homes are not translated.
    #[serde(default)]
    pub providers_own: bool,
    /// Its line; left out: as fast as the machine.
    pub line: Option<LineSpec>,
}

/// A line: common values, and what differs in one direction.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineSpec {
    /// Both directions.
    #[serde(flatten)]
    pub both: ShapeSpec,
    /// Towards the Internet, where it differs.
    #[serde(default)]
    pub up: ShapeSpec,
    /// From the Internet, where it differs.
    #[serde(default)]
    pub down: ShapeSpec,
    /// MTU of both ends.
    #[serde(default = "ethernet_mtu")]
    pub mtu: u16,
}

/// A mesh link that two homes alone are on. Each has a port of its own for it: "mesh0" for its first link, and so on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct MeshLink {
    /// The homes.
    pub between: [String; 2],
    /// The link; up is from the first home to the second.
    #[serde(flatten)]
    pub line: LineSpec,
}

impl MeshLink {
    /// What the lab calls it among its lines.
    pub fn name(&self) -> String {
        self.between.join("-")
    }
}

/// The mesh segment; all stations share the rate.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeshSpec {
    /// The medium.
    #[serde(flatten)]
    pub shape: ShapeSpec,
    /// MTU of all stations.
    #[serde(default = "ethernet_mtu")]
    pub mtu: u16,
}

/// Properties of one direction, as far as they are given.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
pub struct ShapeSpec {
    /// IP-level rate.
    pub rate: Option<Rate>,
    /// One-way delay.
    pub delay: Option<Span>,
    /// Half the width of the delay's variation.
    pub jitter: Option<Span>,
    /// Random loss.
    pub loss: Option<Loss>,
    /// Drop-tail limit; left out: 100 ms.
    pub queue: Option<QueueLimit>,
    /// Larger IP packets vanish silently.
    pub largest: Option<u32>,
}

impl ShapeSpec {
    /// The shape with what is not given here taken from `common`.
    pub fn over(&self, common: &Self) -> Shape {
        let usual = Shape::default();
        Shape {
            rate: self.rate.or(common.rate),
            delay: self.delay.or(common.delay).unwrap_or(usual.delay),
            jitter: self.jitter.or(common.jitter).unwrap_or(usual.jitter),
            loss: self.loss.or(common.loss).unwrap_or(usual.loss),
            queue: self.queue.or(common.queue).unwrap_or(usual.queue),
            largest: self.largest.or(common.largest),
        }
    }
}

impl LineSpec {
    /// The shape of the direction towards the Internet.
    pub fn up(&self) -> Shape {
        self.up.over(&self.both)
    }

    /// The shape of the direction from the Internet.
    pub fn down(&self) -> Shape {
        self.down.over(&self.both)
    }
}

impl Home {
    /// Is there an access line of its own?
    pub fn has_line(&self) -> bool {
        self.line.is_some() || self.unshaped
    }

    /// The client's IPv6 after the default is filled in.
    pub fn lan_ipv6(&self) -> LanIpv6 {
        let routed = self.ipv6 && self.has_line();
        self.lan_ipv6.unwrap_or(if routed {
            LanIpv6::Global
        } else {
            LanIpv6::Local
        })
    }
}

impl Topology {
    /// Reads and checks a topology.
    pub fn parse(text: &str) -> Result<Self> {
        let topology: Self = toml::from_str(text).context("not a topology")?;
        topology.validate()?;
        Ok(topology)
    }

    /// A topology from the `topologies` folder, by file name without `.toml`.
    pub fn builtin(name: &str) -> Result<Self> {
        let found = BUILTIN.iter().find(|(known, _)| *known == name);
        let (_, text) = found
            .ok_or_else(|| anyhow!("no topology \"{name}\"; there are {}", builtin_names()))?;
        Self::parse(text).with_context(|| format!("topologies/{name}.toml"))
    }

    /// A home by its gateway's name.
    pub fn home(&self, name: &str) -> Result<&Home> {
        let found = self.homes.iter().find(|home| home.name == name);
        found.ok_or_else(|| anyhow!("topology {} has no home \"{name}\"", self.name))
    }

    /// How many mesh ports a home has.
    pub fn mesh_ports(&self, home: &str) -> usize {
        let shared = self.homes.iter().any(|h| h.name == home && h.mesh);
        let own = self.links.iter().flat_map(|link| &link.between);
        usize::from(shared) + own.filter(|name| *name == home).count()
    }

    /// The same topology with another line for one home.
    pub fn with_line(mut self, home: &str, line: LineSpec) -> Result<Self> {
        let found = self
            .homes
            .iter_mut()
            .find(|candidate| candidate.name == home);
        found.ok_or_else(|| anyhow!("no home \"{home}\""))?.line = Some(line);
        self.validate()?;
        Ok(self)
    }
}

impl LineSpec {
    /// A line from the words of a topology file, such as `rate = "20Mbit"\ndelay = "10ms"`.
    pub fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).context("not a line")
    }
}

fn builtin_names() -> String {
    BUILTIN.map(|(name, _)| name).join(", ")
}

fn elm_street() -> String {
    "elm-street".to_owned()
}

fn one() -> u64 {
    1
}

fn yes() -> bool {
    true
}

fn ethernet_mtu() -> u16 {
    1500
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_topology_is_valid() {
        for (name, _) in BUILTIN {
            let topology = Topology::builtin(name).unwrap();
            assert_eq!(topology.name, name);
        }
    }

    #[test]
    fn a_direction_takes_what_it_lacks_from_the_line() {
        let line =
            LineSpec::parse("rate = \"50Mbit\"\ndelay = \"10ms\"\nup = { rate = \"5Mbit\" }")
                .unwrap();
        assert_eq!(line.up().rate, Some(Rate::mbit(5)));
        assert_eq!(line.up().delay, Span::ms(10));
        assert_eq!(line.down().rate, Some(Rate::mbit(50)));
        assert_eq!(line.down().queue, QueueLimit::Time(Span::ms(100)));
    }

    #[test]
    fn a_wrong_value_says_where_it_is() {
        let error = Topology::parse("name = \"x\"\n[mesh]\nrate = \"100 parsec\"").unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("20Mbit"), "{text}");
    }
}
