//! `cargo xtask build`: the agent for routers, into `dist/`.

use crate::board::{self, Board, Profile};
use crate::elf::{self, Contents, Linking};
use crate::process::{self, command, run as run_command};
use crate::targets::{self, Target};
use crate::toolchain::{self, Sources, Zig, std_target_dir, target_dir};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// Arguments of `build`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    what: What,
    /// Keep the log's texts out of the binary: `cargo xtask log` reads what it logs
    #[arg(long)]
    defmt: bool,
    /// Link the router's own musl instead of carrying one, as OpenWrt's packages do
    #[arg(long)]
    dynamic: bool,
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
pub struct Job {
    pub target: &'static Target,
    /// `-Ctarget-cpu`, from a board; a target alone takes Rust's default for it.
    pub cpu: Option<String>,
    pub limits: Profile,
    pub linking: Linking,
    pub log: Log,
    /// Folder under `dist/`.
    pub name: String,
}

/// What the agent's log is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Log {
    Text,
    Defmt,
}

/// One binary that was made.
pub struct Built {
    /// What goes to the router.
    pub binary: PathBuf,
    pub size: u64,
    /// What it is made of, from the file that still has its symbols.
    pub contents: Contents,
}

impl Job {
    pub fn for_target(target: &'static Target) -> Self {
        Self {
            target,
            cpu: None,
            limits: Profile::Small,
            linking: Linking::Static,
            log: Log::Text,
            name: target.triple.to_owned(),
        }
    }

    pub fn for_board(board: &Board) -> Result<Self> {
        let target = targets::named(&board.rust.target)?;
        Ok(Self {
            // Boards with the processor that Rust assumes anyway share one build.
            cpu: (board.rust.cpu != target.cpu).then(|| board.rust.cpu.clone()),
            limits: board.limits,
            name: board.file.clone(),
            ..Self::for_target(target)
        })
    }

    /// The same, linked with the router's own C library.
    pub fn dynamic(self) -> Self {
        Self {
            linking: Linking::Dynamic,
            name: format!("{}-dynamic", self.name),
            ..self
        }
    }

    /// The same with a log of frames.
    pub fn defmt(self) -> Self {
        Self {
            log: Log::Defmt,
            name: format!("{}-defmt", self.name),
            ..self
        }
    }

    /// Where the binary goes.
    fn place(&self) -> PathBuf {
        let dist = process::root().join("dist");
        dist.join(&self.name).join("burstmesh")
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
    if args.dynamic {
        jobs = jobs.into_iter().map(Job::dynamic).collect();
    }
    if args.defmt {
        jobs = jobs.into_iter().map(Job::defmt).collect();
    }
    let made: Result<Vec<(&Job, Built)>> = jobs.iter().map(|job| Ok((job, make(job)?))).collect();
    for (job, built) in made? {
        println!(
            "{:>7.1} KB, {:>6} KB static memory ({}), dist/{}/burstmesh",
            built.size as f64 / 1024.0,
            built.contents.static_memory() / 1024,
            job.limits,
            job.name
        );
    }
    Ok(())
}

/// Builds the agent for one target; returns the binary's path.
pub fn for_target(target: &'static Target) -> Result<PathBuf> {
    Ok(make(&Job::for_target(target))?.binary)
}

/// Builds a program with the standard library for a target, for tests in whole machines; returns its path. In the agent's own
/// profile: without it the cryptography alone takes two thirds more instructions.
pub fn std_program(package: &str, target: &'static Target) -> Result<PathBuf> {
    let mut cargo = Zig::ensure()?.cargo("zigbuild");
    cargo.args(["--package", package, "--bin", package]);
    cargo.args(["--locked", "--profile", "router", "--target", target.triple]);
    Sources::ensure()?.build_std(&mut cargo, target)?;
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
    Sources::ensure()?.build_for_tests(&mut cargo, target)?;
    println!("$ {}", process::line(&cargo));
    let messages = process::output(&mut cargo)?;
    let built = messages.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    });
    let built = built.context("cargo named no test program")?;
    // What is for debuggers is most of it, and a machine has it all in its memory.
    let stripped = built.with_extension("stripped");
    fs::write(&stripped, elf::strip(&fs::read(&built)?)?)?;
    Ok(stripped)
}

/// Runs a router binary under the emulator. A missing emulator is an error: callers decide beforehand.
pub fn emulate(binary: &Path, target: &Target, args: &[&str]) -> Result<String> {
    process::output(command(target.emulator).arg(binary).args(args))
}

/// Builds, checks the binary and its static memory, and puts it into its place, with its symbols beside it.
pub fn make(job: &Job) -> Result<Built> {
    let triple = job.target.triple;
    let zig = Zig::ensure()?;
    let sources = Sources::ensure()?;
    let mut cargo = zig.cargo("zigbuild");
    cargo.args(["--package", "burstmesh", "--bin", "burstmesh"]);
    cargo.args(["--profile", "router", "--target", triple]);
    // Symbols are kept to see what the binary is made of, and to decode the log of the defmt build; see `elf::strip`.
    // Cargo wants it said again for a package with settings of its own.
    for profile in ["router", "router.package.burstmesh"] {
        cargo.args(["--config", &format!("profile.{profile}.strip=\"none\"")]);
    }
    if job.limits == Profile::Tiny {
        // Without the control network: on 4 MB of flash there is no room for a stack of its own.
        cargo.arg("--no-default-features");
    }
    let defmt = (job.log == Log::Defmt).then_some("defmt");
    for feature in job.limits.feature().into_iter().chain(defmt) {
        cargo.args(["--features", feature]);
    }
    sources.build_core(&mut cargo);
    toolchain::flags(job.target, job.linking, job.cpu.as_deref())?.apply(&mut cargo);
    run_command(&mut cargo)?;
    let built = target_dir().join(triple).join("router/burstmesh");
    let file = fs::read(&built).with_context(|| format!("no binary at {}", built.display()))?;
    elf::check(&file, job.target, job.linking)
        .with_context(|| format!("the binary for {} is wrong", job.name))?;
    let contents = Contents::of(&file)?;
    within_budget(job, &contents)?;
    let binary = job.place();
    let folder = binary.parent().context("a path without a folder")?;
    fs::create_dir_all(folder)?;
    fs::write(folder.join("burstmesh.elf"), &file)?;
    // Copied for its mode, then replaced by what a router needs of it.
    fs::copy(&built, &binary)?;
    let stripped = elf::strip(&file)?;
    fs::write(&binary, &stripped)?;
    println!("{}: {} bytes", job.name, stripped.len());
    Ok(Built {
        binary,
        size: stripped.len() as u64,
        contents,
    })
}

/// All memory that is there from the start must fit the profile, whatever `limits.rs` counts.
fn within_budget(job: &Job, contents: &Contents) -> Result<()> {
    let (taken, budget) = (contents.static_memory(), job.limits.static_memory());
    if taken <= budget {
        return Ok(());
    }
    let mut parts = contents.memory.clone();
    parts.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    for (name, size) in parts.iter().take(16) {
        println!("{size:>10}  {name}");
    }
    bail!(
        "{}: {taken} bytes of static memory, and the {} profile has {budget}; the table above has the largest parts",
        job.name,
        job.limits
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_over_its_profiles_memory_is_refused() {
        let job = Job {
            limits: Profile::Tiny,
            ..Job::for_target(targets::STRICTEST)
        };
        let contents = |bytes| Contents {
            sections: vec![
                (".text".to_owned(), 9 << 20),
                (".data".to_owned(), 16),
                (".bss".to_owned(), bytes),
            ],
            code: Vec::new(),
            memory: vec![("burstmesh_agent::daemon::GATEWAY".to_owned(), bytes)],
        };
        within_budget(&job, &contents((3 << 20) - 16)).unwrap();
        let error = within_budget(&job, &contents((3 << 20) - 15)).unwrap_err();
        let told = "mips-unknown-linux-musl: 3145729 bytes of static memory, and the tiny profile has 3145728";
        assert!(error.to_string().starts_with(told), "{error}");
    }
}
