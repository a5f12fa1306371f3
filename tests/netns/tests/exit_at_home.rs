//! No server: the exit runs in the home of a member with a public address.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use burstmesh_netns::community::Community;
use burstmesh_netns::emulator::Way;
use burstmesh_netns::exit::Exit;
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::transfer::{self, share};
use burstmesh_netns::{Lab, Topology, root};

const LIMIT: Duration = Duration::from_secs(10);
const READY: Duration = Duration::from_secs(10);
const BAR: f64 = 0.80;

/// The best share of the exit's own line that one flow of `gw1` reaches in three runs.
fn reach(lab: &Lab, community: &Community<'_>) -> Result<()> {
    let server = HttpServer::start(lab, "web", 80)?;
    let url = server.publish("file", 400_000_000, lab.link("web")?.v4)?;
    let line = ["50Mbit".parse()?];
    let mut seen = Vec::new();
    for _ in 0..3 {
        let up = lab.line("gw4").traffic(Way::Up).delivered.bytes;
        let down = transfer::download(lab, "c1", &url, LIMIT)?;
        assert!(down.intact, "{}", down.said);
        let reached = share(&down, &line);
        println!(
            "{:.1} % of the exit's line, which carried {} MB up for {} MB; longest gap {:?}",
            100.0 * reached,
            (lab.line("gw4").traffic(Way::Up).delivered.bytes - up) / 1_000_000,
            down.bytes / 1_000_000,
            down.longest_gap
        );
        seen.push(reached);
        if reached >= BAR {
            return Ok(());
        }
    }
    bail!(
        "shares {seen:.3?} under {BAR}; status {:#}",
        community.status("gw1")?
    );
}

#[test]
fn one_flow_over_three_members_lines_reaches_four_fifths_of_what_the_exits_own_line_allows()
-> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::up(&Topology::builtin("exit-at-home")?)?;
    let mut community = Community::of(&lab, Exit::at_home(&lab, "gw4")?)?;
    for home in ["gw1", "gw2", "gw3"] {
        community.start_agent(home, "")?;
    }
    community.wait_pooling("gw1", 3, READY)?;
    reach(&lab, &community)
}

/// An agent beside the exit lends the way to it: over the mesh alone, so that nothing goes up its line for neighbours.
#[test]
fn an_agent_beside_the_exit_spares_its_line_what_neighbours_get_over_the_mesh() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::up(&Topology::builtin("exit-at-home")?)?;
    let mut community = Community::of(&lab, Exit::at_home(&lab, "gw4")?)?;
    community.start_agent("gw1", "")?;
    // Its own household goes direct: by the exit it would only come back to the same line.
    let config = community.write_agent_config("gw4", "")?;
    let text = fs::read_to_string(&config)?;
    let (without_clients, _) = text.split_once("config client").context("no clients")?;
    fs::write(&config, without_clients)?;
    community.start_agent_with("gw4", &config)?;
    community.wait_pooling("gw1", 2, READY)?;
    reach(&lab, &community)
}
