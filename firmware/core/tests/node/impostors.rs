//! Somebody who has the community's secret, and pretends to be another: a member, or the exit.

use crate::world::{Arrival, Line, Place, World, community_keys, identity};
use burstmesh_core::node::Via;
use burstmesh_core::wire::announce::{Announcement, Body, MAX_EMIT_LEN};
use burstmesh_core::wire::{Capabilities, MINOR};
use std::net::SocketAddr;

/// An announcement of this gateway's key that somebody else made: another life of it, at his own address.
fn announce_as(w: &mut World, victim: usize, epoch: u64) {
    let keys = community_keys("home");
    let forged = Announcement {
        minor: MINOR,
        body: Body {
            key: w.gateways[victim].key(),
            epoch,
            seq: 1,
            caps: Capabilities::OURS,
            lends: true,
            exit: false,
            hops: 0,
        },
    };
    let mut out = [0; MAX_EMIT_LEN];
    let n = forged.encode(&keys, &mut out).unwrap();
    let from: SocketAddr = "[fe80::bad]:7447".parse().unwrap();
    for i in (0..w.gateways.len()).filter(|i| *i != victim) {
        w.inject(Arrival {
            to: Place::Gateway(i),
            via: Via::Mesh(0),
            from,
            bytes: out[..n].to_vec(),
        });
    }
}

fn all_pool(w: &World) -> bool {
    w.gateways.iter().all(|g| g.live_paths() == (1, 2))
}

#[test]
fn a_forged_announcement_of_another_member_gets_nothing_and_moves_nobody() {
    let mut w = World::three();
    w.run_until(10_000, all_pool);
    let bad: SocketAddr = "[fe80::bad]:7447".parse().unwrap();
    for epoch in [2, 3, u64::MAX] {
        announce_as(&mut w, 0, epoch);
        w.run(3_000);
        assert!(all_pool(&w), "{}", w.describe());
        for g in &w.gateways {
            assert!(g.gw().peers().all(|(_, p)| p.addr != bad && p.is_up()));
            assert_eq!(g.gw().link().sessions(), 1);
        }
    }
    // Nor is the member shut out when it starts anew, in a life that is not as late as the one that was claimed.
    w.restart_gateway(0);
    let took = w.run_until(60_000, all_pool);
    println!("back after {took} ms");
}

#[test]
fn an_unknown_key_that_somebody_announces_for_another_gets_no_session() {
    let mut w = World::three();
    w.run_until(10_000, all_pool);
    // A member that is not here now, at the impostor's address.
    w.gateways[2].gw = None;
    w.run(90_000);
    announce_as(&mut w, 2, 9);
    w.run(20_000);
    let key = w.gateways[2].key();
    for g in &w.gateways[..2] {
        assert!(
            g.gw()
                .peers()
                .all(|(_, p)| p.key != key || p.session.is_none())
        );
        assert_eq!(g.live_paths(), (1, 1), "{}", w.describe());
    }
}

#[test]
fn an_exit_with_another_key_in_the_place_of_the_pinned_one_gets_no_session() {
    let mut w = World::new(&[&[Line::mbit(20, 10)], &[Line::mbit(20, 10)]]);
    w.run_until(10_000, |w| {
        w.gateways.iter().all(|g| g.live_paths() == (1, 1))
    });
    // Whoever stands there now has the community's secret, and lets everybody in.
    w.exits[0].identity = Some(identity(99));
    w.restart_exit(0);
    w.run(40_000);
    assert_eq!(w.exits[0].exit().seats().count(), 0);
    for g in &w.gateways {
        assert!(g.gw().pooling().is_none(), "{}", w.describe());
    }
    let (_, gates) = w.exits[0].exit().refusals();
    assert!(gates[0].1.bad_mac > 0);
}
