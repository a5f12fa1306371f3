//! The burstmesh protocol, sans I/O.
#![cfg_attr(not(test), no_std)]

mod crypto;
pub mod control;
pub mod error;
pub mod identity;
pub mod time;

pub mod wire;
