//! The committed table of the long run meets the bars of the design, but for what docs/transport.md lists as missed. `snapshot.rs` holds
//! the code to the table.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use burstmesh_lab::profile::{PROFILES, Profile};
use burstmesh_lab::table::COLUMNS;

/// One direction, one flow or sixteen.
const ONE_WAY: [&str; 6] = ["up", "down", "linux", "reno", "16", "quic"];

/// What is missed, and what is held instead.
const MISSED_SHARE: [(&str, &str, f64); 1] = [("P11", "linux", 87.0)];

fn figure(profile: &str, load: &str, column: &str) -> f64 {
    let table = include_str!("../snapshot/long.csv");
    let row = format!("{profile},{load},");
    let row = table.lines().find_map(|l| l.strip_prefix(&row)).unwrap();
    let at = COLUMNS.iter().position(|c| c.name == column).unwrap();
    row.split(',').nth(at).unwrap().parse().unwrap()
}

fn missed(list: &[(&str, &str, f64)], profile: &Profile, load: &str) -> Option<f64> {
    let found = list.iter().find(|m| (m.0, m.1) == (profile.name, load));
    found.map(|m| m.2)
}

#[test]
fn one_flow_and_sixteen_have_their_share_of_every_profile() {
    for profile in &PROFILES {
        let down = figure(profile.name, "down", "share");
        for load in ONE_WAY {
            let bar = match load {
                "reno" => profile.bar - 3.0,
                "quic" => down - 5.0,
                _ => profile.bar,
            };
            let bar = missed(&MISSED_SHARE, profile, load).unwrap_or(bar);
            let share = figure(profile.name, load, "share");
            assert!(share >= bar, "{} {load}: {share} of {bar}", profile.name);
        }
        let jain = figure(profile.name, "16", "jain");
        assert!(jain >= 0.9, "{}: {jain}", profile.name);
    }
}

#[test]
fn no_profile_is_below_its_best_line_alone() {
    // With eight lines and on a narrow mesh it is not asked: one is far below the sum.
    let asked = |p: &&Profile| p.links.len() <= 3 && !p.name.starts_with('M');
    for profile in PROFILES.iter().filter(asked) {
        let alone = figure(profile.name, "alone", "share");
        for load in ["up", "down", "linux", "reno", "16"] {
            // P15's upload is over other rates than the line that was measured alone.
            let other_way = (profile.name, load) == ("P15", "up");
            let share = figure(profile.name, load, "share");
            assert!(
                other_way || share >= 0.99 * alone,
                "{} {load}",
                profile.name
            );
        }
    }
}

#[test]
fn a_light_flow_beside_a_burst_is_hardly_later() {
    for profile in &PROFILES {
        for load in ONE_WAY {
            let bar = if profile.name == "P12" { 40.0 } else { 20.0 };
            let late = figure(profile.name, load, "added_p99_ms");
            assert!(late <= bar, "{} {load}: {late} of {bar} ms", profile.name);
        }
    }
}

#[test]
fn a_silent_line_leaves_no_long_gap_and_no_timeout() {
    for load in ["up", "down", "linux", "reno", "quic"] {
        assert!(figure("P13", load, "gap_ms") < 300.0, "{load}");
        assert_eq!(figure("P13", load, "timeouts"), 0.0, "{load}");
        assert_eq!(figure("P13", load, "given_up"), 0.0, "{load}");
    }
}

#[test]
fn owners_bursts_wrong_rates_and_both_directions_have_their_bars() {
    for load in ["owner", "owner-pooled", "owner-up", "owner-up-pooled"] {
        assert!(figure("P14", load, "share") >= 95.0, "{load}");
        assert!(figure("P14", load, "added_p99_ms") <= 10.0, "{load}");
    }
    assert!(figure("P1x3", "burst", "share") <= 125.0);
    for profile in ["P1", "P4"] {
        let usual = figure(profile, "down", "share");
        assert!(figure(profile, "wrong", "share") >= usual - 10.0);
        assert!(figure(profile, "wrong", "share_up") >= usual - 1.0);
    }
    let both = |column| figure("P15", "both", column);
    assert!(both("share") >= 85.0 && both("share_up") >= 60.0);
}
