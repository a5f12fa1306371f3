//! `burstmesh`, the router agent: what the C library starts. Everything else is in the library of the same crate.
#![no_std]
#![no_main]

// `no_std` leaves the C library out of the link line; its start code and memcpy are ours to ask for.
#[link(name = "c")]
unsafe extern "C" {}

burstmesh_linux::entry!(burstmesh_agent::commands::run);
