//! Members ask each other over the control network inside: from any gateway, beside a bulk transfer, over lines that lose packets,
//! over the mesh and through the exit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use burstmesh_netns::community::Community;
use burstmesh_netns::emulator::Way;
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::transfer;
use burstmesh_netns::units::Loss;
use burstmesh_netns::{Lab, Topology, root};
use serde_json::Value;

const HOMES: [&str; 3] = ["gw1", "gw2", "gw3"];

/// Starts an agent whose owner shares the log.
fn start_open(community: &mut Community<'_>, home: &str) -> Result<()> {
    let open = "config community\n\toption share_log '1'\n";
    let config = community.write_changed_config(home, "config community\n", open)?;
    community.start_agent_with(home, &config)
}

/// The members that a home is told of.
fn members(community: &Community<'_>, home: &str, words: &[&str]) -> Result<Vec<Value>> {
    let text = community.ask(home, words)?;
    let value: Value = serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))?;
    let all = value["members"].as_array().context("no members")?;
    Ok(all.clone())
}

/// All three gateways and the exit have answered a gateway, wholly; gives how long that took.
fn all_answer(community: &Community<'_>, home: &str) -> Result<Duration> {
    let begun = Instant::now();
    let all = members(community, home, &["status", "--community", "--json"])?;
    let states: Vec<_> = all
        .iter()
        .map(|m| m["state"].as_str().unwrap_or(""))
        .collect();
    println!("{home} asked in {:?}: {states:?}", begun.elapsed());
    ensure!(states.len() == 4, "{all:?}");
    let good = |state: &&str| ["complete", "this node"].contains(state);
    ensure!(states.iter().all(good), "{all:?}");
    let exits = all.iter().filter(|m| m["is_exit"] == true).count();
    ensure!(exits == 1, "{all:?}");
    for member in all.iter().filter(|m| m["is_exit"] != true) {
        ensure!(member["uplinks"][0]["lent"] == true, "{member}");
        let text = member.to_string();
        ensure!(
            !text.contains("192.168") && !text.contains("flow"),
            "{text}"
        );
    }
    Ok(begun.elapsed())
}

/// The lines lose so much, both ways.
fn lose(lab: &Lab, percent: f64) -> Result<()> {
    for home in HOMES {
        for way in [Way::Up, Way::Down] {
            lab.line(home).set_loss(way, Loss::percent(percent))?;
        }
    }
    Ok(())
}

/// What a ledger compared says: the largest distance in per cent, and bytes borrowed.
fn compared(community: &Community<'_>, home: &str) -> Result<(f64, u64)> {
    let all = members(community, home, &["ledger", "--compare", "--json"])?;
    let (mut apart, mut borrowed) = (0.0f64, 0);
    for member in &all {
        for kind in ["lent", "borrowed"] {
            apart = apart.max(member[kind]["apart_percent"].as_f64().unwrap_or(0.0));
        }
        borrowed += member["borrowed"]["down_bytes"].as_u64().unwrap_or(0);
    }
    println!("{home}: {all:?}");
    Ok((apart, borrowed))
}

/// What a home is told of the exit's counts: of its own paths, and of what it lends.
fn counted(community: &Community<'_>, home: &str, list: &str) -> Result<Vec<Value>> {
    let all = members(community, home, &["ledger", "--compare", "--json"])?;
    let exit = all
        .iter()
        .find(|m| m["is_exit"] == true || m[list].is_array());
    let rows = exit.and_then(|m| m[list].as_array());
    Ok(rows
        .with_context(|| format!("no {list} in {all:?}"))?
        .clone())
}

/// The exit's counts of a download's paths agree with the borrower's and with each lender's, but for what was lost on the way.
fn agrees_with_the_exit(community: &Community<'_>) -> Result<()> {
    let rows = [
        ("gw3", "exit_paths", 3),
        ("gw1", "exit_lent", 2),
        ("gw2", "exit_lent", 2),
    ];
    for (home, list, count) in rows {
        let rows = counted(community, home, list)?;
        println!("{}", community.ask(home, &["ledger", "--compare"])?);
        ensure!(rows.len() == count, "{home}: {rows:#?}");
        for row in &rows {
            let apart = row["apart_percent"].as_f64().unwrap_or(100.0);
            ensure!(apart <= 1.0 && row["same_time"] == true, "{home}: {row:#}");
        }
        let down = |r: &&Value| r["their_down_bytes"].as_u64() > Some(2_000_000);
        let used: Vec<_> = rows.iter().filter(down).collect();
        let lost = |r: &&&Value| r["lost_down_bytes"].as_u64() > Some(20_000);
        ensure!(
            used.len() == if home == "gw3" { 3 } else { 1 },
            "{home}: {rows:#?}"
        );
        ensure!(used.iter().all(|r| lost(&r)), "{home}: {rows:#?}");
    }
    Ok(())
}

#[test]
fn all_members_are_asked_beside_a_transfer_over_lines_that_lose_a_twentieth() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::up(&Topology::builtin("three-homes")?)?;
    let mut community = Community::exit_only(&lab)?;
    start_open(&mut community, "gw1")?;
    community.start_agent("gw2", "")?;
    community.start_agent("gw3", "")?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    let server = Arc::new(HttpServer::start(&lab, "web", 80)?);
    let web = lab.link("web")?.v4;
    let large = server.publish("large", 400_000_000, web)?;
    lose(&lab, 5.0)?;

    // Three seconds alone, three beside questions without end.
    let running = transfer::start_download(&lab, "c3", &large, Duration::from_secs(8))?;
    std::thread::sleep(Duration::from_millis(4_500));
    let asked = Instant::now();
    let mut rounds = 0;
    while asked.elapsed() < Duration::from_secs(3) {
        all_answer(&community, "gw3")?;
        rounds += 1;
    }
    let log = community.ask("gw3", &["log", "--member", &node(&community, "gw1")?])?;
    ensure!(log.contains("mesh on mesh0"), "{log}");
    let refused = community.ask("gw3", &["log", "--member", &node(&community, "gw2")?])?;
    ensure!(refused.contains("does not share"), "{refused}");
    let transfer = running.finish()?;
    let seconds = |from: f64, to: f64| {
        let [from, to] = [from, to].map(Duration::from_secs_f64);
        transfer.rate_between(from, to) / 1e6
    };
    let (alone, beside) = (seconds(1.5, 4.5), seconds(4.5, 7.5));
    println!("{rounds} rounds of questions; {alone:.1} Mbit/s alone, {beside:.1} beside them");
    ensure!(beside > 0.9 * alone, "{beside:.1} of {alone:.1} Mbit/s");

    // The agents read their counters every second.
    std::thread::sleep(Duration::from_millis(2_200));
    let (apart, borrowed) = compared(&community, "gw3")?;
    ensure!(
        apart <= 1.0 && borrowed > 5_000_000,
        "{apart} %, {borrowed} bytes"
    );

    agrees_with_the_exit(&community)?;

    let table = community.status_table("gw3")?;
    let resident = table.lines().find(|line| line.contains("resident"));
    println!("{}", resident.context("no memory")?);

    // Without the mesh all is asked through the exit. An idle mesh is known to be silent after 16 s at the latest.
    lab.mesh().silent()?;
    for home in HOMES {
        let limit = Duration::from_secs(20);
        community.wait(home, limit, "without neighbours", is_alone)?;
    }
    all_answer(&community, "gw1")?;
    Ok(())
}

/// No neighbour is believed to answer.
fn is_alone(status: &Value) -> bool {
    let mut peers = status["peers"].as_array().into_iter().flatten();
    peers.all(|p| p["session"] == false)
}

/// A home's node ID.
fn node(community: &Community<'_>, home: &str) -> Result<String> {
    let status = community.status(home)?;
    Ok(status["node"].as_str().context("no node")?.to_owned())
}
