//! A borrower whose gateway lies: it has a grant and its keys, and sends under it whatever it likes.

use crate::world::packet::{FAR, leased, packet};
use crate::world::{Arrival, Line, Place, World, mesh_addr};
use burstmesh_core::node::Via;
use burstmesh_core::node::gateway::UplinkConfig;
use burstmesh_core::wire::relay;

/// Lent upwards of a line of 20 Mbit/s, kbit/s.
const LIMIT: u32 = 2_000;
const LIAR: usize = 0;
const HONEST: usize = 1;
const LENDER: usize = 2;

/// Two homes without a line live from the third one's.
fn street() -> World {
    let mut w = World::new(&[&[], &[], &[Line::mbit(20, 10)]]);
    let config = UplinkConfig {
        lend: true,
        lend_up_kbit: LIMIT,
        ..UplinkConfig::default()
    };
    w.set_uplinks(LENDER, &[config]);
    let took = w.run_until(10_000, |w| {
        [LIAR, HONEST].map(|g| w.gateways[g].live_paths()) == [(0, 1); 2]
    });
    assert!(took < 10_000, "{}", w.describe());
    w
}

/// A datagram under the liar's grant, authentic, with this counter.
fn throw(w: &mut World, counter: u32) {
    let lender = w.gateways[LENDER].key();
    let gw = w.gateways[LIAR].gw();
    let (_, peer) = gw.peers().find(|(_, p)| p.key == lender).unwrap();
    let relay = peer.loans.iter().find_map(|l| l.relay).unwrap();
    let key = *peer.session.as_ref().unwrap().relay.sending();
    // A data frame by its first byte, and nothing that an exit could open.
    let datagram = [0x16; 1_200];
    let mut bytes = relay::Header { relay, counter }
        .seal(&datagram, &key)
        .to_vec();
    bytes.extend(datagram);
    w.inject(Arrival {
        to: Place::Gateway(LENDER),
        via: Via::Mesh(0),
        from: mesh_addr(LIAR),
        bytes,
    });
}

/// What the lender carried upwards for both so far, bytes.
fn carried(w: &World) -> [u64; 2] {
    [LIAR, HONEST].map(|g| {
        let key = w.gateways[g].key();
        let mut peers = w.gateways[LENDER].gw().peers();
        let peer = peers.find(|(_, p)| p.key == key);
        peer.map_or(0, |(_, p)| p.carried.up_bytes)
    })
}

#[test]
fn a_borrower_that_floods_its_grant_gets_its_part_is_told_by_name_and_takes_nothing_from_another() {
    let mut w = street();
    let (mut next, mut counter) = (0, 1_000);
    // 10 Mbit/s of the liar, where 2 are lent, beside somebody who would like to use them too.
    let mut flood = |w: &mut World, ms| {
        w.run_with(ms, 1_000, |w| {
            let now = w.instant();
            counter += 1;
            throw(w, counter);
            next += 1;
            w.gateways[HONEST].send(now, &mut packet(leased(HONEST), FAR, 7, next, 1_160));
        });
    };
    flood(&mut w, 4_000);
    let before = carried(&w);
    flood(&mut w, 6_000);
    let kbit: Vec<u64> = carried(&w)
        .iter()
        .zip(before)
        .map(|(after, before)| (after - before) * 8 / 6_000)
        .collect();
    println!("liar and the other: {kbit:?} kbit/s");
    assert!(kbit.iter().sum::<u64>() <= 2_100, "{kbit:?}");
    assert!(kbit.iter().all(|each| *each >= 800), "{kbit:?}");

    let now = w.instant();
    let liar = w.gateways[LIAR].key().node_id();
    let lender = w.gateways[LENDER].gw.as_mut().unwrap();
    let mut told = Vec::new();
    lender.look_for_floods(now, |who, dropped| told.push((who, dropped)));
    assert!(
        matches!(told[..], [(who, dropped)] if who == liar && dropped > 5_000),
        "{told:?}"
    );
    let floods = lender.peers().filter(|(_, p)| p.excess.floods());
    assert_eq!(floods.count(), 1);
}

#[test]
fn what_no_exit_can_open_is_carried_as_far_as_it_is_lent_and_no_further_than_the_exits_door() {
    let mut w = street();
    let refused = w.refused(Place::Exit(0));
    for counter in 0..100 {
        throw(&mut w, 1_000 + counter);
        w.run(10);
    }
    w.run(200);
    assert!(w.refused(Place::Exit(0)) - refused >= 90);
    assert_eq!(w.exits[0].at(LIAR).corrupt, 0);
    // A frame that was thrown once is not carried again.
    let before = carried(&w);
    for _ in 0..20 {
        throw(&mut w, 1_050);
    }
    w.run(50);
    assert!(carried(&w)[0] - before[0] < 1_200, "{before:?}");
}
