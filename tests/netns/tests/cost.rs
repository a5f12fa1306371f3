//! A dearer line rests while the cheaper one has room, helps when it has none, and rests again: with kernel TCP.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use burstmesh_netns::community::Community;
use burstmesh_netns::emulator::Way;
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::iperf::{self, Iperf};
use burstmesh_netns::tools::transfer::{share, start_download, start_upload};
use burstmesh_netns::units::Rate;
use burstmesh_netns::{Lab, Topology, root};

/// Starts the agent of a home whose line has this cost.
fn start(community: &mut Community<'_>, home: &str, cost: u8) -> Result<()> {
    let priced = format!("option lend '1'\n\toption cost '{cost}'");
    let path = community.write_changed_config(home, "option lend '1'", &priced)?;
    community.start_agent_with(home, &path)
}

/// Megabytes that a home's line has carried so far, both ways.
fn carried(lab: &Lab, home: &str) -> f64 {
    let line = lab.line(home);
    let bytes = [Way::Up, Way::Down].map(|way| line.traffic(way).delivered.bytes);
    (bytes[0] + bytes[1]) as f64 / 1e6
}

/// Why the path over the dear line carries nothing, as the status has it.
fn rests(community: &Community<'_>) -> Result<bool> {
    let status = community.status("gw1")?;
    let paths = status["paths"].as_array().cloned().unwrap_or_default();
    Ok(paths.iter().any(|p| p["stands_by"] == "stands by: dearer"))
}

/// 6 Mbit/s for three seconds, both ways: of which the dear line carries nothing but reports.
fn small_use(lab: &Lab, dear: &str) -> Result<f64> {
    let before = carried(lab, dear);
    for reverse in [false, true] {
        let how = Iperf {
            seconds: 3,
            udp: Some("6Mbit".parse()?),
            length: 1_200,
            reverse,
            ..Iperf::default()
        };
        let report = iperf::run(lab, "c1", "web", lab.link("web")?.v4, &how)?;
        ensure!(report.received > 5.5e6, "{report:?}");
    }
    Ok(carried(lab, dear) - before)
}

fn saturating(lab: &Lab, server: &Arc<HttpServer>, down: bool) -> Result<f64> {
    let limit = Duration::from_secs(15);
    let lines: Vec<Rate> = vec!["20Mbit".parse()?, "20Mbit".parse()?];
    let web = lab.link("web")?.v4;
    let running = if down {
        let url = server.publish("large", 400_000_000, web)?;
        start_download(lab, "c1", &url, limit)?
    } else {
        let url = server.url(web, "up/large");
        start_upload(lab, "c1", server, &url, 100_000_000, limit)?
    };
    let result = running.finish()?;
    Ok(share(&result, &lines))
}

/// `dear` is the home whose line costs more, the own one or the neighbour's.
fn rest_help_and_rest(dear: &str) -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::up(&Topology::builtin("three-homes")?)?;
    let mut community = Community::exit_only(&lab)?;
    for home in ["gw1", "gw2"] {
        start(&mut community, home, if home == dear { 2 } else { 0 })?;
    }
    community.wait_pooling("gw1", 2, Duration::from_secs(10))?;
    let server = Arc::new(HttpServer::start(&lab, "web", 80)?);
    sleep(Duration::from_secs(3));
    ensure!(rests(&community)?, "{}", community.status_table("gw1")?);
    let before = small_use(&lab, dear)?;
    let shares = [
        saturating(&lab, &server, true)?,
        saturating(&lab, &server, false)?,
    ];
    sleep(Duration::from_secs(2));
    let table = community.status_table("gw1")?;
    ensure!(
        rests(&community)? && table.contains("stands by: dearer"),
        "{table}"
    );
    let after = small_use(&lab, dear)?;
    println!(
        "{dear} is dear: it carried {before:.2} MB of 4.5, had {:.1} and {:.1} % with both lines, and {after:.2} MB afterwards",
        100.0 * shares[0],
        100.0 * shares[1]
    );
    ensure!(before < 0.2 && after < 0.2, "{before}, {after}");
    ensure!(shares.iter().all(|s| *s >= 0.85), "{shares:?}");
    Ok(())
}

#[test]
#[ignore = "most of a minute, for the same rule: cargo xtask test --long"]
fn the_own_line_rests_while_the_neighbours_has_room_and_a_download_gets_both() -> Result<()> {
    rest_help_and_rest("gw1")
}

#[test]
fn the_neighbours_line_rests_while_the_own_one_has_room_and_a_download_gets_both() -> Result<()> {
    rest_help_and_rest("gw2")
}
