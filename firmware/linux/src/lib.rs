#![cfg_attr(not(test), no_std)]
//! The only crate of burstmesh with system calls.
//!
//! No std, no alloc: every buffer belongs to the caller or to the stack. Each module wraps one thing the kernel
//! offers and decides nothing about the protocol. The proxy, an ordinary std program, uses it too.
//!
//! | for | look in |
//! |---|---|
//! | packets of the clients | [`tun`] |
//! | datagrams between nodes | [`udp`] |
//! | sleeping until something happens | [`poll`], [`rest`], [`signal`], [`clock`] |
//! | links, addresses, routes, rules, connection tracking | [`netlink`], [`nft`], [`ifstat`], [`ethtool`] |
//! | staying alive and harmless | [`watchdog`], [`process`], [`worker`] |
//! | people, programs and files | [`control`], [`ubus`], [`log`], [`mod@file`] |

pub mod clock;
pub mod control;
pub mod entropy;
pub mod error;
pub mod ethtool;
pub mod fd;
pub mod file;
pub mod ifstat;
pub mod log;
pub mod netlink;
pub mod nft;
pub mod path;
pub mod poll;
pub mod process;
pub mod rest;
pub mod signal;
pub mod sockaddr;
#[cfg(test)]
mod testing;
mod tool;
pub mod tun;
pub mod ubus;
pub mod udp;
pub mod watchdog;
pub mod worker;

pub use error::{Error, Result};
