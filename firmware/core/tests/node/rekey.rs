use crate::world::World;
use crate::world::packet::{FAR, leased, packet};

/// A packet each way between gateway 0 and the far end every 100 ms.
fn light_flow(w: &mut World, ms: u64, next: &mut u32) {
    w.run_with(ms, 100_000, |w| {
        let (now, key) = (w.instant(), w.gateways[0].key());
        let seat = w.exits[0].seat_of(&key).unwrap();
        w.gateways[0].send(now, &mut packet(leased(0), FAR, 7, *next, 200));
        w.exits[0].send(now, seat, &mut packet(FAR, leased(0), 7, *next, 200));
        *next += 1;
    });
}

fn nothing_was_lost_or_late(w: &mut World, sent: u32) {
    w.run(1_000);
    let sent: Vec<u32> = (0..sent).collect();
    assert_eq!(w.exits[0].at(0).flow(7), sent);
    assert_eq!(w.gateways[0].at.flow(7), sent);
    let gaps = (
        w.exits[0].at(0).longest_gap_ms(0),
        w.gateways[0].at.longest_gap_ms(0),
    );
    assert!(gaps.0 <= 150 && gaps.1 <= 150, "{gaps:?} ms");
    for g in &w.gateways {
        let gw = g.gw();
        assert_eq!((g.live_paths(), gw.link().sessions()), ((1, 2), 1));
        let deaths = gw.link().tunnel().paths().map(|(_, p)| p.counters().deaths);
        assert_eq!(deaths.sum::<u32>(), 0, "{}", w.describe());
    }
}

#[test]
fn keys_are_renewed_every_two_minutes_and_no_packet_is_lost() {
    let (mut w, mut next) = (World::three(), 0);
    w.run(5_000);
    let grants = |w: &World| -> Vec<u32> {
        let all = w.gateways.iter();
        all.flat_map(|g| g.gw().relays().map(|r| r.id)).collect()
    };
    let before = grants(&w);
    assert_eq!(before.len(), 6);
    light_flow(&mut w, 400_000, &mut next);
    nothing_was_lost_or_late(&mut w, next);
    for (_, _, session) in w.exits[0].exit().seats() {
        assert!(session.handshakes >= 4, "{}", session.handshakes);
    }
    assert_eq!(grants(&w), before, "grants survive");
}

#[test]
fn a_renewal_whose_answers_are_lost_costs_no_packet() {
    // Of three sessions with the exit and three between neighbours: the first ones, all, all twice.
    for lost in [2, 6, 12] {
        let (mut w, mut next) = (World::three(), 0);
        w.run(110_000);
        light_flow(&mut w, 2_000, &mut next);
        w.lose_answers = lost;
        light_flow(&mut w, 60_000, &mut next);
        assert_eq!(w.lose_answers, 0);
        nothing_was_lost_or_late(&mut w, next);
        for (_, _, session) in w.exits[0].exit().seats() {
            let n = session.handshakes;
            assert!(n >= 2, "{n} handshakes after {lost} losses");
        }
    }
}
