use crate::world::packet::{FAR, leased, packet};
use crate::world::{Line, World};

fn lives_from_its_neighbour(mut w: World) {
    let took = w.run_until(6_000, |w| w.gateways[0].live_paths() == (0, 1));
    println!("after {took} ms");
    assert!(w.gateways[0].gw().pooling().is_some());
    assert!(!w.gateways[0].gw().own_line_works());
    for id in 0..50 {
        let now = w.instant();
        w.gateways[0].send(now, &mut packet(leased(0), FAR, 7, id, 500));
        w.run(20);
    }
    w.run(500);
    assert_eq!(w.exits[0].at(0).flow(7), (0..50).collect::<Vec<_>>());
    // It stays so: no session is thrown away.
    w.run(20_000);
    assert_eq!(w.gateways[0].gw().link().sessions(), 1, "{}", w.describe());
    assert_eq!(w.gateways[0].live_paths(), (0, 1));
}

#[test]
fn a_gateway_without_a_line_gets_a_session_by_a_lender() {
    lives_from_its_neighbour(World::new(&[&[], &[Line::mbit(20, 10)]]));
}

#[test]
fn a_gateway_with_a_silent_line_gets_a_session_by_a_lender() {
    let silent = Line {
        silent: true,
        ..Line::mbit(20, 10)
    };
    lives_from_its_neighbour(World::new(&[&[silent], &[Line::mbit(20, 10)]]));
}

#[test]
fn a_line_that_was_silent_from_the_start_is_used_when_it_comes() {
    let silent = Line {
        silent: true,
        ..Line::mbit(20, 10)
    };
    let mut w = World::new(&[&[silent], &[Line::mbit(20, 10)]]);
    w.run(8_000);
    w.gateways[0].lines[0].silent = false;
    let took = w.run_until(10_000, |w| w.gateways[0].live_paths() == (1, 1));
    println!("after {took} ms");
}
