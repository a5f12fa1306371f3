//! An exit with a public IPv6 prefix: members' packets leave with their own leased addresses, untranslated.

use std::net::Ipv6Addr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use burstmesh_netns::community::{Community, fetches};
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::topology::plan;
use burstmesh_netns::{Lab, Topology, root};

/// Packets that a host got from an address, by a rule of its own.
fn seen(lab: &Lab, host: &str) -> Result<u64> {
    let text = lab
        .ns(host)
        .run("nft", &["list", "counter", "inet", "seen", "from"])?;
    let packets = text
        .split("packets ")
        .nth(1)
        .and_then(|t| t.split_whitespace().next());
    packets.context("no counter")?.parse().context("no number")
}

#[test]
fn routed_leases_reach_the_internet_as_they_are_and_nobody_begins_towards_them() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let prefix = plan::exit_prefix(0);
    let routed = format!("ipv6 = \"routed\"\n[leases]\nv6 = \"{prefix}/48\"\n");
    let mut community = Community::exit_with(&lab, &routed)?;
    community.start_agent("gw1", "")?;
    community.wait_pooling("gw1", 1, Duration::from_secs(10))?;
    let lease = community.status("gw1")?["lease"]["ipv6"]
        .as_str()
        .map(str::to_owned);
    let lease: Ipv6Addr = lease.context("no IPv6 lease")?.parse()?;
    assert_eq!(lease.to_bits() >> 80, prefix.to_bits() >> 80, "{lease}");

    let rules = format!(
        "table inet seen {{ counter from {{}}; chain in {{ type filter hook input priority 0; ip6 saddr {lease} counter name from; }}; }}"
    );
    lab.ns("web").run("nft", &[&rules])?;
    let server = HttpServer::start(&lab, "web", 80)?;
    let url = server.publish("six", 200_000, lab.link("web")?.v6)?;
    assert!(
        fetches(&lab, "c1", &url, Duration::from_secs(5)),
        "a client reaches nothing over IPv6: {}",
        community.exit_log()
    );
    let packets = seen(&lab, "web")?;
    assert!(packets > 10, "{packets} packets came from {lease}");

    // Real addresses, but no open door: what begins outside ends at the exit.
    let unsolicited = || -> Result<u64> {
        let status = community.exit_status()?;
        let all = status["firewall"].as_array().cloned().unwrap_or_default();
        let one = all.iter().find(|c| c["name"] == "unsolicited");
        one.and_then(|c| c["packets"].as_u64())
            .context("no counter")
    };
    let before = unsolicited()?;
    let lease = lease.to_string();
    let ping = lab
        .ns("web")
        .run("ping", &["-6", "-n", "-c", "1", "-W", "1", &lease]);
    assert!(ping.is_err(), "a member is reached from outside");
    assert!(unsolicited()? > before, "and it is not counted");
    Ok(())
}
