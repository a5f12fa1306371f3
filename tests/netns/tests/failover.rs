//! When something goes away: a line, the exit, the agent, the mesh. Clients go on, and pooling comes back by itself.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use burstmesh_netns::community::{Community, first_fetch, live_paths};
use burstmesh_netns::daemon::Usage;
use burstmesh_netns::emulator::Way;
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::transfer;
use burstmesh_netns::{Lab, Topology, root};

const BACK: Duration = Duration::from_secs(10);
const OWN_LINE: Duration = Duration::from_secs(2);

struct Scene {
    small: String,
    large: String,
    server: Arc<HttpServer>,
}

fn scene(lab: &Lab) -> Result<Scene> {
    let server = Arc::new(HttpServer::start(lab, "web", 80)?);
    let web = lab.link("web")?.v4;
    Ok(Scene {
        small: server.publish("small", 20_000, web)?,
        large: server.publish("large", 90_000_000, web)?,
        server,
    })
}

/// A slow download that starts before the agents and so stays on the own line.
fn direct_connection(lab: &Lab, scene: &Scene) -> Result<std::process::Child> {
    let mut command = lab.ns("c1").command("curl");
    command.args([
        "-sf",
        "-o",
        "/dev/null",
        "--limit-rate",
        "40k",
        "--max-time",
        "60",
    ]);
    let url = scene
        .server
        .publish("direct", 1_200_000, lab.link("web")?.v4)?;
    let child = command.arg(url).spawn()?;
    sleep(Duration::from_millis(300));
    Ok(child)
}

/// It was under way all the time, and ends well.
fn lives_on(direct: &mut std::process::Child) -> Result<()> {
    assert!(
        direct.try_wait()?.is_none(),
        "the direct connection ended before the test did"
    );
    assert!(
        direct.wait()?.success(),
        "the connection that was direct before lived on"
    );
    Ok(())
}

#[test]
fn a_lenders_line_that_goes_silent_costs_no_connection_and_is_used_again() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let scene = scene(&lab)?;
    let community = Community::up(&lab)?;
    community.wait_all_pooling(BACK)?;
    let running = transfer::start_download(&lab, "c1", &scene.large, Duration::from_secs(60))?;
    sleep(Duration::from_secs(4));
    lab.line("gw2").silent()?;
    sleep(Duration::from_secs(4));
    lab.line("gw2").up()?;
    sleep(Duration::from_secs(3));
    let before = lab.line("gw2").traffic(Way::Down).delivered.bytes;
    let result = running.finish()?;
    let after = lab.line("gw2").traffic(Way::Down).delivered.bytes - before;
    println!(
        "whole {:?}, longest gap {:?}, on the line after its return {after} bytes",
        result.duration, result.longest_gap
    );
    assert!(result.complete && result.intact, "{}", result.said);
    assert!(
        result.longest_gap < Duration::from_secs(1),
        "{:?}",
        result.longest_gap
    );
    assert!(
        after > 1_000_000,
        "the line that came back carried {after} bytes"
    );
    Ok(())
}

#[test]
fn when_the_exit_is_killed_clients_go_over_their_own_line_and_pooling_returns_with_it() -> Result<()>
{
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let scene = scene(&lab)?;
    let mut direct = direct_connection(&lab, &scene)?;
    let mut community = Community::up(&lab)?;
    community.wait_all_pooling(BACK)?;
    community.kill_exit()?;
    let took = first_fetch(&lab, "c1", &scene.small, OWN_LINE);
    println!("own line after {took:?}");
    assert!(took.is_some(), "no new connection within 2 s");
    sleep(Duration::from_secs(3));
    community.start_exit()?;
    let back = community.wait_pooling("gw1", 3, BACK)?;
    println!("pooling again after {back:?}");
    assert!(first_fetch(&lab, "c1", &scene.small, OWN_LINE).is_some());
    lives_on(&mut direct)
}

#[test]
fn when_the_agent_is_killed_nothing_of_it_stays_in_the_clients_way() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let scene = scene(&lab)?;
    let mut direct = direct_connection(&lab, &scene)?;
    let mut community = Community::up(&lab)?;
    community.wait_all_pooling(BACK)?;
    community.kill_agent("gw1")?;
    assert!(
        first_fetch(&lab, "c1", &scene.small, OWN_LINE).is_some(),
        "no new connection within 2 s"
    );
    sleep(Duration::from_secs(1));
    let rules = lab.ns("gw1").run("ip", &["rule"])?;
    assert!(!rules.contains("0x10000000"), "{rules}");
    let tables = lab.ns("gw1").run("nft", &["list", "tables"])?;
    assert!(!tables.contains("burstmesh"), "{tables}");
    community.start_agent("gw1", "")?;
    println!(
        "pooling again after {:?}",
        community.wait_pooling("gw1", 3, BACK)?
    );
    assert!(first_fetch(&lab, "c1", &scene.small, OWN_LINE).is_some());
    lives_on(&mut direct)
}

#[test]
fn when_the_agent_is_stopped_the_watchdog_opens_the_own_line() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let scene = scene(&lab)?;
    let mut direct = direct_connection(&lab, &scene)?;
    let mut community = Community::up(&lab)?;
    community.wait_all_pooling(BACK)?;
    community.agent("gw1")?.freeze()?;
    let took = first_fetch(&lab, "c1", &scene.small, OWN_LINE);
    println!("own line after {took:?}");
    assert!(took.is_some(), "no new connection within 2 s");
    sleep(Duration::from_secs(2));
    community.agent("gw1")?.thaw()?;
    println!(
        "pooling again after {:?}",
        community.wait_pooling("gw1", 3, BACK)?
    );
    assert!(first_fetch(&lab, "c1", &scene.small, OWN_LINE).is_some());
    lives_on(&mut direct)
}

#[test]
fn when_the_mesh_is_cut_homes_go_on_alone_and_meet_again() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let scene = scene(&lab)?;
    let mut direct = direct_connection(&lab, &scene)?;
    let community = Community::up(&lab)?;
    community.wait_all_pooling(BACK)?;
    lab.mesh().silent()?;
    let took = first_fetch(&lab, "c1", &scene.small, OWN_LINE);
    assert!(took.is_some(), "no new connection within 2 s");
    community.wait("gw1", Duration::from_secs(5), "down to its own line", |s| {
        live_paths(s) == 1
    })?;
    lab.mesh().up()?;
    println!(
        "all lines again after {:?}",
        community.wait_pooling("gw1", 3, BACK)?
    );
    assert!(first_fetch(&lab, "c1", &scene.small, OWN_LINE).is_some());
    lives_on(&mut direct)
}

/// The kernel refuses each datagram at once, and each refusal is a reason to look whether the line is back.
#[test]
fn a_line_without_a_route_costs_no_processor_time_and_the_agent_still_listens() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let mut community = Community::up(&lab)?;
    community.wait_all_pooling(BACK)?;
    lab.ip("gw2", "link set wan0 down\nlink set mesh0 down\n")?;
    sleep(Duration::from_millis(500));
    let agent = community.agent("gw2")?.pid();
    let before = Usage::of(agent)?.cpu;
    sleep(Duration::from_secs(2));
    let spent = Usage::of(agent)?.cpu - before;
    println!("{spent:?} of 2 s");
    assert!(spent < Duration::from_millis(400), "{spent:?} of 2 s");
    community.status("gw2")?;
    community.stop_agent("gw2")
}
