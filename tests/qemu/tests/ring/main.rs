//! Ring `qemu`: whole routers as virtual machines. What is told in seconds and Mbit/s is the machine's own time.

mod arm;
mod memory;
mod pooling;
mod words;

use anyhow::Result;
use burstmesh_qemu::town::{Radio, Town};
use burstmesh_qemu::{Boot, Clock, Image, Machine, Platform, Report, machine};
use std::time::Duration;

fn main() {
    let mut report = Report::from_arguments();
    if let Some(reason) = obstacle() {
        report.skip(&reason)
    }
    report.scene("A: three MIPS gateways in one 802.11s mesh", pooling::mesh);
    report.scene(
        "B: three MIPS gateways in one ad hoc network",
        pooling::ad_hoc,
    );
    report.scene("C: a MIPS router with 64 MB", memory::small);
    report.scene("D: 32-bit words", words::system_calls);
    report.scene("E: an ARM router", arm::smoke);
    report.finish()
}

/// Why the machines cannot run here. `cargo xtask test` says that they must, and so does CI.
fn obstacle() -> Option<String> {
    let required = ["BURSTMESH_REQUIRE_MACHINES", "CI"];
    if required.iter().any(|name| std::env::var_os(name).is_some()) {
        return None;
    }
    Image::new(Platform::Mipsel).err().map(|e| e.to_string())
}

/// Not the host's speed but a processor of 1000 MIPS: for this the lines below are slow enough.
const CLOCK: Clock = Clock::Instructions { shift: 0 };

/// A MIPS router with the agent and the exit in it.
fn mips_router(name: &'static str, memory: u32) -> Result<Machine> {
    let mut image = Image::new(Platform::Mipsel)?;
    for (variable, name) in [
        ("BURSTMESH_MIPSEL_AGENT", "burstmesh"),
        ("BURSTMESH_MIPSEL_EXIT", "burstmesh-proxy"),
    ] {
        let program = machine::built(variable, "mipsel-unknown-linux-musl", name)?;
        image.program(name, &program)?;
    }
    let boot = Boot {
        name,
        memory,
        clock: CLOCK,
        limit: Duration::from_secs(1500),
    };
    Machine::boot(&boot, image)
}

/// A town in such a router.
fn town(name: &'static str, memory: u32, radio: Radio, rate: &str) -> Result<Town> {
    Town::build(mips_router(name, memory)?, radio, rate)
}
