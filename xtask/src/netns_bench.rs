//! `cargo xtask netns-bench`: builds everything, then measures the simulator's profiles with kernel TCP
//! (`tests/netns/src/bin/netns-bench`).

use crate::process::{self, run as run_command};
use crate::setup::{self, Purpose};
use crate::{demo, ring};
use anyhow::{Result, bail};

/// Where the table goes.
const TABLE: &str = "docs/netns-bench.md";
/// Figures of earlier runs, so that profiles can be measured one at a time.
const KEPT: &str = "report/netns-bench.json";

/// Arguments of `netns-bench`.
#[derive(clap::Args)]
pub struct Args {
    /// Measure only this profile (P1 to P7); may be repeated. The others' rows stay
    #[arg(long, value_name = "PROFILE")]
    only: Vec<String>,
}

/// `cargo xtask netns-bench`.
pub fn run(args: &Args) -> Result<()> {
    setup::install(&[Purpose::Lab])?;
    if let Some(reason) = ring::namespaces_obstacle() {
        bail!("nothing can be measured here: {reason}");
    }
    let binaries = demo::build_release("netns-bench")?;
    run_command(
        process::command(binaries.join("netns-bench"))
            .arg(process::root().join(TABLE))
            .arg(process::root().join(KEPT))
            .args(&args.only)
            .env("BURSTMESH_BIN_DIR", &binaries),
    )
}
