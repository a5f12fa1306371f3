//! Once a second: what the members' sessions look like, for status and metrics.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use burstmesh_core::data::path::Path;
use burstmesh_core::data::probe::State;
use burstmesh_core::error::Refusals;
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
        add(&why.to_string().replace(' ', "_"), road.of(why).into());
    }
    for (_, c) in &gates {
        add("handshake_malformed", c.malformed.into());
        add("handshake_version", c.wrong_version.into());
        add("handshake_bad_mac", c.bad_mac.into());
        add("handshake_cookie_sent", c.cookie_sent.into());
        add("handshake_over_budget", c.over_budget.into());
        add("handshake_replayed", c.replayed.into());
    }
    add("no_such_lease", inside.no_such_lease);
    add("interface_full", inside.full);
    add("interface_refused", inside.refused);
    add("socket_full", sockets.full);
    add("socket_refused", sockets.refused);
    all
}
