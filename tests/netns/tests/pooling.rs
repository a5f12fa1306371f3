//! The main job: one flow over the lines of three homes, both ways.

use std::time::Duration;

use anyhow::Result;
use burstmesh_netns::community::Community;
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::transfer::{self, share};
use burstmesh_netns::units::Rate;
use burstmesh_netns::{Lab, Topology, root};

const LIMIT: Duration = Duration::from_secs(20);

/// One flow down and one up through the pool of `gw1`, as shares of the lines' sum.
fn shares(lab: &Lab, lines: &[Rate]) -> Result<(f64, f64)> {
    let community = Community::up(lab)?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    let server = std::sync::Arc::new(HttpServer::start(lab, "web", 80)?);
    let web = lab.link("web")?.v4;
    let url = server.publish("file", 400_000_000, web)?;
    let down = transfer::download(lab, "c1", &url, LIMIT)?;
    let to = server.url(web, "up/file");
    let up = transfer::upload(lab, "c1", &server, &to, 300_000_000, LIMIT)?;
    assert!(down.intact && up.bytes > 0, "{} {}", down.said, up.said);
    let result = (share(&down, lines), share(&up, lines));
    println!(
        "down {:.1} %, longest gap {:?}; up {:.1} %, longest gap {:?}; status {:#}",
        100.0 * result.0,
        down.longest_gap,
        100.0 * result.1,
        up.longest_gap,
        community.status("gw1")?
    );
    Ok(result)
}

#[test]
fn three_equal_lines_carry_one_flow_at_eighty_percent_of_their_sum_both_ways() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::up(&Topology::builtin("three-homes")?)?;
    let (down, up) = shares(
        &lab,
        &["20Mbit".parse()?, "20Mbit".parse()?, "20Mbit".parse()?],
    )?;
    assert!(down >= 0.80 && up >= 0.80, "down {down:.3} up {up:.3}");
    Ok(())
}

#[test]
fn two_unlike_lines_carry_one_flow_at_three_quarters_of_their_sum_both_ways() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::up(&Topology::builtin("unequal-homes")?)?;
    let (down, up) = shares(&lab, &["20Mbit".parse()?, "10Mbit".parse()?])?;
    assert!(down >= 0.75 && up >= 0.75, "down {down:.3} up {up:.3}");
    Ok(())
}
