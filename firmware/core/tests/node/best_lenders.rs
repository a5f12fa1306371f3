use crate::world::packet::{FAR, leased, packet};
use crate::world::{Line, World};
use burstmesh_core::node::gateway::{Route, UplinkConfig};

/// Says what the two lines of this lender are likely to have over, Mbit/s.
fn expect(w: &mut World, lender: usize, lines: [u32; 2]) {
    promise(w, lender, lines.map(|mbit| [mbit; 2]));
}

/// The same, both ways.
fn promise(w: &mut World, lender: usize, lines: [[u32; 2]; 2]) {
    let configs = lines.map(|mbit| UplinkConfig {
        lend: true,
        idle_kbit: mbit.map(|mbit| mbit * 1_000),
        ..UplinkConfig::default()
    });
    w.set_uplinks(lender, &configs);
}

/// The lines over which the first gateway has paths: lender and number, in order.
fn used(w: &World) -> Vec<(usize, u8)> {
    let gw = w.gateways[0].gw();
    let lender = |at| match gw.link().route(at)? {
        Route::Lent { peer, uplink } => {
            let mut peers = gw.peers();
            let key = peers.find(|(place, _)| *place == usize::from(peer))?.1.key;
            Some((w.gateways.iter().position(|g| g.key() == key)?, uplink))
        }
        Route::Own { .. } => None,
    };
    let mut all: Vec<_> = (0..8).filter_map(lender).collect();
    all.sort_unstable();
    all
}

#[test]
fn of_more_lines_than_paths_the_best_are_used_and_one_that_becomes_better_takes_a_place() {
    let line = Line::mbit(20, 10);
    let two = [line; 2];
    let mut w = World::new(&[&[line], &two, &two, &two, &two, &two]);
    for lender in 1..6 {
        expect(
            &mut w,
            lender,
            [2 + 2 * lender as u32, 3 + 2 * lender as u32],
        );
    }
    // Who was there first was taken first; then better ones take their places, one after another.
    let best = [(2, 1), (3, 0), (3, 1), (4, 0), (4, 1), (5, 0), (5, 1)];
    let took = w.run_until(240_000, |w| used(w) == best);
    println!("the best seven of ten after {took} ms");
    let sessions = w.gateways[0].gw().link().sessions();
    // The evening: a household will need its lines, and another one will not.
    expect(&mut w, 1, [18, 18]);
    expect(&mut w, 5, [1, 1]);
    let evening = [(1, 0), (1, 1), (2, 1), (3, 0), (3, 1), (4, 0), (4, 1)];
    w.run_until(120_000, |w| used(w) == evening);
    w.run(60_000);
    assert_eq!(used(&w), evening, "nothing goes to and fro");
    let gw = &w.gateways[0];
    assert_eq!(
        (gw.live_paths(), gw.gw().link().sessions()),
        ((1, 7), sessions)
    );
}

#[test]
fn a_lender_who_promises_more_from_the_internet_than_comes_loses_his_places_once_he_was_tried() {
    let honest = [Line::mbit(20, 10); 2];
    let liar = [Line::unlike(20, 1, 10); 2];
    let mut w = World::new(&[&honest[..1], &liar, &honest, &honest, &honest, &honest]);
    for lender in 1..6 {
        promise(&mut w, lender, [[20, if lender == 1 { 50 } else { 20 }]; 2]);
    }
    let lies = |w: &World| used(w).iter().filter(|(lender, _)| *lender == 1).count();
    w.run_until(120_000, |w| lies(w) == 2);
    w.run(31_000);
    assert_eq!(lies(&w), 2, "he is believed until he is tried");
    let mut next = 0;
    w.run_with(800, 1_000, |w| {
        let now = w.instant();
        let seat = w.exits[0].seat_of(&w.gateways[0].key()).unwrap();
        for _ in 0..15 {
            let mut p = packet(FAR, leased(0), 7, next, 1_160);
            w.exits[0].send(now, seat, &mut p);
            next += 1;
        }
    });
    let took = w.run_until(90_000, |w| lies(w) == 0);
    println!("after {took} ms");
    w.run(40_000);
    assert_eq!(lies(&w), 0, "and he is not believed again soon");
}
