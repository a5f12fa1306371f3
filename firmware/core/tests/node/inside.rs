//! The control network between whole nodes: straight, over hops and through the exit, and never from one community to another.

use crate::world::packet::{FAR, leased, packet as traffic};
use crate::world::{Line, World, community_keys};
use burstmesh_core::control::cookie::Budget;
use burstmesh_core::error::Refusal;
use burstmesh_core::identity::NodeId;
use burstmesh_core::wire::inside::{MTU, address};

/// A packet of IPv6 with so many bytes in all.
fn packet(from: NodeId, to: NodeId, len: usize) -> Vec<u8> {
    let mut p = vec![0x60, 0, 0, 0];
    p.extend((len as u16 - 40).to_be_bytes());
    p.extend([6, 64]);
    p.extend(address(from));
    p.extend(address(to));
    p.resize(len, 7);
    p
}

fn name(w: &World, gateway: usize) -> NodeId {
    w.gateways[gateway].key().node_id()
}

/// Three homes, of which the last has a mesh of its own.
fn homes() -> World {
    let line = [Line::mbit(20, 10)];
    let mut w = World::on_radios(&[&line, &line, &line], &[&[0, 1], &[2]]);
    w.run(4_000);
    w
}

#[test]
fn members_reach_each_other_straight_or_through_the_exit_and_the_exit_itself() {
    let mut w = homes();
    let exit = w.exits[0].key().node_id();
    for (from, to) in [(0, 1), (1, 0), (0, 2), (2, 0)] {
        let p = packet(name(&w, from), name(&w, to), MTU);
        let now = w.instant();
        assert_eq!(w.gateways[from].send_inside(now, &p), Ok(()));
        let before = w.ms();
        w.run_until(200, |w| w.gateways[to].at.inside.last() == Some(&p));
        assert!(
            !w.gateways[to].at.inside.is_empty(),
            "{from} to {to}: {}",
            w.describe()
        );
        let straight = from != 2 && to != 2;
        assert_eq!(
            w.ms() - before < 25,
            straight,
            "{from} to {to} in {} ms",
            w.ms() - before
        );
        w.run(500);
    }
    let p = packet(name(&w, 2), exit, 100);
    let now = w.instant();
    assert_eq!(w.gateways[2].send_inside(now, &p), Ok(()));
    w.run(100);
    let got: Vec<_> = w.exits[0].inside().iter().map(|(_, p)| p.clone()).collect();
    assert_eq!(got, [p]);
}

#[test]
fn over_two_mesh_hops_without_the_exit() {
    let line = [Line::mbit(20, 10)];
    let mut w = World::on_radios(&[&line, &line, &line], &[&[0, 1], &[1, 2]]);
    w.run(10_000);
    let (p, now) = (packet(name(&w, 0), name(&w, 2), MTU), w.instant());
    assert_eq!(w.gateways[0].send_inside(now, &p), Ok(()));
    let before = w.ms();
    w.run_until(200, |w| !w.gateways[2].at.inside.is_empty());
    assert_eq!(w.gateways[2].at.inside, [p]);
    assert!(w.ms() - before < 25, "{} ms", w.ms() - before);
}

#[test]
fn nothing_is_sent_on_to_another_community_or_to_nobody() {
    let mut w = homes();
    let now = w.instant();
    let other = community_keys("other");
    let exit = w.exits[0].exit.as_mut().unwrap();
    exit.serve(now, other, Budget::SERVER).unwrap();
    let stranger = w.add_gateway("other", &[Line::mbit(20, 10)]);
    w.run(6_000);
    assert!(
        w.gateways[stranger].gw().exit_inside().is_some(),
        "{}",
        w.describe()
    );
    let unknown = |w: &World| w.exits[0].exit().refusals().0.of(Refusal::Unknown);
    let before = unknown(&w);
    for to in [name(&w, 0), NodeId([9; 8])] {
        let (p, now) = (packet(name(&w, stranger), to, 100), w.instant());
        assert_eq!(w.gateways[stranger].send_inside(now, &p), Ok(()));
        w.run(300);
    }
    assert_eq!(unknown(&w) - before, 2);
    assert!(w.gateways.iter().all(|g| g.at.inside.is_empty()));
}

#[test]
fn what_the_exit_counted_over_a_lent_line_is_told_to_who_lends_it_and_in_no_other_community() {
    let mut w = homes();
    let now = w.instant();
    let exit = w.exits[0].exit.as_mut().unwrap();
    let other = community_keys("other");
    exit.serve(now, other, Budget::SERVER).unwrap();
    let stranger = w.add_gateway("other", &[Line::mbit(20, 10)]);
    w.run(6_000);
    let mut next = 0;
    w.run_with(2_000, 400, |w| {
        let now = w.instant();
        next += 1;
        w.gateways[0].send(now, &mut traffic(leased(0), FAR, 7, next, 1_160));
    });
    w.run(500);
    let lender = w.gateways[1].gw();
    let borrower = w.gateways[0].key();
    let (place, _) = lender.peers().find(|(_, p)| p.key == borrower).unwrap();
    let mut relays = lender.relays();
    let relay = relays.find(|r| usize::from(r.peer) == place).unwrap();
    let (cid, carried) = (relay.cids[0], relay.carried);
    let exit = w.exits[0].exit();
    let told = |asker| exit.paths_under(asker, cid).collect::<Vec<_>>();
    let [path] = told(name(&w, 1))[..] else {
        panic!("{}", w.describe());
    };
    let counted = path.counters();
    println!("{carried:?} {counted:?}, {} missing", path.missing());
    assert!(carried.up_bytes > 100_000);
    assert_eq!(
        (counted.rx_bytes, counted.tx_bytes),
        (carried.up_bytes, carried.down_bytes)
    );
    assert_eq!(path.missing(), 0);
    assert!(told(name(&w, stranger)).is_empty() && told(NodeId([9; 8])).is_empty());
    assert_eq!(exit.paths_under(name(&w, 1), cid ^ 1).count(), 0);
}

#[test]
fn a_gateway_sends_only_as_itself_and_no_faster_than_the_bound() {
    let mut w = homes();
    let now = w.instant();
    let p = packet(name(&w, 1), name(&w, 2), 100);
    assert_eq!(w.gateways[0].send_inside(now, &p), Err(Refusal::Forbidden));
    let p = packet(name(&w, 0), name(&w, 2), 1_000);
    let mut sent = 0;
    w.run_with(2_000, 1_000, |w| {
        let now = w.instant();
        sent += usize::from(w.gateways[0].send_inside(now, &p).is_ok());
    });
    // 256 kbit/s for two seconds are 64 packets, and 3 at the start.
    assert!((60..=70).contains(&sent), "{sent}");
    w.run(200);
    assert_eq!(w.gateways[2].at.inside.len(), sent);
}
