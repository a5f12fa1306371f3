use crate::world::World;
use crate::world::packet::{FAR, leased, packet};

/// Sends a small packet each way every 10 ms for so long.
fn talk(w: &mut World, ms: u64, next: &mut u32) {
    w.run_with(ms, 10_000, |w| {
        let (now, key) = (w.instant(), w.gateways[0].key());
        let seat = w.exits[0].seat_of(&key).unwrap();
        w.gateways[0].send(now, &mut packet(leased(0), FAR, 7, *next, 300));
        w.exits[0].send(now, seat, &mut packet(FAR, leased(0), 7, *next, 300));
        *next += 1;
    });
}

#[test]
fn a_path_goes_on_when_the_nat_gives_it_another_port() {
    // Its own line, and a lender's.
    for line in 0..2 {
        let (mut w, mut next) = (World::three(), 0);
        w.run(3_000);
        talk(&mut w, 2_000, &mut next);
        w.gateways[line].lines[0].rebinds += 1;
        talk(&mut w, 4_000, &mut next);
        w.run(500);
        assert!(
            w.gateways.iter().all(|g| g.live_paths() == (1, 2)),
            "{}",
            w.describe()
        );
        let sent: Vec<u32> = (0..next).collect();
        assert_eq!(w.exits[0].at(0).flow(7), sent);
        assert_eq!(w.gateways[0].at.flow(7), sent);
        // Every path over that line, the borrowers' too, is at its new address.
        let seats = w.exits[0].exit().seats();
        let moved = seats.flat_map(|(_, seat, session)| {
            let at = |(at, _)| session.address_of(at);
            seat.tunnel().paths().map(at).collect::<Vec<_>>()
        });
        assert_eq!(moved.flatten().filter(|a| a.port() >= 20_100).count(), 3);
        assert!(w.gateways.iter().all(|g| g.gw().link().sessions() == 1));
    }
}

#[test]
fn a_copy_from_elsewhere_does_not_take_the_path_with_it() {
    let (mut w, mut next) = (World::three(), 0);
    w.run(3_000);
    w.capture = Some(Vec::new());
    talk(&mut w, 200, &mut next);
    // Somebody on the way who is faster: the copy comes first, from his address.
    let mut copies = w.capture.take().unwrap();
    copies.retain(|a| a.to == crate::world::Place::Exit(0));
    for mut copy in copies {
        copy.from = "203.0.113.250:666".parse().unwrap();
        w.inject(copy);
        talk(&mut w, 20, &mut next);
    }
    w.run(500);
    let seats = w.exits[0].exit().seats();
    let at: Vec<_> = seats
        .flat_map(|(_, _, session)| (0..8).filter_map(|p| session.address_of(p)))
        .collect();
    assert!(at.iter().all(|a| a.port() == 20_000), "{at:?}");
    let sent: Vec<u32> = (0..next).collect();
    assert_eq!(w.exits[0].at(0).flow(7), sent);
    assert_eq!(w.gateways[0].at.flow(7), sent);
}
