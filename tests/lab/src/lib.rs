//! Ring: whole nodes of the core on virtual time, with TCP inside, over lines and a mesh that are numbers.
//!
//! Everything is drawn from one seed and nothing reads a clock, so a run repeats to the byte. [`world`] is the network
//! with its nodes; [`flow`] is what clients and servers do; [`profile`] names the networks that every change is measured
//! on; [`cell`] runs one of them. [`community`] is another simulation: many homes over a week, whose lines are fluids.

// Helpers of tests, not product code: a world that cannot be built is a failed test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

pub mod agenda;
pub mod cell;
pub mod community;
pub mod flow;
pub mod lab;
pub mod parallel;
pub mod plot;
pub mod profile;
pub mod report;
pub mod special;
pub mod table;
pub mod world;
