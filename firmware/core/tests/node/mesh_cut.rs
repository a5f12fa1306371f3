use crate::world::World;
use crate::world::packet::{FAR, leased, packet};

fn cut_for(ms: u64) {
    let mut w = World::three();
    w.run(4_000);
    w.mesh.cut = true;
    let own_only = |w: &World| w.gateways.iter().all(|g| g.live_paths() == (1, 0));
    w.run_until(3_000, own_only);
    let mut next = 0;
    w.run_with(ms, 20_000, |w| {
        let now = w.instant();
        w.gateways[0].send(now, &mut packet(leased(0), FAR, 7, next, 300));
        next += 1;
    });
    assert!(own_only(&w));
    w.run(100);
    assert_eq!(w.exits[0].at(0).flow(7).len() as u32, next);
    w.mesh.cut = false;
    let took = w.run_until(10_000, |w| {
        w.gateways.iter().all(|g| g.live_paths() == (1, 2))
    });
    println!("cut for {ms} ms: back after {took} ms");
    assert!(w.gateways.iter().all(|g| g.gw().link().sessions() == 1));
    w.run(5_000);
    assert!(
        w.gateways.iter().all(|g| g.live_paths() == (1, 2)),
        "{}",
        w.describe()
    );
}

#[test]
fn lent_paths_return_within_ten_seconds_of_a_short_cut() {
    cut_for(5_000);
}

#[test]
fn lent_paths_return_within_ten_seconds_of_a_cut_longer_than_grants() {
    cut_for(45_000);
}

#[test]
fn lent_paths_return_within_ten_seconds_of_a_cut_longer_than_sessions() {
    cut_for(250_000);
}
