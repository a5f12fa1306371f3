//! `cargo xtask test`: every ring, from the cheapest to the dearest.

use crate::meanwhile::Meanwhile;
use crate::process::{cargo, run as run_command};
use crate::ring::{self, Options, Outcome, Ring};
use crate::setup::{self, Purpose};
use crate::targets::{self, Target};
use crate::toolchain::{Sources, Zig};
use crate::{build, check_core, log, netns, packaging, process, size, vm};
use anyhow::{Result, anyhow, bail, ensure};

/// Arguments of `test`.
#[derive(clap::Args)]
pub struct Args {
    /// Also what takes minutes in each ring
    #[arg(long)]
    long: bool,
    /// Only this ring (may be given several times)
    #[arg(long, value_name = "RING", value_parser = names())]
    only: Vec<String>,
}

fn names() -> Vec<&'static str> {
    RINGS.iter().map(|ring| ring.name).collect()
}

/// The last one is a `cargo test`, so that the run ends with its result.
const RINGS: [Ring; 14] = [
    Ring {
        name: "format",
        what: "rustfmt has nothing to change",
        needs: &[],
        obstacle: ring::no_obstacle,
        run: format,
    },
    Ring {
        name: "lints",
        what: "clippy, warnings denied",
        needs: &[],
        obstacle: ring::no_obstacle,
        run: lints,
    },
    Ring {
        name: "check-core",
        what: "no alloc, no std, no 64-bit atomics on the router",
        needs: &[],
        obstacle: ring::no_obstacle,
        run: |_| check_core::run(),
    },
    Ring {
        name: "router-build",
        what: "the agent for routers, static, started under emulation",
        needs: &[Purpose::RouterBuilds, Purpose::Emulation],
        obstacle: ring::no_obstacle,
        run: router_build,
    },
    Ring {
        name: "size",
        what: "the static MIPS binary is within its size, docs/size.md is true",
        needs: &[Purpose::RouterBuilds],
        obstacle: ring::no_obstacle,
        run: |_| size::check(),
    },
    Ring {
        name: "defmt",
        what: "the build whose log is frames: a big-endian agent's, read as text",
        needs: &[Purpose::Lab, Purpose::RouterBuilds, Purpose::Emulation],
        obstacle: ring::namespaces_obstacle,
        run: |_| log::prove(),
    },
    Ring {
        name: "unit",
        what: "unit and property tests, layer rule, boards",
        needs: &[],
        obstacle: ring::no_obstacle,
        run: unit,
    },
    Ring {
        name: "packaging",
        what: "the OpenWrt feed: Makefiles, service and settings under busybox's shell",
        needs: &[Purpose::Packaging],
        obstacle: ring::no_obstacle,
        run: packaging::run,
    },
    Ring {
        name: "lab",
        what: "whole nodes and TCP on virtual time, against the committed table",
        needs: &[],
        obstacle: ring::no_obstacle,
        run: lab,
    },
    Ring {
        name: "big-endian",
        what: "unit and property tests on emulated big-endian 32-bit MIPS; --long: little-endian too",
        needs: &[Purpose::RouterBuilds, Purpose::Emulation],
        obstacle: ring::no_obstacle,
        run: big_endian,
    },
    Ring {
        name: "release-build",
        what: "the agent and the exit that the namespace lab runs",
        needs: &[],
        obstacle: ring::no_obstacle,
        run: release_build,
    },
    Ring {
        name: "pages",
        what: "the LuCI pages in a browser with real daemons behind; from packages to the first pooled byte",
        needs: &[Purpose::Lab, Purpose::Browser, Purpose::Packaging],
        obstacle: ring::namespaces_obstacle,
        run: |_| packaging::pages(&release()),
    },
    Ring {
        name: "qemu",
        what: "whole routers as virtual machines: MIPS with Wi-Fi; --long: ARM too",
        needs: &[Purpose::Machines, Purpose::RouterBuilds],
        obstacle: ring::no_obstacle,
        run: vm::ring,
    },
    Ring {
        name: "netns",
        what: "real daemons and real TCP in network namespaces",
        needs: &[Purpose::Lab, Purpose::RouterBuilds, Purpose::Emulation],
        obstacle: ring::namespaces_obstacle,
        run: |options| netns::ring(&release(), options),
    },
];

/// `cargo xtask test`.
pub fn run(args: &Args) -> Result<()> {
    let rings = chosen(args);
    let options = Options {
        long: args.long,
        meanwhile: Meanwhile::new(rings.last().is_some_and(|last| last.name == "netns")),
    };
    // Who asks for one ring does not wait for a browser.
    let needed = |purpose: &Purpose| {
        args.only.is_empty() || rings.iter().any(|ring| ring.needs.contains(purpose))
    };
    setup::install(&Purpose::ALL.into_iter().filter(needed).collect::<Vec<_>>())?;
    let Some((last, others)) = rings.split_last() else {
        bail!("no ring was chosen")
    };
    let mut done = Vec::new();
    for ring in others {
        done.push((*ring, ring.run(&options)));
        if let Some((ring, Outcome::Failed(error))) = done.last() {
            summary(&done);
            bail!("ring `{}` failed: {error:#}", ring.name);
        }
    }
    summary(&done);
    println!("  last      {}: {}", last.name, last.what);
    if let Outcome::Failed(error) = last.run(&options) {
        bail!("ring `{}` failed: {error:#}", last.name);
    }
    Ok(())
}

/// The chosen rings in their order. Where the last one cannot run here, it is moved forward and `unit` closes the run, so that the
/// closing line is a result of `cargo test` all the same.
fn chosen(args: &Args) -> Vec<&'static Ring> {
    let named = |ring: &&Ring| args.only.iter().any(|name| name == ring.name);
    let chosen = |ring: &&Ring| args.only.is_empty() || named(ring);
    let mut rings: Vec<&Ring> = RINGS.iter().filter(chosen).collect();
    if rings
        .last()
        .is_some_and(|ring| ring.reason_to_skip().is_some())
    {
        rings.sort_by_key(|ring| ring.name == "unit");
    }
    rings
}

fn summary(done: &[(&Ring, Outcome)]) {
    println!("\n━━━ summary");
    for (ring, outcome) in done {
        match outcome {
            Outcome::Passed(time) => println!(
                "  passed    {:<14} {:>7.1} s",
                ring.name,
                time.as_secs_f64()
            ),
            Outcome::Built(time) => println!(
                "  built     {:<14} {:>7.1} s",
                ring.name,
                time.as_secs_f64()
            ),
            Outcome::Skipped(reason) => println!("  SKIPPED   {:<14} {reason}", ring.name),
            Outcome::Failed(_) => println!("  FAILED    {}", ring.name),
        }
    }
}

fn format(_: &Options) -> Result<()> {
    run_command(cargo().args(["fmt", "--all", "--check"]))
}

/// The agent is no_std: a cargo call of its own keeps the proxy's features out of it.
const AGENT: &str = "burstmesh";

fn lints(_: &Options) -> Result<()> {
    for packages in [
        &["--workspace", "--exclude", AGENT][..],
        &["--package", AGENT],
    ] {
        let mut cargo = cargo();
        cargo.arg("clippy").args(packages);
        run_command(cargo.args(["--all-targets", "--locked", "--", "-D", "warnings"]))?;
    }
    Ok(())
}

/// Both byte orders and 64 bits in every run; the others, which are 32-bit and little-endian too, are for `--long`.
fn router_build(options: &Options) -> Result<()> {
    let every_time = |target: &&Target| {
        let architecture = target.triple.split('-').next();
        options.long || matches!(architecture, Some("mips" | "mipsel" | "aarch64"))
    };
    for target in targets::ALL.iter().filter(every_time) {
        let binary = build::for_target(target)?;
        let said = build::emulate(&binary, target, &["--version"])?;
        ensure!(
            said == VERSION,
            "{}: --version printed `{said}`, not `{VERSION}`",
            target.triple
        );
    }
    Ok(())
}

/// Byte order and word size are run, not assumed. `--long` adds the other byte order, so that what fails on one of the two targets
/// alone says which of them it is; the system calls, whose structs differ there; core's tunnels and simulated networks; and the
/// cipher's vector code on ARM. All of that takes minutes.
fn big_endian(options: &Options) -> Result<()> {
    if !options.long {
        // The host has tried many; here it is about byte order.
        let few = ["--", "--skip", "data::tunnel::"];
        return emulated(targets::STRICTEST, &["aead", "core"], "--lib", &few);
    }
    for target in &targets::ALL[..2] {
        emulated(target, &["aead", "core", "linux"], "--tests", &[])?;
    }
    let arm = targets::named("aarch64-unknown-linux-musl")?;
    emulated(arm, &["aead"], "--tests", &[])
}

/// Tests of our crates under emulation; with `more` arguments only some of them, and with fewer cases.
fn emulated(target: &Target, crates: &[&str], which: &str, more: &[&str]) -> Result<()> {
    let mut cargo = Zig::ensure()?.cargo("test");
    cargo.args(["--locked", which, "--target", target.triple]);
    for name in crates {
        cargo.args(["--package", &format!("burstmesh-{name}")]);
    }
    Sources::ensure()?.build_for_tests(&mut cargo, target)?;
    cargo.env(targets::variable(target, "RUNNER"), target.emulator);
    if !more.is_empty() {
        cargo.env("PROPTEST_CASES", "64").args(more);
    }
    run_command(&mut cargo)
}

/// OpenWrt's checks run `--version` of every program and want exactly the package's version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn unit(options: &Options) -> Result<()> {
    let others = [
        "--workspace",
        "--exclude",
        "burstmesh-netns",
        "--exclude",
        "burstmesh-lab",
        "--exclude",
        "burstmesh-qemu",
        "--exclude",
    ];
    let all = [&["--package"][..], &others];
    for packages in all {
        let mut cargo = cargo();
        cargo.args(["test", "--locked"]).args(packages).arg(AGENT);
        run_command(ignored_too(&mut cargo, options))?;
    }
    Ok(())
}

/// In a profile of its own: minutes of traffic.
fn lab(options: &Options) -> Result<()> {
    let mut cargo = cargo();
    cargo.args(["test", "--locked", "--profile", "lab"]);
    cargo.args(["--package", "burstmesh-lab"]);
    run_command(ignored_too(&mut cargo, options))
}

/// Where the release programs land.
fn release() -> std::path::PathBuf {
    process::root().join("target/release")
}

fn release_build(_: &Options) -> Result<()> {
    let build = ["build", "--release", "--locked", "--package"];
    // The compatibility test runs it beside the current one, so it has a folder of its own, and is built meanwhile.
    let mut previous = cargo();
    previous.args(build).arg(AGENT);
    previous.args([
        "--features",
        "previous-minor",
        "--target-dir",
        "target/previous-minor",
    ]);
    std::thread::scope(|scope| {
        let previous = scope.spawn(|| run_command(&mut previous));
        for package in ["burstmesh-proxy", AGENT] {
            run_command(cargo().args(build).arg(package))?;
        }
        previous
            .join()
            .map_err(|_| anyhow!("the build of the previous version has panicked"))?
    })
}

/// Tests that take minutes are marked `#[ignore]`.
pub fn ignored_too<'a>(
    cargo: &'a mut std::process::Command,
    options: &Options,
) -> &'a mut std::process::Command {
    if options.long {
        cargo.args(["--", "--include-ignored"])
    } else {
        cargo
    }
}
