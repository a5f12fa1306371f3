use crate::world::{GatewayNode, World};

#[test]
fn pooling_returns_within_ten_seconds_of_an_exits_restart() {
    let mut w = World::three();
    w.run(5_000);
    w.restart_exit(0);
    let took = w.run_until(10_000, |w| {
        let back = |g: &GatewayNode| g.gw().link().sessions() == 2 && g.live_paths() == (1, 2);
        w.gateways.iter().all(back)
    });
    println!("after {took} ms");
    assert!(w.gateways.iter().all(|g| g.gw().link().sessions() == 2));
    w.run(5_000);
    assert!(w.gateways.iter().all(|g| g.live_paths() == (1, 2)));
    assert!(w.gateways.iter().all(|g| g.gw().link().sessions() == 2));
}

#[test]
fn a_dead_exit_is_known_within_two_seconds_on_idle_paths() {
    let mut w = World::three();
    w.run(8_000);
    w.exits[0].exit = None;
    let gone = |w: &World| w.gateways.iter().all(|g| g.gw().pooling().is_none());
    let took = w.run_until(2_000, gone);
    println!("after {took} ms");
    w.run(20_000);
    assert!(gone(&w));
    w.restart_exit(0);
    let took = w.run_until(10_000, |w| {
        w.gateways.iter().all(|g| g.live_paths() == (1, 2))
    });
    println!("back after {took} ms");
}
