//! What a borrower can reach through the pool: the public Internet, and nothing else.

use std::time::Duration;

use anyhow::Result;
use burstmesh_netns::community::{Community, fetches};
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::{Lab, Topology, root};

/// A packet of the tunnel's own address from `gw1` towards `target`, past all rules of the gateway: bound to the device,
/// with the mark of pooled connections (0x10000000).
fn reaches(lab: &Lab, target: &str) -> bool {
    let family = if target.contains(':') { "-6" } else { "-4" };
    let mut ping = lab.ns("gw1").command("ping");
    ping.args([
        family,
        "-n",
        "-c",
        "2",
        "-i",
        "0.3",
        "-W",
        "1",
        "-m",
        "268435456",
        "-I",
        "bm0",
        target,
    ]);
    ping.stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    ping.status().is_ok_and(|status| status.success())
}

fn dropped(community: &Community<'_>) -> Result<u64> {
    let status = community.exit_status()?;
    let all = status["firewall"].as_array().cloned().unwrap_or_default();
    let drops = all
        .iter()
        .filter(|c| c["name"] != "up" && c["name"] != "down");
    Ok(drops.filter_map(|c| c["packets"].as_u64()).sum())
}

#[test]
fn nothing_private_and_no_member_is_reachable_through_the_exit_and_tries_are_counted() -> Result<()>
{
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::up(&Topology::builtin("three-homes")?)?;
    let community = Community::up(&lab)?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    let web = lab.link("web")?;
    assert!(
        reaches(&lab, &web.v4.to_string()),
        "the public Internet is reachable"
    );
    assert!(
        reaches(&lab, &web.v6.to_string()),
        "the public IPv6 Internet is reachable"
    );
    let neighbour = community.status("gw2")?["lease"]["ipv4"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let neighbour6 = community.status("gw2")?["lease"]["ipv6"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let targets = [
        "10.66.0.1",
        "172.20.0.1",
        "169.254.169.254",
        "192.168.100.1",
        "192.168.1.1",
        "192.168.1.10",
        "10.77.0.9",
        "fd66::1",
        &neighbour,
        &neighbour6,
    ];
    for target in targets {
        let before = dropped(&community)?;
        assert!(
            !reaches(&lab, target),
            "{target} is reachable through the exit"
        );
        std::thread::sleep(Duration::from_millis(50));
        let after = dropped(&community)?;
        assert!(
            after > before,
            "the tries at {target} were not counted: {before} {after}"
        );
    }
    Ok(())
}

#[test]
fn a_client_still_reaches_its_own_private_neighbourhood_directly() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::up(&Topology::builtin("three-homes")?)?;
    let community = Community::up(&lab)?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    // The modem's page stands on the own line behind a private address: never pooled.
    let modem = lab.ns("c1").run(
        "ping",
        &["-n", "-c", "2", "-i", "0.3", "-W", "1", "192.168.100.1"],
    );
    assert!(modem.is_ok(), "{modem:?}");
    let server = HttpServer::start(&lab, "web", 80)?;
    let url6 = server.publish("six", 20_000, lab.link("web")?.v6)?;
    assert!(
        fetches(&lab, "c1", &url6, Duration::from_secs(3)),
        "IPv6 inside works"
    );
    Ok(())
}
