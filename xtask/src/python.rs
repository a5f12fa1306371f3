//! Tools that come as Python packages, each set in an environment of its own.

use crate::process::{command, root, run};
use anyhow::Result;
use std::fs;
use std::path::PathBuf;

/// Folder for fetched tools; removed with `target/`.
pub fn tools() -> PathBuf {
    root().join("target/tools")
}

/// The environment of this name with exactly these packages; made anew if it is absent or holds other versions.
pub fn environment(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let environment = tools().join(name);
    let stamp = environment.join("installed");
    let wanted = packages.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(environment);
    }
    let _ = fs::remove_dir_all(&environment);
    run(command("python3").args(["-m", "venv"]).arg(&environment))?;
    run(command(environment.join("bin/pip"))
        .args(["install", "--quiet"])
        .args(packages))?;
    fs::write(stamp, wanted)?;
    Ok(environment)
}
