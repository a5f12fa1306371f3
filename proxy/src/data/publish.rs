//! Once a second: what the members' sessions look like, for status and metrics.

use std::collections::{BTreeMap, HashMap};

use burstmesh_core::data::path::Path;
use burstmesh_core::data::probe::State;
use burstmesh_core::error::Refusals;
use burstmesh_core::identity::CommunityId;
use burstmesh_core::node::exit::{Exit, Seat, Session};
use burstmesh_core::time::Instant;

use crate::status::{Live, LiveMember, PathStatus, Traffic};

/// Everybody with a session.
pub fn members(exit: &Exit<'_>, names: &HashMap<CommunityId, String>, now: Instant) -> Vec<LiveMember> {
    exit.seats()
        .map(|(_, seat, session)| LiveMember {
            community: names.get(&session.community).cloned().unwrap_or_default(),
            key: session.key,
            live: live(seat, session, now),
        })
        .collect()
}

fn live(seat: &Seat<'_>, session: &Session, now: Instant) -> Live {
    let paths: Vec<PathStatus> = seat
        .tunnel()
        .paths()
        .filter_map(|(place, path)| session.address_of(place).map(|via| path_status(path, via)))
        .collect();
    let sum = |of: fn(&PathStatus) -> &Traffic| {
        paths.iter().map(of).fold((0, 0), |(p, b), t| (p + t.packets, b + t.bytes))
    };
    let traffic = |(packets, bytes)| Traffic { packets, bytes };
    let (up, down) = (traffic(sum(|p| &p.up)), traffic(sum(|p| &p.down)));
    let (tunnel, queue, resequencer) = seat.tunnel().counters();
    let drops = [
        ("aqm", queue.aqm_drops),
        ("memory", queue.overflow),
        ("no_path", tunnel.unroutable),
        ("duplicate", resequencer.duplicates),
    ];
    Live {
        handshake_age_seconds: now.since(session.since).as_micros() as f64 / 1e6,
        paths,
        up,
        down,
        drops: drops.into_iter().map(|(why, n)| (why.to_owned(), u64::from(n))).collect(),
    }
}

fn path_status(path: &Path, via: std::net::SocketAddr) -> PathStatus {
    let c = path.counters();
    let told = u64::from(c.acked) + u64::from(c.lost);
    PathStatus {
        id: u32::from(path.id()),
        via,
        state: match path.state() {
            State::Opening => "opening",
            State::Sizing => "measuring",
            State::Live => "live",
            State::Dead => "dead",
        }
        .to_owned(),
        rate_bps: u64::from(path.rate().rate()) * 8,
        delay_ms: path.srtt().as_micros() as f64 / 1e3,
        loss: if told == 0 { 0.0 } else { f64::from(c.lost) / told as f64 },
        up: Traffic { packets: u64::from(c.rx_packets), bytes: c.rx_bytes },
        down: Traffic { packets: u64::from(c.tx_packets), bytes: c.tx_bytes },
    }
}

/// What was refused, by reason.
pub fn refusals(exit: &Exit<'_>, unknown_lease: u64) -> BTreeMap<String, u64> {
    let (road, gates) = exit.refusals();
    let mut all: BTreeMap<String, u64> =
        Refusals::ALL.iter().map(|why| (why.to_string().replace(' ', "_"), u64::from(road.of(*why)))).collect();
    let mut add = |name: &str, n: u32| *all.entry(format!("handshake_{name}")).or_default() += u64::from(n);
    for (_, c) in &gates {
        add("malformed", c.malformed);
        add("version", c.wrong_version);
        add("bad_mac", c.bad_mac);
        add("cookie_sent", c.cookie_sent);
        add("over_budget", c.over_budget);
        add("replayed", c.replayed);
    }
    all.insert("no_such_lease".to_owned(), unknown_lease);
    all
}
