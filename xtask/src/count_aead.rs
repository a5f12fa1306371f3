//! `cargo xtask count-aead`: what sealing and opening a packet costs on a router's processor, in instructions.
//!
//! The emulator logs each instruction it executes. Two runs that differ in the number of packets alone, and the difference is what a
//! packet costs: to the instruction, on any machine, however busy.

use crate::process::{self, command, run as run_command};
use crate::setup::{self, Purpose};
use crate::targets::{self, Target};
use crate::toolchain::{Sources, Zig, std_target_dir};
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Arguments of `count-aead`.
#[derive(clap::Args)]
pub struct Args {
    /// A Rust target that runs under emulation here
    #[arg(long, default_value = targets::STRICTEST.triple)]
    target: String,
}

/// A full packet, and an acknowledgement with its headers.
const LENGTHS: [u64; 2] = [1400, 64];

/// `cargo xtask count-aead`.
pub fn run(args: &Args) -> Result<()> {
    setup::install(&[Purpose::RouterBuilds, Purpose::Emulation])?;
    let target = targets::named(&args.target)?;
    let binary = build(target)?;
    println!("{}, instructions per packet (per byte)", target.triple);
    println!("{:>6} {:<12} {:>16} {:>16}", "bytes", "", "seal", "open");
    for length in LENGTHS {
        for whose in ["rustcrypto", "tuned", "ours"] {
            let seal = per_packet(&binary, target, whose, "seal", length)?;
            // Whatever is opened was sealed first.
            let both = per_packet(&binary, target, whose, "open", length)?;
            let [seal, open] = [seal, both - seal]
                .map(|count| format!("{count} ({:.1})", count as f64 / length as f64));
            println!("{length:>6} {whose:<12} {seal:>16} {open:>16}");
        }
    }
    Ok(())
}

fn build(target: &Target) -> Result<PathBuf> {
    let mut cargo = Zig::ensure()?.cargo("zigbuild");
    cargo.args([
        "--locked",
        "--package",
        "burstmesh-aead",
        "--example",
        "repeat",
    ]);
    cargo.args(["--profile", "router", "--target", target.triple]);
    Sources::ensure()?.build_std(&mut cargo, target)?;
    run_command(&mut cargo)?;
    Ok(std_target_dir()
        .join(target.triple)
        .join("router/examples/repeat"))
}

fn per_packet(binary: &Path, target: &Target, whose: &str, what: &str, length: u64) -> Result<u64> {
    let count = |times: u64| {
        let [length, times] = [length, times].map(|number| number.to_string());
        instructions(binary, target, &[whose, what, &length, &times])
    };
    let (few, more) = (count(1)?, count(3)?);
    ensure!(
        few < more,
        "the emulator logged {few} and {more} instructions"
    );
    Ok((more - few) / 2)
}

/// How many instructions a run of `binary` executes.
fn instructions(binary: &Path, target: &Target, args: &[&str]) -> Result<u64> {
    let mut emulator = command(target.emulator);
    emulator
        .arg("-d")
        .arg("exec,nochain")
        .arg(binary)
        .args(args);
    // One instruction a block, so that each is a line of the log; the name changed in version 8.1.
    emulator
        .env("QEMU_ONE_INSN_PER_TB", "1")
        .env("QEMU_SINGLESTEP", "1");
    let line = process::line(&emulator);
    let mut running = emulator
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{line}`"))?;
    let log = running.stderr.take().context("the emulator has no log")?;
    let mut count = 0;
    for line in BufReader::new(log).lines() {
        count += u64::from(line?.starts_with("Trace "));
    }
    ensure!(running.wait()?.success(), "`{line}` failed");
    Ok(count)
}
