use crate::traffic::talk;
use crate::world::World;
use burstmesh_core::node::gateway::UplinkConfig;

fn set_uplinks(w: &mut World, gateway: usize, configs: &[UplinkConfig]) {
    let now = w.instant();
    w.set_uplinks(gateway, configs);
    let gw = w.gateways[gateway].gw.as_mut().unwrap();
    for u in 0..configs.len() {
        gw.handle_uplink(now, u as u8, true);
    }
}

#[test]
fn flows_go_on_while_an_uplink_is_taken_out_and_put_back() {
    let (mut w, mut next) = (World::three(), 0);
    w.run(3_000);
    talk(&mut w, 1_000, &mut next);
    set_uplinks(&mut w, 0, &[]);
    talk(&mut w, 1_000, &mut next);
    assert_eq!(w.gateways[0].live_paths(), (0, 2));
    set_uplinks(&mut w, 0, &[UplinkConfig::default()]);
    talk(&mut w, 3_000, &mut next);
    w.run(500);
    assert_eq!(w.gateways[0].live_paths(), (1, 2));
    assert_eq!(w.exits[0].at(0).flow(7), (0..next).collect::<Vec<_>>());
    assert_eq!(w.gateways[0].gw().link().sessions(), 1);
}

#[test]
fn an_uplink_that_is_lent_no_more_carries_nothing_of_others_from_then_on() {
    let (mut w, mut next) = (World::three(), 0);
    w.run(3_000);
    talk(&mut w, 1_000, &mut next);
    set_uplinks(&mut w, 1, &[UplinkConfig::default()]);
    w.run(20);
    let carried = |w: &World| w.gateways[1].gw().relays().count();
    assert_eq!(carried(&w), 0);
    talk(&mut w, 2_000, &mut next);
    w.run(500);
    assert_eq!(w.gateways[0].live_paths(), (1, 1));
    assert_eq!(carried(&w), 0);
    assert_eq!(w.exits[0].at(0).flow(7), (0..next).collect::<Vec<_>>());
}
