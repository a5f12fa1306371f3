use crate::world::packet::{FAR, leased, packet};
use crate::world::{Line, World, mesh_addr};
use burstmesh_core::data::lane::{Lane, Why};
use burstmesh_core::data::tunnel::Tunnel;
use burstmesh_core::node::gateway::{Route, UplinkConfig};
use burstmesh_lab::flow::Kind;
use burstmesh_lab::flow::congestion::Law;
use burstmesh_lab::lab::Lab;
use burstmesh_lab::profile::{PROFILES, Profile};
use smoltcp::wire::Ipv4Packet;

const CUBIC: Kind = Kind::Tcp(Law::Linux);
const S: u64 = 1_000_000;

fn profile(name: &str) -> Profile {
    *PROFILES.iter().find(|p| p.name == name).unwrap()
}

/// A lab in which `flows` begin at 0, one a millisecond, in a lane.
fn sessions(name: &str, lane: Lane, flows: usize, down: bool) -> Lab {
    let profile = profile(name);
    let mut lab = Lab::new(&profile, profile.links, 7);
    set(&mut lab, lane);
    for n in 0..flows as u64 {
        lab.run_to(n * 1_000);
        lab.add(CUBIC, down, u64::MAX);
    }
    lab
}

fn set(lab: &mut Lab, lane: Lane) {
    lab.world.gateways[0].gw.as_mut().unwrap().set_lane(lane);
}

/// What arrived of the bulk flows between two times since the start, Mbit/s of payload.
fn rates(lab: &Lab, from: u64, to: u64) -> Vec<f64> {
    let (a, b) = (lab.start + from, lab.start + to);
    let bulk = lab.flows.iter().filter(|f| f.kind == CUBIC);
    bulk.map(|f| f.bytes(a, b) as f64 * 8.0 / (to - from) as f64)
        .collect()
}

/// Bytes that each path of the sending tunnel carried so far, by path ID.
fn carried(tunnel: &Tunnel<'static>) -> Vec<u64> {
    let mut all: Vec<_> = tunnel
        .paths()
        .map(|(_, p)| (p.id(), p.counters().tx_bytes))
        .collect();
    all.sort_unstable();
    all.into_iter().map(|(_, n)| n).collect()
}

fn divide(down: bool) {
    let mut lab = sessions("P6", Lane::PerSession, 6, down);
    lab.run_to(12 * S);
    let each = rates(&lab, 4 * S, 12 * S);
    let share = each.iter().sum::<f64>() / 58.0 * 100.0;
    println!("{share:.1} % {each:.1?}");
    assert!(share >= 85.0, "{share:.1} %\n{}", lab.world.describe());
}

#[test]
fn six_downloads_divide_over_three_unlike_lines() {
    divide(true);
}

#[test]
fn six_uploads_divide_over_three_unlike_lines() {
    divide(false);
}

#[test]
fn a_session_uses_one_line_only_both_ways() {
    for down in [true, false] {
        let mut lab = sessions("P1", Lane::PerSession, 1, down);
        lab.run_to(2 * S);
        let before = [down, !down].map(|way| carried(lab.tunnels(way).unwrap().0));
        lab.run_to(6 * S);
        let after = [down, !down].map(|way| carried(lab.tunnels(way).unwrap().0));
        let used = |n: usize| {
            let all = before[n].iter().zip(&after[n]).map(|(a, b)| b - a);
            all.collect::<Vec<_>>()
        };
        let (data, back) = (used(0), used(1));
        println!("{data:?} {back:?}");
        let most = data.iter().max().unwrap();
        assert!(*most > 9_000_000, "{data:?}");
        // Reports, the light flow and its answers are all that the other one carries.
        let line = data.iter().position(|n| n == most).unwrap();
        assert!(data[1 - line] < most / 50, "{data:?}");
        assert!(back[line] > back[1 - line], "{back:?}");
    }
}

#[test]
fn a_change_of_the_lane_takes_flows_under_way_along() {
    let mut lab = sessions("P1", Lane::Auto, 1, true);
    let mut shares = Vec::new();
    for (n, lane) in [Lane::Auto, Lane::PerSession, Lane::PerPacket]
        .into_iter()
        .enumerate()
    {
        set(&mut lab, lane);
        let from = n as u64 * 5 * S;
        lab.run_to(from + 2 * S);
        let before = carried(lab.tunnels(true).unwrap().0);
        lab.run_to(from + 5 * S);
        let after = carried(lab.tunnels(true).unwrap().0);
        let each = before.iter().zip(&after).map(|(a, b)| b - a);
        let (least, most) = (each.clone().min().unwrap(), each.max().unwrap());
        shares.push(least as f64 / most as f64);
    }
    println!("{shares:.2?}");
    assert!(
        shares[0] > 0.8 && shares[1] < 0.1 && shares[2] > 0.8,
        "{shares:.2?}"
    );
}

/// The place of the path that this tunnel uses most from now on, for a second of `feed`.
fn busiest(w: &mut World, up: bool, feed: &mut impl FnMut(&mut World)) -> u16 {
    let sent = |w: &World| {
        let tunnel = if up {
            w.gateways[0].gw().link().tunnel()
        } else {
            w.exits[0]
                .tunnel(w.exits[0].seat_of(&w.gateways[0].key()).unwrap())
                .unwrap()
        };
        tunnel
            .paths()
            .map(|(_, p)| (p.id(), p.counters().tx_bytes))
            .collect::<Vec<_>>()
    };
    let before = sent(w);
    w.run_with(1_000, 1_000, feed);
    let after = sent(w);
    let each = before.iter().zip(&after).map(|(a, b)| (b.1 - a.1, b.0));
    each.max().unwrap().1
}

/// Over whose line a path of gateway 0 leads.
fn home_of(w: &World, path: u16) -> usize {
    let gw = w.gateways[0].gw();
    let (at, _) = gw
        .link()
        .tunnel()
        .paths()
        .find(|(_, p)| p.id() == path)
        .unwrap();
    let Some(Route::Lent { peer, .. }) = gw.link().route(at) else {
        return 0;
    };
    let (_, peer) = gw.peers().find(|(i, _)| *i == usize::from(peer)).unwrap();
    (0..3).find(|g| mesh_addr(*g) == peer.addr).unwrap()
}

/// Flow 9 has the same port at both ends, so that what comes back is of the same flow. `up` says where the most goes.
fn conversation(up: bool, next: &mut [u32; 2]) -> impl FnMut(&mut World) + '_ {
    move |w| {
        let now = w.instant();
        let much = |up: bool| if up { (2, 1_000) } else { (1, 60) };
        for way in [true, false] {
            let (count, len) = much(way == up);
            for _ in 0..count {
                let n = &mut next[usize::from(!way)];
                let id = *n;
                *n += 1;
                if way {
                    w.gateways[0].send(now, &mut packet(leased(0), FAR, 9, id, len));
                } else {
                    let seat = w.exits[0].seat_of(&w.gateways[0].key()).unwrap();
                    w.exits[0].send(now, seat, &mut packet(FAR, leased(0), 9, id, len));
                }
            }
        }
    }
}

fn moves(up: bool) {
    let mut w = World::three();
    w.gateways[0]
        .gw
        .as_mut()
        .unwrap()
        .set_lane(Lane::PerSession);
    w.run(3_000);
    let mut next = [0, 0];
    let mut feed = conversation(up, &mut next);
    w.run_with(2_000, 1_000, &mut feed);
    let path = busiest(&mut w, up, &mut feed);
    let (began, home) = (w.now, home_of(&w, path));
    w.gateways[home].lines[0].silent = true;
    w.run_with(1_000, 1_000, &mut feed);
    let other = busiest(&mut w, up, &mut feed);
    assert_ne!(other, path, "{}", w.describe());
    w.gateways[home].lines[0].silent = false;
    w.run_with(3_000, 1_000, &mut feed);
    // It stays where it is.
    assert_eq!(busiest(&mut w, up, &mut feed), other);
    drop(feed);
    w.run(1_000);
    let seat = w.exits[0].seat_of(&w.gateways[0].key()).unwrap();
    let tunnels = [
        w.gateways[0].gw().link().tunnel(),
        w.exits[0].tunnel(seat).unwrap(),
    ];
    let dropped: u32 = tunnels
        .map(|t| t.counters().1)
        .iter()
        .map(|q| q.aqm_drops + q.overflow)
        .sum();
    let gaps = [
        w.exits[0].at(0).longest_gap_ms(began),
        w.gateways[0].at.longest_gap_ms(began),
    ];
    println!("gaps {gaps:?} ms, dropped {dropped}");
    assert!(gaps.iter().all(|g| *g < 1_000), "{gaps:?}");
    assert!(w.exits[0].at(0).in_order(9) && w.gateways[0].at.in_order(9));
    let got = w.exits[0].at(0).flow(9).len() + w.gateways[0].at.flow(9).len();
    assert_eq!(got as u32 + dropped, next[0] + next[1]);
    assert_eq!(w.gateways[0].gw().link().sessions(), 1);
}

#[test]
fn an_upload_moves_within_a_second_when_its_line_falls_silent_and_loses_nothing() {
    moves(true);
}

#[test]
fn a_download_moves_within_a_second_when_its_line_falls_silent_and_loses_nothing() {
    moves(false);
}

/// The home over whose line a session of gateway 0 goes when the household of home 1 leaves so much to others, and why. The
/// line of home 1 is the best by far, and that of home 2 better than the own one.
fn chosen(up: bool, left_kbit: u32) -> (usize, Why) {
    let lines = [4, 30, 10].map(|rate| [Line::mbit(rate, 10)]);
    let mut w = World::new(&lines.each_ref().map(|l| &l[..]));
    let config = UplinkConfig {
        lend: true,
        lend_up_kbit: if up { left_kbit } else { 0 },
        lend_down_kbit: if up { 0 } else { left_kbit },
        ..UplinkConfig::default()
    };
    w.set_uplinks(1, &[config]);
    w.gateways[0]
        .gw
        .as_mut()
        .unwrap()
        .set_lane(Lane::PerSession);
    w.run(3_000);
    let mut next = [0, 0];
    let mut feed = conversation(up, &mut next);
    w.run_with(2_000, 1_000, &mut feed);
    let path = busiest(&mut w, up, &mut feed);
    let now = w.instant();
    let flows = w.gateways[0].gw().link().tunnel().busiest(now);
    (home_of(&w, path), flows[0].why)
}

#[test]
fn a_session_goes_where_more_is_lent_than_by_the_lender_of_the_fastest_line_and_it_is_said_why() {
    for up in [true, false] {
        assert_eq!(chosen(up, 2_000), (2, Why::Lent), "up: {up}");
        let (home, why) = chosen(up, 0);
        assert_eq!(home, 1, "up: {up}");
        assert_ne!(why, Why::Lent);
    }
}

/// The packet with the code point by which a rule gives its flow a lane.
fn ruled(mut packet: Vec<u8>, lane: Lane) -> Vec<u8> {
    packet[1] = lane.code_point() << 2;
    Ipv4Packet::new_unchecked(&mut packet[..]).fill_checksum();
    packet
}

#[test]
fn a_session_by_rule_shares_its_line_with_what_is_spread_and_the_mark_is_taken_off() {
    let mut w = World::three();
    w.run(3_000);
    let mut next = 0;
    let mut feed = |w: &mut World| {
        let now = w.instant();
        for n in 0..8 {
            let p = packet(leased(0), FAR, if n < 5 { 7 } else { 9 }, next, 1_160);
            let lane = if n < 5 { Lane::Auto } else { Lane::PerSession };
            w.gateways[0].send(now, &mut ruled(p, lane));
            next += 1;
        }
    };
    w.run_with(2_000, 1_000, &mut feed);
    let count = |w: &mut World, flow| w.exits[0].at(0).flow(flow).len();
    let before = [7, 9].map(|flow| count(&mut w, flow));
    w.run_with(4_000, 1_000, &mut feed);
    let after = [7, 9].map(|flow| count(&mut w, flow));
    let rate = |n: usize| (after[n] - before[n]) as f64 * 1_160.0 * 8.0 / 4e6;
    let (spread, session) = (rate(0), rate(1));
    println!("spread {spread:.1}, session {session:.1} Mbit/s");
    assert!(session > 7.5 && spread > 35.0, "{spread:.1}, {session:.1}");
    assert!(session + spread >= 0.85 * 60.0, "{spread:.1}, {session:.1}");
    assert_eq!(w.exits[0].at(0).corrupt, 0);
}
