use crate::world::World;

fn all_pool(w: &World) -> bool {
    w.gateways.iter().all(|g| g.live_paths() == (1, 2))
}

#[test]
fn three_gateways_lend_each_other_their_lines_within_three_seconds() {
    let mut w = World::three();
    let took = w.run_until(3_000, all_pool);
    println!("after {took} ms");
    for g in &w.gateways {
        assert_eq!(g.gw().peers().filter(|(_, p)| p.is_up()).count(), 2);
        assert_eq!(g.gw().relays().count(), 2, "{}", w.describe());
        assert!(g.gw().pooling().is_some());
        assert_eq!(g.gw().link().sessions(), 1);
    }
    assert_eq!(w.exits[0].exit().seats().count(), 3);
}

#[test]
fn a_restarted_gateway_is_back_within_three_seconds() {
    for i in 0..3 {
        let mut w = World::three();
        w.run_until(3_000, all_pool);
        w.run(3_000);
        w.restart_gateway(i);
        let took = w.run_until(3_000, all_pool);
        println!("gateway {i} after {took} ms");
        // And it stays so.
        w.run(5_000);
        assert!(all_pool(&w), "{}", w.describe());
        assert_eq!(w.exits[0].exit().seats().count(), 3);
    }
}
