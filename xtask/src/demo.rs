//! `cargo xtask demo`: builds everything, then runs the demonstration of `tests/netns/src/bin/demo`.

use crate::process::{self, cargo, run as run_command};
use crate::ring;
use crate::setup::{self, Purpose};
use anyhow::{Result, bail};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;

/// `cargo xtask demo`.
pub fn run() -> Result<()> {
    require_root()?;
    setup::install(&[Purpose::Lab])?;
    if let Some(reason) = obstacle() {
        bail!("the demo cannot run here: {reason}");
    }
    let binaries = build_release("demo")?;
    let mut demo = process::command(binaries.join("demo"));
    demo.arg(process::root().join("report/demo.html"))
        .env("BURSTMESH_BIN_DIR", &binaries);
    // It takes our place, so that Ctrl-C reaches it alone and the prompt comes back when its lab is gone.
    let error = demo.exec();
    bail!("cannot start `{}`: {error}", process::line(&demo));
}

/// Builds the daemons and a program of the lab; gives where they are.
pub fn build_release(program: &str) -> Result<PathBuf> {
    // One call each: a joint one would unify features, and the exit's `std` would get into the agent.
    for (package, more) in [
        ("burstmesh", &[][..]),
        ("burstmesh-proxy", &[]),
        ("burstmesh-netns", &["--bin", program]),
    ] {
        let mut build = cargo();
        build.args(["build", "--release", "--locked", "--package", package]);
        run_command(build.args(more))?;
    }
    Ok(binaries())
}

/// Where cargo puts release builds.
fn binaries() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    process::root().join(target).join("release")
}

/// Says everything that is missing at once, before anything is built.
fn require_root() -> Result<()> {
    if process::is_root() {
        return Ok(());
    }
    let missing: Vec<String> = Purpose::Lab
        .missing()
        .iter()
        .map(ToString::to_string)
        .collect();
    if !missing.is_empty() {
        println!(
            "not installed (as root, the demo installs it): {}",
            missing.join(", ")
        );
    }
    bail!(
        "the demo makes network namespaces, which needs root; run: \
         sudo env \"PATH=$PATH\" \"HOME=$HOME\" cargo xtask demo"
    );
}

fn obstacle() -> Option<String> {
    let missing: Vec<String> = Purpose::Lab
        .missing()
        .iter()
        .map(ToString::to_string)
        .collect();
    if !missing.is_empty() {
        return Some(format!("not installed: {}", missing.join(", ")));
    }
    let tun = std::path::Path::new("/dev/net/tun").exists();
    ring::namespaces_obstacle().map(|reason| {
        if tun {
            reason
        } else {
            format!("{reason}; run: modprobe tun")
        }
    })
}
