//! How members' traffic meets the Internet: forwarding, translation, and what is never reachable.

mod command;
mod counters;
mod on_link;
pub mod script;
mod sysctl;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use burstmesh_linux::netlink::counter;
use ipnet::IpNet;

use crate::config::Config;

use command::nft;
pub use counters::{Counter, counters};
use on_link::on_link;

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
    /// What stood on the uplink's link when the rules were made.
    on_link: Mutex<Vec<IpNet>>,
}

impl Nat {
    /// Switches forwarding on and puts the rules in place; rules that a crash left behind are replaced.
    ///
    /// # Errors
    /// `nft` is missing or refuses, or forwarding cannot be switched on.
    pub fn raise(config: &Config) -> Result<Self> {
        let nat = Self {
            up: AtomicBool::new(true),
            on_link: Mutex::default(),
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
            let mut known = self.on_link.lock().unwrap_or_else(PoisonError::into_inner);
            let on_link = on_link(config)?;
            nft(&["-f", "-"], &script::build(config, &on_link)).context("the firewall's rules")?;
            *known = on_link;
            sysctl::forwarding(config)?;
            tracing::info!(
                table = script::TABLE,
                "firewall and translation are in place"
            );
        }
        Ok(())
    }

    /// Something else stands on the uplink's link than when the rules were made.
    pub fn is_stale(&self, config: &Config) -> bool {
        let known = self.on_link.lock().unwrap_or_else(PoisonError::into_inner);
        on_link(config).is_ok_and(|now| now != *known)
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
