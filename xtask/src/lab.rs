//! `cargo xtask lab`: profiles of lines on virtual time; see `tests/lab`.

use crate::process::{self, cargo, run as run_command};
use anyhow::Result;

/// Arguments of `lab`.
#[derive(clap::Args)]
pub struct Args {
    /// Profiles (P1 to P15 and more), or all
    #[arg(required = true, value_name = "PROFILE")]
    profiles: Vec<String>,
    /// 20 seconds a cell, as the bars ask for, rather than 6
    #[arg(long)]
    long: bool,
    /// Write the committed table anew (all profiles)
    #[arg(long)]
    bless: bool,
}

/// `cargo xtask lab`.
pub fn run(args: &Args) -> Result<()> {
    let mut cargo = cargo();
    cargo.args(["run", "--profile", "lab", "--quiet", "--locked"]);
    cargo.args(["--package", "burstmesh-lab", "--"]);
    cargo.args(&args.profiles);
    if args.long {
        cargo.arg("--long");
    }
    if args.bless {
        cargo.arg("--bless");
    }
    cargo.arg("--report").arg(process::root().join("report"));
    run_command(&mut cargo)
}
