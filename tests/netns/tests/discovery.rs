//! Gateways find each other over the mesh.

use std::time::{Duration, Instant};

use anyhow::Result;
use burstmesh_netns::community::{Community, fetches, sessions};
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::{Lab, Topology, root};

const SOON: Duration = Duration::from_secs(3);

#[test]
fn gateways_see_each_other_within_three_seconds_of_start_and_of_a_restart() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let mut community = Community::up(&lab)?;
    let all_meet = |community: &Community<'_>, since: Instant| -> Result<()> {
        for home in ["gw1", "gw2", "gw3"] {
            let left = SOON.saturating_sub(since.elapsed());
            community.wait(home, left, "meeting both neighbours", |s| sessions(s) == 2)?;
        }
        println!("all have met {:?} after the last start", since.elapsed());
        Ok(())
    };
    all_meet(&community, Instant::now())?;
    community.stop_agent("gw2")?;
    let restart = Instant::now();
    community.start_agent("gw2", "")?;
    all_meet(&community, restart)?;
    community.wait_pooling("gw2", 3, SOON)?;
    let table = community.status_table("gw2")?;
    println!("{table}");
    assert!(table.starts_with("pooling over several lines\n"));
    let wide = |l: &&str| l.len() > 80;
    assert_eq!(table.lines().find(wide), None, "wider than a terminal");
    Ok(())
}

/// One lender has IPv4 alone, behind a translation, and one IPv6 alone: the exit is known by an address of each, and every
/// home must find the one that each line leads to.
#[test]
fn a_home_without_a_line_pools_over_neighbours_of_either_address_family() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("no-own-line")?)?;
    let without = lab.topology().homes.iter().filter(|h| h.line.is_none());
    assert_eq!(without.count(), 1);
    let community = Community::up(&lab)?;
    for home in ["gw1", "gw2", "gw3"] {
        let took = community.wait_pooling(home, 2, Duration::from_secs(20))?;
        println!("{home} pools over both lines after {took:?} more");
    }
    let server = HttpServer::start(&lab, "web", 80)?;
    let web = lab.link("web")?;
    for url in [
        server.publish("page", 20_000, web.v4)?,
        server.url(web.v6, "page"),
    ] {
        for client in ["c1", "c2", "c3"] {
            let works = fetches(&lab, client, &url, Duration::from_secs(3));
            assert!(works, "{url} from {client}");
        }
    }
    Ok(())
}
