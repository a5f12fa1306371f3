//! What `burstmesh status` shows: a table for people, JSON for programs.

mod direct;
mod json;
mod table;

#[cfg(feature = "control-net")]
pub use table::{Age, Limit};

use super::accounts::Accounts;
use super::admission;
use super::lending::Lending;
use super::network::UplinkState;
use super::outlet::Road;
use super::pause::Pause;
use super::routing::Applied;
use crate::config::Config;
use burstmesh_core::calendar::Wall;
use burstmesh_core::data::probe::State;
use burstmesh_core::node::gateway::{Gateway, Peer, Route};
use burstmesh_core::time::Instant;
use burstmesh_core::wire::handshake::Denial;
use burstmesh_core::wire::path::Cost;
use burstmesh_linux::clock;
use burstmesh_linux::tun::Tun;
use core::fmt::{self, Write};
use core::net::Ipv6Addr;

/// What there is to show.
pub struct View<'a> {
    pub gateway: &'a Gateway<'static>,
    pub config: &'a Config,
    pub now: Instant,
    pub started: Instant,
    pub applied: Applied,
    pub uplinks: &'a [UplinkState],
    pub accounts: &'a Accounts,
    pub lending: &'a Lending,
    pub pause: Pause,
    pub tun: &'a Tun,
    pub road: &'a Road,
}

/// What is told together. The bus has a method for each, so that who looks every second asks for little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    All,
    /// In a sentence and by path.
    State,
    /// Who is there.
    Members,
    /// What the busiest flows do, and why.
    Flows,
    /// What a developer wants to know.
    Counters,
}

/// Answers one line from the control socket.
pub fn answer(view: &View<'_>, line: &str, out: &mut dyn Write) {
    let _ = match line {
        "status" => view.table(out),
        "status json" => view.json(Part::All, out),
        other => writeln!(
            out,
            "unknown request '{other}'; known: status, status json, log, ledger, ledger json, ledger csv, ledger forget N, pause MINUTES, resume, refuse NODE [MINUTES], accept NODE"
        ),
    };
}

/// Tells one part in JSON.
pub fn tell(view: &View<'_>, part: Part, out: &mut dyn Write) {
    let _ = view.json(part, out);
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Opening => "opening",
        State::Sizing => "measuring",
        State::Live => "live",
        State::Dead => "dead",
    }
}

fn standby_name(cost: Cost) -> &'static str {
    match cost.is_metered() {
        true => "stands by: metered",
        false => "stands by: dearer",
    }
}

/// The protocol, and where a flow goes: address and port.
struct Far<'a>(u8, &'a [u8; 16], u16);

impl fmt::Display for Far<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(protocol, far, port) = *self;
        match protocol {
            6 => f.write_str("tcp ")?,
            17 => f.write_str("udp ")?,
            1 | 58 => f.write_str("icmp ")?,
            other => write!(f, "protocol {other} ")?,
        }
        // An address that begins with zeros is no IPv6 address of the Internet.
        match far {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] => write!(f, "{a}.{b}.{c}.{d}")?,
            v6 => write!(f, "[{}]", Ipv6Addr::from(*v6))?,
        }
        match port {
            0 => Ok(()),
            port => write!(f, ":{port}"),
        }
    }
}

/// Bits per second from bytes per second.
fn bits(bytes: u32) -> u64 {
    u64::from(bytes) * 8
}

impl View<'_> {
    /// The exit in use.
    #[cfg(feature = "control-net")]
    pub fn exit(&self) -> Option<burstmesh_core::identity::NodeId> {
        let pooling = self.gateway.pooling()?;
        Some(self.config.exits.get(pooling.exit)?.key.node_id())
    }

    fn sentence(&self) -> &'static str {
        if self.pause.is_on() {
            return "paused: nothing is lent or borrowed; clients use the own line until it is over, or: burstmesh resume";
        }
        let wall = Wall::sane(clock::wall_seconds());
        let expired = self.config.community.has_expired(wall);
        if let Some(why) = self
            .gateway
            .denied(self.now)
            .filter(|_| !self.applied.pooling)
            // What stands against a new router then is the invitation.
            .filter(|why| *why != Denial::NoCertificate || !expired)
        {
            return admission::advice(why);
        }
        match (
            self.applied.pooling,
            self.gateway
                .link()
                .tunnel()
                .paths()
                .filter(|(_, p)| p.usable())
                .count(),
        ) {
            (false, _) if self.applied.spread.is_used() => {
                "no exit is used: each new connection leaves at one line, the own one or a neighbour's"
            }
            (false, 0) if expired => {
                "not pooling: no exit answers; the invitation has expired, so a router that is new needs another one; clients use the own line"
            }
            (false, 0) => "not pooling: no exit answers; clients use the own line",
            (false, _) => "about to pool",
            (true, 1) => "pooling over one line",
            (true, _) => "pooling over several lines",
        }
    }

    /// The name of the way that a path goes.
    pub(in crate::daemon) fn way(&self, place: usize, out: &mut dyn Write) -> fmt::Result {
        match self.gateway.link().route(place) {
            Some(Route::Own { uplink, .. }) => {
                let name = self
                    .config
                    .uplinks
                    .get(usize::from(uplink))
                    .map_or("?", |u| u.name.as_str());
                write!(out, "{name}")
            }
            Some(Route::Lent { peer, uplink }) => match self.peer(peer) {
                Some(p) => write!(out, "{}/{uplink}", p.key.node_id()),
                None => write!(out, "?/{uplink}"),
            },
            None => write!(out, "-"),
        }
    }

    /// The names of the ways that these paths go (a bit for each place), in quotes or not.
    fn ways(&self, paths: u8, quote: &str, out: &mut dyn Write) -> fmt::Result {
        let places = (0..8).filter(|place| paths & 1 << place != 0);
        for (n, place) in places.enumerate() {
            write!(out, "{}{quote}", if n == 0 { "" } else { ", " })?;
            self.way(place, out)?;
            out.write_str(quote)?;
        }
        Ok(())
    }

    pub(in crate::daemon) fn peer(&self, place: u8) -> Option<&Peer> {
        self.gateway
            .peers()
            .find(|(i, _)| *i == usize::from(place))
            .map(|(_, p)| p)
    }
}
