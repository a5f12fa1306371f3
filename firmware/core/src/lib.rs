//! The burstmesh protocol, sans I/O.
#![cfg_attr(not(test), no_std)]

mod bytes;
pub mod calendar;
pub mod control;
#[cfg(not(feature = "differential"))]
mod crypto;
#[cfg(feature = "differential")]
pub mod crypto;
pub mod data;
pub mod error;
pub mod identity;
pub mod ledger;
pub mod node;
pub mod time;
pub mod usage;

pub mod wire;
