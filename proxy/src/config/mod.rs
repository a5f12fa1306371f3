//! The exit's configuration: `/etc/burstmesh-proxy/config.toml`.
//!
//! Everything but the interface to the Internet has a default. Unknown options are errors: a misspelt option
//! that is silently ignored is found only when it hurts.

mod check;
mod error;
mod machine;
mod reload;
mod setting;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Deserialize;
use toml::Spanned;

pub use error::ConfigError;
pub use machine::interfaces;
pub use setting::Setting;

/// Where the daemon and its commands look for the configuration unless told otherwise.
pub const DEFAULT_PATH: &str = "/etc/burstmesh-proxy/config.toml";
/// The UDP port of an exit.
pub const DEFAULT_PORT: u16 = 4454;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// UDP addresses that gateways send to.
    #[serde(default = "default_listen")]
    pub listen: Spanned<Vec<SocketAddr>>,
    /// The key and the store of leases live here.
    #[serde(default = "default_state_dir")]
    pub state_dir: PathBuf,
    /// The socket of `status` and `reload`.
    #[serde(default = "default_control")]
    pub control: PathBuf,
    /// HTTP address of `/metrics` and `/status`; `"off"` closes it.
    #[serde(default)]
    pub metrics: Http,
    /// HTTP address of the admin's page; `"off"` closes it.
    #[serde(default)]
    pub dashboard: Dashboard,
    #[serde(default)]
    pub tun: Tun,
    #[serde(default = "unspanned")]
    pub leases: Spanned<Leases>,
    pub nat: Nat,
    #[serde(default)]
    pub dns: Dns,
    #[serde(default = "unspanned")]
    pub limits: Spanned<Limits>,
}

/// The interface that the members' traffic comes out of.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tun {
    pub name: Spanned<String>,
}

/// The tunnel addresses of members, and how they are divided among communities.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Leases {
    /// All IPv4 leases; its first address is the exit's own.
    pub v4: Ipv4Net,
    /// All IPv6 leases; its first address is the exit's own.
    pub v6: Ipv6Net,
    /// Prefix length of one community's share of `v4`.
    pub community_v4: u8,
    /// Prefix length of one community's share of `v6`.
    pub community_v6: u8,
}

/// How traffic meets the Internet, and what it may not reach.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nat {
    /// The interface to the Internet.
    pub uplink: Spanned<String>,
    /// Masquerade IPv4 leases. Off only where the pool is routed to this exit.
    #[serde(default = "yes")]
    pub nat44: bool,
    #[serde(default = "unspanned")]
    pub ipv6: Spanned<Ipv6Mode>,
    /// TCP and UDP ports that nobody reaches through this exit.
    #[serde(default = "default_block_ports")]
    pub block_ports: Vec<u16>,
    /// Prefixes nobody reaches through this exit, besides those that are never reachable.
    #[serde(default)]
    pub deny: Vec<IpNet>,
    /// Members reach what has a public address on the uplink's own link: right in a data centre, wrong at home.
    #[serde(default)]
    pub neighbours: bool,
}

/// What becomes of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ipv6Mode {
    /// As `Nat66`, and members are leased IPv6 only while this machine has a way out for it.
    #[default]
    Auto,
    /// Masquerade the leases onto the exit's own address.
    Nat66,
    /// The pool is a public prefix routed to this exit: no translation.
    Routed,
    /// No IPv6 leases.
    Off,
}

/// Resolvers told to members; "auto": this server's own (see [`crate::dns`]); empty lists leave members theirs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    pub v4: Setting<Vec<Ipv4Addr>>,
    pub v6: Setting<Vec<Ipv6Addr>>,
}

/// What members may cost this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Packet memory of all members together, MiB; "auto": a quarter of the machine's.
    pub memory: Setting<u32>,
    /// Members with a session at a time; "auto": as many as `memory` has room for.
    pub members: Setting<u16>,
}

/// Where something is served; by default the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Http {
    Off,
    On(SocketAddr),
}

impl Config {
    /// Reads and checks a file. What can only be known on the machine that runs it is `check_machine`'s.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| {
            ConfigError::whole(
                &file,
                format!("cannot be read: {e}; name another with --config"),
            )
        })?;
        Self::parse(&file, &text)
    }

    /// Reads and checks the text of a file called `file`.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let config: Self =
            toml::from_str(text).map_err(|e| ConfigError::from_toml(file, text, &e))?;
        config.check(file, text)?;
        Ok(config)
    }

    /// Whether members may be told this exit's own address as their resolver, and so may reach it.
    pub fn resolver_here(&self) -> bool {
        let leases = self.leases.get_ref();
        self.dns.v4.list().contains(&leases.exit_v4())
            || self.dns.v6.list().contains(&leases.exit_v6())
    }

    /// Whether IPv6 leases are masqueraded.
    pub fn nat66(&self) -> bool {
        matches!(self.nat.ipv6.get_ref(), Ipv6Mode::Auto | Ipv6Mode::Nat66)
    }

    /// Every resolver told to members.
    pub fn resolvers(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let v4 = self.dns.v4.list().iter().copied().map(IpAddr::V4);
        v4.chain(self.dns.v6.list().iter().copied().map(IpAddr::V6))
    }
}

impl Leases {
    /// The exit's own IPv4 address: the pool's first.
    pub fn exit_v4(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.v4.network()).saturating_add(1))
    }

    /// The exit's own IPv6 address: the pool's first.
    pub fn exit_v6(&self) -> Ipv6Addr {
        Ipv6Addr::from(u128::from(self.v6.network()).saturating_add(1))
    }
}

impl Default for Tun {
    fn default() -> Self {
        Self {
            name: Spanned::new(0..0, "bmx0".into()),
        }
    }
}

impl Default for Leases {
    fn default() -> Self {
        Self {
            v4: Ipv4Net::new_assert(Ipv4Addr::new(10, 77, 0, 0), 16),
            v6: Ipv6Net::new_assert(Ipv6Addr::new(0xfd77, 0x6275, 0x7273, 0, 0, 0, 0, 0), 48),
            community_v4: 24,
            community_v6: 64,
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self::On(SocketAddr::from((Ipv4Addr::LOCALHOST, 9477)))
    }
}

/// Where the admin's page is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Dashboard(pub Http);

impl Default for Dashboard {
    fn default() -> Self {
        Self(Http::On(SocketAddr::from((Ipv4Addr::LOCALHOST, 9478))))
    }
}

impl<'de> Deserialize<'de> for Http {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        if text == "off" {
            return Ok(Self::Off);
        }
        let bad = |_| {
            serde::de::Error::custom("not an address and port; write \"127.0.0.1:9477\" or \"off\"")
        };
        text.parse().map(Self::On).map_err(bad)
    }
}

fn default_listen() -> Spanned<Vec<SocketAddr>> {
    let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, DEFAULT_PORT));
    let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, DEFAULT_PORT));
    Spanned::new(0..0, vec![v4, v6])
}

/// A default has no place in the file: its span is empty.
fn unspanned<T: Default>() -> Spanned<T> {
    Spanned::new(0..0, T::default())
}

fn default_state_dir() -> PathBuf {
    "/var/lib/burstmesh-proxy".into()
}

fn default_control() -> PathBuf {
    "/run/burstmesh-proxy/control.sock".into()
}

fn default_block_ports() -> Vec<u16> {
    vec![25]
}

fn yes() -> bool {
    true
}
