//! An exit in a provider's own network, for two communities of its customers.

use std::net::Ipv6Addr;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};
use burstmesh_netns::community::{Community, fetches};
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::topology::plan;
use burstmesh_netns::{Lab, Topology, root};

const HOMES: [&str; 4] = ["gw1", "gw2", "gw3", "gw4"];
const CLIENTS: [&str; 4] = ["c1", "c2", "c3", "c4"];
const READY: Duration = Duration::from_secs(10);

fn up(lab: &Lab) -> Result<Community<'_>> {
    let prefix = plan::exit_prefix(0);
    let routed = format!("ipv6 = \"routed\"\n[leases]\nv6 = \"{prefix}/48\"\n");
    let mut community = Community::exit_with(lab, &routed)?;
    for home in HOMES {
        community.start_agent(home, "")?;
    }
    community.wait_all_pooling(READY)?;
    Ok(community)
}

fn lease(community: &Community<'_>, home: &str, family: &str) -> Result<String> {
    let status = community.status(home)?;
    let lease = status["lease"][family].as_str();
    Ok(lease.context("no lease")?.to_owned())
}

/// Counts what comes to the server's port by source: a counter for each of `addresses`, and "other".
fn count_sources(lab: &Lab, addresses: &[Ipv6Addr]) -> Result<()> {
    let (mut counters, mut rules) = ("counter other {}\n".to_owned(), String::new());
    for (n, address) in addresses.iter().enumerate() {
        counters += &format!("counter from{n} {{}}\n");
        rules += &format!("ip6 saddr {address} counter name from{n} accept\n");
    }
    let table = format!(
        "table inet seen {{\n{counters}chain in {{\ntype filter hook input priority 0\n\
         {rules}tcp dport 80 counter name other\n}}\n}}\n"
    );
    lab.nft("web", &table)
}

fn counted(lab: &Lab, counter: &str) -> Result<u64> {
    let list = ["list", "counter", "inet", "seen", counter];
    let text = lab.ns("web").run("nft", &list)?;
    let after = text.split("packets ").nth(1);
    let packets = after.and_then(|t| t.split_whitespace().next());
    packets.context("no counter")?.parse().context("no number")
}

#[test]
fn members_of_two_communities_have_addresses_of_their_own_and_do_not_reach_each_other() -> Result<()>
{
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("at-provider")?)?;
    let community = up(&lab)?;
    let mut leases = Vec::new();
    for home in HOMES {
        leases.push(lease(&community, home, "ipv6")?.parse::<Ipv6Addr>()?);
    }
    // The web server sees every member under its own address, and nobody under another.
    count_sources(&lab, &leases)?;
    let server = HttpServer::start(&lab, "web", 80)?;
    let url = server.publish("six", 200_000, lab.link("web")?.v6)?;
    for (n, client) in CLIENTS.into_iter().enumerate() {
        assert!(
            fetches(&lab, client, &url, Duration::from_secs(5)),
            "{client} reaches nothing over IPv6: {}",
            community.exit_log()
        );
        for (other, address) in leases.iter().enumerate() {
            let packets = counted(&lab, &format!("from{other}"))?;
            assert_eq!(packets > 10, other <= n, "{packets} packets of {address}");
        }
    }
    assert_eq!(counted(&lab, "other")?, 0, "somebody was translated");

    // The two communities' ranges can be told apart by a filter.
    let range = |n: usize| leases.get(n).map(|a| a.to_bits() >> 64);
    assert_eq!((range(0), range(2)), (range(1), range(3)));
    assert_ne!(range(0), range(2));

    // Within the provider's network each line has an address of its own, so that the exit tells them apart.
    let mut seen = Vec::new();
    for home in HOMES {
        seen.push((home, format!("{}:", lab.link(home)?.v4)));
    }
    let status = community.exit_status()?.to_string();
    for (home, address) in seen {
        assert!(status.contains(&address), "{home} is not seen as {address}");
    }

    let web = lab.link("web")?;
    for target in [web.v4.to_string(), web.v6.to_string()] {
        assert!(community.pings("gw1", &target), "{target} is reachable");
    }
    for home in ["gw3", "gw4"] {
        for family in ["ipv4", "ipv6"] {
            let target = lease(&community, home, family)?;
            let before = community.refused_inside()?;
            assert!(
                !community.pings("gw1", &target),
                "{home} is reachable at {target}"
            );
            sleep(Duration::from_millis(50));
            let after = community.refused_inside()?;
            assert!(after > before, "the tries at {target} were not counted");
        }
    }
    Ok(())
}
