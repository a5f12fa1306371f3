//! How members' traffic meets the Internet: forwarding, translation, and what is never reachable.

mod command;
mod counters;
pub mod script;
mod sysctl;

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use crate::config::Config;

use command::nft;
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
        Ok(nat)
    }

    /// Replaces the rules by those of another configuration, without a moment between them, and switches forwarding on.
    ///
    /// # Errors
    /// As for [`Nat::raise`]; the rules in place stay as they were.
    pub fn apply(&self, config: &Config) -> Result<()> {
        if self.up.load(Ordering::Acquire) {
            nft(&["-f", "-"], &script::build(config)).context("the firewall's rules")?;
            sysctl::forwarding(config)?;
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
