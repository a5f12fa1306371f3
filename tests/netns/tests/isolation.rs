//! What a borrower can reach through the pool: the public Internet, and nothing else. What he, or anybody in radio range,
//! can reach over the mesh: the agent, and nothing else.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};
use burstmesh_netns::community::{Community, fetches, sessions};
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::{Lab, Topology, root};

#[test]
fn nothing_private_and_no_member_is_reachable_through_the_exit_and_tries_are_counted() -> Result<()>
{
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let community = Community::up(&lab)?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    let web = lab.link("web")?;
    assert!(
        community.pings("gw1", &web.v4.to_string()),
        "the public Internet is reachable"
    );
    assert!(
        community.pings("gw1", &web.v6.to_string()),
        "the public IPv6 Internet is reachable"
    );
    let beside = Ipv6Addr::from_bits(lab.link("exit")?.v6.to_bits() >> 64 << 64 | 0x99);
    lab.stand_beside("exit", beside)?;
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
        // On the link of the exit's own line, as other devices of a home that has the exit.
        &lab.link("exit")?.core4.to_string(),
        &lab.link("exit")?.core6.to_string(),
        &beside.to_string(),
    ];
    let address = beside.to_string();
    // Some tries: on a busy machine one answer may take its time.
    let answers = (0..5).any(|_| {
        let ping = ["-c", "1", "-W", "1", &address];
        lab.ns("exit").run("ping", &ping).is_ok()
    });
    assert!(answers, "{beside} does not even answer the exit");
    for target in targets {
        let before = community.refused_inside()?;
        assert!(
            !community.pings("gw1", target),
            "{target} is reachable through the exit"
        );
        sleep(Duration::from_millis(50));
        let after = community.refused_inside()?;
        assert!(
            after > before,
            "the tries at {target} were not counted: {before} {after}"
        );
    }
    what_becomes_known_beside_the_exit_is_closed(&lab, &community)
}

fn what_becomes_known_beside_the_exit_is_closed(
    lab: &Lab,
    community: &Community<'_>,
) -> Result<()> {
    let public: Ipv6Addr = "2a00:88:77::99".parse()?;
    lab.stand_beside("exit", public)?;
    assert!(community.pings("gw1", &public.to_string()));
    lab.ip("exit", "route add 2a00:88:77::/64 dev eth0\n")?;
    sleep(Duration::from_millis(700));
    assert!(!community.pings("gw1", &public.to_string()));
    Ok(())
}

#[test]
fn a_client_still_reaches_its_own_private_neighbourhood_directly() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
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

#[test]
fn two_communities_behind_one_exit_and_on_one_mesh_know_nothing_of_each_other() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("two-communities")?)?;
    let community = Community::up(&lab)?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    // Long enough for several announcements of everybody.
    sleep(Duration::from_secs(2));
    let mut leases = Vec::new();
    for home in ["gw1", "gw2", "gw3", "gw4"] {
        let status = community.status(home)?;
        assert_eq!(sessions(&status), 1, "{home}: {status:#}");
        assert_eq!(status["peers"].as_array().map(Vec::len), Some(1), "{home}");
        for family in ["ipv4", "ipv6"] {
            let lease = status["lease"][family].as_str().context("no lease")?;
            leases.push((home, lease.to_owned()));
        }
    }
    let web = lab.link("web")?;
    assert!(
        community.pings("gw1", &web.v4.to_string()) && community.pings("gw1", &web.v6.to_string())
    );
    for (home, lease) in leases.iter().filter(|(home, _)| *home > "gw2") {
        let before = community.refused_inside()?;
        assert!(
            !community.pings("gw1", lease),
            "{home} is reachable at {lease}"
        );
        sleep(Duration::from_millis(50));
        let after = community.refused_inside()?;
        assert!(after > before, "the tries at {lease} were not counted");
    }
    let mut all: Vec<_> = leases.iter().map(|(_, lease)| lease).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 8, "a lease was given twice: {leases:?}");
    Ok(())
}

/// What somebody at `gw3` tries at `gw1` over the mesh: its pages and what stands behind it.
struct Tries {
    pages: Vec<String>,
    behind: Vec<String>,
    /// Kept alive.
    _servers: [HttpServer; 4],
}

impl Tries {
    /// The owner of `gw1` is as careless as can be: pages and a login on all addresses, everything forwarded.
    fn prepare(lab: &Lab) -> Result<Self> {
        let servers = [("gw1", 80), ("gw1", 22), ("c1", 8080), ("web", 80)];
        let [page, login, inside, web] = servers.map(|(ns, port)| HttpServer::start(lab, ns, port));
        let servers = [page?, login?, inside?, web?];
        lab.nft(
            "gw1",
            "add rule inet home zone_burstmesh iifname mesh0 accept\n",
        )?;
        let local = link_local(lab, "gw1")?;
        let unique = Ipv6Addr::new(0xfd6d, 0, 0, 0, 0, 0, 0, 1);
        let (mesh4, web) = (Ipv4Addr::new(10, 9, 9, 1), lab.link("web")?.v4);
        let prefix = lab.lan_prefix("gw1")?.context("the home has IPv6")?;
        let client = Ipv6Addr::from_bits(prefix.to_bits() | 0x10);
        for (home, last) in [("gw1", 1), ("gw3", 3)] {
            for address in [format!("fd6d::{last}/64"), format!("10.9.9.{last}/24")] {
                let arguments = ["address", "add", &address, "dev", "mesh0", "nodad"];
                lab.ns(home).run("ip", &arguments)?;
            }
        }
        // Over the mesh into the neighbour's LAN, and over the neighbour's line into the Internet.
        let gw3 = lab.ns("gw3");
        let via = ["via", &local.to_string(), "dev", "mesh0"];
        gw3.run(
            "ip",
            &[&["route", "add", &format!("{client}/128")], &via[..]].concat(),
        )?;
        gw3.run(
            "ip",
            &["route", "add", &web.to_string(), "via", &mesh4.to_string()],
        )?;
        Ok(Self {
            pages: vec![
                format!("http://[{local}%25mesh0]/"),
                format!("http://[{local}%25mesh0]:22/"),
                format!("http://[{unique}]/"),
                format!("http://{mesh4}:22/"),
            ],
            behind: vec![format!("http://[{client}]:8080/"), format!("http://{web}/")],
            _servers: servers,
        })
    }

    fn all(&self) -> impl Iterator<Item = &String> {
        self.pages.iter().chain(&self.behind)
    }
}

fn link_local(lab: &Lab, home: &str) -> Result<Ipv6Addr> {
    let arguments = [
        "-6", "-o", "address", "show", "dev", "mesh0", "scope", "link",
    ];
    let shown = lab.ns(home).run("ip", &arguments)?;
    let found = shown.split_whitespace().find_map(|w| w.strip_suffix("/64"));
    Ok(found.context("no link-local address")?.parse()?)
}

fn refused_from_mesh(community: &Community<'_>) -> Result<(u64, u64)> {
    let status = community.status("gw1")?;
    let count = |what: &str| status["mesh_refused"][what].as_u64().context("no count");
    Ok((count("input")?, count("forward")?))
}

#[test]
fn over_the_mesh_a_neighbour_reaches_the_agent_alone_and_other_tries_are_counted() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let tries = Tries::prepare(&lab)?;
    let works = |url: &str| fetches(&lab, "gw3", url, Duration::from_secs(1));
    for url in tries.all() {
        assert!(works(url), "{url} cannot be tried");
    }
    let mut community = Community::up(&lab)?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    for url in tries.all() {
        let before = refused_from_mesh(&community)?;
        assert!(!works(url), "{url} is reachable over the mesh");
        let after = refused_from_mesh(&community)?;
        let grown = if tries.pages.contains(url) {
            after.0 > before.0
        } else {
            after.1 > before.1
        };
        assert!(
            grown,
            "the try at {url} was not counted: {before:?} {after:?}"
        );
    }
    let table = community.status_table("gw1")?;
    assert!(table.contains(" over the mesh, for this router"), "{table}");
    let address = format!("{}%mesh0", link_local(&lab, "gw1")?);
    let ping = lab
        .ns("gw3")
        .run("ping", &["-c", "3", "-i", "0.2", &address]);
    assert!(ping.is_ok(), "a ping is no harm: {ping:?}");

    // The owner opens it, in a running agent; what was counted stays counted.
    let counted = refused_from_mesh(&community)?;
    community.write_changed_config("gw1", "'mesh0'", "'mesh0'\n\toption open '1'")?;
    community.reload("gw1")?;
    sleep(Duration::from_secs(1));
    for url in tries.all() {
        assert!(works(url), "{url} was opened");
    }
    assert_eq!(refused_from_mesh(&community)?, counted);
    Ok(())
}
