//! The project's commands, each in a module of its own. `cargo xtask help` lists them.
//!
//! A new command is one module with a `pub fn run`, one variant of [`Command`] and one arm in `main`. A command is declared
//! when it works, not before.

mod apt;
mod board;
mod build;
mod check_core;
mod count_aead;
mod cpu_bench;
mod demo;
mod elf;
mod fuzz;
mod image;
mod lab;
mod log;
mod material;
mod meanwhile;
mod netns;
mod netns_bench;
mod openwrt;
mod package;
mod packaging;
mod process;
mod python;
mod ring;
mod setup;
mod size;
mod targets;
mod test;
mod toolchain;
mod vm;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "The commands of burstmesh",
    disable_version_flag = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show it: three homes in namespaces, alone and pooled, a line pulled; a page in report/ (needs root)
    Demo,
    /// Install what the other commands need on Debian 12 or newer; without root, say what is missing
    Setup(setup::Args),
    /// Run every ring of tests that this machine can run
    Test(test::Args),
    /// Build the agent for a board, a target, or all of them, into dist/
    Build(build::Args),
    /// Show what the agent's binary is made of, and write docs/size.md; --check compares
    Size(size::Args),
    /// Show the log of a defmt build: what `burstmesh log` gave, as text
    Log(log::Args),
    /// Make what OpenWrt's ImageBuilder needs for a board: packages, their list and a mesh, into dist/BOARD/image
    Image(image::Args),
    /// Pack the agent and its pages for OpenWrt, into dist/BOARD
    Package(openwrt::Args),
    /// Pack the exit: a Debian package and a plain archive, into dist/
    PackageProxy(package::Args),
    /// Look for inputs that break a promise, longer than the tests do
    Fuzz(fuzz::Args),
    /// Measure profiles of lines on virtual time: a table, CSV and pages in report/
    Lab(lab::Args),
    /// Measure agent and kernel WireGuard on a simulated 500 MIPS router, into docs/router-bench.md
    RouterBench(vm::Args),
    /// Measure what a tunnel costs in processor time, ours beside openvpn and fastd; writes docs/cpu.md (needs root)
    CpuBench,
    /// Measure profiles of lines with kernel TCP, ours beside multipath TCP; writes docs/netns-bench.md (needs root)
    NetnsBench(netns_bench::Args),
    /// Prove that core, linux and agent need neither an allocator nor 64-bit atomics
    CheckCore,
    /// Count the instructions that sealing and opening a packet costs on a router
    CountAead(count_aead::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Demo => demo::run(),
        Command::Setup(args) => setup::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Build(args) => build::run(&args),
        Command::Log(args) => log::run(&args),
        Command::Image(args) => image::run(&args),
        Command::Size(args) => size::run(&args),
        Command::Package(args) => openwrt::run(&args),
        Command::PackageProxy(args) => package::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Lab(args) => lab::run(&args),
        Command::RouterBench(args) => vm::bench(&args),
        Command::CpuBench => cpu_bench::run(),
        Command::NetnsBench(args) => netns_bench::run(&args),
        Command::CheckCore => check_core::run(),
        Command::CountAead(args) => count_aead::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
