//! `cargo xtask check-core`: the router's libraries build for a 32-bit target without 64-bit atomics, where neither `alloc` nor `std`
//! exists to be linked. Three probes show first that the check would notice.

use crate::process::{self, cargo, run as run_command};
use crate::targets;
use crate::toolchain::{Sources, target_dir};
use anyhow::{Context, Result, bail};
use std::fs;
use std::process::Command;

const LIBRARIES: [&str; 4] = [
    "burstmesh-core",
    "burstmesh-control-net",
    "burstmesh-linux",
    "burstmesh",
];

/// A source text and the compiler error it must cause; `None`: it must compile.
struct Probe {
    what: &'static str,
    source: &'static str,
    error: Option<&'static str>,
}

const PROBES: [Probe; 3] = [
    Probe {
        what: "plain core",
        source: "pub fn f() -> u32 { 1 }",
        error: None,
    },
    Probe {
        what: "alloc",
        source: "extern crate alloc; pub fn f() -> alloc::vec::Vec<u8> { alloc::vec::Vec::new() }",
        error: Some("E0463"),
    },
    Probe {
        what: "64-bit atomics",
        source: "pub static COUNT: core::sync::atomic::AtomicU64 = core::sync::atomic::AtomicU64::new(0);",
        error: Some("AtomicU64"),
    },
];

/// `cargo xtask check-core`.
pub fn run() -> Result<()> {
    let sources = Sources::ensure()?;
    for probe in &PROBES {
        prove(probe, &sources)?;
    }
    build(&sources, &[])?;
    build(&sources, &["--features", "burstmesh/previous-minor"])
}

fn build(sources: &Sources, features: &[&str]) -> Result<()> {
    let mut cargo = cargo();
    cargo.args([
        "build",
        "--lib",
        "--profile",
        "router",
        "--target",
        targets::STRICTEST.triple,
    ]);
    cargo
        .args(LIBRARIES.iter().flat_map(|library| ["--package", library]))
        .args(features);
    sources.build_core(&mut cargo);
    run_line(&mut cargo)
}

fn run_line(cargo: &mut Command) -> Result<()> {
    run_command(cargo).context("router libraries must do without alloc, std and 64-bit atomics")
}

/// Compiles the probe as the libraries are compiled and compares what comes of it.
fn prove(probe: &Probe, sources: &Sources) -> Result<()> {
    let folder = target_dir().join("probe");
    fs::create_dir_all(folder.join("src"))?;
    fs::write(
        folder.join("Cargo.toml"),
        "[package]\nname = \"probe\"\nedition = \"2024\"\n\n[workspace]\n",
    )?;
    fs::write(
        folder.join("src/lib.rs"),
        format!("#![no_std]\n{}\n", probe.source),
    )?;
    let mut cargo = cargo();
    cargo
        .args(["check", "--quiet", "--target", targets::STRICTEST.triple])
        .current_dir(&folder);
    sources.build_core(&mut cargo);
    let output = cargo
        .output()
        .with_context(|| format!("cannot start `{}`", process::line(&cargo)))?;
    let said = String::from_utf8_lossy(&output.stderr);
    match probe.error {
        None if !output.status.success() => {
            bail!("the probe `{}` must compile, but:\n{said}", probe.what)
        }
        Some(_) if output.status.success() => {
            bail!("the check is blind: the probe `{}` compiled", probe.what)
        }
        Some(error) if !said.contains(error) => bail!(
            "the probe `{}` failed for another reason than {error}:\n{said}",
            probe.what
        ),
        _ => println!(
            "probe `{}`: {}",
            probe.what,
            if probe.error.is_some() {
                "refused, as it must be"
            } else {
                "compiles"
            }
        ),
    }
    Ok(())
}
