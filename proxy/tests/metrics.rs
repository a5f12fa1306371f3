//! What Prometheus reads.

#![allow(clippy::unwrap_used, clippy::panic)]

use burstmesh_proxy::metrics::render;
use burstmesh_proxy::nat::Counter;
use burstmesh_proxy::status::{
    CommunityStatus, Live, MemberStatus, PathStatus, Seats, Status, Traffic,
};

fn path() -> PathStatus {
    PathStatus {
        id: 3,
        via: "192.0.2.1:4000".parse().unwrap(),
        state: "active".into(),
        rate_bps: 20_000_000,
        runs: true,
        delay_ms: 25.0,
        loss: 0.01,
        up: Traffic {
            packets: 1,
            bytes: 100,
        },
        down: Traffic {
            packets: 2,
            bytes: 3000,
        },
    }
}

fn picture() -> Status {
    let live = Live {
        handshake_age_seconds: 1.5,
        paths: vec![path()],
        up: Traffic {
            packets: 1,
            bytes: 100,
        },
        down: Traffic {
            packets: 2,
            bytes: 3000,
        },
        drops: [("replayed".to_owned(), 4)].into(),
    };
    let member = MemberStatus {
        key: "k".into(),
        node_id: "0011223344556677".into(),
        name: Some("attic".into()),
        lease_v4: "10.77.0.2".parse().unwrap(),
        lease_v6: None,
        revoked: false,
        last_seen: None,
        live: Some(live),
    };
    let private = Counter {
        name: "private".into(),
        about: String::new(),
        refusal: true,
        packets: 5,
        bytes: 300,
    };
    Status {
        version: "1.2.3".into(),
        uptime_seconds: 9,
        key: "k".into(),
        listen: vec![],
        resolvers: vec![],
        communities: vec![CommunityStatus {
            name: "ho\"me".into(),
            id: "01".into(),
            members: vec![member],
        }],
        seats: Seats {
            taken: 1,
            most: 40,
            memory_bytes: 5,
            memory_most_bytes: 200,
        },
        refusals: [("bad mac".to_owned(), 7)].into(),
        firewall: vec![private],
    }
}

#[test]
fn every_number_of_the_picture_is_exported_under_its_name() {
    let text = render(&picture()).unwrap();
    for line in [
        "burstmesh_exit_uptime_seconds 9.0",
        "burstmesh_exit_seats{which=\"most\"} 40.0",
        "burstmesh_exit_packet_memory_bytes{which=\"now\"} 5.0",
        "burstmesh_exit_refusals_total{reason=\"bad mac\"} 7.0",
        "burstmesh_exit_firewall_refused_packets_total{what=\"private\"} 5.0",
        "burstmesh_exit_members_live{community=\"ho\\\"me\"} 1.0",
        "burstmesh_exit_traffic_bytes_total{community=\"ho\\\"me\",member=\"attic\",direction=\"down\"} 3000.0",
        "burstmesh_exit_dropped_packets_total{community=\"ho\\\"me\",member=\"attic\",reason=\"replayed\"} 4.0",
        "burstmesh_exit_path_rate_bits_per_second{community=\"ho\\\"me\",member=\"attic\",path=\"3\"} 20000000.0",
        "burstmesh_exit_path_delay_seconds{community=\"ho\\\"me\",member=\"attic\",path=\"3\"} 0.025",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}
