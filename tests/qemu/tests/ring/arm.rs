//! Scene E: the agent on an ARM router.

use anyhow::{Result, ensure};
use burstmesh_qemu::{Boot, Clock, Image, Machine, Platform, Report, machine};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(120);

pub fn smoke(report: &mut Report) -> Result<()> {
    let mut image = Image::new(Platform::Armhf)?;
    let agent = machine::built(
        "BURSTMESH_ARM_AGENT",
        "armv7-unknown-linux-musleabihf",
        "burstmesh",
    )?;
    image.program("burstmesh", &agent)?;
    let boot = Boot {
        name: "arm",
        memory: 256,
        clock: Clock::Real,
        limit: Duration::from_secs(400),
    };
    let mut router = Machine::boot(&boot, image)?;
    report.case("the agent says its version on an ARM Cortex-A7", || {
        let said = router.run("burstmesh --version", SOON)?;
        ensure!(said == env!("CARGO_PKG_VERSION"), "{said}");
        router.run("uname -rm", SOON)
    })?;
    report.case("it starts, makes its device and answers", || {
        router.run("lonely", SOON)?;
        let status = router.run("ip -n g1 -br address show dev bm0; status 1", SOON)?;
        ensure!(status.contains("\"pooling\":false"), "{status}");
        ensure!(status.contains("bm0"), "{status}");
        Ok(String::new())
    })?;
    report.case("it ends when asked and leaves nothing behind", || {
        router.run(
            "kill $(cat /tmp/g1.pid); sleep 2; ! ip -n g1 link show bm0",
            SOON,
        )?;
        let rules = router.run("inside g1 nft list ruleset", SOON)?;
        ensure!(!rules.contains("burstmesh"), "{rules}");
        Ok(String::new())
    })
}
