//! `burstmesh-proxy`: the exit, where the pooled traffic of communities meets the Internet as one address.
//!
//! | for | look in |
//! |---|---|
//! | the configuration file | [`config`] |
//! | communities, members, leases | [`store`], [`leases`], [`ipv6`] |
//! | the packets, and their memory | [`data`] |
//! | which resolvers members are told | [`dns`] |
//! | translation, and what is never reachable | [`nat`] |
//! | an admin's key, certificates, removals | [`admin`] |
//! | what members used, by day | [`ledger`] |
//! | what it is doing | [`status`], [`metrics`], [`http`], [`dashboard`], [`control`] |
//! | the commands | [`cli`] |

pub mod admin;
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod dashboard;
pub mod data;
pub mod dns;
pub mod files;
pub mod http;
pub mod ipv6;
pub mod key;
pub mod leases;
pub mod ledger;
pub mod lifecycle;
pub mod metrics;
pub mod nat;
pub mod status;
pub mod store;
pub mod tun;
