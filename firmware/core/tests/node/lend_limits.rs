//! What a household lends at most holds for all who borrow its line together, and they divide it.

use crate::traffic::{fill_down, fill_up};
use crate::world::packet::{FAR, leased, packet};
use crate::world::{Line, Place, World};
use burstmesh_core::node::gateway::UplinkConfig;
use burstmesh_core::usage::Forecast;

const LIMIT: u32 = 2_000;

/// The last of so many homes has a line, lends 2 Mbit/s of it either way, and the others live from that.
fn street(homes: usize) -> World {
    let line = [Line::mbit(20, 10)];
    let mut lines: Vec<&[Line]> = vec![&[]; homes - 1];
    lines.push(&line);
    let mut w = World::new(&lines);
    lend(&mut w, homes - 1, LIMIT);
    w.run_until(10_000, |w| {
        (0..homes - 1).all(|g| w.gateways[g].live_paths() == (0, 1))
    });
    w
}

fn lend(w: &mut World, lender: usize, kbit: u32) {
    let config = UplinkConfig {
        lend: true,
        lend_up_kbit: kbit,
        lend_down_kbit: kbit,
        ..UplinkConfig::default()
    };
    w.set_uplinks(lender, &[config]);
}

/// For so long these homes send and fetch more than they may.
fn busy(w: &mut World, ms: u64, homes: &[usize], next: &mut u32) {
    w.run_with(ms, 3_000, |w| {
        let now = w.instant();
        *next += 1;
        for home in homes {
            w.gateways[*home].send(now, &mut packet(leased(*home), FAR, 7, *next, 1_160));
            let seat = w.exits[0].seat_of(&w.gateways[*home].key()).unwrap();
            let mut p = packet(FAR, leased(*home), 8, *next, 1_160);
            w.exits[0].send(now, seat, &mut p);
        }
    });
}

/// What the lender carried for each home up and down since the last look, kbit/s on its line.
fn carried(w: &mut World, lender: usize, ms: u64) -> Vec<[u64; 2]> {
    let names: Vec<_> = w.gateways.iter().map(|g| g.key().node_id()).collect();
    let mut all = vec![[0; 2]; lender];
    let gw = w.gateways[lender].gw.as_mut().unwrap();
    gw.take_carried(|who, _, _, amount| {
        let home = names.iter().position(|name| *name == who).unwrap();
        all[home] = [amount.up, amount.down].map(|bytes| bytes * 8 / ms);
    });
    all
}

/// Over `ms`, of which the first `settle` are not looked at.
fn rates(w: &mut World, settle: u64, ms: u64, homes: &[usize], next: &mut u32) -> Vec<[u64; 2]> {
    let lender = w.gateways.len() - 1;
    let before = w.refused(Place::Gateway(lender));
    busy(w, settle, homes, next);
    carried(w, lender, settle);
    let between = w.refused(Place::Gateway(lender));
    busy(w, ms, homes, next);
    let all = carried(w, lender, ms);
    let dropped = w.refused(Place::Gateway(lender)) - between;
    let passed = all.iter().flatten().sum::<u64>() * ms / 8 / 1_200;
    let change = between - before;
    println!("{homes:?} busy: {all:?} kbit/s, {dropped} of {passed} dropped, {change} before");
    // Who was told its part keeps to it, and so does the exit.
    assert!(u64::from(dropped) * 100 <= passed, "{dropped} of {passed}");
    all
}

/// The line carries what is lent of it, and no more, and each of these homes about the same.
fn fair(rates: &[[u64; 2]], homes: &[usize]) {
    let limit = u64::from(LIMIT);
    for way in 0..2 {
        let sum: u64 = rates.iter().map(|r| r[way]).sum();
        assert!(sum * 100 <= limit * 105, "{rates:?}");
        assert!(sum * 100 >= limit * 85, "{rates:?}");
        for home in homes {
            let each = rates[*home][way] * homes.len() as u64;
            assert!(
                (limit * 75..limit * 125).contains(&(each * 100)),
                "{rates:?}"
            );
        }
    }
}

fn together(homes: usize) {
    let (mut w, all, mut next) = (street(homes + 1), (0..homes).collect::<Vec<_>>(), 0);
    let rates = rates(&mut w, 4_000, 6_000, &all, &mut next);
    fair(&rates, &all);
    assert!(w.exits[0].at(0).corrupt == 0);
}

#[test]
fn two_borrowers_together_get_what_is_lent() {
    together(2);
}

#[test]
fn three_borrowers_together_get_what_is_lent() {
    together(3);
}

#[test]
fn what_an_idle_borrower_leaves_goes_to_the_others_and_comes_back_within_seconds() {
    let (mut w, mut next) = (street(4), 0);
    for homes in [&[0, 1][..], &[0, 1, 2], &[1, 2], &[2]] {
        let rates = rates(&mut w, 5_000, 4_000, homes, &mut next);
        fair(&rates, homes);
    }
}

#[test]
fn who_has_twice_the_weight_gets_twice_the_part_over_the_exit_too() {
    let (mut w, mut next) = (street(3), 0);
    let weights = [(w.gateways[1].key().node_id(), 2)].into_iter().collect();
    let now = w.instant();
    let lender = w.gateways[2].gw.as_mut().unwrap();
    lender.set_weights(now, &weights);
    let uneven = rates(&mut w, 4_000, 6_000, &[0, 1], &mut next);
    for way in 0..2 {
        let [light, heavy] = [uneven[0][way], uneven[1][way]];
        assert!(
            light + heavy <= 2_100 && light + heavy >= 1_700,
            "{uneven:?}"
        );
        assert!((18..=22).contains(&(heavy * 10 / light)), "{uneven:?}");
    }
    // What one leaves is the other's, whatever it weighs.
    let alone = rates(&mut w, 5_000, 4_000, &[0], &mut next);
    fair(&alone, &[0]);
    let now = w.instant();
    let lender = w.gateways[2].gw.as_mut().unwrap();
    lender.set_weights(now, &Default::default());
    let even = rates(&mut w, 5_000, 4_000, &[0, 1], &mut next);
    fair(&even, &[0, 1]);
}

#[test]
fn what_is_kept_for_the_household_stays_free_on_a_line_whose_width_nobody_has_stated() {
    let (mut w, mut next, kept) = (street(3), 0, [6_000, 15_000]);
    let found = |w: &World| w.gateways[2].gw().found_kbit(0);
    let took = w.run_until(20_000, |w| found(w)[1] > 0);
    let found = found(&w);
    println!("found {found:?} kbit/s {took} ms later");
    assert!(found.iter().all(|kbit| (17_000..=20_500).contains(kbit)));
    let mut forecast = Forecast::default();
    forecast.keep(kept, found);
    let [lend_up_kbit, lend_down_kbit] = forecast.offered;
    let config = UplinkConfig {
        lend: !forecast.kept,
        lend_up_kbit,
        lend_down_kbit,
        ..UplinkConfig::default()
    };
    w.set_uplinks(2, &[config]);
    let mut fill = |w: &mut World, ms| {
        w.run_with(ms, 10_000, |w| {
            for home in [0, 1] {
                fill_up(w, home, 7, 40, &mut next);
                fill_down(w, home, 8, 40, &mut next);
            }
        });
    };
    fill(&mut w, 4_000);
    carried(&mut w, 2, 4_000);
    fill(&mut w, 5_000);
    let rates = carried(&mut w, 2, 5_000);
    println!("{rates:?} kbit/s");
    for way in 0..2 {
        let (sum, left) = (rates[0][way] + rates[1][way], 20_000 - u64::from(kept[way]));
        assert!(
            sum <= left && sum * 100 >= left * 75,
            "{rates:?}, way {way}"
        );
    }
}

#[test]
fn who_floods_gets_its_part_and_the_others_keep_theirs() {
    let (mut w, mut next) = (street(3), 0);
    let shares = UplinkConfig {
        lend: true,
        lend_up_kbit: LIMIT,
        lend_down_kbit: LIMIT,
        shares_address: true,
        ..UplinkConfig::default()
    };
    w.set_uplinks(2, &[shares]);
    w.run(3_000);
    let host = w.gateways[0].gw().hosts(w.instant()).next();
    let near = host.unwrap().peer.with_host.v4;
    // A guest is told nothing, and this one sends and fetches 5 Mbit/s whatever becomes of it.
    let mut flood = |w: &mut World, ms| {
        w.run_with(ms, 2_000, |w| {
            let now = w.instant();
            next += 1;
            w.gateways[0].send(now, &mut packet(near, FAR, 9, next, 1_250));
            w.gateways[2].send(now, &mut packet(FAR, near, 10, next, 1_250));
            w.gateways[1].send(now, &mut packet(leased(1), FAR, 7, next, 1_160));
            let seat = w.exits[0].seat_of(&w.gateways[1].key()).unwrap();
            w.exits[0].send(now, seat, &mut packet(FAR, leased(1), 8, next, 1_160));
        });
    };
    flood(&mut w, 4_000);
    let counts = |w: &mut World| {
        let guest = [w.gateways[2].at.bytes, w.gateways[0].at.bytes];
        [guest, [w.exits[0].at(1).bytes, w.gateways[1].at.bytes]]
    };
    let before = counts(&mut w);
    flood(&mut w, 6_000);
    let after = counts(&mut w);
    let kbit = |who: usize, way: usize| (after[who][way] - before[who][way]) * 8 / 6_000;
    let all = [0, 1].map(|who| [0, 1].map(|way| kbit(who, way)));
    println!("guest and borrower: {all:?} kbit/s");
    for way in 0..2 {
        assert!(all[0][way] + all[1][way] <= 2_100, "{all:?}");
        assert!(all.iter().all(|each| each[way] >= 800), "{all:?}");
    }
}
