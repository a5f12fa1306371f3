//! Two exits: when the one in use dies, new connections go through the other, and old ones end at once.

use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use burstmesh_netns::community::Community;
use burstmesh_netns::exit::Exit;
use burstmesh_netns::tools::crowd::Crowd;
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::transfer;
use burstmesh_netns::topology::Host;
use burstmesh_netns::{Lab, Topology, root};

const BACK: Duration = Duration::from_secs(10);
const BAR: Duration = Duration::from_secs(1);
/// One try of a new connection.
const TRY: &str = "0.25";

/// Three homes, and a second exit beside the first.
fn topology() -> Result<Topology> {
    let mut topology = Topology::builtin("three-homes")?;
    let second = Host {
        name: "exit2".to_owned(),
        also: Vec::new(),
        providers_own: false,
        line: None,
    };
    topology.exits.push(second);
    Ok(topology)
}

/// The first exit is preferred, and the second serves the same community.
fn two_exits(lab: &Lab) -> Result<(Community<'_>, Exit<'_>)> {
    let mut community = Community::exit_only(lab)?;
    let mut second = Exit::on_server(lab, "exit2", "")?;
    second.proxy(&["community", "join", community.invitation("gw1")?])?;
    second.start()?;
    let more = second.section("\toption preference '1'\n")?;
    for home in ["gw1", "gw2", "gw3"] {
        community.start_agent(home, &more)?;
    }
    community.wait_all_pooling(BACK)?;
    Ok((community, second))
}

/// From where the server sees a new connection of `c1`.
fn seen(lab: &Lab, url: &str) -> Option<Ipv4Addr> {
    let mut command = lab.ns("c1").command("curl");
    let output = command.args(["-sf", "--max-time", TRY, url]).output();
    String::from_utf8(output.ok()?.stdout).ok()?.parse().ok()
}

/// Tries new connections until the server sees one from `exit`; how long that took.
fn first_through(lab: &Lab, url: &str, exit: Ipv4Addr) -> Option<Duration> {
    let begun = Instant::now();
    while begun.elapsed() < 3 * BAR {
        if seen(lab, url) == Some(exit) {
            return Some(begun.elapsed());
        }
    }
    None
}

/// The first exit dies in the middle of a download. Two cores carry the lab and whatever else the machine does, so the
/// second of two deaths may decide.
fn the_second_takes_over(die: impl Fn(&Lab, &mut Community<'_>) -> Result<()>) -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let mut took = None;
    for _ in 0..2 {
        let lab = Lab::beside(&topology()?)?;
        let (mut community, _second) = two_exits(&lab)?;
        let server = HttpServer::start(&lab, "web", 80)?;
        let web = lab.link("web")?.v4;
        let (who, large) = (
            server.url(web, "who"),
            server.publish("large", 90_000_000, web)?,
        );
        let (first, second) = (lab.link("exit")?.v4, lab.link("exit2")?.v4);
        ensure!(seen(&lab, &who) == Some(first), "not by the preferred exit");
        let running = transfer::start_download(&lab, "c1", &large, Duration::from_secs(20))?;
        sleep(Duration::from_secs(2));
        let died = Instant::now();
        die(&lab, &mut community)?;
        took = first_through(&lab, &who, second);
        println!("through the other exit after {took:?}");
        // The old connection cannot live on: its client knows at once instead of waiting.
        while !running.ended() && died.elapsed() < 4 * BAR {
            sleep(Duration::from_millis(10));
        }
        let knew = died.elapsed();
        let old = running.finish()?;
        println!("the old connection ended after {knew:?}: {}", old.said);
        assert!(knew < 2 * BAR, "{knew:?}: {}", old.said);
        assert_eq!(old.exit_code, Some(56), "{}", old.said);
        community.wait("gw1", BACK, "pooling by the second exit", |s| {
            s["lease"]["name"] == "exit2" && s["lease"]["why"] == "another did not answer"
        })?;
        community.wait_all_pooling(BACK)?;
        if took.is_some_and(|took| took < BAR) {
            return Ok(());
        }
    }
    anyhow::bail!("{took:?}");
}

#[test]
fn when_the_exit_in_use_is_killed_new_connections_go_through_the_other_within_a_second()
-> Result<()> {
    the_second_takes_over(|_, community| community.kill_exit())
}

#[test]
fn when_the_exit_in_use_falls_silent_new_connections_go_through_the_other_within_a_second()
-> Result<()> {
    the_second_takes_over(|lab, _| {
        let hook = |name: &str| {
            format!("chain {name} {{ type filter hook {name} priority -300; policy drop; }}\n")
        };
        let chains = ["input", "forward", "output"].map(hook).concat();
        lab.nft("exit", &format!("table inet silent {{\n{chains}}}\n"))
    })
}

/// Both exits give the home the same lease, so that nothing but the time tells old connections from new ones.
#[test]
fn every_connection_through_an_exit_that_dies_is_reset_also_where_none_is_left() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&topology()?)?;
    let (mut community, mut second) = two_exits(&lab)?;
    for exit in ["exit", "exit2"] {
        let link = lab.link(exit)?;
        let there = [link.v4.into(), link.v6.into()];
        let crowd = Crowd::start(&lab, "c1", "web", 120)?;
        ensure!(crowd.seen_from(&there) == 120, "not through {exit}");
        sleep(BAR);
        let since = Instant::now();
        if exit == "exit" {
            community.kill_exit()?;
        } else {
            second.kill()?;
        }
        let last = crowd.ends_from(&there, since, 4 * BAR)?;
        println!("{exit} is lost: all 120 were reset, the last after {last:?}");
        ensure!(last < 2 * BAR, "{last:?}");
    }
    Ok(())
}
