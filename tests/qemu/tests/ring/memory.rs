//! Scene C: a small router.

use crate::{pooling, town};
use anyhow::{Result, ensure};
use burstmesh_qemu::Report;
use burstmesh_qemu::town::{Radio, Town, Way, number};

/// Megabytes of programs and modules: a router has them on its flash, and this machine in its memory, from the start on.
const FLASH: u32 = 14;

/// Three agents and the exit live in these 64 MB, beside servers and their files.
pub fn small(report: &mut Report) -> Result<()> {
    let mut town = town("small", 64 + FLASH, Radio::Mesh, pooling::LINE)?;
    report.case("no more than 64 MB are left for what runs", || {
        let files = number(&town.run("du -sxk / | cut -f 1")?)? / 1024.0;
        ensure!(files >= f64::from(FLASH), "{files:.1} MB of files");
        Ok(format!("{files:.1} MB of files in {} MB", 64 + FLASH))
    })?;
    report.case("three agents and the exit start in 64 MB", || {
        town.start_pooling(pooling::GATEWAYS)?;
        town.run("free -k | sed -n '2s/  */ /gp'")
    })?;
    report.case("under load the agent does not grow", || {
        let sum = town.publish(2_000_000)?;
        let before = resident(&mut town)?;
        for way in [Way::Down, Way::Up, Way::Down] {
            town.transfer(way, "c1", &sum)?;
        }
        let after = resident(&mut town)?;
        // What is touched for the first time becomes resident; nothing may come on top of the static memory.
        ensure!(after < 4096.0, "{after} KiB");
        town.transfer(Way::Down, "c1", &sum)?;
        let last = resident(&mut town)?;
        ensure!(last <= after + 64.0, "{after} KiB, then {last} KiB");
        Ok(format!("{before} KiB idle, {last} KiB under load"))
    })
}

fn resident(town: &mut Town) -> Result<f64> {
    number(&town.run("resident 1")?)
}
