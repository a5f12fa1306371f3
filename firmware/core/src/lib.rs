//! The burstmesh protocol, sans I/O.
#![cfg_attr(not(test), no_std)]
