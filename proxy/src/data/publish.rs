//! Once a second: what the members' sessions look like, for status and metrics.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use burstmesh_core::data::path::Path;
use burstmesh_core::data::probe::State;
use burstmesh_core::error::{Refusal, Refusals};
use burstmesh_core::identity::CommunityId;
use burstmesh_core::node::exit::{Exit, Seat, Session};
use burstmesh_core::time::Instant;

use super::inside::{self, Carried, Inside};
use super::sockets;
use crate::status::{Live, LiveMember, PathStatus, Traffic};

/// Everybody with a session.
pub fn members(
    exit: &Exit<'_>,
    names: &HashMap<CommunityId, String>,
    inside: &Inside,
    now: Instant,
) -> Vec<LiveMember> {
    exit.seats()
        .map(|(at, seat, session)| LiveMember {
            community: names.get(&session.community).cloned().unwrap_or_default(),
            key: session.key,
            live: live(seat, session, inside.carried(at), now),
        })
        .collect()
}

fn live(seat: &Seat<'_>, session: &Session, carried: Carried, now: Instant) -> Live {
    let (_, queue, resequencer) = seat.tunnel().counters();
    let drops = [
        ("aqm", queue.aqm_drops),
        ("memory", queue.overflow),
        ("duplicate", resequencer.duplicates),
    ];
    Live {
        handshake_age_seconds: now.since(session.since).as_micros() as f64 / 1e6,
        paths: seat
            .tunnel()
            .paths()
            .filter_map(|(place, p)| session.address_of(place).map(|via| path(p, via)))
            .collect(),
        up: carried.up,
        down: carried.down,
        drops: drops
            .into_iter()
            .map(|(why, n)| (why.to_owned(), u64::from(n)))
            .collect(),
    }
}

fn path(path: &Path, via: SocketAddr) -> PathStatus {
    let c = path.counters();
    let told = u64::from(c.acked) + u64::from(c.lost);
    let state = match path.state() {
        State::Opening => "opening",
        State::Sizing => "measuring",
        State::Live => "live",
        State::Dead => "dead",
    };
    PathStatus {
        id: u32::from(path.id()),
        via,
        state: state.to_owned(),
        rate_bps: u64::from(path.rate().rate()) * 8,
        delay_ms: path.srtt().as_micros() as f64 / 1e3,
        loss: f64::from(c.lost) / (told.max(1) as f64),
        runs: path.runs().allowed(),
        up: Traffic {
            packets: u64::from(c.rx_packets),
            bytes: c.rx_bytes,
        },
        down: Traffic {
            packets: u64::from(c.tx_packets),
            bytes: c.tx_bytes,
        },
    }
}

/// How many datagrams were refused, and how many of them for their version.
pub fn refused(exit: &Exit<'_>) -> (u32, u32) {
    let (road, gates) = exit.refusals();
    let at_gates = gates.iter().flat_map(|(_, gate)| gate.refused());
    let total = at_gates.fold(road.total(), |sum, (_, n)| sum.saturating_add(n));
    (total, road.of(Refusal::Version))
}

/// What was refused or lost at the exit's own doors, by reason.
pub fn refusals(
    exit: &Exit<'_>,
    inside: inside::Drops,
    sockets: sockets::Drops,
) -> BTreeMap<String, u64> {
    let (road, gates) = exit.refusals();
    let mut all = BTreeMap::new();
    let mut add = |name: &str, n: u64| *all.entry(name.to_owned()).or_default() += n;
    for why in Refusals::ALL {
        add(why.name(), road.of(why).into());
    }
    for (name, n) in gates.iter().flat_map(|(_, gate)| gate.refused()) {
        add(name, n.into());
    }
    add("over_rate", exit.over_rate().into());
    add("no_such_lease", inside.no_such_lease);
    add("interface_full", inside.full);
    add("interface_refused", inside.refused);
    add("socket_full", sockets.full);
    add("socket_refused", sockets.refused);
    all
}
