//! A line whose volume costs money: for when no other one carries anything, and looked at rarely.

use crate::world::packet::{FAR, leased, packet};
use crate::world::{Line, World};
use burstmesh_core::node::gateway::UplinkConfig;
use burstmesh_core::wire::path::Cost;

/// A home with a line and a metered one, and a neighbour who lends a third.
fn home() -> World {
    let line = Line::mbit(10, 10);
    let mut w = World::new(&[&[line, line], &[line]]);
    let config = |cost| UplinkConfig {
        cost,
        ..UplinkConfig::default()
    };
    w.set_uplinks(0, &[config(Cost::LEAST), config(Cost::METERED)]);
    w.run_until(10_000, |w| w.gateways[0].live_paths() == (2, 1));
    w
}

/// What each of the home's two lines carried so far, both ways.
fn carried(w: &World) -> [u64; 2] {
    let line = |n: usize| {
        let line = &w.gateways[0].lines[n];
        line.up.carried + line.down.carried
    };
    [line(0), line(1)]
}

/// More than the lines carry, both ways, for so long; what each own line carried of it.
fn busy(w: &mut World, ms: u64, next: &mut u32) -> [u64; 2] {
    let before = carried(w);
    w.run_with(ms, 1_000, |w| {
        let now = w.instant();
        let seat = w.exits[0].seat_of(&w.gateways[0].key()).unwrap();
        for _ in 0..3 {
            let mut up = packet(leased(0), FAR, 7, *next, 1_160);
            w.gateways[0].send(now, &mut up);
            let mut down = packet(FAR, leased(0), 7, *next, 1_160);
            w.exits[0].send(now, seat, &mut down);
            *next += 1;
        }
    });
    let after = carried(w);
    [after[0] - before[0], after[1] - before[1]]
}

#[test]
fn it_carries_a_burst_only_while_the_others_are_silent() {
    let (mut w, mut next) = (home(), 0);
    let with = busy(&mut w, 1_500, &mut next);
    println!("{with:?} bytes");
    assert!(with[0] > 2_000_000 && with[1] < 5_000, "{with:?}");

    w.gateways[0].lines[0].silent = true;
    w.gateways[1].lines[0].silent = true;
    busy(&mut w, 1_000, &mut next);
    let without = busy(&mut w, 1_000, &mut next);
    println!("{without:?} bytes while the others are silent");
    assert!(without[1] > 1_000_000, "{without:?}");

    w.gateways[0].lines[0].silent = false;
    w.gateways[1].lines[0].silent = false;
    busy(&mut w, 2_000, &mut next);
    let again = busy(&mut w, 1_000, &mut next);
    println!("{again:?} bytes when they are back");
    assert!(again[0] > 1_000_000 && again[1] < 5_000, "{again:?}");
    assert_eq!(w.gateways[0].gw().link().sessions(), 1);
}

#[test]
fn an_idle_one_costs_some_megabytes_a_month() {
    let mut w = home();
    w.run(20_000);
    let before = carried(&w);
    let minutes = 8;
    w.run(minutes * 60_000);
    let after = carried(&w);
    let month = |n: usize| (after[n] - before[n]) * 30 * 24 * 60 / minutes / 1_000_000;
    println!("{} and {} MB a month", month(0), month(1));
    assert!(month(0) > 40 && month(1) < 10);
}
