//! Gateways and exits of one community, whole, on virtual time: what the node layer promises, one behaviour per file.

// Helpers of tests, not product code: a world that cannot be built is a failed test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod admission;
mod best_lenders;
mod bulk_transfer;
mod cost;
mod exit_restart;
mod finding_each_other;
mod foreign_source;
mod forgotten_paths;
mod guests;
mod held_rates;
mod hops;
mod idle;
mod impostors;
mod inside;
mod lanes;
mod lend_limits;
mod lender_silent;
mod liar;
mod mesh_cut;
mod metered;
mod nat_rebinding;
mod new_settings;
mod no_own_line;
mod outsiders;
mod random_input;
mod random_outages;
mod refused;
mod rekey;
mod removal;
mod revocation;
mod several_exits;
mod traffic;

use burstmesh_lab::world;
