//! `cargo xtask build`: the agent for routers, static, into `dist/`.

use crate::board::{self, Board};
use crate::elf;
use crate::process::{self, command, run as run_command};
use crate::targets::{self, Target};
use crate::toolchain::{Sources, Zig, std_target_dir, target_dir};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Arguments of `build`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    what: What,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// A router model, as its file in board-configs/ is called
    #[arg(long)]
    board: Option<String>,
    /// A Rust target, for example mips-unknown-linux-musl
    #[arg(long)]
    target: Option<String>,
    /// Every target and every board
    #[arg(long)]
    all: bool,
}

/// One binary to make.
struct Job {
    target: &'static Target,
    /// `-Ctarget-cpu`, from a board; a target alone takes Rust's default for it.
    cpu: Option<String>,
    /// Folder under `dist/`.
    name: String,
}

impl Job {
    fn for_target(target: &'static Target) -> Self {
        Self {
            target,
            cpu: None,
            name: target.triple.to_owned(),
        }
    }

    fn for_board(board: &Board) -> Result<Self> {
        let target = targets::named(&board.rust.target)?;
        // Boards with the processor that Rust assumes anyway share one build.
        let cpu = (board.rust.cpu != target.cpu).then(|| board.rust.cpu.clone());
        Ok(Self {
            target,
            cpu,
            name: board.file.clone(),
        })
    }
}

/// `cargo xtask build`.
pub fn run(args: &Args) -> Result<()> {
    let mut jobs = Vec::new();
    if let Some(name) = &args.what.board {
        let board = board::load(name)?;
        println!("{}", board.describe());
        jobs.push(Job::for_board(&board)?);
    } else if let Some(triple) = &args.what.target {
        jobs.push(Job::for_target(targets::named(triple)?));
    } else {
        jobs.extend(targets::ALL.iter().map(Job::for_target));
        for board in board::load_all()? {
            jobs.push(Job::for_board(&board)?);
        }
    }
    let made: Result<Vec<(String, u64)>> = jobs
        .iter()
        .map(|job| Ok((job.name.clone(), make(job)?)))
        .collect();
    for (name, size) in made? {
        println!("{:>7.1} KB  dist/{name}/burstmesh", size as f64 / 1024.0);
    }
    Ok(())
}

/// Builds the agent for one target; returns the binary's path.
pub fn for_target(target: &'static Target) -> Result<PathBuf> {
    let job = Job::for_target(target);
    make(&job)?;
    Ok(place(&job))
}

/// Builds a program with the standard library for a target, for tests in whole machines; returns its path. Nobody installs it on a
/// router, so that it is linked in haste.
pub fn std_program(package: &str, target: &'static Target) -> Result<PathBuf> {
    let mut cargo = Zig::ensure()?.cargo("zigbuild");
    cargo.args(["--package", package, "--bin", package]);
    cargo.args(["--locked", "--profile", "router", "--target", target.triple]);
    for setting in ["lto=\"off\"", "codegen-units=16"] {
        cargo
            .arg("--config")
            .arg(format!("profile.router.{setting}"));
    }
    Sources::ensure()?.build_std(&mut cargo);
    run_command(&mut cargo)?;
    let built = std_target_dir().join(target.triple);
    Ok(built.join("router").join(package))
}

/// Builds the test program of `firmware/linux` for a target; returns its path.
pub fn system_call_tests(target: &'static Target) -> Result<PathBuf> {
    let mut cargo = Zig::ensure()?.cargo("test");
    cargo.args(["--package", "burstmesh-linux", "--lib", "--no-run"]);
    cargo.args(["--locked", "--target", target.triple]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    Sources::ensure()?.build_for_tests(&mut cargo);
    println!("$ {}", process::line(&cargo));
    let messages = process::output(&mut cargo)?;
    let built = messages.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    });
    built.context("cargo named no test program")
}

/// Runs a router binary under the emulator. A missing emulator is an error: callers decide beforehand.
pub fn emulate(binary: &Path, target: &Target, args: &[&str]) -> Result<String> {
    process::output(command(target.emulator).arg(binary).args(args))
}

fn place(job: &Job) -> PathBuf {
    process::root()
        .join("dist")
        .join(&job.name)
        .join("burstmesh")
}

/// Builds, checks the ELF header and puts the binary into its place; returns its size in bytes.
fn make(job: &Job) -> Result<u64> {
    let triple = job.target.triple;
    let zig = Zig::ensure()?;
    let sources = Sources::ensure()?;
    let mut cargo = zig.cargo("zigbuild");
    cargo.args([
        "--package",
        "burstmesh",
        "--bin",
        "burstmesh",
        "--profile",
        "router",
        "--target",
        triple,
    ]);
    sources.build_core(&mut cargo);
    if let Some(cpu) = &job.cpu {
        // Joins the flags of .cargo/config.toml, which every build of this target shares, `cross` included.
        cargo.arg("--config").arg(format!(
            "target.{triple}.rustflags=[\"-Ctarget-cpu={cpu}\"]"
        ));
    }
    run_command(&mut cargo)?;
    let built = target_dir().join(triple).join("router/burstmesh");
    let file = fs::read(&built).with_context(|| format!("no binary at {}", built.display()))?;
    elf::check_static(&file, job.target)
        .with_context(|| format!("the binary for {} is wrong", job.name))?;
    let place = place(job);
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(&built, &place)?;
    println!("{}: {} bytes", job.name, file.len());
    Ok(file.len() as u64)
}
