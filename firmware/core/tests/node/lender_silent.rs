use crate::world::packet::{FAR, leased, packet};
use crate::world::{World, mesh_addr};
use burstmesh_core::node::gateway::Route;

/// The gateway over whose line gateway 0 sends most.
fn busiest_lender(w: &World) -> usize {
    let gw = w.gateways[0].gw();
    let lent = gw.link().tunnel().paths().filter_map(|(at, p)| {
        let Some(Route::Lent { peer, .. }) = gw.link().route(at) else {
            return None;
        };
        Some((p.counters().tx_packets, peer))
    });
    let (_, peer) = lent.max().unwrap();
    let (_, peer) = gw.peers().find(|(i, _)| *i == usize::from(peer)).unwrap();
    (0..3).find(|g| mesh_addr(*g) == peer.addr).unwrap()
}

#[test]
fn a_lender_that_goes_silent_costs_no_packet_and_is_used_again() {
    let mut w = World::three();
    w.run(3_000);
    let mut next = 0;
    // 28 Mbit/s: more than one line carries, less than two.
    let mut feed = |w: &mut World| {
        let now = w.instant();
        for _ in 0..3 {
            let mut p = packet(leased(0), FAR, 7, next, 1_160);
            next += 1;
            w.gateways[0].send(now, &mut p);
        }
    };
    w.run_with(5_000, 1_000, &mut feed);
    let (began, lender) = (w.now, busiest_lender(&w));
    w.gateways[lender].lines[0].silent = true;
    w.run_with(4_000, 1_000, &mut feed);
    assert_eq!(w.gateways[0].live_paths(), (1, 1), "{}", w.describe());
    w.gateways[lender].lines[0].silent = false;
    w.run_with(8_000, 1_000, &mut feed);
    assert_eq!(w.gateways[0].live_paths(), (1, 2), "{}", w.describe());
    w.run(500);
    let gap = w.exits[0].at(0).longest_gap_ms(began);
    let (tunnel, queue, _) = w.gateways[0].gw().link().tunnel().counters();
    println!("longest gap {gap} ms, {tunnel:?} {queue:?}");
    assert!(gap < 1_000, "{gap} ms");
    assert!(tunnel.repairs > 0, "the lender was in use");
    assert!(w.exits[0].at(0).in_order(7));
    // The AQM keeps the queue short while there is more than the lines carry; nothing else is lost.
    let got = w.exits[0].at(0).flow(7).len() as u32;
    assert_eq!(got + queue.aqm_drops + queue.overflow, next, "{queue:?}");
    assert_eq!(w.gateways[0].gw().link().sessions(), 1);
}
