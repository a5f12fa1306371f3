//! `cargo xtask lab`: profiles of lines on virtual time; see `tests/lab`.

use crate::process::{self, cargo, run as run_command};
use anyhow::Result;

/// Arguments of `lab`.
#[derive(clap::Args)]
pub struct Args {
    /// Profiles (P1 to P15 and more), or all; or community: a street of homes over a week
    #[arg(required = true, value_name = "PROFILE")]
    profiles: Vec<String>,
    /// 20 seconds a cell, as the bars ask for, rather than 6; all streets and sizes
    #[arg(long)]
    long: bool,
    /// Write the committed table anew (all profiles)
    #[arg(long)]
    bless: bool,
    /// Of the community's streets only those with so many homes
    #[arg(long, value_name = "N")]
    homes: Option<usize>,
    /// Another seed than the committed tables'; of the community: the first
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
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
    for (name, number) in [
        ("--homes", args.homes.map(|n| n as u64)),
        ("--seed", args.seed),
    ] {
        if let Some(number) = number {
            cargo.args([name, &number.to_string()]);
        }
    }
    cargo.arg("--report").arg(process::root().join("report"));
    run_command(&mut cargo)
}
