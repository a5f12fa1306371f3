use crate::world::{World, community_keys};

#[test]
fn a_removed_member_loses_its_session_and_gets_no_other() {
    let mut w = World::three();
    w.run(4_000);
    let key = w.gateways[0].key();
    w.exits[0].door.withdraw(&key);
    let id = community_keys("home").id;
    w.exits[0].exit.as_mut().unwrap().end(id, &key);
    w.run_until(3_000, |w| w.gateways[0].gw().pooling().is_none());
    w.run(30_000);
    assert!(w.gateways[0].gw().pooling().is_none());
    assert_eq!(w.exits[0].seat_of(&key), None);
    // The others do not notice, but for the line that is not lent any more: its owner has no session.
    for g in &w.gateways[1..] {
        assert_eq!(g.live_paths(), (1, 1), "{}", w.describe());
        assert_eq!(g.gw().link().sessions(), 1);
    }
    // Readmitted, it is back.
    w.exits[0].door.admit(key, 0);
    w.run_until(10_000, |w| {
        w.gateways.iter().all(|g| g.live_paths() == (1, 2))
    });
}
