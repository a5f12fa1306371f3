//! Paths that one end has given up.

use crate::world::{Line, World};

/// A home with two lines, both in use.
fn two_lines() -> World {
    let line = Line::mbit(20, 10);
    let mut w = World::new(&[&[line, line]]);
    w.run_until(5_000, |w| w.gateways[0].live_paths() == (2, 0));
    w
}

#[test]
fn a_line_over_which_only_questions_come_through_takes_no_places_from_what_comes_later() {
    let line = Line::mbit(20, 10);
    let mut deaf = line;
    deaf.down.loss_ppm = 1_000_000;
    let mut w = World::new(&[&[line, deaf]]);
    w.run(60_000);
    assert_eq!(w.gateways[0].live_paths(), (1, 0));
    let seat = w.exits[0].seat_of(&w.gateways[0].key()).unwrap();
    let places = w.exits[0].tunnel(seat).unwrap().paths().count();
    println!("{places} paths at the exit");
    assert!(places <= 5, "{}", w.describe());
    w.gateways[0].lines[1].down.loss_ppm = 0;
    let took = w.run_until(5_000, |w| w.gateways[0].live_paths() == (2, 0));
    println!("after {took} ms");
}

#[test]
fn a_line_that_was_dead_for_longer_than_the_exit_remembers_is_used_when_it_comes_back() {
    let mut w = two_lines();
    w.gateways[0].lines[1].silent = true;
    w.run(660_000);
    let seat = w.exits[0].seat_of(&w.gateways[0].key()).unwrap();
    assert_eq!(w.exits[0].tunnel(seat).unwrap().paths().count(), 1);
    w.gateways[0].lines[1].silent = false;
    let took = w.run_until(10_000, |w| w.gateways[0].live_paths() == (2, 0));
    println!("after {took} ms");
    assert_eq!(w.gateways[0].gw().link().sessions(), 1);
}
