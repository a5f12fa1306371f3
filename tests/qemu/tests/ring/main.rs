//! Ring `qemu`: whole routers as virtual machines. What is told in seconds and Mbit/s is the machine's own time.

mod arm;
mod delays;
mod memory;
mod no_exit;
mod pooling;
mod words;

use anyhow::Result;
use burstmesh_qemu::report::{self, Scene};
use burstmesh_qemu::town::{Radio, Town};
use burstmesh_qemu::{Boot, Clock, Image, Machine, Platform, machine};
use std::time::Duration;

/// The longest first: two run at a time.
const SCENES: [Scene; 7] = [
    Scene {
        name: "A: three MIPS gateways in one 802.11s mesh",
        long: false,
        cases: pooling::mesh,
    },
    Scene {
        name: "C: a MIPS router with 64 MB",
        long: false,
        cases: memory::small,
    },
    Scene {
        name: "B: three MIPS gateways in one ad hoc network",
        long: false,
        cases: pooling::ad_hoc,
    },
    // An agent and a kernel of their own for a smoke test.
    Scene {
        name: "E: an ARM router",
        long: true,
        cases: arm::smoke,
    },
    Scene {
        name: "F: three MIPS gateways in one 802.11s mesh, and no exit",
        long: true,
        cases: no_exit::street,
    },
    Scene {
        name: "G: delays and gaps that kernel TCP notices",
        long: true,
        cases: delays::noticed,
    },
    Scene {
        name: "D: 32-bit words",
        long: true,
        cases: words::system_calls,
    },
];

fn main() {
    if let Some(reason) = obstacle() {
        report::skip(&reason)
    }
    report::run(&SCENES)
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

/// A MIPS router with the agent and the exit in it, and more programs: each by the variable that says where it is.
fn mips_router(name: &'static str, memory: u32, more: &[(&str, &str)]) -> Result<Machine> {
    let mut image = Image::new(Platform::Mipsel)?;
    let ours = [
        ("BURSTMESH_MIPSEL_AGENT", "burstmesh"),
        ("BURSTMESH_MIPSEL_EXIT", "burstmesh-proxy"),
    ];
    for (variable, name) in ours.iter().chain(more) {
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
    Town::build(mips_router(name, memory, &[])?, radio, rate)
}
