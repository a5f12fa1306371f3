use crate::world::packet::{FAR, leased, packet};
use crate::world::{Arrival, Line, Place, World};

/// What every node holds, as far as an outsider could hope to change it.
fn state(w: &World) -> String {
    let mut out = String::new();
    for g in &w.gateways {
        let gw = g.gw();
        out += &format!(
            "{} {:?} {}\n",
            g.number,
            g.live_paths(),
            gw.link().sessions()
        );
        for (i, p) in gw.peers() {
            let s = p.session.as_ref().map(|s| (s.local_cid, s.remote_cid));
            let loans: Vec<_> = p.loans.iter().map(|l| (l.cid, l.relay)).collect();
            out += &format!("{i} {:?} {} {s:?} {loans:?}\n", p.key, p.addr);
        }
    }
    for (i, seat, session) in w.exits[0].exit().seats() {
        let paths = seat.tunnel().paths();
        let paths: Vec<_> = paths
            .map(|(at, p)| (p.id(), session.address_of(at)))
            .collect();
        let handshakes = session.handshakes;
        out += &format!("{i} {:?} {handshakes} {paths:?}\n", session.key);
    }
    out
}

fn refused_by_all(w: &World) -> u32 {
    let gateways = (0..w.gateways.len()).map(Place::Gateway);
    let all = gateways.chain([Place::Exit(0)]);
    all.map(|place| w.refused(place)).sum()
}

/// Real datagrams of all kinds, with what it takes to get sessions.
fn captured(w: &mut World) -> Vec<Arrival> {
    w.capture = Some(Vec::new());
    w.run(4_000);
    let mut next = 0;
    w.run_with(200, 10_000, |w| {
        let (now, key) = (w.instant(), w.gateways[0].key());
        let seat = w.exits[0].seat_of(&key).unwrap();
        for _ in 0..8 {
            w.gateways[0].send(now, &mut packet(leased(0), FAR, 7, next, 900));
            w.exits[0].send(now, seat, &mut packet(FAR, leased(0), 7, next, 900));
            next += 1;
        }
    });
    w.run(2_000);
    w.capture.take().unwrap()
}

/// Every captured datagram, changed by `change`, again; all must be refused and nothing may have changed.
fn all_are_refused(change: impl Fn(&mut World, &mut Arrival)) {
    let mut w = World::three();
    let datagrams = captured(&mut w);
    let kinds: std::collections::BTreeSet<u8> = datagrams.iter().map(|a| a.bytes[0]).collect();
    assert!(kinds.len() >= 6, "{kinds:x?}");
    let before = state(&w);
    let received = |w: &World| -> Vec<u64> { w.gateways.iter().map(|g| g.at.bytes).collect() };
    let (got, at_exit) = (received(&w), w.exits[0].at(0).bytes);
    for mut a in datagrams {
        change(&mut w, &mut a);
        let (to, count) = (a.to, refused_by_all(&w));
        // The gate admits an Init before it can know that it is old; the worker finds out.
        let slow = a.bytes.first().is_some_and(|b| b & 15 == 2);
        let shown = format!("{to:?} {:x?}", &a.bytes[..a.bytes.len().min(24)]);
        w.inject(a);
        // A lender cannot judge what comes from an exit for its borrowers: they do, a hop later.
        w.run(if slow { 50 } else { 4 });
        assert!(refused_by_all(&w) > count || slow, "{shown}");
    }
    w.run(1_000);
    assert_eq!(state(&w), before);
    assert_eq!((received(&w), w.exits[0].at(0).bytes), (got, at_exit));
    assert!(w.gateways.iter().all(|g| g.at.corrupt == 0));
}

#[test]
fn replayed_datagrams_are_refused_and_change_nothing() {
    all_are_refused(|_, _| {});
}

#[test]
fn datagrams_with_a_flipped_bit_are_refused_and_change_nothing() {
    all_are_refused(|w, a| {
        let bit = w.random() as usize % (a.bytes.len() * 8);
        a.bytes[bit / 8] ^= 1 << (bit % 8);
    });
}

#[test]
fn truncated_datagrams_are_refused_and_change_nothing() {
    all_are_refused(|w, a| {
        let len = w.random() as usize % (a.bytes.len() - 1) + 1;
        a.bytes.truncate(len);
    });
}

#[test]
fn datagrams_of_another_major_version_are_refused_and_counted() {
    all_are_refused(|_, a| a.bytes[0] = 0x20 | (a.bytes[0] & 15));
}

#[test]
fn replays_from_an_attackers_address_change_nothing() {
    all_are_refused(|_, a| {
        a.from = match a.to {
            Place::Exit(_) => "203.0.113.250:666".parse().unwrap(),
            Place::Gateway(_) => "[fe80::bad]:7447".parse().unwrap(),
        }
    });
}

#[test]
fn a_member_of_another_community_gets_neither_session_nor_grant() {
    let mut w = World::new(&[&[Line::mbit(20, 10)], &[Line::mbit(20, 10)]]);
    let stranger = w.add_gateway("other", &[Line::mbit(20, 10)]);
    w.run(20_000);
    assert_eq!(w.gateways[stranger].gw().peers().count(), 0);
    assert!(w.gateways[stranger].gw().pooling().is_none());
    assert_eq!(w.exits[0].exit().seats().count(), 2);
    for g in &w.gateways[..stranger] {
        assert_eq!(g.live_paths(), (1, 1));
        assert_eq!(g.gw().peers().count(), 1);
        assert!(g.gw().refusals().0.total() > 0);
    }
    assert!(w.exits[0].exit().refusals().0.total() > 0);
}
