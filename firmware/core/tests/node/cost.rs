//! Dearer lines stand by while cheaper ones have room, and take part when they have none.

use crate::world::packet::{FAR, leased, packet};
use crate::world::{Line, World};
use burstmesh_core::data::lane::Lane;
use burstmesh_core::data::tunnel::Tunnel;
use burstmesh_core::node::gateway::UplinkConfig;
use burstmesh_core::wire::path::Cost;
use burstmesh_lab::flow::Kind;
use burstmesh_lab::flow::congestion::Law;
use burstmesh_lab::lab::Lab;
use burstmesh_lab::profile::{PROFILES, Profile};

const S: u64 = 1_000_000;
const LINUX: Kind = Kind::Tcp(Law::Linux);

/// From now on each home's first line costs so much.
fn price(w: &mut World, costs: &[u8]) {
    for (home, cost) in costs.iter().enumerate() {
        let config = UplinkConfig {
            lend: true,
            cost: Cost::new(*cost),
            ..UplinkConfig::default()
        };
        w.set_uplinks(home, &[config]);
    }
}

/// A profile's network with these costs, known to all.
fn lab(profile: &Profile, costs: &[u8]) -> Lab {
    let mut lab = Lab::new(profile, profile.links, 7);
    price(&mut lab.world, costs);
    lab.run_to(3 * S);
    lab
}

fn profile(name: &str) -> &'static Profile {
    PROFILES.iter().find(|p| p.name == name).unwrap()
}

/// Bytes that the sender's paths carried, the home's own line first.
fn carried(tunnel: &Tunnel<'static>) -> [u64; 2] {
    let of = |lent| {
        let paths = tunnel.paths().filter(|(_, p)| p.setup().lent == lent);
        paths.map(|(_, p)| p.counters().tx_bytes).sum()
    };
    [of(false), of(true)]
}

/// One flow of this kind: what it gets of the lines' sum in percent, from 5 s after its beginning for 10 s.
fn share(name: &str, costs: &[u8], kind: Kind, down: bool) -> f64 {
    let profile = profile(name);
    let mut lab = lab(profile, costs);
    let flow = lab.add(kind, down, u64::MAX / 2);
    lab.run_to(18 * S);
    let (from, to) = (8 * S, 18 * S);
    let got = lab.flows[flow].bytes(lab.start + from, lab.start + to);
    let share = got as f64 * 100.0 / profile.capacity(from, to, down);
    let way = if down { "down" } else { "up" };
    println!("{name} {costs:?} {kind:?} {way}: {share:.1} %");
    share
}

#[test]
fn a_download_and_an_upload_get_all_lines_whatever_they_cost() {
    let mut missed = Vec::new();
    for (name, costs, bars) in [
        ("P1", &[0, 0][..], [90.0; 2]),
        ("P1", &[2, 2], [90.0; 2]),
        ("P1", &[0, 1], [90.0; 2]),
        ("P1", &[3, 0], [90.0; 2]),
        ("P1x3", &[0, 1, 2], [90.0; 2]),
        ("P2", &[0, 1], [90.0; 2]),
        ("P2", &[1, 0], [90.0; 2]),
        ("P6", &[0, 1, 2], [90.0; 2]),
        // Eight seconds to the dear line: CUBIC's window grows by the cube of time once it has left slow start.
        ("P6", &[0, 2, 0], [86.0; 2]),
        // All goes as late as the narrow line that is cheapest, and for that a small router's memory is too small.
        ("P6", &[2, 1, 0], [86.0, 58.0]),
        ("P7", &[0, 1], [90.0; 2]),
        ("P7", &[1, 0], [90.0; 2]),
    ] {
        for (down, bar) in [true, false].into_iter().zip(bars) {
            let share = share(name, costs, LINUX, down);
            if share < bar {
                missed.push((name, costs, down, share));
            }
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}

/// Packets of one flow, so many each ms.
fn feed(w: &mut World, down: bool, each: u32, next: &mut u32) {
    let now = w.instant();
    for _ in 0..each {
        if down {
            let seat = w.exits[0].seat_of(&w.gateways[0].key()).unwrap();
            let mut p = packet(FAR, leased(0), 7, *next, 1_160);
            w.exits[0].send(now, seat, &mut p);
        } else {
            let mut p = packet(leased(0), FAR, 7, *next, 1_160);
            w.gateways[0].send(now, &mut p);
        }
        *next += 1;
    }
}

/// What own and lent line carry in a direction while so much is sent, Mbit/s.
fn carries(w: &mut World, down: bool, ms: u64, each: u32, next: &mut u32) -> [f64; 2] {
    let sent = |w: &World| {
        let seat = w.exits[0].seat_of(&w.gateways[0].key()).unwrap();
        let exit = w.exits[0].tunnel(seat).unwrap();
        carried(if down {
            exit
        } else {
            w.gateways[0].gw().link().tunnel()
        })
    };
    let before = sent(w);
    w.run_with(ms, 1_000, |w| feed(w, down, each, next));
    let after = sent(w);
    [0, 1].map(|n| (after[n] - before[n]) as f64 * 8.0 / 1_000.0 / ms as f64)
}

/// A home and its neighbour, with 20 Mbit/s each, at these costs.
fn two(costs: [u8; 2]) -> World {
    let line = Line::mbit(20, 10);
    let mut w = World::new(&[&[line], &[line]]);
    price(&mut w, &costs);
    w.run_until(10_000, |w| w.gateways[0].live_paths() == (1, 1));
    w.run(4_000);
    w
}

fn rests_serves_and_rests_again(dear: usize, down: bool) {
    let mut costs = [0, 0];
    costs[dear] = 1;
    let (mut w, mut next) = (two(costs), 0);
    let mut use_of = |ms, each| {
        let all = carries(&mut w, down, ms, each, &mut next);
        println!("dear {dear}, down {down}, {each} a ms: {all:.1?} Mbit/s");
        [all[1 - dear], all[dear]]
    };
    // 9.9 Mbit/s: the cheap line has room.
    let [cheap, spared] = use_of(2_000, 1);
    assert!(cheap > 9.0 && spared < 0.1, "{cheap:.1} {spared:.1}");
    // 50 Mbit/s: more than both carry.
    use_of(2_000, 5);
    let [cheap, needed] = use_of(4_000, 5);
    assert!(cheap > 18.0 && needed > 18.0, "{cheap:.1} {needed:.1}");
    // 30 Mbit/s: the dear one has what is left over.
    use_of(2_000, 3);
    let [cheap, some] = use_of(4_000, 3);
    assert!(
        cheap > 18.0 && (8.0..13.0).contains(&some),
        "{cheap:.1} {some:.1}"
    );
    use_of(1_500, 1);
    let [cheap, spared] = use_of(4_000, 1);
    assert!(cheap > 9.0 && spared < 0.1, "{cheap:.1} {spared:.1}");
}

#[test]
fn a_dear_line_of_the_house_rests_serves_and_rests_again() {
    rests_serves_and_rests_again(0, false);
    rests_serves_and_rests_again(0, true);
}

#[test]
fn a_dear_line_of_a_neighbour_rests_serves_and_rests_again() {
    rests_serves_and_rests_again(1, false);
    rests_serves_and_rests_again(1, true);
}

#[test]
fn a_dear_line_steps_in_at_once_when_the_cheap_one_falls_silent() {
    for down in [true, false] {
        let (mut w, mut next) = (two([0, 2]), 0);
        carries(&mut w, down, 1_000, 1, &mut next);
        w.gateways[0].lines[0].silent = true;
        carries(&mut w, down, 1_000, 1, &mut next);
        let [_, needed] = carries(&mut w, down, 1_000, 1, &mut next);
        assert!(needed > 9.0, "{needed:.1}");
        w.gateways[0].lines[0].silent = false;
        carries(&mut w, down, 3_000, 1, &mut next);
        let [cheap, spared] = carries(&mut w, down, 1_000, 1, &mut next);
        assert!(cheap > 9.0 && spared < 0.1, "{cheap:.1} {spared:.1}");
    }
}

#[test]
fn the_lender_of_a_metered_line_has_borrowers_use_it_only_while_they_have_no_other() {
    let (mut w, mut next) = (two([0, 4]), 0);
    for down in [true, false] {
        let [own, spared] = carries(&mut w, down, 2_000, 5, &mut next);
        assert!(own > 17.0 && spared < 0.1, "{own:.1} {spared:.1}");
        w.run(2_000);
    }
}

#[test]
fn a_new_cost_reaches_exit_and_borrower() {
    let (mut w, mut next) = (two([0, 0]), 0);
    let [_, before] = carries(&mut w, true, 2_000, 3, &mut next);
    price(&mut w, &[0, 3]);
    w.run(4_000);
    let [own, after] = carries(&mut w, true, 2_000, 1, &mut next);
    assert!(before > 5.0 && own > 9.0 && after < 0.1, "{before} {after}");
}

/// Sessions that keep to a line each: what each gets, and what own and lent line carried.
fn sessions(costs: &[u8], flows: usize, down: bool) -> (Vec<f64>, [f64; 2]) {
    let mut lab = lab(profile("P1"), costs);
    for home in &mut lab.world.gateways {
        home.gw.as_mut().unwrap().set_lane(Lane::PerSession);
    }
    let added: Vec<_> = (0..flows)
        .map(|_| lab.add(LINUX, down, u64::MAX / 2))
        .collect();
    lab.run_to(6 * S);
    let before = carried(lab.tunnels(down).unwrap().0);
    lab.run_to(12 * S);
    let after = carried(lab.tunnels(down).unwrap().0);
    let mbit = |bytes: u64| bytes as f64 * 8.0 / 6e6;
    let (from, to) = (lab.start + 6 * S, lab.start + 12 * S);
    let each = added
        .iter()
        .map(|f| mbit(lab.flows[*f].bytes(from, to)))
        .collect();
    let lines = [0, 1].map(|n| mbit(after[n] - before[n]));
    println!("{costs:?} down {down}: {each:.1?}, lines {lines:.1?}");
    (each, lines)
}

#[test]
fn one_session_keeps_to_the_cheap_line_and_two_use_the_dear_one_too() {
    for down in [true, false] {
        let (each, [own, lent]) = sessions(&[1, 0], 1, down);
        assert!(each[0] > 16.0 && own < 0.5 && lent > 17.0, "{each:?}");
        let (each, lines) = sessions(&[1, 0], 2, down);
        assert!(each.iter().all(|e| *e > 15.0), "{each:?} {lines:?}");
        let (each, _) = sessions(&[0, 1], 4, down);
        assert!(each.iter().sum::<f64>() > 34.0, "{each:?}");
    }
}

#[test]
fn a_session_leaves_the_dear_line_when_the_cheap_one_has_room() {
    for down in [true, false] {
        let mut lab = lab(profile("P1"), &[1, 0]);
        lab.world.gateways[0]
            .gw
            .as_mut()
            .unwrap()
            .set_lane(Lane::PerSession);
        // The first has an end, the second goes on alone.
        let ends = lab.add(LINUX, down, 20_000_000);
        lab.add(LINUX, down, u64::MAX / 2);
        lab.run_to(8 * S);
        let both = carried(lab.tunnels(down).unwrap().0);
        assert!(both.iter().all(|n| *n > 3_000_000), "{both:?}");
        lab.run_to(25 * S);
        assert!(lab.flows[ends].sender.is_done());
        let before = carried(lab.tunnels(down).unwrap().0);
        lab.run_to(30 * S);
        let after = carried(lab.tunnels(down).unwrap().0);
        let each = [0, 1].map(|n| after[n] - before[n]);
        println!("{each:?}");
        assert!(each[0] < 100_000 && each[1] > 10_000_000, "{each:?}");
    }
}

/// Of the home, as it goes up or comes down; what it is answered goes the other way and shows the exit the lane.
fn feed_session(w: &mut World, down: bool, port: u16, next: u32) {
    let now = w.instant();
    let mut there = packet(leased(0), FAR, port, next, if down { 60 } else { 1_400 });
    if !down || next % 32 < 2 {
        w.gateways[0].send(now, &mut there);
    }
    if down {
        let mut back = packet(FAR, leased(0), port, next, 1_400);
        let ports = [20, 21, 22, 23].map(|n: usize| back[n]);
        back[20..24].copy_from_slice(&[ports[2], ports[3], ports[0], ports[1]]);
        let seat = w.exits[0].seat_of(&w.gateways[0].key()).unwrap();
        w.exits[0].send(now, seat, &mut back);
    }
}

/// Two sessions of 12 Mbit/s each that keep to a line, the dear one too: what the lines carry in each tenth of ten seconds, Mbit/s.
fn two_that_do_not_fit(down: bool) -> Vec<[f64; 2]> {
    let (mut w, mut next) = (two([0, 1]), 0);
    let home = w.gateways[0].gw.as_mut().unwrap();
    home.set_lane(Lane::PerSession);
    let sent = |w: &World| {
        let seat = w.exits[0].seat_of(&w.gateways[0].key()).unwrap();
        carried(match down {
            true => w.exits[0].tunnel(seat).unwrap(),
            false => w.gateways[0].gw().link().tunnel(),
        })
    };
    let mut all = Vec::new();
    for _ in 0..150 {
        let before = sent(&w);
        w.run_with(100, 1_000, |w| {
            for port in [7, 8] {
                feed_session(w, down, port, next);
                next += 1;
            }
        });
        let after = sent(&w);
        all.push([0, 1].map(|n| (after[n] - before[n]) as f64 * 8.0 / 100_000.0));
    }
    all.split_off(50)
}

#[test]
fn a_session_stays_on_the_dear_line_while_it_does_not_fit_on_the_cheap_one() {
    for down in [true, false] {
        let lines = two_that_do_not_fit(down);
        let apart = |all: &&[f64; 2]| all.iter().all(|line| (10.0..14.0).contains(line));
        let stays = lines.iter().filter(apart).count();
        assert!(stays == lines.len(), "down {down}: {stays}; {lines:.1?}");
    }
}
