//! An exit in a provider's own network, for two communities of its customers.

use std::net::IpAddr;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use burstmesh_netns::canary::measure_quietly;
use burstmesh_netns::community::{Community, fetches};
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::transfer::{self, start_download};
use burstmesh_netns::topology::plan;
use burstmesh_netns::{Lab, Topology, root};

const HOMES: [&str; 4] = ["gw1", "gw2", "gw3", "gw4"];
const CLIENTS: [&str; 4] = ["c1", "c2", "c3", "c4"];
const READY: Duration = Duration::from_secs(10);
/// How long loads run, and what of it does not count.
const LOAD: Duration = Duration::from_millis(4500);
const START: Duration = Duration::from_millis(1500);
/// The exit's line, less what the tunnel adds to each packet, and what a community is held to, down and up; bit/s.
const WHOLE: f64 = 27e6;
const HELD: f64 = 6e6;
const HELD_UP: f64 = 2e6;
/// How often a run on a busy machine is repeated.
const ATTEMPTS: u32 = 3;

/// Public IPv4 addresses for the members: five a community.
const PUBLIC4: &str = "88.201.0.0/28";

fn up(lab: &Lab) -> Result<Community<'_>> {
    let via = lab.link("exit")?.v4;
    lab.ip(plan::CORE, &format!("route add {PUBLIC4} via {via}\n"))?;
    let prefix = plan::exit_prefix(0);
    let routed = format!(
        "nat44 = false\nipv6 = \"routed\"\n\
         [leases]\nv4 = \"{PUBLIC4}\"\ncommunity_v4 = 29\nv6 = \"{prefix}/48\"\n"
    );
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
fn count_sources(lab: &Lab, addresses: &[IpAddr]) -> Result<()> {
    let (mut counters, mut rules) = ("counter other {}\n".to_owned(), String::new());
    for (n, address) in addresses.iter().enumerate() {
        counters += &format!("counter from{n} {{}}\n");
        let family = if address.is_ipv4() { "ip" } else { "ip6" };
        rules += &format!("{family} saddr {address} counter name from{n} accept\n");
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

/// From a home of the first community the Internet answers, and a member of the second one does not.
fn unreachable(lab: &Lab, community: &Community<'_>) -> Result<()> {
    let web = lab.link("web")?;
    for target in [web.v4.to_string(), web.v6.to_string()] {
        assert!(community.pings("gw1", &target), "{target} is reachable");
    }
    for family in ["ipv4", "ipv6"] {
        let target = lease(community, "gw3", family)?;
        let before = community.refused_inside()?;
        assert!(
            !community.pings("gw1", &target),
            "gw3 is reachable at {target}"
        );
        sleep(Duration::from_millis(50));
        let after = community.refused_inside()?;
        assert!(after > before, "the tries at {target} were not counted");
    }
    Ok(())
}

/// A community that has members enough takes no new router.
fn turned_away(lab: &Lab, community: &mut Community<'_>) -> Result<()> {
    community.proxy(&["community", "set", "oak-street", "--members", "2"])?;
    community.stop_agent("gw4")?;
    std::fs::remove_file(lab.ns("gw4").dir().join("key"))?;
    community.start_agent("gw4", "")?;
    let begun = Instant::now();
    while community.exit_status()?["refusals"]["members_enough"] == 0 {
        assert!(begun.elapsed() < READY, "a third router was let in");
        sleep(Duration::from_millis(50));
    }
    assert!(community.exit_log().contains("members as `community set"));
    Ok(())
}

#[test]
fn members_of_two_communities_have_addresses_of_their_own_and_do_not_reach_each_other() -> Result<()>
{
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("at-provider")?)?;
    let mut community = up(&lab)?;
    let mut leases: Vec<IpAddr> = Vec::new();
    for family in ["ipv4", "ipv6"] {
        for home in HOMES {
            leases.push(lease(&community, home, family)?.parse()?);
        }
    }
    // The web server sees every member under its own addresses, and nobody under another.
    count_sources(&lab, &leases)?;
    let server = HttpServer::start(&lab, "web", 80)?;
    let web = lab.link("web")?;
    let mut fetched = 0;
    for address in [IpAddr::from(web.v4), web.v6.into()] {
        let url = server.publish("page", 200_000, address)?;
        for client in CLIENTS {
            assert!(
                fetches(&lab, client, &url, Duration::from_secs(5)),
                "{client} reaches nothing at {address}: {}",
                community.exit_log()
            );
            fetched += 1;
            for (n, lease) in leases.iter().enumerate() {
                let packets = counted(&lab, &format!("from{n}"))?;
                assert_eq!(packets > 10, n < fetched, "{packets} packets of {lease}");
            }
        }
    }
    assert_eq!(counted(&lab, "other")?, 0, "somebody was translated");

    // The two communities' ranges can be told apart by a filter.
    let range = |n: usize| match leases.get(n) {
        Some(IpAddr::V6(lease)) => Some(lease.to_bits() >> 64),
        _ => None,
    };
    assert!(range(4).is_some() && range(4) == range(5) && range(6) == range(7));
    assert_ne!(range(4), range(6));

    // Within the provider's network each line has an address of its own, so that the exit tells them apart.
    let mut seen = Vec::new();
    for home in HOMES {
        seen.push((home, format!("{}:", lab.link(home)?.v4)));
    }
    let status = community.exit_status()?.to_string();
    for (home, address) in seen {
        assert!(status.contains(&address), "{home} is not seen as {address}");
    }

    unreachable(&lab, &community)?;
    turned_away(&lab, &mut community)
}

/// The kernel's shaper on the exit's device for members, as docs/provider.md has it: half of the line for each community,
/// and what the other leaves.
fn divide(lab: &Lab) -> Result<()> {
    let exit = lab.ns("exit");
    let tc = |words: &str| exit.run("tc", &words.split(' ').collect::<Vec<_>>());
    tc("qdisc add dev bmx0 root handle 1: htb")?;
    tc("class add dev bmx0 parent 1: classid 1:1 htb rate 27mbit")?;
    for class in ["1:11", "1:12"] {
        tc(&format!(
            "class add dev bmx0 parent 1:1 classid {class} htb rate 13mbit ceil 27mbit"
        ))?;
        tc(&format!(
            "qdisc add dev bmx0 parent {class} bfifo limit 200000"
        ))?;
    }
    let [elm, oak] = [0, 1].map(|n| plan::exit_prefix(0).to_bits() | n << 64);
    let range = |bits: u128| std::net::Ipv6Addr::from_bits(bits);
    lab.nft(
        "exit",
        &format!(
            "table inet communities {{\nchain classes {{\ntype filter hook forward priority 0\n\
             oifname bmx0 ip6 daddr {}/64 meta priority set 1:11\n\
             oifname bmx0 ip6 daddr {}/64 meta priority set 1:12\n}}\n}}\n",
            range(elm),
            range(oak)
        ),
    )
}

/// What downloads by these clients at once reach, bit/s.
fn load<const N: usize>(lab: &Lab, url: &str, clients: [&str; N]) -> Result<[f64; N]> {
    let running = clients.map(|client| start_download(lab, client, url, LOAD));
    let mut rates = [0.0; N];
    for (rate, flow) in rates.iter_mut().zip(running) {
        *rate = flow?.finish()?.rate_after(START);
    }
    println!("{:.1?} Mbit/s", rates.map(|rate| rate / 1e6));
    Ok(rates)
}

#[test]
#[ignore = "rates, and a shaper of the kernel's: cargo xtask test --long"]
fn a_busy_community_leaves_the_other_its_part_of_the_line() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::up(&Topology::builtin("at-provider")?)?;
    let _community = up(&lab)?;
    divide(&lab)?;
    let server = HttpServer::start(&lab, "web", 80)?;
    let url = server.publish("file", 100_000_000, lab.link("web")?.v6)?;
    let rates = load(&lab, &url, ["c1", "c1", "c2", "c2", "c3", "c4"])?;
    let (elm, oak): (f64, f64) = (rates[..4].iter().sum(), rates[4..].iter().sum());
    assert!(elm + oak > 0.7 * WHOLE, "the line stood idle");
    assert!(elm.min(oak) > 0.4 * (elm + oak), "one was starved");
    Ok(())
}

#[test]
fn a_community_is_held_to_a_rate_at_once_and_leaves_the_others_the_rest() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::up(&Topology::builtin("at-provider")?)?;
    let community = up(&lab)?;
    let server = Arc::new(HttpServer::start(&lab, "web", 80)?);
    let web = lab.link("web")?;
    let url = server.publish("file", 100_000_000, web.v6)?;
    let set = |options: &[&str]| {
        community.proxy(&[&["community", "set", "oak-street"], options].concat())
    };
    set(&["--down", "6mbit", "--up", "2mbit"])?;
    let [oak, tree] = measure_quietly(&lab, ATTEMPTS, || load(&lab, &url, ["c3", "c4"]))?;
    // Payload of what the lines carry.
    ensure!((0.8 * HELD..HELD).contains(&(oak + tree)));
    ensure!(oak.min(tree) > 0.3 * HELD, "one was starved");

    let [elm, oak, tree] =
        measure_quietly(&lab, ATTEMPTS, || load(&lab, &url, ["c1", "c3", "c4"]))?;
    ensure!(elm > 0.7 * (WHOLE - HELD), "the other got {elm}");
    // The exit's line is full now, and a limit guarantees nobody a part of it.
    ensure!((0.6 * HELD..HELD).contains(&(oak + tree)));

    let up = server.url(web.v4, "up/file");
    let send = |client| {
        let sent = transfer::upload(&lab, client, &server, &up, 30_000_000, LOAD)?;
        let rate = sent.rate_after(START);
        println!("{client} sends {:.2} Mbit/s", rate / 1e6);
        Ok(rate)
    };
    let oak = measure_quietly(&lab, ATTEMPTS, || send("c3"))?;
    ensure!((0.7 * HELD_UP..HELD_UP).contains(&oak), "held to {oak}");
    let dropped = community.exit_status()?["refusals"]["over_rate"].clone();
    ensure!(dropped.as_u64() > Some(0), "{dropped} were dropped");

    set(&["--down", "any", "--up", "any"])?;
    let [oak] = load(&lab, &url, ["c3"])?;
    ensure!(oak > 2.0 * HELD, "still held: {oak}");
    Ok(())
}
