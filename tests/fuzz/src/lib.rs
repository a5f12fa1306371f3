//! Fuzzing on the stable toolchain: one function per target, seeds made by the real encoders, a seeded mutator.
//!
//! A target takes any bytes. It panics when a promise is broken, and returns otherwise; what it does beyond parsing is
//! said at each. The committed corpus is replayed, with a bounded number of mutations, by `tests/replay.rs`; longer
//! runs are `cargo xtask fuzz`.

pub mod mutate;
pub mod runner;
pub mod seeds;
pub mod targets;

pub use targets::{ALL, Target, named};
