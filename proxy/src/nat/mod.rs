//! How members' traffic meets the Internet: forwarding, translation, and what is never reachable.

mod counters;
pub mod script;
mod sysctl;

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};

use crate::config::Config;

pub use counters::{Counter, counters};

/// The rules in the kernel, which [`Nat::lower`] or a drop takes away.
#[derive(Debug)]
pub struct Nat {
    up: AtomicBool,
}

impl Nat {
    /// Switches forwarding on and puts the rules in place; rules that a crash left behind are replaced.
    ///
    /// # Errors
    /// `nft` is missing or refuses, or forwarding cannot be switched on.
    pub fn raise(config: &Config) -> Result<Self> {
        let nat = Self {
            up: AtomicBool::new(true),
        };
        nat.apply(config)?;
        sysctl::forwarding(config)?;
        Ok(nat)
    }

    /// Replaces the rules by those of another configuration, without a moment between them.
    ///
    /// # Errors
    /// As for [`Nat::raise`]; the rules in place stay as they were.
    pub fn apply(&self, config: &Config) -> Result<()> {
        if self.up.load(Ordering::Acquire) {
            nft(&["-f", "-"], &script::build(config)).context("the firewall's rules")?;
            tracing::info!(
                table = script::TABLE,
                "firewall and translation are in place"
            );
        }
        Ok(())
    }

    /// Takes the rules away, once.
    pub fn lower(&self) {
        if !self.up.swap(false, Ordering::AcqRel) {
            return;
        }
        match nft(&["-f", "-"], &script::removal()) {
            Ok(_) => tracing::info!(
                table = script::TABLE,
                "firewall and translation are removed"
            ),
            Err(error) => tracing::warn!("firewall and translation are left behind: {error:#}"),
        }
    }
}

impl Drop for Nat {
    fn drop(&mut self) {
        self.lower();
    }
}

/// Runs `nft` with a script on its standard input; returns what it printed.
pub(crate) fn nft(arguments: &[&str], script: &str) -> Result<String> {
    let mut child = Command::new("nft")
        .args(arguments)
        // Services are not told where sbin is by every supervisor.
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("`nft` cannot be run: install the package nftables")?;
    if let Some(mut stdin) = child.stdin.take() {
        // A script that nft does not read to its end is judged by nft's own exit code.
        let _ = stdin.write_all(script.as_bytes());
    }
    let output = child.wait_with_output().context("`nft`")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`nft` refuses: {}",
            said.lines().next().unwrap_or("no reason given")
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
