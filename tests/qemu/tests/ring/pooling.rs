//! Scenes A and B: discovery over the air, transfers over all lines, a line and a radio lost.

use crate::town;
use anyhow::{Result, ensure};
use burstmesh_qemu::Report;
use burstmesh_qemu::town::{GRANTED, LIVE, POOLING, Radio, SESSION, Town, Way};

pub const GATEWAYS: std::ops::RangeInclusive<u8> = 1..=3;
/// Three agents, the exit, a server and a client share one processor, which is busy half of the time at that rate.
pub const LINE: &str = "4mbit";
pub const SUM: f64 = 3.0 * 4.0;

pub fn mesh(report: &mut Report) -> Result<()> {
    let mut town = town("mesh", 256, Radio::Mesh, LINE)?;
    report.case("the agent says its version on a MIPS 24K", || {
        let said = town.run("burstmesh --version")?;
        ensure!(said == env!("CARGO_PKG_VERSION"), "{said}");
        town.run("uname -rm")
    })?;
    meet(report, &mut town)?;
    transfer(report, &mut town, 6_000_000)?;
    books(report, &mut town)?;
    report.case(
        "a pooled download takes 85 % of the sum of the lines",
        || {
            town.publish(22_000_000)?;
            let rate = town.rate("c1", 5, 8, 1)?;
            let share = 100.0 * rate / SUM;
            ensure!(share >= 85.0, "{rate:.2} Mbit/s are {share:.1} % of {SUM}");
            Ok(format!("{rate:.2} Mbit/s, {share:.1} %"))
        },
    )?;
    let sum = town.publish(7_000_000)?;
    report.case(
        "a download survives that a neighbour's line is pulled",
        || {
            let took = town.transfer_while("c1", &sum, "cable 2 down")?;
            town.wait(1, 2, LIVE, 10)?;
            Ok(format!("{took} s"))
        },
    )?;
    report.case("the line is pooled again when it is back", || {
        town.run("cable 2 up")?;
        Ok(format!("{} s", town.wait(1, 3, LIVE, 30)?))
    })?;
    report.case(
        "a download survives that a neighbour's radio gets out of range",
        || {
            let took = town.transfer_while("c1", &sum, "range 3 2")?;
            town.wait(1, 2, LIVE, 20)?;
            Ok(format!("{took} s"))
        },
    )?;
    report.case("its line is pooled again when the radio is back", || {
        town.run("range 3 1")?;
        Ok(format!("{} s", town.wait(1, 3, LIVE, 60)?))
    })
}

pub fn ad_hoc(report: &mut Report) -> Result<()> {
    let mut town = town("ibss", 128, Radio::Ibss, LINE)?;
    meet(report, &mut town)?;
    transfer(report, &mut town, 3_000_000)
}

fn meet(report: &mut Report, town: &mut Town) -> Result<()> {
    report.case(
        "gateways find each other over the air within five seconds",
        || {
            for gateway in GATEWAYS {
                town.start_agent(gateway)?;
            }
            let took = town.wait(1, 2, SESSION, 10)?;
            ensure!(took < 5.0, "{took} s");
            Ok(format!("{took} s"))
        },
    )?;
    report.case("each gateway pools three lines", || {
        let mut took = 0.0;
        for gateway in GATEWAYS {
            took += town.wait(gateway, 3, LIVE, 20)?;
        }
        took += town.wait(1, 1, POOLING, 20)?;
        Ok(format!("{took:.2} s more"))
    })
}

fn transfer(report: &mut Report, town: &mut Town, bytes: usize) -> Result<()> {
    let sum = town.publish(bytes)?;
    for (way, sentence) in [
        (Way::Down, "a file comes down whole over three lines"),
        (Way::Up, "a file goes up whole over three lines"),
    ] {
        report.case(sentence, || {
            let took = town.transfer(way, "c1", &sum)?;
            let rate = bytes as f64 * 8.0 / took / 1e6;
            // More than any one line carries.
            ensure!(rate > SUM / 3.0, "{rate:.1} Mbit/s");
            Ok(format!("{rate:.1} Mbit/s"))
        })?;
    }
    Ok(())
}

fn books(report: &mut Report, town: &mut Town) -> Result<()> {
    report.case(
        "each line is granted to both neighbours, and what they borrowed is what was lent",
        || {
            for gateway in GATEWAYS {
                town.wait(gateway, 2, GRANTED, 5)?;
            }
            // The agents read their counters every second.
            town.run("sleep 3")?;
            let [lent, borrowed] = town.numbers("booked lent 1 2 3; booked borrowed 1 2 3")?;
            ensure!(lent > 6e6, "{lent} bytes are less than a file");
            close(lent, borrowed)
        },
    )
}

/// Two counts of the same bytes.
pub fn close(one: f64, other: f64) -> Result<String> {
    let off = 100.0 * (one - other).abs() / other;
    ensure!(off <= 1.0, "{one} and {other} bytes differ by {off:.2} %");
    Ok(format!("{one} and {other} bytes, {off:.2} % apart"))
}
