//! The machines a router binary is built for.

use crate::elf::Machine;
use crate::process::{command, output};
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
    /// Byte order in the ELF header.
    pub big_endian: bool,
    /// Machine in the ELF header.
    pub machine: Machine,
    /// Where OpenWrt has musl's loader for it.
    pub loader: &'static str,
}

/// Every target, in the order they are built.
pub const ALL: [Target; 6] = [
    Target {
        triple: "mips-unknown-linux-musl",
        cpu: "mips32r2",
        emulator: "qemu-mips-static",
        big_endian: true,
        machine: Machine::Mips,
        loader: "/lib/ld-musl-mips-sf.so.1",
    },
    Target {
        triple: "mipsel-unknown-linux-musl",
        cpu: "mips32r2",
        emulator: "qemu-mipsel-static",
        big_endian: false,
        machine: Machine::Mips,
        loader: "/lib/ld-musl-mipsel-sf.so.1",
    },
    Target {
        triple: "armv7-unknown-linux-musleabihf",
        cpu: "generic",
        emulator: "qemu-arm-static",
        big_endian: false,
        machine: Machine::Arm,
        loader: "/lib/ld-musl-armhf.so.1",
    },
    Target {
        triple: "armv7-unknown-linux-musleabi",
        cpu: "generic",
        emulator: "qemu-arm-static",
        big_endian: false,
        machine: Machine::Arm,
        loader: "/lib/ld-musl-arm.so.1",
    },
    Target {
        triple: "aarch64-unknown-linux-musl",
        cpu: "generic",
        emulator: "qemu-aarch64-static",
        big_endian: false,
        machine: Machine::Aarch64,
        loader: "/lib/ld-musl-aarch64.so.1",
    },
    Target {
        triple: "x86_64-unknown-linux-musl",
        cpu: "x86-64",
        emulator: "qemu-x86_64-static",
        big_endian: false,
        machine: Machine::X86_64,
        loader: "/lib/ld-musl-x86_64.so.1",
    },
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

/// Does the compiler know this processor of a target? It would build for an unknown one too, or crash.
pub fn has_processor(triple: &str, cpu: &str) -> Result<bool> {
    let known = output(command("rustc").args(["--print", "target-cpus", "--target", triple]))?;
    let mut names = known.lines().filter_map(|l| l.split_whitespace().next());
    Ok(names.any(|name| name == cpu))
}

/// Cargo's environment variable for a setting of this target: `CARGO_TARGET_MIPS_UNKNOWN_LINUX_MUSL_RUNNER`.
pub fn variable(target: &Target, setting: &str) -> String {
    let triple = target.triple.to_uppercase().replace('-', "_");
    format!("CARGO_TARGET_{triple}_{setting}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::root;
    use std::fs;

    fn read(name: &str) -> String {
        fs::read_to_string(root().join(name)).unwrap()
    }

    #[test]
    fn cross_and_the_public_workflow_know_every_target_and_no_other() {
        let mut triples = ALL.map(|target| target.triple);
        triples.sort_unstable();
        let cross: toml::Table = read("Cross.toml").parse().unwrap();
        let mut known: Vec<&String> = cross["target"].as_table().unwrap().keys().collect();
        known.sort();
        assert_eq!(known, triples);
        let workflow = read(".github/workflows/ci.yml");
        let listed = workflow.lines().filter_map(|l| l.trim().strip_prefix("- "));
        let mut built: Vec<&str> = listed.filter(|item| item.contains("-linux-")).collect();
        built.sort_unstable();
        assert_eq!(built, triples);
    }

    /// A colon within an unquoted text ends the reading of the whole file, and nobody here would notice.
    #[test]
    fn no_text_of_the_workflow_ends_it() {
        for line in read(".github/workflows/ci.yml").lines() {
            let line = line.trim().trim_start_matches("- ");
            let text = line.split_once(": ").map_or("", |(_, text)| text);
            let plain = !line.starts_with('#') && !text.starts_with(['"', '\'']);
            assert!(!plain || !text.contains(": "), "{line}");
        }
    }
}
