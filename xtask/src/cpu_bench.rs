//! `cargo xtask cpu-bench`: builds everything, then measures what a tunnel costs (`tests/netns/src/bin/cpu-bench`).

use crate::process::{self, run as run_command};
use crate::setup::{self, Purpose};
use crate::{demo, ring};
use anyhow::{Result, bail};

/// Where the table goes.
const TABLE: &str = "docs/cpu.md";

/// `cargo xtask cpu-bench`.
pub fn run() -> Result<()> {
    setup::install(&[Purpose::Lab, Purpose::Peers])?;
    if let Some(reason) = ring::namespaces_obstacle() {
        bail!("nothing can be measured here: {reason}");
    }
    let binaries = demo::build_release("cpu-bench")?;
    run_command(
        process::command(binaries.join("cpu-bench"))
            .arg(process::root().join(TABLE))
            .env("BURSTMESH_BIN_DIR", &binaries),
    )
}
