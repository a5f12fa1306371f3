//! Members that do not hear each other: a line, a triangle, a ring of radios between which nothing passes by itself.

use crate::traffic::{fill_down, fill_up};
use crate::world::packet::{FAR, leased, packet};
use crate::world::{Arrival, Line, Place, World, mesh_addr};
use burstmesh_core::error::Refusal;
use burstmesh_core::node::Via;
use burstmesh_core::node::gateway::MAX_HOPS;
use std::collections::{BTreeMap, BTreeSet};

/// So many gateways with 20 Mbit/s each, on these radios.
fn homes(n: usize, radios: &[&[usize]]) -> World {
    let line = [Line::mbit(20, 10)];
    let lines: Vec<&[Line]> = (0..n).map(|_| &line[..]).collect();
    World::on_radios(&lines, radios)
}

/// How far away each gateway takes each other for, among those that answer.
fn distances(w: &World, g: usize) -> BTreeMap<usize, u8> {
    let number = |key| w.gateways.iter().position(|g| g.key() == key).unwrap();
    let peers = w.gateways[g].gw().peers().filter(|(_, p)| p.is_up());
    peers.map(|(_, p)| (number(p.key), p.hops())).collect()
}

/// Everybody reaches everybody, over so many hops.
fn all_meet(w: &World, hops: impl Fn(usize, usize) -> u8) -> bool {
    let n = w.gateways.len();
    (0..n).all(|g| {
        let wanted = (0..n).filter(|o| *o != g && hops(g, *o) <= MAX_HOPS);
        distances(w, g) == wanted.map(|o| (o, hops(g, o))).collect()
    })
}

/// Every path to an exit that can be is there.
fn all_pool(w: &World, lent: usize) -> bool {
    w.gateways.iter().all(|g| g.live_paths() == (1, lent))
}

/// What a datagram carries inside of relay headers.
fn innermost(mut d: &[u8]) -> &[u8] {
    while d.first() == Some(&0x18) {
        d = &d[17..];
    }
    d
}

/// How many relay headers a datagram has.
fn headers(d: &[u8]) -> usize {
    (d.len() - innermost(d).len()) / 17
}

/// Starts to keep what gateways take.
fn watch(w: &mut World) {
    w.capture = Some(Vec::new());
}

/// Fails if a gateway has taken a datagram twice since [`watch`]; says how many came with a header of a second hop.
fn nothing_went_in_circles(w: &mut World) -> usize {
    let taken = w.capture.take().unwrap();
    // Announcements are one's own; what comes over the lines comes from the exit.
    let on_mesh = |a: &&Arrival| matches!(a.via, Via::Mesh(_)) && a.bytes[0] != 0x11;
    let mut seen = BTreeSet::new();
    for a in taken.iter().filter(on_mesh) {
        let new = seen.insert((a.to, innermost(&a.bytes)));
        assert!(new, "{:?} saw a datagram again", a.to);
    }
    let hops = taken.iter().map(|a| headers(&a.bytes));
    assert!(hops.clone().all(|n| n <= 2));
    hops.filter(|n| *n == 2).count()
}

/// Uploads and downloads at every gateway for so many milliseconds, a packet each every 5.
fn talk(w: &mut World, ms: u64, id: &mut u32) {
    w.run_with(ms, 5_000, |w| {
        *id += 1;
        let now = w.instant();
        for g in 0..w.gateways.len() {
            let mut up = packet(leased(g), FAR, g as u16, *id, 900);
            w.gateways[g].send(now, &mut up);
            if let Some(seat) = w.exits[0].seat_of(&w.gateways[g].key()) {
                let mut down = packet(FAR, leased(g), g as u16, *id, 900);
                w.exits[0].send(now, seat, &mut down);
            }
        }
    });
}

/// All talk for a while: everything arrives, nothing comes twice, and nobody refuses anything.
fn all_talk(w: &mut World, last: &mut u32) {
    // Datagrams of paths that are gone are unknown. A hop too many would be forbidden.
    let refused = |w: &World, g: usize| {
        let all = w.gateways[g].gw().refusals().0;
        all.total() - all.of(Refusal::Unknown)
    };
    let before: Vec<_> = (0..w.gateways.len()).map(|g| refused(w, g)).collect();
    watch(w);
    let first = *last + 1;
    talk(w, 3_000, last);
    w.run(300);
    let second_hops = nothing_went_in_circles(w);
    assert!(second_hops > 20, "{second_hops}");
    for (g, before) in before.iter().enumerate() {
        assert_eq!(refused(w, g), *before, "{}", w.describe());
        let all: Vec<_> = (first..=*last).collect();
        let (up, down) = (
            w.exits[0].at(g).flow(g as u16),
            w.gateways[g].at.flow(g as u16),
        );
        assert!(up.ends_with(&all) && down.ends_with(&all), "of gateway {g}");
    }
}

/// Distance in a ring of `n`.
fn around(n: usize) -> impl Fn(usize, usize) -> u8 {
    move |a, b| a.abs_diff(b).min(n - a.abs_diff(b)) as u8
}

#[test]
fn on_a_line_of_five_all_meet_over_up_to_three_hops_and_nothing_goes_in_circles() {
    let mut w = homes(5, &[&[0, 1], &[1, 2], &[2, 3], &[3, 4]]);
    let mut last = 0;
    let took = w.run_until(20_000, |w| all_meet(w, |a, b| a.abs_diff(b) as u8));
    println!("after {took} ms");
    w.run(2_000);
    let lent: Vec<_> = w.gateways.iter().map(|g| g.live_paths()).collect();
    assert_eq!(
        lent,
        [(1, 3), (1, 4), (1, 4), (1, 4), (1, 3)],
        "{}",
        w.describe()
    );
    all_talk(&mut w, &mut last);
}

#[test]
fn in_a_triangle_all_are_near_and_go_around_by_the_third_only_while_a_side_is_cut() {
    let mut w = homes(3, &[&[0, 1], &[1, 2], &[0, 2]]);
    let near = |w: &World| all_meet(w, |_, _| 1);
    w.run_until(10_000, near);
    watch(&mut w);
    let mut last = 0;
    talk(&mut w, 3_000, &mut last);
    assert_eq!(nothing_went_in_circles(&mut w), 0, "all are near");
    w.radios[2].mesh.cut = true;
    let around = |a: usize, b: usize| if (a + b) == 2 { 2 } else { 1 };
    let took = w.run_until(10_000, |w| all_meet(w, around) && all_pool(w, 2));
    println!("around after {took} ms");
    all_talk(&mut w, &mut last);
    w.radios[2].mesh.cut = false;
    let took = w.run_until(20_000, near);
    println!("near again after {took} ms");
    w.run(3_000);
    assert!(near(&w) && all_pool(&w, 2), "{}", w.describe());
}

#[test]
fn a_ring_goes_the_short_way_around_and_the_other_when_that_is_cut() {
    let mut w = homes(5, &[&[0, 1], &[1, 2], &[2, 3], &[3, 4], &[4, 0]]);
    let mut last = 0;
    let took = w.run_until(20_000, |w| all_meet(w, around(5)) && all_pool(w, 4));
    println!("after {took} ms");
    all_talk(&mut w, &mut last);
    w.radios[4].mesh.cut = true;
    watch(&mut w);
    let took = w.run_until(30_000, |w| all_meet(w, |a, b| a.abs_diff(b) as u8));
    println!("the other way after {took} ms");
    nothing_went_in_circles(&mut w);
    w.radios[4].mesh.cut = false;
    let took = w.run_until(30_000, |w| all_meet(w, around(5)) && all_pool(w, 4));
    println!("the short way again after {took} ms");
    all_talk(&mut w, &mut last);
}

#[test]
fn nothing_goes_in_circles_while_links_come_and_go() {
    for seed in 0..2 {
        let mut w = homes(5, &[&[0, 1], &[1, 2], &[2, 3], &[3, 4], &[4, 0], &[1, 3]]);
        w.reseed(seed);
        w.run(6_000);
        let mut last = 0;
        watch(&mut w);
        for _ in 0..10 {
            let radio = w.random() as usize % w.radios.len();
            w.radios[radio].mesh.cut ^= true;
            let ms = 200 + w.random() % 3_000;
            talk(&mut w, ms, &mut last);
        }
        nothing_went_in_circles(&mut w);
        w.radios.iter_mut().for_each(|r| r.mesh.cut = false);
        let hops = |a, b| {
            if (a, b) == (1, 3) || (a, b) == (3, 1) {
                1
            } else {
                around(5)(a, b)
            }
        };
        let took = w.run_until(60_000, |w| all_meet(w, hops));
        println!("seed {seed}: all meet again after {took} ms");
    }
}

/// A home with a line, one without, one with a line; the far one is reached over a second hop of so many Mbit/s.
fn far_line(mbit: u64) -> World {
    let line = [Line::mbit(20, 10)];
    let mut w = World::on_radios(&[&line, &[], &line], &[&[0, 1], &[1, 2]]);
    let channel = &mut w.radios[1].mesh.channel;
    channel.set_rate(0, mbit * 125_000);
    channel.queue = mbit * 12_500;
    w.run_until(10_000, |w| w.gateways[0].live_paths() == (1, 1));
    w
}

/// Mbit/s of a download and of an upload of the first home, of 1,400 bytes a packet, after 4 s.
fn rates(w: &mut World) -> [f64; 2] {
    [true, false].map(|down| {
        let mut id = 0;
        let mut fill = |w: &mut World| {
            if down {
                fill_down(w, 0, 7, 60, &mut id);
            } else {
                fill_up(w, 0, 8, 60, &mut id);
            }
        };
        let bytes = |w: &mut World| {
            if down {
                w.gateways[0].at.bytes
            } else {
                w.exits[0].at(0).bytes
            }
        };
        w.run_with(4_000, 1_000, &mut fill);
        let before = bytes(w);
        w.run_with(6_000, 1_000, &mut fill);
        (bytes(w) - before) as f64 * 8.0 / 6e6
    })
}

#[test]
fn the_far_homes_line_is_used_and_carries_what_the_weakest_hop_does() {
    let own = 20.0;
    for (second_hop, far) in [(100, 20.0), (8, 8.0)] {
        let mut w = far_line(second_hop);
        for rate in rates(&mut w) {
            let share = rate / (own + far);
            println!(
                "second hop {second_hop}: {rate:.1} Mbit/s, {:.1} %",
                share * 100.0
            );
            assert!((0.80..1.0).contains(&share), "{rate:.1}\n{}", w.describe());
        }
        assert!(w.gateways[0].at.in_order(7) && w.exits[0].at(0).in_order(8));
    }
}

#[test]
fn without_the_far_home_or_the_one_between_the_own_line_goes_on() {
    for gone in [1, 2] {
        let mut w = far_line(100);
        let sessions = w.gateways[0].gw().link().sessions();
        w.gateways[gone].gw = None;
        let (from, mut id) = (w.ms(), 0);
        w.run_with(3_000, 5_000, |w| {
            id += 1;
            let now = w.instant();
            w.gateways[0].send(now, &mut packet(leased(0), FAR, 7, id, 900));
        });
        w.run(1_000);
        assert_eq!(
            w.exits[0].at(0).flow(7),
            (1..=id).collect::<Vec<_>>(),
            "from {from}"
        );
        assert_eq!(w.gateways[0].live_paths(), (1, 0));
        w.restart_gateway(gone);
        let took = w.run_until(40_000, |w| w.gateways[0].live_paths() == (1, 1));
        println!("gateway {gone} is back: pooled again after {took} ms");
        assert_eq!(w.gateways[0].gw().link().sessions(), sessions);
    }
}

#[test]
fn datagrams_of_a_way_that_come_again_or_are_changed_are_passed_on_to_nobody() {
    let mut w = far_line(100);
    watch(&mut w);
    let mut last = 0;
    talk(&mut w, 1_000, &mut last);
    let taken = w.capture.take().unwrap();
    let passed_on: Vec<_> = taken
        .into_iter()
        .filter(|a| a.to == Place::Gateway(1) && a.bytes[0] == 0x18)
        .collect();
    assert!(passed_on.len() > 100);
    let before = w.gateways[1].forwarded;
    for a in passed_on {
        w.inject(a.clone());
        for at in [1, 5, 9, 17, 20] {
            let mut changed = a.clone();
            changed.bytes[at] ^= 1;
            w.inject(changed);
        }
    }
    w.step(w.now + 1);
    assert_eq!(w.gateways[1].forwarded, before);
}

#[test]
fn telling_and_asking_stay_under_a_hundredth_of_a_slow_channel_at_rest() {
    // Six homes on either side of one that is on both radios: as many as it has sessions with.
    let radios: [&[usize]; 2] = [&[0, 1, 2, 3, 4, 5, 6], &[6, 7, 8, 9, 10, 11, 12]];
    let said_at_rest = |radios: &[&[usize]]| {
        let mut w = World::on_radios(&[&[] as &[Line]; 13], radios);
        w.run(30_000);
        watch(&mut w);
        w.run(20_000);
        let taken = w.capture.take().unwrap();
        let near = |a: &&Arrival| matches!(a.to, Place::Gateway(0..=5));
        let his = |a: &&Arrival| near(a) && a.from == mesh_addr(6) && a.bytes[0] != 0x11;
        taken
            .iter()
            .filter(his)
            .map(|a| a.bytes.len() + 80)
            .sum::<usize>()
            / 20
    };
    let (both, alone) = (said_at_rest(&radios), said_at_rest(&radios[..1]));
    println!("{both} bytes a second on a radio, {alone} where there is nobody to tell of");
    let slow = 6_000_000 / 8;
    assert!(both > alone && both < slow / 100);
}
