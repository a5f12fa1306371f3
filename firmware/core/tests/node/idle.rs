use crate::world::World;
use crate::world::packet::{FAR, leased, packet};

/// Bytes of all of a gateway's paths, outer headers included, both ways.
fn carried(w: &World, gateway: usize) -> u64 {
    let paths = w.gateways[gateway].gw().link().tunnel().paths();
    paths
        .map(|(_, p)| p.counters().tx_bytes + p.counters().rx_bytes)
        .sum()
}

#[test]
fn an_idle_pool_costs_each_path_less_than_100_mb_a_month() {
    let mut w = World::three();
    w.run(4_000);
    let now = w.instant();
    w.gateways[0].send(now, &mut packet(leased(0), FAR, 7, 0, 300));
    // Ten minutes, so that renewed keys and grants are in it.
    w.run(150_000);
    let before = carried(&w, 0);
    w.run(600_000);
    let a_month = (carried(&w, 0) - before) * 30 * 24 * 6;
    println!("an idle month of three paths: {} MB", a_month / 1_000_000);
    assert!(a_month < 3 * 100_000_000, "{a_month} bytes");
    assert_eq!(w.gateways[0].live_paths(), (1, 2));
}

#[test]
fn after_an_idle_hour_a_dead_exit_is_known_within_700_ms_of_the_first_packet() {
    let mut w = World::three();
    w.run(3_600_000);
    assert_eq!(w.gateways[0].live_paths(), (1, 2));
    w.exits[0].exit = None;
    w.run(100);
    let now = w.instant();
    w.gateways[0].send(now, &mut packet(leased(0), FAR, 7, 0, 300));
    let took = w.run_until(2_000, |w| w.gateways[0].gw().pooling().is_none());
    println!("known after {took} ms");
    assert!(took < 700, "{took} ms");
}
