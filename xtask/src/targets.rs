//! The machines a router binary is built for.

use anyhow::{Result, bail};

/// A Rust target and what a binary for it must look like.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// Rust's name for it.
    pub triple: &'static str,
    /// The processor Rust assumes for it.
    pub cpu: &'static str,
    /// The emulator's program for it, from the Debian package `qemu-user-static`.
    pub emulator: &'static str,
    /// Byte order and word size in the ELF header.
    pub big_endian: bool,
    pub bits: u8,
    /// Machine number in the ELF header.
    pub machine: u16,
}

const fn target(
    triple: &'static str,
    cpu: &'static str,
    emulator: &'static str,
    big_endian: bool,
    bits: u8,
    machine: u16,
) -> Target {
    Target {
        triple,
        cpu,
        emulator,
        big_endian,
        bits,
        machine,
    }
}

const MIPS: u16 = 8;
const ARM: u16 = 40;
const X86_64: u16 = 62;
const AARCH64: u16 = 183;

/// Every target, in the order they are built.
pub const ALL: [Target; 6] = [
    target(
        "mips-unknown-linux-musl",
        "mips32r2",
        "qemu-mips-static",
        true,
        32,
        MIPS,
    ),
    target(
        "mipsel-unknown-linux-musl",
        "mips32r2",
        "qemu-mipsel-static",
        false,
        32,
        MIPS,
    ),
    target(
        "armv7-unknown-linux-musleabihf",
        "generic",
        "qemu-arm-static",
        false,
        32,
        ARM,
    ),
    target(
        "armv7-unknown-linux-musleabi",
        "generic",
        "qemu-arm-static",
        false,
        32,
        ARM,
    ),
    target(
        "aarch64-unknown-linux-musl",
        "generic",
        "qemu-aarch64-static",
        false,
        64,
        AARCH64,
    ),
    target(
        "x86_64-unknown-linux-musl",
        "x86-64",
        "qemu-x86_64-static",
        false,
        64,
        X86_64,
    ),
];

/// The strictest target: 32-bit, big-endian, no 64-bit atomics.
pub const STRICTEST: &Target = &ALL[0];

/// The target of that name.
pub fn named(triple: &str) -> Result<&'static Target> {
    match ALL.iter().find(|target| target.triple == triple) {
        Some(target) => Ok(target),
        None => bail!(
            "no target `{triple}`; there are {}",
            ALL.map(|target| target.triple).join(", ")
        ),
    }
}

/// Cargo's environment variable for a setting of this target: `CARGO_TARGET_MIPS_UNKNOWN_LINUX_MUSL_RUNNER`.
pub fn variable(target: &Target, setting: &str) -> String {
    let triple = target.triple.to_uppercase().replace('-', "_");
    format!("CARGO_TARGET_{triple}_{setting}")
}
