//! Whole routers as virtual machines: what ring `qemu` and the router benchmark need, and how they are run.

use crate::material::{ARMHF, MIPSEL};
use crate::process::{self, cargo, run};
use crate::ring::Options;
use crate::setup::{self, Purpose};
use crate::toolchain::{Sources, Zig};
use crate::{build, targets};
use anyhow::{Result, anyhow};
use std::path::PathBuf;
use std::process::Command;

const PACKAGE: &str = "burstmesh-qemu";
const EXIT: &str = "burstmesh-proxy";
/// The data road's stages, and the client of a download.
const STAGES: &str = "burstmesh-bench";
const MIPS: &str = "mipsel-unknown-linux-musl";

/// Arguments of `router-bench`.
#[derive(clap::Args)]
pub struct Args {
    /// Measure this agent (static, mipsel) and not the one of this tree
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// Only measurements whose name contains this, as "own line" (may be given several times; what is in no name is answered with
    /// all names); the table is then printed and not written
    #[arg(long, value_name = "WORD")]
    only: Vec<String>,
    /// Seconds of the machine's time for each measurement
    #[arg(long, default_value_t = 4)]
    seconds: u32,
}

/// `cargo xtask router-bench`.
pub fn bench(args: &Args) -> Result<()> {
    setup::install(&[Purpose::Machines, Purpose::RouterBuilds])?;
    let mut cargo = cargo();
    cargo.args(["run", "--quiet", "--locked", "--package", PACKAGE]);
    cargo.args(["--bin", "router-bench", "--"]);
    // Of part of it, or of somebody else's build, no table is committed.
    if args.agent.is_none() && args.only.is_empty() {
        cargo
            .arg("--write")
            .arg(process::root().join("docs/router-bench.md"));
    }
    cargo.arg("--seconds").arg(args.seconds.to_string());
    cargo.args(&args.only);
    let root = MIPSEL.ensure()?;
    cargo.env(
        "BURSTMESH_MACHINES",
        root.ancestors().nth(2).unwrap_or(&root),
    );
    let agent = match &args.agent {
        Some(file) => std::path::absolute(file)?,
        None => build::for_target(targets::named(MIPS)?)?,
    };
    cargo.env("BURSTMESH_MIPSEL_AGENT", agent);
    let mips = targets::named(MIPS)?;
    cargo.env("BURSTMESH_MIPSEL_EXIT", build::std_program(EXIT, mips)?);
    cargo.env("BURSTMESH_MIPSEL_STAGES", build::std_program(STAGES, mips)?);
    run(&mut cargo)
}

/// The ring; what takes long, or a program of its own to build, is for `--long`.
pub fn ring(options: &Options) -> Result<()> {
    let tests = |more: &[&str]| {
        let mut cargo = cargo();
        cargo
            .args(["test", "--locked", "--package", PACKAGE])
            .args(more);
        // We have just made it all: from here on, what is missing is a failure.
        cargo.env("BURSTMESH_REQUIRE_MACHINES", "1");
        cargo
    };
    let mut all = tests(&[]);
    prepared(&mut all, options)?;
    // To compile beside others would disturb them.
    run(&mut tests(&["--no-run"]))?;
    if options.long {
        all.args(["--", "--include-ignored"]);
    }
    options.meanwhile.run(all)
}

/// With kernels, packages and our own programs for the machines in place, and told where.
fn prepared<'a>(command: &'a mut Command, options: &Options) -> Result<&'a mut Command> {
    let mips = targets::named(MIPS)?;
    Zig::ensure()?;
    Sources::ensure()?;
    // The agent is one crate's work at the end of a build, so that it leaves a core idle; the exit has a target folder of its own.
    let (agent, exit) = std::thread::scope(|scope| {
        let exit = scope.spawn(|| build::std_program(EXIT, mips));
        let agent = || -> Result<_> { Ok((MIPSEL.ensure()?, build::for_target(mips)?)) };
        (agent(), exit.join())
    });
    let (root, agent) = agent?;
    let exit = exit.map_err(|_| anyhow!("the build of the exit has panicked"))??;
    command.env(
        "BURSTMESH_MACHINES",
        root.ancestors().nth(2).unwrap_or(&root),
    );
    command.env("BURSTMESH_MIPSEL_AGENT", agent);
    command.env("BURSTMESH_MIPSEL_EXIT", exit);
    if options.long {
        ARMHF.ensure()?;
        let arm = targets::named("armv7-unknown-linux-musleabihf")?;
        command.env("BURSTMESH_ARM_AGENT", build::for_target(arm)?);
        command.env("BURSTMESH_MIPSEL_TESTS", build::system_call_tests(mips)?);
        command.env("BURSTMESH_MIPSEL_STAGES", build::std_program(STAGES, mips)?);
    }
    Ok(command)
}
