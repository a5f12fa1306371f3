//! Whole routers as virtual machines: another processor, a real kernel, real Wi-Fi drivers.
//!
//! `cargo xtask test --only qemu` prepares what is needed and runs `tests/ring`; `cargo xtask router-bench` runs the program of
//! that name. `image` makes the first file system from Debian's packages, `machine` boots it, `shell` runs commands in it, `town`
//! and `bench` are two scenes. What runs inside is in `guest/`.

pub mod bench;
pub mod cpio;
pub mod elf;
pub mod image;
pub mod machine;
pub mod report;
pub mod shell;
pub mod town;

pub use image::{Image, Platform};
pub use machine::{Boot, Clock, Machine};
pub use report::Report;
