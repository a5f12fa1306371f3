//! The committed tables hold, and a seed repeats to the byte.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use burstmesh_lab::table::differences;
use std::path::Path;
use std::process::Command;

fn measured(args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_burstmesh-lab"));
    let out = command.args(args).output().unwrap();
    assert!(out.status.success());
    String::from_utf8(out.stdout).unwrap()
}

#[track_caller]
fn holds(file: &str, more: &[&str]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("snapshot")
        .join(file);
    let committed = std::fs::read_to_string(path).unwrap();
    let found = differences(&committed, &measured(&[&["all"], more].concat()));
    assert!(
        found.is_empty(),
        "out of tolerance; if that is meant: cargo xtask lab all --bless\n{}",
        found.join("\n")
    );
}

#[test]
fn every_figure_is_within_its_tolerance() {
    holds("short.csv", &[]);
}

#[test]
#[ignore = "minutes: the stretch that the bars are about"]
fn every_figure_of_the_long_run_is_within_its_tolerance() {
    holds("long.csv", &["--long"]);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let once = || measured(&["P4", "--raw"]);
    let first = once();
    assert!(first.lines().count() > 5, "{first}");
    assert_eq!(first, once());
}
