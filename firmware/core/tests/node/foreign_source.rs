use crate::world::World;
use crate::world::packet::{FAR, leased, packet};
use burstmesh_core::error::Refusal;

#[test]
fn packets_from_an_address_that_was_not_leased_are_dropped_and_counted() {
    let mut w = World::three();
    w.run(3_000);
    let forbidden = |w: &World| w.exits[0].exit().refusals().0.of(Refusal::Forbidden);
    let before = forbidden(&w);
    for (id, src) in [leased(1), [192, 168, 1, 7], [127, 0, 0, 1], FAR]
        .into_iter()
        .enumerate()
    {
        let now = w.instant();
        let mut p = packet(src, FAR, 7, id as u32, 300);
        w.gateways[0].send(now, &mut p);
        w.run(100);
    }
    let now = w.instant();
    w.gateways[0].send(now, &mut packet(leased(0), FAR, 8, 0, 300));
    w.run(100);
    assert_eq!(forbidden(&w) - before, 4);
    assert_eq!(w.exits[0].at(0).flow(8), [0]);
    assert!(w.exits[0].at(1).packets.is_empty());
}
