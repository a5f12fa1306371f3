//! Debian packages: installed on the system, or only fetched and unpacked under `target/`.

mod suite;

pub use suite::Suite;

use crate::process::run;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Installs packages from the suites the machine already has. Services that come with them are not started.
pub fn install(packages: &[&str]) -> Result<()> {
    let _quiet = NoServices::hold()?;
    let attempt = || {
        run(apt_get()
            .args(["install", "--yes", "--no-install-recommends"])
            .args(packages))
    };
    // The index is fetched only where the one at hand is absent or too old to answer.
    if attempt().is_err() {
        run(apt_get().arg("update"))?;
        attempt()?;
    }
    Ok(())
}

/// Installs packages in the version of the release's backports, where these have them. The suite is read from lists of our own:
/// the machine's sources stay as they are, and nothing else is upgraded by it later.
pub fn install_backports(packages: &[&str], folder: &Path) -> Result<()> {
    let suite = Suite::backports(folder)?;
    let _quiet = NoServices::hold()?;
    let mut install = suite.tool("apt-get");
    run(quietly(&mut install)
        .args(["install", "--yes", "--no-install-recommends"])
        .arg(format!("--target-release={}", suite.name()))
        .args(packages))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    quietly(&mut command);
    command
}

/// Asks nothing, and waits for another apt to end.
fn quietly(command: &mut Command) -> &mut Command {
    command.env("DEBIAN_FRONTEND", "noninteractive").args([
        "--quiet",
        "-o",
        "DPkg::Lock::Timeout=300",
    ])
}

/// While it lives, package scripts start no service: a test machine must not be left with a web server on port 80.
struct NoServices {
    policy: Option<PathBuf>,
}

impl NoServices {
    fn hold() -> Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        let policy = PathBuf::from("/usr/sbin/policy-rc.d");
        if policy.exists() {
            return Ok(Self { policy: None });
        }
        fs::write(&policy, "#!/bin/sh\nexit 101\n")
            .context("cannot keep package services from starting")?;
        fs::set_permissions(&policy, fs::Permissions::from_mode(0o755))?;
        Ok(Self {
            policy: Some(policy),
        })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(policy) = &self.policy {
            let _ = fs::remove_file(policy);
        }
    }
}
