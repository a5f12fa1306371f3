//! The agent's memory is fixed after the start.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use burstmesh_netns::community::Community;
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::transfer;
use burstmesh_netns::{Lab, Topology, root};

/// What a router's binary would have resident: the bar is 4 MB with everything.
const MOST: u64 = 3_000_000;

/// Resident bytes of the agent of `gw1`, without the system's C library, while its client downloads for `length`: after five
/// seconds, and at the end.
fn under_load(length: Duration) -> Result<(u64, u64)> {
    let lab = Lab::up(&Topology::builtin("three-homes")?)?;
    let mut community = Community::up(&lab)?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    let server = HttpServer::start(&lab, "web", 80)?;
    let url = server.publish("file", 6_000_000_000, lab.link("web")?.v4)?;
    let running = transfer::start_download(&lab, "c1", &url, length)?;
    sleep(Duration::from_secs(5));
    let early = community.agent("gw1")?.usage()?.own_rss_kib * 1024;
    let begun = Instant::now();
    while begun.elapsed() < length.saturating_sub(Duration::from_secs(6)) {
        sleep(Duration::from_millis(500));
    }
    let usage = community.agent("gw1")?.usage()?;
    let late = usage.own_rss_kib * 1024;
    let done = running.finish()?;
    assert!(
        done.intact && done.rate_after(Duration::from_secs(5)) > 30e6,
        "there was no load: {done:?}"
    );
    println!(
        "{early} bytes after 5 s, {late} bytes after {length:?}; {} with the C library",
        usage.rss_kib * 1024
    );
    Ok((early, late))
}

#[test]
fn under_load_the_agent_stays_under_three_megabytes() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let (_, late) = under_load(Duration::from_secs(15))?;
    assert!(late < MOST, "{late}");
    Ok(())
}

#[test]
#[ignore = "ten minutes: cargo xtask test --long"]
fn ten_minutes_of_load_do_not_make_the_agent_grow() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let (early, late) = under_load(Duration::from_secs(600))?;
    assert!(late < MOST && late <= early + 64 * 1024, "{early} {late}");
    Ok(())
}
