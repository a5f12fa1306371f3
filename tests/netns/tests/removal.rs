//! A member whose admission the admin takes back, in a community whose members have certificates.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use burstmesh_netns::community::{Community, fetches, live_paths};
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::transfer::{self, Transfer};
use burstmesh_netns::{Lab, Topology, root};

const BACK: Duration = Duration::from_secs(10);
/// What the issue asks for.
const BAR: Duration = Duration::from_secs(60);
/// A download reaches its speed in this time.
const START: Duration = Duration::from_secs(2);
/// A download goes on for so long.
const LIMIT: Duration = Duration::from_secs(8);

/// The rate of a download from 2 s before to this moment of it, Mbit/s.
fn rate(transfer: &Transfer, to: Duration) -> f64 {
    transfer.rate_between(to.saturating_sub(START), to) / 1e6
}

/// Three homes whose members have certificates, from the exit as they come.
fn certified(lab: &Lab) -> Result<Community<'_>> {
    let mut community = Community::exit_only(lab)?;
    community.certify()?;
    for home in ["gw1", "gw2", "gw3"] {
        community.start_agent(home, "")?;
    }
    let begun = Instant::now();
    community.wait_all_pooling(BACK)?;
    println!(
        "certified by the exit and pooling after {:?}",
        begun.elapsed()
    );
    each_tells_by_whose_word(&community)?;
    Ok(community)
}

/// Each neighbour with a session has shown a certificate, and by whose word is told once.
fn each_tells_by_whose_word(community: &Community<'_>) -> Result<()> {
    let status = community.status("gw1")?;
    ensure!(status["admin"].as_str().is_some_and(|key| key.len() == 44));
    let peers = status["peers"].as_array().cloned().unwrap_or_default();
    ensure!(peers.len() == 2, "{peers:#?}");
    for peer in &peers {
        ensure!(peer["certified_until"].is_u64(), "{peer:#}");
    }
    let table = community.status_table("gw1")?;
    println!("{table}");
    ensure!(table.matches("\n  certified ").count() == 2, "{table}");
    Ok(())
}

/// Removes `gw3`, and waits until everybody knows; since when.
fn remove(lab: &Lab, community: &Community<'_>) -> Result<Instant> {
    let name = &lab.topology().home("gw3")?.community;
    let status = community.status("gw3")?;
    let node = status["node"].as_str().context("no node")?;
    let removed = Instant::now();
    community.proxy(&["member", "remove", name, node])?;
    community.wait("gw3", BAR, "without an exit", |s| s["pooling"] == false)?;
    println!("its pooling ended after {:?}", removed.elapsed());
    for home in ["gw1", "gw2"] {
        community.wait(home, BAR, "told", |s| s["admission"]["removed"] == 1)?;
        community.wait(home, BAR, "without its line", |s| live_paths(s) == 2)?;
    }
    let took = removed.elapsed();
    println!("all gateways know after {took:?}");
    ensure!(took < BAR);
    Ok(removed)
}

/// The download of the one who stayed went on, at what two lines give; that of the removed one ended.
fn judge(theirs: &Transfer, mine: &Transfer) -> Result<()> {
    ensure!(
        mine.exit_code == Some(56),
        "the old connection: {}",
        mine.said
    );
    println!("theirs at the end: {:.1} Mbit/s", rate(theirs, LIMIT));
    theirs.went_on()?;
    ensure!(rate(theirs, LIMIT) > 25.0, "{}", rate(theirs, LIMIT));
    let gap = theirs.longest_gap;
    ensure!(gap < Duration::from_secs(1), "{gap:?}");
    Ok(())
}

#[test]
fn a_member_removed_during_a_download_is_outside_everywhere_and_keeps_its_own_line() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let community = certified(&lab)?;
    let server = HttpServer::start(&lab, "web", 80)?;
    let web = lab.link("web")?.v4;
    let large = server.publish("large", 90_000_000, web)?;
    let download = |client: &str| transfer::start_download(&lab, client, &large, LIMIT);
    let (theirs, mine) = (download("c2")?, download("c3")?);
    sleep(2 * START);

    let removed = remove(&lab, &community)?;
    // What it starts now goes by its own line, as without burstmesh.
    ensure!(
        fetches(&lab, "c3", &server.url(web, "who"), BACK),
        "its own line"
    );
    println!(
        "its own line carries new connections after {:?}",
        removed.elapsed()
    );
    judge(&theirs.finish()?, &mine.finish()?)?;

    // Whom it asks next says why; an Init over a neighbour that has forgotten it is lost.
    community.wait("gw3", BACK, "told why", |s| {
        s["denied"] == "the admin has removed this router from the community"
    })?;
    println!("it is told why after {:?}", removed.elapsed());
    // The list is in a file too, so that it outlives a restart.
    let kept = lab.ns("gw1").dir().join("key.revoked");
    ensure!(std::fs::read_to_string(&kept)?.starts_with("bmr1"));
    Ok(())
}
