//! What a household notices beside a burst, and beside its neighbours' bursts.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use burstmesh_netns::community::Community;
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::ping::Pinger;
use burstmesh_netns::tools::transfer;
use burstmesh_netns::{Lab, Topology, root};

#[test]
fn a_ping_beside_a_saturating_download_stays_within_sixty_milliseconds_of_idle() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::up(&Topology::builtin("three-homes")?)?;
    let community = Community::up(&lab)?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    let server = HttpServer::start(&lab, "web", 80)?;
    let web = lab.link("web")?.v4;
    let url = server.publish("file", 400_000_000, web)?;
    let every = Duration::from_millis(50);
    let idle = Pinger::start(&lab, "c1", web, every, 56)?;
    sleep(Duration::from_secs(4));
    let idle = idle.stop()?;
    let running = transfer::start_download(&lab, "c1", &url, Duration::from_secs(16))?;
    sleep(Duration::from_secs(5));
    let loaded = Pinger::start(&lab, "c1", web, every, 56)?;
    sleep(Duration::from_secs(10));
    let loaded = loaded.stop()?;
    let pooled = running.finish()?.rate_after(Duration::from_secs(5));
    assert!(
        pooled > 40e6,
        "the download did not saturate: {pooled:.0} bit/s"
    );
    let (before, p99) = (idle.percentile(50.0), loaded.percentile(99.0));
    println!(
        "idle median {before:.1} ms; loaded median {:.1} ms, p99 {p99:.1} ms, lost {}",
        loaded.percentile(50.0),
        loaded.lost()
    );
    assert!(p99 - before < 60.0, "p99 {p99:.1} ms, idle {before:.1} ms");
    Ok(())
}

/// Of one flow's payload, what is left at least when 58 bytes of the tunnel are added to each packet of 1,500: 1,353 bytes in
/// 1,463 against 1,448 in 1,500, less what feedback and probes take. Where its headers need not travel it is 1,370 in 1,441.
const CEILING: f64 = 0.93;

#[test]
fn three_clients_at_once_each_get_at_least_what_their_own_line_gives_alone() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::up(&Topology::builtin("three-homes")?)?;
    let server = HttpServer::start(&lab, "web", 80)?;
    let url = server.publish("file", 400_000_000, lab.link("web")?.v4)?;
    let (from, limit) = (Duration::from_secs(5), Duration::from_secs(16));
    let rate = |client| anyhow::Ok(transfer::download(&lab, client, &url, limit)?.rate_after(from));
    let bare = rate("c1")?;
    assert!(bare > 15e6, "the bare line gave {bare:.0} bit/s of 20");
    // The same line through the tunnel, nobody else there yet.
    let mut community = Community::exit_only(&lab)?;
    community.start_agent("gw1", "")?;
    community.wait_pooling("gw1", 1, Duration::from_secs(10))?;
    let tunnel = rate("c1")?;
    for home in ["gw2", "gw3"] {
        community.start_agent(home, "")?;
    }
    community.wait_all_pooling(Duration::from_secs(10))?;
    // Two cores carry everything here: a run that another program disturbed is repeated, not averaged away.
    for _ in 0..3 {
        let running =
            ["c1", "c2", "c3"].map(|client| transfer::start_download(&lab, client, &url, limit));
        let mut rates = Vec::new();
        for r in running {
            rates.push(r?.finish()?.rate_after(from));
        }
        let shown: Vec<String> = rates.iter().map(|r| format!("{:.2}", r / 1e6)).collect();
        println!(
            "alone {:.2} Mbit/s without the tunnel, {:.2} through it; together {} Mbit/s",
            bare / 1e6,
            tunnel / 1e6,
            shown.join(", ")
        );
        // Against the tunnel alone within what two runs of the same differ by.
        if rates
            .iter()
            .all(|r| *r >= CEILING * bare && *r >= 0.98 * tunnel)
        {
            return Ok(());
        }
    }
    panic!("somebody got less than from the own line in each of three runs");
}
