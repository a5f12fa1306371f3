//! An owner who refuses one member: that one loses the line at once, and nobody else notices.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use burstmesh_netns::community::{Community, fetches, has_hosts, live_paths};
use burstmesh_netns::tools::crowd::Crowd;
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::transfer::{self, Running};
use burstmesh_netns::{Lab, Topology, root};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(10);
const AT_ONCE: Duration = Duration::from_secs(1);

/// What a home's status says of a neighbour.
fn neighbour(community: &Community<'_>, home: &str, node: &str) -> Result<Value> {
    let status = community.status(home)?;
    let mut peers = status["peers"].as_array().cloned().unwrap_or_default();
    peers.retain(|p| p["node"] == node);
    peers.pop().context("no such neighbour")
}

/// Bytes that `gw2` has carried for a neighbour.
fn carried(community: &Community<'_>, node: &str) -> Result<u64> {
    let peer = neighbour(community, "gw2", node)?;
    let bytes = |way: &str| peer[way].as_u64().unwrap_or(0);
    Ok(bytes("up_bytes") + bytes("down_bytes"))
}

/// From a second after it was refused on, nothing of `refused` passes `gw2`, and what `other` borrows does.
fn only_the_other_borrows(community: &Community<'_>, refused: &str, other: &str) -> Result<()> {
    let peer = neighbour(community, "gw2", refused)?;
    ensure!(peer["refused"] == true, "{peer}");
    let before = [carried(community, refused)?, carried(community, other)?];
    sleep(Duration::from_secs(2));
    let after = [carried(community, refused)?, carried(community, other)?];
    println!(
        "in 2 s the refused got {}, the other {}",
        after[0] - before[0],
        after[1] - before[1]
    );
    ensure!(after[0] == before[0], "the refused one still borrows");
    ensure!(after[1] - before[1] > 100_000, "the other borrows less");
    Ok(())
}

fn has_paths(community: &Community<'_>, home: &str, paths: usize, limit: Duration) -> Result<()> {
    let wanted = |s: &Value| live_paths(s) == paths;
    let took = community.wait(home, limit, &format!("{paths} paths"), wanted)?;
    println!("{home} has {paths} paths after {took:?}");
    Ok(())
}

/// Nothing of two downloads was lost, and they never stood still.
fn went_on(downloads: [Running; 2]) -> Result<()> {
    for running in downloads {
        let result = running.finish()?;
        let (gap, bytes) = (result.longest_gap, result.bytes);
        println!("longest gap {gap:?}, {bytes} bytes");
        result.went_on()?;
        ensure!(gap < AT_ONCE, "a download stood still for {gap:?}");
    }
    Ok(())
}

#[test]
fn the_refused_borrower_loses_the_line_within_a_second_and_the_other_keeps_it() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let mut community = Community::exit_only(&lab)?;
    for home in ["gw1", "gw3"] {
        community.start_agent(home, "")?;
    }
    let named = |status: &Value| status["node"].is_string();
    community.wait("gw1", SOON, "up", named)?;
    let node = |community: &Community<'_>, home| -> Result<String> {
        let status = community.status(home)?;
        Ok(status["node"].as_str().context("no node")?.to_owned())
    };
    let refused = node(&community, "gw1")?;
    // By the configuration, from the start.
    let config = community.write_agent_config("gw2", "")?;
    let accepts = fs::read_to_string(&config)?;
    let first = "config community\n";
    let refuses = accepts.replace(first, &format!("{first}\tlist refuse '{refused}'\n"));
    fs::write(&config, &refuses)?;
    community.start_agent_with("gw2", &config)?;
    community.wait_pooling("gw3", 3, SOON)?;
    has_paths(&community, "gw1", 2, SOON)?;
    ensure!(neighbour(&community, "gw2", &refused)?["refused"] == true);
    // And no more, read again by the running agent.
    fs::write(&config, &accepts)?;
    community.reload("gw2")?;
    has_paths(&community, "gw1", 3, Duration::from_secs(3))?;

    let server = HttpServer::start(&lab, "web", 80)?;
    let large = server.publish("large", 400_000_000, lab.link("web")?.v4)?;
    let start = |client| transfer::start_download(&lab, client, &large, Duration::from_secs(8));
    let downloads = [start("c1")?, start("c3")?];
    sleep(Duration::from_secs(2));
    let (other, owner) = (node(&community, "gw3")?, node(&community, "gw2")?);
    let said = community.ask("gw2", &["refuse", &refused])?;
    ensure!(said.contains("neither uses the other's line"), "{said}");
    // His own line and gw3's are left, and gw2 uses his no more.
    has_paths(&community, "gw1", 2, AT_ONCE)?;
    has_paths(&community, "gw2", 2, AT_ONCE)?;
    only_the_other_borrows(&community, &refused, &other)?;
    has_paths(&community, "gw3", 3, Duration::ZERO)?;
    let told = community.status_table("gw1")?;
    ensure!(told.contains("its owner refuses you"), "{told}");

    let before = carried(&community, &refused)?;
    community.ask("gw2", &["accept", &refused])?;
    has_paths(&community, "gw1", 3, Duration::from_secs(3))?;
    sleep(Duration::from_millis(500));
    let lent = carried(&community, &refused)? - before;
    ensure!(lent > 0, "nothing is lent again");
    ensure!(neighbour(&community, "gw1", &owner)?["refuses_us"] == false);
    fs::write(&config, &refuses)?;
    community.reload("gw2")?;
    has_paths(&community, "gw1", 2, AT_ONCE)?;
    went_on(downloads)
}

#[test]
fn without_an_exit_nothing_of_a_refused_guest_leaves_here_and_new_connections_leave_elsewhere()
-> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let community = Community::without_exit(&lab)?;
    community.wait("gw1", SOON, "two hosts", has_hosts(2))?;
    let server = HttpServer::start(&lab, "web", 80)?;
    let web = lab.link("web")?.v4;
    let large = server.publish("large", 400_000_000, web)?;
    let small = server.publish("small", 20_000, web)?;
    let node = community.status("gw1")?;
    let node = node["node"].as_str().context("no node")?;
    // They are dealt out over three lines, in turns of several: until some leave at gw2's.
    let mut downloads = Vec::new();
    while carried(&community, node)? < 100_000 {
        ensure!(downloads.len() < 12, "none leaves at gw2's line");
        let limit = Duration::from_secs(5);
        downloads.push(transfer::start_download(&lab, "c1", &large, limit)?);
        sleep(Duration::from_millis(200));
    }
    community.ask("gw2", &["refuse", node])?;
    community.wait("gw1", AT_ONCE, "one host", has_hosts(1))?;
    sleep(Duration::from_millis(200));
    let before = carried(&community, node)?;
    for _ in 0..6 {
        ensure!(fetches(&lab, "c1", &small, Duration::from_secs(3)));
    }
    sleep(AT_ONCE);
    ensure!(carried(&community, node)? == before, "gw2 carries on");
    // Who is accepted again at once is a guest under the same addresses, and what is new there is not ended with what was lost.
    community.ask("gw2", &["accept", node])?;
    community.wait("gw1", AT_ONCE, "two hosts", has_hosts(2))?;
    community.ask("gw2", &["refuse", node])?;
    community.wait("gw1", AT_ONCE, "one host", has_hosts(1))?;
    community.ask("gw2", &["accept", node])?;
    community.wait("gw1", AT_ONCE, "two hosts again", has_hosts(2))?;
    sleep(Duration::from_millis(100));
    let before = carried(&community, node)?;
    for _ in 0..12 {
        ensure!(fetches(&lab, "c1", &small, Duration::from_secs(2)));
    }
    ensure!(carried(&community, node)? > before + 20_000, "none there");
    for running in downloads {
        running.finish()?;
    }
    Ok(())
}

#[test]
fn every_connection_at_a_host_that_refuses_is_reset_within_a_second_and_no_other() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let community = Community::without_exit(&lab)?;
    community.wait("gw1", SOON, "two hosts", has_hosts(2))?;
    let crowd = Crowd::start(&lab, "c1", "web", 200)?;
    let line = lab.link("gw2")?;
    let there = [line.v4.into(), line.v6.into()];
    let count = crowd.seen_from(&there);
    ensure!(count > 40, "only {count} leave at gw2's line");
    sleep(2 * AT_ONCE);
    let node = community.status("gw1")?;
    let since = Instant::now();
    community.ask(
        "gw2",
        &["refuse", node["node"].as_str().context("no node")?],
    )?;
    let last = crowd.ends_from(&there, since, 3 * AT_ONCE)?;
    println!("{count} of 200 were reset, the last after {last:?}");
    ensure!(last < AT_ONCE, "{last:?}");
    Ok(())
}
