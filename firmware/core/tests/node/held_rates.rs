//! A community that the exit holds to a rate: its members share it, and nobody else notices.

use crate::traffic::{FULL, fill_down, fill_up};
use crate::world::packet::{FAR, leased, packet};
use crate::world::{Line, World, community_keys};
use burstmesh_core::control::cookie::Budget;
use burstmesh_core::node::exit::Rates;

/// Gateways of the community that is held.
const OAK: [usize; 3] = [1, 2, 3];

/// A home of one community with a line of 20 Mbit/s, and three of another, which is held to these rates.
fn held(rates: Rates) -> World {
    let line = [Line::mbit(20, 10)];
    let mut w = World::new(&[&line]);
    hold(&mut w, rates);
    for _ in OAK {
        w.add_gateway("oak", &line);
    }
    w.run(3_000);
    w
}

fn hold(w: &mut World, rates: Rates) {
    let now = w.instant();
    let exit = w.exits[0].exit.as_mut().unwrap();
    exit.serve(now, community_keys("oak"), Budget::SERVER)
        .unwrap();
    exit.set_rates(now, community_keys("oak").id, rates);
}

/// Keeps packets waiting at the exit for each of these, and at each of those, for so long.
fn load(w: &mut World, ms: u64, down: &[usize], up: &[usize], next: &mut u32) {
    w.run_with(ms, 1_000, |w| {
        down.iter().for_each(|i| fill_down(w, *i, 7, 30, next));
        up.iter().for_each(|i| fill_up(w, *i, 8, 30, next));
    });
}

/// Mbit/s that these got in four seconds of such a load, after one that does not count.
fn downloads(w: &mut World, down: &[usize], up: &[usize]) -> Vec<f64> {
    let mut next = 0;
    load(w, 1_000, down, up, &mut next);
    let bytes = |w: &World| {
        down.iter()
            .map(|i| w.gateways[*i].at.bytes)
            .collect::<Vec<_>>()
    };
    let before = bytes(w);
    load(w, 4_000, down, up, &mut next);
    let pairs = bytes(w).into_iter().zip(before);
    pairs
        .map(|(after, before)| (after - before) as f64 * 8.0 / 4e6)
        .collect()
}

#[test]
fn its_members_share_its_rate_evenly_beside_a_community_that_is_busy() {
    let mut w = held(Rates { down: 6_000, up: 0 });
    let got = downloads(&mut w, &[0, 1, 2, 3], &[]);
    println!("{got:.2?} Mbit/s");
    assert!(got[0] > 17.0, "the other one was held back");
    assert!(got[1..].iter().all(|rate| (1.7..2.2).contains(rate)));
    // Less the headers.
    assert!((5.5..6.0).contains(&got[1..].iter().sum::<f64>()));
    hold(&mut w, Rates::default());
    let got = downloads(&mut w, &[1], &[]);
    assert!(got[0] > 15.0, "still held: {got:?}");
}

#[test]
fn what_keeps_paths_alive_takes_nothing_from_a_low_rate_and_leaves_no_debt() {
    let mut w = held(Rates { down: 64, up: 0 });
    let got = downloads(&mut w, &[1], &[2, 3]);
    println!("{got:.3?} Mbit/s");
    assert!((0.04..0.064).contains(&got[0]), "{got:?}");
}

#[test]
fn a_member_that_sends_without_end_leaves_the_others_their_parts_of_the_upload() {
    let mut w = held(Rates { down: 0, up: 3_000 });
    let (mut next, mut number) = (0, 0);
    let bytes = |w: &mut World| OAK.map(|i| w.exits[0].at(i).bytes);
    load(&mut w, 1_000, &[], &[1], &mut next);
    let before = bytes(&mut w);
    for _ in 0..100 {
        load(&mut w, 40, &[], &[1], &mut next);
        // 0.28 Mbit/s.
        let now = w.instant();
        w.gateways[2].send(now, &mut packet(leased(2), FAR, 9, number, FULL));
        number += 1;
    }
    w.run(200);
    let after = bytes(&mut w);
    let got = [0, 1].map(|n| (after[n] - before[n]) as f64 * 8.0 / 4e6);
    println!("{got:.2?} Mbit/s");
    assert!((2.2..3.0).contains(&got[0]), "{got:?}");
    let flow = w.exits[0].at(2).flow(9);
    assert_eq!(flow, (0..number).collect::<Vec<_>>());
    assert!(w.exits[0].exit().over_rate() > 100);
}
