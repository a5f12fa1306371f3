//! Gateways find each other over the mesh.

use std::time::Duration;

use anyhow::Result;
use burstmesh_netns::community::{Community, sessions};
use burstmesh_netns::{Lab, Topology, root};

const SOON: Duration = Duration::from_secs(3);

#[test]
fn gateways_see_each_other_within_three_seconds_of_start_and_of_a_restart() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::up(&Topology::builtin("three-homes")?)?;
    let mut community = Community::up(&lab)?;
    for home in ["gw1", "gw2", "gw3"] {
        let took = community.wait(home, SOON, "meeting both neighbours", |s| sessions(s) == 2)?;
        println!("{home} met both neighbours {took:?} after the last start");
    }
    community.stop_agent("gw2")?;
    community.start_agent("gw2", "")?;
    for home in ["gw2", "gw1", "gw3"] {
        let took = community.wait(home, SOON, "meeting both neighbours again", |s| {
            s["uptime_s"].as_u64().is_some() && sessions(s) == 2
        })?;
        println!("{home} met both again within {took:?}");
    }
    community.wait_pooling("gw2", 3, SOON)?;
    Ok(())
}

#[test]
fn a_home_without_a_line_of_its_own_pools_over_its_neighbours() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::up(&Topology::builtin("no-own-line")?)?;
    let community = Community::up(&lab)?;
    let without = lab
        .topology()
        .homes
        .iter()
        .find(|h| h.line.is_none())
        .map(|h| h.name.clone());
    let home = without.expect("the topology has such a home");
    let took = community.wait_pooling(&home, 1, Duration::from_secs(10))?;
    println!("{home} pools after {took:?}");
    Ok(())
}
