//! Members upgrade one at a time: a gateway of the previous minor protocol version pools with the others, and upgrades beside them.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use burstmesh_netns::community::Community;
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::transfer::{download, share, start_download};
use burstmesh_netns::units::Rate;
use burstmesh_netns::{Lab, Topology, root};

#[test]
fn a_gateway_of_the_previous_minor_version_borrows_and_lends_and_is_upgraded_beside_the_others()
-> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let Some(agent) = std::env::var_os("BURSTMESH_PREVIOUS_AGENT") else {
        eprintln!(
            "SKIPPED: needs BURSTMESH_PREVIOUS_AGENT, a build with --features previous-minor (cargo xtask test makes it)"
        );
        assert!(
            std::env::var_os("BURSTMESH_REQUIRE_ROOT").is_none(),
            "the build of the previous version is missing"
        );
        return Ok(());
    };
    let agent = agent.to_string_lossy().into_owned();
    let lab = Lab::up(&Topology::builtin("three-homes")?)?;
    let mut community = Community::exit_only(&lab)?;
    community.start_agent("gw1", "")?;
    community.start_other_agent("gw2", &[&agent])?;
    community.start_agent("gw3", "")?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    assert_eq!(community.status("gw2")?["protocol"], "1.0");
    assert_eq!(community.status("gw1")?["protocol"], "1.1");
    let server = HttpServer::start(&lab, "web", 80)?;
    let url = server.publish("file", 400_000_000, lab.link("web")?.v4)?;
    let lines: Vec<Rate> = vec!["20Mbit".parse()?, "20Mbit".parse()?, "20Mbit".parse()?];
    for client in ["c1", "c2"] {
        let result = download(&lab, client, &url, Duration::from_secs(12))?;
        println!("{client}: {:.1} %", 100.0 * share(&result, &lines));
        assert!(result.intact && share(&result, &lines) > 0.75, "{client}");
    }
    upgrade(&lab, &mut community, &url)
}

/// The last one to upgrade: another's download goes on meanwhile, and its key, settings and ledger are kept.
fn upgrade(lab: &Lab, community: &mut Community<'_>, url: &str) -> Result<()> {
    let limit = Duration::from_secs(10);
    let running = start_download(lab, "c1", url, limit)?;
    sleep(Duration::from_secs(2));
    let node = community.status("gw2")?["node"].clone();
    let before = lent(community)?;
    community.stop_agent("gw2")?;
    community.start_agent("gw2", "")?;
    community.wait_pooling("gw2", 3, limit)?;
    community.wait_pooling("gw1", 3, limit)?;
    let status = community.status("gw2")?;
    assert!(status["protocol"] == "1.1" && status["node"] == node);
    let result = running.finish()?;
    let after = lent(community)?;
    println!(
        "longest gap {:?}; lent {before} and {after}",
        result.longest_gap
    );
    ensure!(result.intact, "{}", result.said);
    ensure!(result.longest_gap < Duration::from_secs(1));
    ensure!(before > 5_000_000 && after > before, "{before}, {after}");
    Ok(())
}

/// Bytes that `gw2` has lent, by its ledger.
fn lent(community: &Community<'_>) -> Result<u64> {
    let rows = community.ledger("gw2")?;
    let lent = rows.iter().filter(|row| row["kind"] == "lent");
    Ok(lent.filter_map(|row| row["down_bytes"].as_u64()).sum())
}
