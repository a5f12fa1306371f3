//! `cargo xtask fuzz`: longer runs over the committed corpus, on the toolchain that builds everything else.
//!
//! An input that breaks a promise is kept in `tests/fuzz/crashes/`, and the command that runs it again is printed.

use crate::process::{cargo, run as run_command};
use anyhow::Result;

/// Arguments of `fuzz`.
#[derive(clap::Args)]
pub struct Args {
    /// Only this target; all of them otherwise
    target: Option<String>,
    /// How long, in seconds, for all targets together
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// Repeat a run: the seed it printed
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Run one input again, by its file
    #[arg(long, value_name = "FILE", requires = "target")]
    replay: Option<String>,
}

/// `cargo xtask fuzz`.
pub fn run(args: &Args) -> Result<()> {
    // With debug assertions: an overflow shall be seen, not wrapped.
    let mut cargo = cargo();
    cargo.args([
        "run",
        "--quiet",
        "--locked",
        "--package",
        "burstmesh-fuzz",
        "--",
    ]);
    cargo.args(&args.target);
    cargo.args(["--seconds", &args.seconds.to_string()]);
    if let Some(seed) = args.seed {
        cargo.args(["--seed", &seed.to_string()]);
    }
    if let Some(file) = &args.replay {
        cargo.args(["--replay", file]);
    }
    run_command(&mut cargo)
}
