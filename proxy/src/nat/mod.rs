//! How members' traffic meets the Internet: forwarding, translation, and what is never reachable.

mod command;
mod counters;
pub mod script;
mod sysctl;

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use burstmesh_linux::netlink::counter;

use crate::config::Config;

use command::nft;
pub use counters::{Counter, counters};

/// Whether the kernel still has the rules: others may flush all of them.
pub fn is_in_place() -> bool {
    let [(name, _), ..] = script::COUNTERS else {
        return true;
    };
    counter::exists(script::TABLE, name)
}

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
        if self.is_up() {
            nft(&["-f", "-"], &script::build(config)).context("the firewall's rules")?;
            sysctl::forwarding(config)?;
            tracing::info!(
                table = script::TABLE,
                "firewall and translation are in place"
            );
        }
        Ok(())
    }

    /// Are they meant to be there?
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
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
