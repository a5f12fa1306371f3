//! The owner refuses one member, and nobody else notices.

use crate::traffic::talk;
use crate::world::packet::{FAR, packet};
use crate::world::{Line, World};
use burstmesh_core::identity::NodeId;
use burstmesh_core::node::gateway::{Gateway, MAX_REFUSED, Peer, UplinkConfig};
use burstmesh_core::time::{Duration, Instant};

fn gateway(w: &mut World, i: usize) -> &mut Gateway<'static> {
    w.gateways[i].gw.as_mut().unwrap()
}

fn node(w: &World, i: usize) -> NodeId {
    w.gateways[i].key().node_id()
}

/// What gateway `i` knows of gateway `j`.
fn peer(w: &World, i: usize, j: usize) -> &Peer {
    let key = w.gateways[j].key();
    let mut peers = w.gateways[i].gw().peers();
    peers.find(|(_, p)| p.key == key).unwrap().1
}

fn lent_paths(w: &World) -> [usize; 3] {
    [0, 1, 2].map(|i| w.gateways[i].live_paths().1)
}

#[test]
fn who_is_refused_loses_that_line_at_once_and_nothing_of_his_flow_and_the_others_keep_theirs() {
    let (mut w, mut next) = (World::three(), 0);
    w.run(3_000);
    talk(&mut w, 1_000, &mut next);
    assert_eq!(lent_paths(&w), [2, 2, 2]);
    let (now, borrower) = (w.instant(), node(&w, 0));
    assert!(gateway(&mut w, 1).refuse(now, borrower, Some(Instant::FAR)));
    w.run(150);
    // Neither uses the other's line from now on.
    assert_eq!(lent_paths(&w), [1, 1, 2]);
    assert!(peer(&w, 1, 0).refused && peer(&w, 0, 1).refuses_us);
    assert!(!peer(&w, 0, 2).refuses_us && !peer(&w, 2, 1).refuses_us);
    let before = peer(&w, 1, 0).carried;
    talk(&mut w, 4_000, &mut next);
    // Longer than a grant.
    w.run(31_000);
    assert_eq!(
        (lent_paths(&w), before),
        ([1, 1, 2], peer(&w, 1, 0).carried)
    );
    assert!(peer(&w, 0, 1).refuses_us, "it is repeated while it holds");
    let now = w.instant();
    gateway(&mut w, 1).refuse(now, borrower, None);
    let took = w.run_until(2_000, |w| lent_paths(w) == [2, 2, 2]);
    assert!(took < 2_000, "{}", w.describe());
    assert!(!peer(&w, 1, 0).refused && !peer(&w, 0, 1).refuses_us);
    w.run(500);
    assert_eq!(w.exits[0].at(0).flow(7), (0..next).collect::<Vec<_>>());
}

#[test]
fn a_refusal_ends_by_itself_and_holds_for_a_session_that_is_new() {
    let mut w = World::three();
    let (now, borrower) = (w.instant(), node(&w, 0));
    let until = now + Duration::from_secs(10);
    // Before they know each other.
    assert!(gateway(&mut w, 1).refuse(now, borrower, Some(until)));
    w.run(5_000);
    assert_eq!(lent_paths(&w), [1, 1, 2]);
    assert!(gateway(&mut w, 1).refuses(borrower));
    w.run(7_000);
    assert!(!gateway(&mut w, 1).refuses(borrower));
    assert_eq!(lent_paths(&w), [2, 2, 2]);
}

#[test]
fn sessions_at_a_hosts_line_end_when_their_house_is_refused() {
    let mut w = World::with(&[&[Line::mbit(20, 10)][..]; 2], 0);
    let line = UplinkConfig {
        lend: true,
        shares_address: true,
        ..UplinkConfig::default()
    };
    w.set_uplinks(1, &[line]);
    let hosts = |w: &World| w.gateways[0].gw().hosts(w.instant()).count();
    w.run_until(5_000, |w| hosts(w) == 1);
    let near = peer(&w, 0, 1).with_host.v4;
    let (now, guest) = (w.instant(), node(&w, 0));
    gateway(&mut w, 1).refuse(now, guest, Some(Instant::FAR));
    w.run(200);
    assert_eq!(hosts(&w), 0);
    let now = w.instant();
    w.gateways[0].send(now, &mut packet(near, FAR, 9, 0, 300));
    w.run(5_000);
    assert!(w.gateways[1].at.flow(9).is_empty());
    assert_eq!(hosts(&w), 0);
    let now = w.instant();
    gateway(&mut w, 1).refuse(now, guest, None);
    w.run(200);
    assert_eq!(hosts(&w), 1);
    // A guest that refuses its host goes there no more either.
    let (now, host) = (w.instant(), node(&w, 1));
    gateway(&mut w, 0).refuse(now, host, Some(Instant::FAR));
    assert_eq!(hosts(&w), 0);
}

#[test]
fn one_more_than_there_is_room_for_is_told_and_one_that_is_refused_already_is_no_more() {
    let mut w = World::three();
    let now = w.instant();
    let gw = gateway(&mut w, 0);
    for n in 0..MAX_REFUSED as u8 {
        assert!(gw.refuse(now, NodeId([n; 8]), Some(Instant::FAR)));
    }
    assert!(!gw.refuse(now, NodeId([99; 8]), Some(Instant::FAR)));
    assert!(gw.refuse(now, NodeId([3; 8]), Some(Instant::FAR)));
    assert!(!gw.refuses(NodeId([99; 8])) && gw.refuses(NodeId([3; 8])));
}
