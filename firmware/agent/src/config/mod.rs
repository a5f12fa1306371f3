//! `/etc/config/burstmesh`: from bytes to a [`Config`] that cannot be illegal, or to every [`Problem`] with its line.
//!
//! | file | what |
//! |---|---|
//! | `uci.rs` | the text format |
//! | `schema.rs` | every section and option, in one table |
//! | `values.rs` | the kinds of values |
//! | `read.rs` | statements into a draft, checked one by one |
//! | `finish.rs` | the draft into a [`Config`], checked as a whole |
//! | `check.rs` | the checks that need to look at the router |
//! | `problem.rs`, `suggest.rs` | the messages |
//! | `reference.rs` | the table as text for `burstmesh help config` |
//!
//! Nothing here does I/O: the caller hands in the file's bytes and prints the problems.

pub mod check;
mod finish;
mod problem;
mod read;
pub mod reference;
pub mod schema;
mod suggest;
pub mod uci;
pub mod values;

use core::net::SocketAddr;

use burstmesh_core::calendar::{Wall, Zone};
use burstmesh_core::data::lane::Lane;
use burstmesh_core::identity::{NodeId, PublicKey};
use burstmesh_core::ledger::cap;
use burstmesh_core::node::gateway::Weights;
use burstmesh_core::wire::admission::{AdminKey, Certificate};
use burstmesh_core::wire::invitation::{Name, Secret, Token};
use heapless::Vec;

pub use problem::{Excerpt, Problem, ProblemKind};
use schema::{ADDRESSES, BYPASSES, CLIENTS, EXITS, HOURS, MESHES, REFUSED, RULES, UPLINKS};
pub use suggest::nearest;
use values::{FilePath, Hours, Ifname, Label, LogLevel, Prefix, Rate};

/// A configuration in which every part fits the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The community.
    pub community: Community,
    /// Where other gateways are heard.
    pub meshes: Vec<Mesh, MESHES>,
    /// The house's own Internet connections. None only where `no_uplink` says so; else exactly one is the default.
    pub uplinks: Vec<Uplink, UPLINKS>,
    /// The exits, at least one.
    pub exits: Vec<Exit, EXITS>,
    /// The networks whose devices get the pool.
    pub clients: Vec<Client, CLIENTS>,
    /// Destinations that always go direct.
    pub bypasses: Vec<Bypass, BYPASSES>,
    /// There are names too; dnsmasq has them.
    pub bypasses_names: bool,
    /// Which connections go direct or have another lane than the community's, the first that fits.
    pub rules: Vec<Rule, RULES>,
}

/// The community section, or what its invitation says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Community {
    /// Its line.
    pub line: u32,
    /// Whether the service is to run.
    pub enabled: bool,
    /// The community's name.
    pub name: Name,
    /// Its secret.
    pub secret: Secret,
    /// This gateway's private key.
    pub key_file: FilePath,
    /// How much is logged.
    pub log_level: LogLevel,
    /// Members may ask how this gateway is.
    pub share_status: bool,
    /// Members may read its log.
    pub share_log: bool,
    /// What connections do that no rule is about.
    pub lane: Lane,
    /// Members with whom it shares nothing.
    pub refused: Vec<NodeId, REFUSED>,
    /// Members whose parts of what is lent count more than 1.
    pub weights: Weights,
    /// Until when exits admit new routers with the invitation.
    pub expires: Option<Expiry>,
    /// The invitation's admission token.
    pub admission: Option<Token>,
    /// By whose word members are members.
    pub admin: Option<AdminKey>,
    /// That word for this gateway, as it was pasted.
    pub certificate: Option<Certificate>,
}

/// When an invitation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// The first second at which it has.
    pub at: Wall,
    /// The line of the invitation.
    pub line: u32,
}

impl Community {
    /// Whether the invitation has expired, as far as this router knows the time.
    #[must_use]
    pub fn has_expired(&self, now: Option<Wall>) -> bool {
        let both = self.expires.zip(now);
        both.is_some_and(|(end, now)| end.at <= now)
    }
}

/// A mesh section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mesh {
    /// Its device.
    pub ifname: Ifname,
    /// UDP port of the mesh protocol.
    pub port: u16,
    /// Whether the router's own firewall decides what else the mesh may reach. Closed, only the agent is reached.
    pub open: bool,
    /// The section's line.
    pub line: u32,
}

/// An uplink section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uplink {
    /// The section's name.
    pub name: Label,
    /// Its device.
    pub ifname: Ifname,
    /// Whether others may use it.
    pub lend: bool,
    /// Whether neighbours' connections may leave here under its address.
    pub share_address: bool,
    /// The most that is lent towards the Internet; 0: all that is idle.
    pub lend_up: Rate,
    /// The most that is lent from the Internet; 0: all that is idle.
    pub lend_down: Rate,
    /// What is always kept for the household towards the Internet; 0: nothing.
    pub reserve_up: Rate,
    /// What is always kept for the household from the Internet; 0: nothing.
    pub reserve_down: Rate,
    /// Whether direct traffic prefers it.
    pub default: bool,
    /// Whether its volume costs money.
    pub metered: bool,
    /// Which lines are filled before it: those with a smaller number.
    pub cost: u8,
    /// Bytes of the plan; 0: no cap.
    pub cap: u64,
    /// When the plan begins anew.
    pub reset_day: u8,
    /// Where midnight is.
    pub zone: Zone,
    /// When it is lent; empty: always.
    pub hours: Vec<Hours, HOURS>,
    /// The section's line.
    pub line: u32,
}

impl Uplink {
    /// As a section says it that has nothing but a name and a device.
    fn new(name: Label, ifname: Ifname, line: u32) -> Self {
        Self {
            name,
            ifname,
            lend: false,
            share_address: false,
            lend_up: Rate(0),
            lend_down: Rate(0),
            reserve_up: Rate(0),
            reserve_down: Rate(0),
            default: false,
            metered: false,
            cost: 0,
            cap: 0,
            reset_day: 1,
            zone: Zone(0),
            hours: Vec::new(),
            line,
        }
    }
}

/// An exit section, or an exit of the invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// The section's name; `invited1`... for those of the invitation.
    pub name: Label,
    /// Its public key.
    pub key: PublicKey,
    /// Where it listens, the best first.
    pub addresses: Vec<SocketAddr, ADDRESSES>,
    /// Smaller is taken first; of equals the nearest.
    pub preference: u8,
    /// The line of its section, or of the invitation.
    pub line: u32,
}

/// A client section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The section's name.
    pub name: Label,
    /// Its device.
    pub ifname: Ifname,
    /// Whether GRO is switched on at its ports.
    pub gro: bool,
    /// The section's line.
    pub line: u32,
}

/// One bypassed destination of one client network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bypass {
    /// Index into [`Config::clients`].
    pub client: u8,
    /// The destinations.
    pub prefix: Prefix,
}

/// A rule section: all that it names must fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What the packets of these connections do; `None`: they go direct.
    pub lane: Option<Lane>,
    /// Devices of this house.
    pub client: Option<Prefix>,
    /// Addresses on the Internet.
    pub destination: Option<Prefix>,
    /// The port there.
    pub port: Option<u16>,
    /// `tcp` or `udp`.
    pub protocol: Option<&'static str>,
    /// The code point that the device gave its packets.
    pub code_point: Option<u8>,
    /// The section's line.
    pub line: u32,
}

impl Rule {
    /// A rule that fits everything, so far.
    #[must_use]
    pub const fn new(line: u32) -> Self {
        Self {
            lane: Some(Lane::Auto),
            client: None,
            destination: None,
            port: None,
            protocol: None,
            code_point: None,
            line,
        }
    }

    /// Whether it could fit packets of IPv6, or else of IPv4.
    #[must_use]
    pub fn fits(&self, v6: bool) -> bool {
        let mut named = self.client.iter().chain(&self.destination);
        named.all(|prefix| prefix.address.is_ipv6() == v6)
    }

    /// Whether one line of the firewall says it for both.
    #[must_use]
    pub const fn is_of_both(&self) -> bool {
        self.client.is_none() && self.destination.is_none() && self.code_point.is_none()
    }
}

impl Uplink {
    /// Its plan, if it has a cap.
    #[must_use]
    pub fn plan(&self) -> Option<cap::Plan> {
        (self.cap > 0).then_some(cap::Plan {
            bytes: self.cap,
            reset_day: self.reset_day,
            zone: self.zone,
        })
    }
}

impl Config {
    /// Reads a whole file. Every problem goes to `problems`, in the order of the lines for each section and then for the
    /// file as a whole; a configuration comes out only if none of them was fatal.
    // Apart from its caller, whose frame holds the file: MIPS reaches no further than 32 KB into one with one instruction.
    #[inline(never)]
    pub fn parse(bytes: &[u8], problems: &mut dyn FnMut(Problem)) -> Option<Self> {
        let mut fatal = false;
        let mut report = |problem: Problem| {
            fatal |= problem.is_fatal();
            problems(problem);
        };
        let mut draft = read::Draft::read(bytes, &mut report);
        let community = draft.finish(&mut report)?;
        (!fatal).then(|| draft.config(community))
    }

    /// The uplink that direct traffic prefers.
    #[must_use]
    pub fn default_uplink(&self) -> Option<&Uplink> {
        self.uplinks.iter().find(|uplink| uplink.default)
    }

    /// The name of the exit with this number.
    #[must_use]
    pub fn exit_name(&self, exit: usize) -> &str {
        self.exits.get(exit).map_or("?", |e| e.name.as_str())
    }

    /// The bypassed destinations of the client network with this index.
    pub fn bypasses_of(&self, client: usize) -> impl Iterator<Item = Prefix> + '_ {
        let of_client = move |bypass: &&Bypass| usize::from(bypass.client) == client;
        self.bypasses
            .iter()
            .filter(of_client)
            .map(|bypass| bypass.prefix)
    }
}

/// The configuration's memory is part of the agent's budget.
const _: () = assert!(core::mem::size_of::<Config>() <= 4208);

#[cfg(test)]
mod tests;
