//! `burstmesh-proxy`: the exit, where the pooled traffic of communities meets the Internet as one address.
//!
//! | for | look in |
//! |---|---|
//! | the configuration file | [`config`] |
//! | communities, members, leases | [`store`], [`leases`] |
//! | the packets | [`data`] |
//! | translation, and what is never reachable | [`nat`] |
//! | what it is doing | [`status`], [`metrics`], [`http`], [`control`] |
//! | the commands | [`cli`] |

pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod data;
pub mod files;
pub mod http;
pub mod key;
pub mod leases;
pub mod lifecycle;
pub mod metrics;
pub mod nat;
pub mod status;
pub mod store;
pub mod tun;
