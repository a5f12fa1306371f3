//! Scene D: times, sockets, batches of datagrams and netlink on a kernel and C library with 32-bit words and 64-bit time.

use crate::CLOCK;
use anyhow::{Result, ensure};
use burstmesh_qemu::{Boot, Image, Machine, Platform, Report, machine};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(100);

pub fn system_calls(report: &mut Report) -> Result<()> {
    let mut image = Image::new(Platform::Mipsel)?;
    let tests = machine::built(
        "BURSTMESH_MIPSEL_TESTS",
        "mipsel-unknown-linux-musl",
        "linux-tests",
    )?;
    image.program("linux-tests", &tests)?;
    let boot = Boot {
        name: "words",
        memory: 128,
        clock: CLOCK,
        limit: Duration::from_secs(600),
    };
    let mut router = Machine::boot(&boot, image)?;
    report.case(
        "the tests of all system calls pass as root on a MIPS kernel",
        || {
            router.run("ln -sf /bin/test-shell.sh /bin/sh", SOON)?;
            let said = router.run("linux-tests --test-threads=1", Duration::from_secs(500))?;
            let result = said.lines().find(|line| line.starts_with("test result"));
            // What this kernel is too old for cannot run; whatever else is skipped should have run.
            let skipped = |line: &&str| line.contains("SKIPPED");
            let (old, other): (Vec<_>, Vec<_>) = said
                .lines()
                .filter(skipped)
                .partition(|line| line.contains("before Linux"));
            ensure!(other.is_empty(), "{said}");
            let result = result.unwrap_or_default();
            Ok(format!("{result}; too new for this kernel: {}", old.len()))
        },
    )
}
