//! What a household has besides pooling goes on: port forwards, inbound IPv6, names while the own line is down; and
//! stopping the agent leaves the router as it was.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};
use burstmesh_linux::ethtool;
use burstmesh_netns::community::{Community, fetches, first_fetch};
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::transfer;
use burstmesh_netns::{Lab, Topology, packages, root};

const SOON: Duration = Duration::from_secs(3);

#[test]
fn port_forwards_and_inbound_ipv6_reach_a_client_while_it_pools() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let community = Community::up(&lab)?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    let inside = HttpServer::start(&lab, "c1", 8080)?;
    let home = lab.link("gw1")?;
    lab.forward_port(
        "gw1",
        8080,
        SocketAddrV4::new(Ipv4Addr::new(192, 168, 1, 10), 8080),
    )?;
    let url = inside.publish("hello", 50_000, home.v4)?;
    assert!(
        fetches(&lab, "web", &url, SOON),
        "the port forward does not work"
    );
    let prefix = lab.lan_prefix("gw1")?.context("the home has IPv6")?;
    let client = Ipv6Addr::from_bits(prefix.to_bits() | 0x10);
    lab.open_ipv6("gw1", client, 8080)?;
    let url6 = inside.url(client, "hello");
    assert!(
        fetches(&lab, "web", &url6, SOON),
        "inbound IPv6 to {client} does not work"
    );
    Ok(())
}

#[test]
fn names_are_resolved_and_pages_fetched_while_the_own_line_is_down() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let server = HttpServer::start(&lab, "web", 80)?;
    server.publish("page", 20_000, lab.link("web")?.v4)?;
    let community = Community::up(&lab)?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    let page = "http://web.test/page";
    assert!(
        fetches(&lab, "c1", page, SOON),
        "names work with the own line"
    );
    lab.line("gw1").silent()?;
    community.wait(
        "gw1",
        Duration::from_secs(5),
        "living from its neighbours",
        |s| s["dns_rescue"] == true,
    )?;
    let took = first_fetch(&lab, "c1", page, Duration::from_secs(10));
    println!("a page by name {took:?} after the line went silent");
    assert!(
        took.is_some(),
        "names do not work while the own line is down"
    );
    Ok(())
}

/// What of a router an agent could leave changed.
fn look(lab: &Lab) -> Result<String> {
    let ns = lab.ns("gw1");
    let parts = [
        ns.run("ip", &["rule"])?,
        ns.run("ip", &["-6", "rule"])?,
        ns.run("ip", &["route", "show", "table", "all"])?,
        ns.run("ip", &["-br", "link"])?,
        ns.run("nft", &["list", "tables"])?,
    ];
    Ok(parts.join("\n"))
}

/// As docs/household.md says: what stays in a pause is the device and the table, and no connection is marked.
#[test]
fn a_paused_agent_has_its_device_and_its_table_and_all_else_is_as_it_was() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    packages::require(&["conntrack"])?;
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let server = HttpServer::start(&lab, "web", 80)?;
    let web = lab.link("web")?.v4;
    let url = server.publish("page", 20_000, web)?;
    sleep(Duration::from_secs(1));
    let before = look(&lab)?;
    let community = Community::up(&lab)?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    let marked = || -> Result<bool> {
        let (ns, to) = (lab.ns("gw1"), web.to_string());
        let _ = ns.run("conntrack", &["-D", "-d", &to]);
        assert!(fetches(&lab, "c1", &url, Duration::from_secs(2)));
        let tracked = ns.run("conntrack", &["-L", "-d", &to])?;
        assert!(tracked.contains("mark="), "no connection: {tracked}");
        Ok(tracked.lines().any(|line| !line.contains("mark=0 ")))
    };
    assert!(marked()?, "pooled connections are marked");
    community.ask("gw1", &["pause", "5"])?;
    sleep(Duration::from_secs(2));
    assert!(!marked()?, "nothing is marked in a pause");
    let ours = |line: &&str| !line.contains("bm0") && *line != "table inet burstmesh";
    let now = look(&lab)?;
    assert_ne!(now, before);
    let rest: Vec<_> = now.lines().filter(ours).collect();
    assert_eq!(rest, before.lines().collect::<Vec<_>>());
    community.ask("gw1", &["resume"])?;
    community.wait_pooling("gw1", 3, Duration::from_secs(10))?;
    Ok(())
}

#[test]
fn a_stopped_agent_leaves_the_router_as_it_was() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    sleep(Duration::from_secs(1));
    let before = look(&lab)?;
    // Whether the kernel glues what clients send (`option gro`).
    let glues = || lab.ns("gw1").within(|| ethtool::gro("lan0"));
    assert_eq!(glues()?, Ok(false));
    let mut community = Community::up(&lab)?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    assert_ne!(look(&lab)?, before);
    assert_eq!(glues()?, Ok(true));
    community.stop_agent("gw1")?;
    assert_eq!(look(&lab)?, before);
    assert_eq!(glues()?, Ok(false));
    Ok(())
}

/// The lab's routers do both; this shows that it matters, and so that the other tests show something.
#[test]
fn pooling_needs_the_tunnels_zone_and_the_agents_word_about_sources() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let community = Community::up(&lab)?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    let server = HttpServer::start(&lab, "web", 80)?;
    let url = server.publish("page", 20_000, lab.link("web")?.v4)?;
    let works = || fetches(&lab, "c1", &url, Duration::from_secs(1));
    assert!(works(), "all is as it should be");
    let agents = [("rp_filter", "2"), ("src_valid_mark", "1")];
    let settings = |values: [(&str, &str); 2]| {
        let [one, other] = values.map(|(name, value)| (format!("net/ipv4/conf/bm0/{name}"), value));
        lab.ns("gw1")
            .sysctls(&[(&one.0, one.1), (&other.0, other.1)])
    };
    settings([("rp_filter", "0"), ("src_valid_mark", "0")])?;
    assert!(!works(), "answers from the tunnel pass a strict check");
    settings(agents)?;
    assert!(works(), "the agent's settings let answers in");
    lab.nft("gw1", "flush chain inet home zone_burstmesh\n")?;
    assert!(!works(), "the firewall forwards to a device of no zone");
    Ok(())
}

#[test]
fn what_netifd_takes_from_the_device_comes_back_within_half_a_second_and_ends_no_connection()
-> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let mut community = Community::up(&lab)?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    sleep(Duration::from_secs(1));
    let ns = lab.ns("gw1");
    let look = || -> Result<String> {
        Ok(ns.run("ip", &["-br", "-4", "address", "show", "bm0"])?
            + &ns.run("ip", &["route", "show", "table", "181"])?)
    };
    let before = look()?;
    let server = HttpServer::start(&lab, "web", 80)?;
    let large = server.publish("large", 40_000_000, lab.link("web")?.v4)?;
    let running = transfer::start_download(&lab, "c1", &large, Duration::from_secs(30))?;
    sleep(Duration::from_secs(2));
    // As it claims the device of an interface, and as it lets go of one.
    for losses in [
        &["address flush dev bm0", "route flush dev bm0 table 181"][..],
        &["link set bm0 down", "address flush dev bm0"][..],
    ] {
        for loss in losses {
            ns.run("ip", &loss.split(' ').collect::<Vec<_>>())?;
        }
        sleep(Duration::from_millis(500));
        assert_eq!(look()?, before, "{losses:?}");
    }
    assert!(community.agent("gw1")?.log().contains("put back"));
    let result = running.finish()?;
    println!("longest gap {:?}", result.longest_gap);
    assert!(
        result.complete && result.intact,
        "the download ended: {result:?}"
    );
    Ok(())
}

#[test]
fn a_second_agent_takes_nothing_from_the_first_and_a_flushed_firewall_comes_back() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let mut community = Community::up(&lab)?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    sleep(Duration::from_secs(1));
    let ns = lab.ns("gw1");
    let look = || -> Result<String> {
        Ok(ns.run("ip", &["rule"])?
            + &ns.run("nft", &["-s", "list", "table", "inet", "burstmesh"])?)
    };
    let before = look()?;
    let config = community.write_agent_config("gw1", "")?;
    let program = burstmesh_netns::packages::own_program("burstmesh").context("no agent")?;
    let mut second = ns.command(&program.display().to_string());
    second.args(["run", "--config"]).arg(config);
    second
        .arg("--socket")
        .arg(lab.run_dir().join("second.sock"));
    let ended = second.output()?;
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    sleep(Duration::from_millis(1500));
    assert_eq!(
        look()?,
        before,
        "the second agent took the first one's rules"
    );
    ns.run("nft", &["flush", "ruleset"])?;
    sleep(Duration::from_secs(7));
    assert_eq!(look()?, before);
    assert!(
        community
            .agent("gw1")?
            .log()
            .contains("somebody has flushed it")
    );
    Ok(())
}
