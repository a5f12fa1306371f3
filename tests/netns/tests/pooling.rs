//! The main job: one flow over the lines of three homes, both ways.

use std::time::Duration;

use anyhow::Result;
use burstmesh_netns::community::Community;
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::transfer;
use burstmesh_netns::{Lab, Topology, root};

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn three_homes_carry_one_flow_over_three_lines_both_ways() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::up(&Topology::builtin("three-homes")?)?;
    let community = Community::up(&lab)?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    let server = HttpServer::start(&lab, "web", 80)?;
    let web = lab.link("web")?.v4;
    let url = server.publish("file", 400_000_000, web)?;
    let lines = vec!["20Mbit".parse()?; 3];
    let down = transfer::download(&lab, "c1", &url, LIMIT)?;
    println!(
        "download: {:.1} %, longest gap {:?}",
        100.0 * transfer::share(&down, &lines),
        down.longest_gap
    );
    println!("{:#}", community.status("gw1")?);
    assert!(down.intact);
    assert!(transfer::share(&down, &lines) >= 0.80);
    Ok(())
}
