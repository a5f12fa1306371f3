//! Sessions that leave at a neighbour's own line, in a community without any exit.

use crate::world::packet::{FAR, packet};
use crate::world::{Line, Place, World};
use burstmesh_core::node::gateway::UplinkConfig;
use burstmesh_core::wire::path::Cost;

const LINE: UplinkConfig = UplinkConfig {
    lend: true,
    lend_up_kbit: 0,
    lend_down_kbit: 0,
    shares_address: true,
    ipv6: true,
    idle_kbit: [0; 2],
    cost: Cost::LEAST,
};

/// Three homes without an exit; the last two share their lines' addresses.
fn street() -> World {
    let mut w = World::with(&[&[Line::mbit(20, 10)][..]; 3], 0);
    for host in [1, 2] {
        w.set_uplinks(host, &[LINE]);
    }
    w.run_until(5_000, |w| hosts(w).len() == 2);
    w
}

/// The addresses that gateway 0 has with each host, by the host's number.
fn hosts(w: &World) -> Vec<(usize, [u8; 4])> {
    let number = |key| w.gateways.iter().position(|g| g.key() == key).unwrap();
    let ways = w.gateways[0].gw().hosts(w.instant());
    let mut all: Vec<_> = ways
        .map(|h| (number(h.peer.key), h.peer.with_host.v4))
        .collect();
    all.sort_unstable();
    all
}

fn send(w: &mut World, gateway: usize, mut packet: Vec<u8>) {
    let now = w.instant();
    w.gateways[gateway].send(now, &mut packet);
}

#[test]
fn a_session_leaves_at_the_host_whose_address_it_has_and_what_comes_back_finds_its_guest() {
    let mut w = street();
    for (host, near) in hosts(&w) {
        for id in 0..50 {
            send(&mut w, 0, packet(near, FAR, host as u16, id, 1_200));
            w.run(5);
            send(
                &mut w,
                host,
                packet(FAR, near, 100 + host as u16, id, 1_300),
            );
            w.run(5);
        }
        assert_eq!(w.gateways[host].at.flow(host as u16).len(), 50);
        assert_eq!(w.gateways[0].at.flow(100 + host as u16).len(), 50);
        // Accounts on both sides say the same.
        let mut booked = Vec::new();
        for g in [host, 0] {
            let gw = w.gateways[g].gw.as_mut().unwrap();
            gw.take_carried(|_, _, _, amount| booked.push((amount.up, amount.down)));
        }
        assert_eq!(booked, [(50 * 1_200, 50 * 1_300); 2]);
    }
    assert_eq!(w.gateways.iter().map(|g| g.at.corrupt).sum::<u32>(), 0);
    // Who shares no address is nobody's host.
    assert_eq!(w.gateways[1].gw().hosts(w.instant()).count(), 1);
}

#[test]
fn only_the_guests_own_addresses_pass_and_only_while_the_owner_shares_his() {
    let mut w = street();
    let near = hosts(&w)[0].1;
    let refused = |w: &World, g| w.refused(Place::Gateway(g));
    let before = refused(&w, 0);
    send(&mut w, 0, packet([251, 1, 1, 1], FAR, 7, 0, 300));
    send(&mut w, 1, packet(FAR, [251, 1, 1, 1], 7, 0, 300));
    w.run(50);
    assert_eq!(refused(&w, 0) - before, 1);
    assert!(w.gateways.iter().all(|g| g.at.packets.is_empty()));
    // On its way while the owner changes his mind.
    let before = refused(&w, 1);
    send(&mut w, 0, packet(near, FAR, 7, 0, 300));
    let private = UplinkConfig {
        shares_address: false,
        ..LINE
    };
    w.set_uplinks(1, &[private]);
    w.run(50);
    assert_eq!(refused(&w, 1) - before, 1);
    assert!(w.gateways[1].at.packets.is_empty());
    assert_eq!(hosts(&w).len(), 1, "and the guest has heard of it");
}

#[test]
fn a_guest_gets_no_more_than_the_owner_lends() {
    let mut w = street();
    let limited = UplinkConfig {
        lend_up_kbit: 1_000,
        lend_down_kbit: 2_000,
        ..LINE
    };
    w.set_uplinks(1, &[limited]);
    w.run(100);
    let (near, mut id) = (hosts(&w)[0].1, 0);
    w.run_with(4_000, 2_000, |w| {
        send(w, 0, packet(near, FAR, 7, id, 1_250));
        send(w, 1, packet(FAR, near, 8, id, 1_250));
        id += 1;
    });
    let mbit = |w: &World, g: usize| w.gateways[g].at.bytes as f64 * 8.0 / 4e6;
    let (up, down) = (mbit(&w, 1), mbit(&w, 0));
    assert!((0.9..1.1).contains(&up), "{up} Mbit/s up");
    assert!((1.9..2.15).contains(&down), "{down} Mbit/s down");
}

#[test]
fn a_guest_that_floods_is_told_by_its_name_and_one_that_does_not_is_not() {
    for (kbit, named) in [(1_000, true), (0, false)] {
        let mut w = street();
        let limited = UplinkConfig {
            lend_up_kbit: kbit,
            ..LINE
        };
        w.set_uplinks(1, &[limited]);
        w.run(100);
        let (near, mut id) = (hosts(&w)[0].1, 0);
        w.run_with(6_000, 2_000, |w| {
            send(w, 0, packet(near, FAR, 7, id, 1_250));
            id += 1;
        });
        let (now, mut told) = (w.instant(), Vec::new());
        let host = w.gateways[1].gw.as_mut().unwrap();
        host.look_for_floods(now, |node, dropped| told.push((node, dropped > 2_000)));
        let guest = w.gateways[0].key().node_id();
        let expected = if named { vec![(guest, true)] } else { vec![] };
        assert_eq!(told, expected);
        let floods = |node| {
            let mut peers = w.gateways[1].gw().peers();
            peers.any(|(_, p)| p.key.node_id() == node && p.excess.floods())
        };
        assert_eq!(floods(guest), named);
        assert!(!floods(w.gateways[2].key().node_id()));
    }
}

#[test]
fn a_host_that_falls_silent_is_none_any_more_within_a_second_and_the_other_is_one() {
    let mut w = street();
    let ways = hosts(&w);
    w.gateways[1].gw = None;
    let lost = ways[0].1;
    let mut id = 0;
    let from = w.ms();
    while hosts(&w).len() == 2 {
        assert!(w.ms() - from < 1_000, "{}", w.describe());
        send(&mut w, 0, packet(lost, FAR, 7, id, 100));
        id += 1;
        w.run(20);
    }
    println!("after {} ms", w.ms() - from);
    assert_eq!(hosts(&w), ways[1..]);
    // A restarted one is a host again, under other addresses.
    w.restart_gateway(1);
    w.set_uplinks(1, &[LINE]);
    w.run_until(5_000, |w| hosts(w).len() == 2);
    assert_ne!(hosts(&w)[0].1, lost);
}
