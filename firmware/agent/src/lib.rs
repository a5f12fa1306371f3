//! The router agent: configuration and command line, the daemon around `burstmesh-core`, and its limits.
//!
//! no_std and without an allocator: all memory is static, sized by a limits profile ([`limits`]).
#![cfg_attr(not(test), no_std)]

pub mod cli;
pub mod commands;
pub mod config;
pub mod daemon;
mod json;
pub mod limits;
