//! A member whose admission the admin takes back, in a community whose members have certificates.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use base64ct::{Base64, Base64Url, Encoding as _};
use burstmesh_core::wire::invitation::Invitation;
use burstmesh_netns::community::{Community, fetches, live_paths};
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::transfer::{self, Transfer};
use burstmesh_netns::{Lab, Topology, root};

const BACK: Duration = Duration::from_secs(10);
/// What the issue asks for.
const BAR: Duration = Duration::from_secs(60);
/// A download reaches its speed in this time.
const START: Duration = Duration::from_secs(2);
/// A download goes on for so long.
const LIMIT: Duration = Duration::from_secs(8);

/// The rate of a download from 2 s before to this moment of it, Mbit/s.
fn rate(transfer: &Transfer, to: Duration) -> f64 {
    transfer.rate_between(to.saturating_sub(START), to) / 1e6
}

/// Three homes whose members have certificates, from the exit as they come.
fn certified(lab: &Lab) -> Result<Community<'_>> {
    let mut community = Community::exit_only(lab)?;
    community.certify()?;
    for home in ["gw1", "gw2", "gw3"] {
        community.start_agent(home, "")?;
    }
    let begun = Instant::now();
    community.wait_all_pooling(BACK)?;
    println!(
        "certified by the exit and pooling after {:?}",
        begun.elapsed()
    );
    each_tells_by_whose_word(&community)?;
    Ok(community)
}

/// Each neighbour with a session has shown a certificate, and by whose word is told once.
fn each_tells_by_whose_word(community: &Community<'_>) -> Result<()> {
    let status = community.status("gw1")?;
    ensure!(status["admin"].as_str().is_some_and(|key| key.len() == 44));
    let peers = status["peers"].as_array().cloned().unwrap_or_default();
    ensure!(peers.len() == 2, "{peers:#?}");
    for peer in &peers {
        ensure!(peer["certified_until"].is_u64(), "{peer:#}");
    }
    let table = community.status_table("gw1")?;
    println!("{table}");
    ensure!(table.matches("\n  certified ").count() == 2, "{table}");
    Ok(())
}

/// Removes `gw3`, and waits until everybody knows; since when.
fn remove(lab: &Lab, community: &Community<'_>) -> Result<Instant> {
    let name = &lab.topology().home("gw3")?.community;
    let status = community.status("gw3")?;
    let node = status["node"].as_str().context("no node")?;
    let removed = Instant::now();
    community.proxy(&["member", "remove", name, node])?;
    community.wait("gw3", BAR, "without an exit", |s| s["pooling"] == false)?;
    println!("its pooling ended after {:?}", removed.elapsed());
    for home in ["gw1", "gw2"] {
        community.wait(home, BAR, "told", |s| s["admission"]["removed"] == 1)?;
        community.wait(home, BAR, "without its line", |s| live_paths(s) == 2)?;
    }
    let took = removed.elapsed();
    println!("all gateways know after {took:?}");
    ensure!(took < BAR);
    Ok(removed)
}

/// The download of the one who stayed went on, at what two lines give; that of the removed one ended.
fn judge(theirs: &Transfer, mine: &Transfer) -> Result<()> {
    ensure!(
        mine.exit_code == Some(56),
        "the old connection: {}",
        mine.said
    );
    println!("theirs at the end: {:.1} Mbit/s", rate(theirs, LIMIT));
    theirs.went_on()?;
    ensure!(rate(theirs, LIMIT) > 25.0, "{}", rate(theirs, LIMIT));
    let gap = theirs.longest_gap;
    ensure!(gap < Duration::from_secs(1), "{gap:?}");
    Ok(())
}

/// What only its owners may know, as bytes: the community's secret and the private keys.
fn secrets(lab: &Lab, community: &Community<'_>) -> Result<Vec<Vec<u8>>> {
    let invited = Invitation::decode(community.invitation("gw1")?)
        .map_err(|why| anyhow!("the invitation: {why:?}"))?;
    let mut all = vec![invited.secret.bytes().to_vec()];
    for (ns, key) in [
        ("exit", "state/key"),
        ("gw1", "key"),
        ("gw2", "key"),
        ("gw3", "key"),
    ] {
        let text = std::fs::read_to_string(lab.ns(ns).dir().join(key))?;
        all.push(Base64::decode_vec(text.trim()).map_err(|why| anyhow!("{key}: {why}"))?);
    }
    ensure!(all.iter().all(|secret| secret.len() >= 16), "too short");
    Ok(all)
}

/// All that the daemons show of themselves: their logs, status, arguments and environment.
fn shown(community: &mut Community<'_>) -> Result<Vec<(String, String)>> {
    let mut all = vec![
        ("the exit's log".to_owned(), community.exit_log()),
        (
            "the exit's status".to_owned(),
            community.exit_status()?.to_string(),
        ),
    ];
    let mut processes = vec![("exit".to_owned(), community.exit.daemon()?.pid())];
    for home in ["gw1", "gw2", "gw3"] {
        all.push((
            format!("{home}'s status"),
            community.status(home)?.to_string(),
        ));
        all.push((format!("{home}'s table"), community.status_table(home)?));
        let agent = community.agent(home)?;
        all.push((format!("{home}'s log"), agent.log()));
        processes.push((home.to_owned(), agent.pid()));
    }
    for (name, pid) in processes {
        for file in ["cmdline", "environ"] {
            let text = std::fs::read(format!("/proc/{pid}/{file}"))?;
            all.push((
                format!("{name}'s {file}"),
                String::from_utf8_lossy(&text).into_owned(),
            ));
        }
    }
    Ok(all)
}

/// No log, status or process list tells a secret, in whatever way bytes are written.
fn no_secret_is_shown(lab: &Lab, community: &mut Community<'_>) -> Result<()> {
    let mut hidden = vec![community.invitation("gw1")?.to_owned()];
    for secret in secrets(lab, community)? {
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        hidden.extend([
            hex.to_uppercase(),
            hex,
            Base64::encode_string(&secret),
            Base64Url::encode_string(&secret),
            format!("{secret:?}"),
        ]);
    }
    let shown = shown(community)?;
    ensure!(shown.iter().all(|(_, text)| text.len() > 20), "{shown:?}");
    for (place, text) in &shown {
        let told = hidden
            .iter()
            .find(|way| text.contains(way.trim_end_matches('=')));
        ensure!(told.is_none(), "{place} tells a secret: {text}");
    }
    Ok(())
}

#[test]
fn a_member_removed_during_a_download_is_outside_everywhere_and_keeps_its_own_line() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let mut community = certified(&lab)?;
    let server = HttpServer::start(&lab, "web", 80)?;
    let web = lab.link("web")?.v4;
    let large = server.publish("large", 90_000_000, web)?;
    let download = |client: &str| transfer::start_download(&lab, client, &large, LIMIT);
    let (theirs, mine) = (download("c2")?, download("c3")?);
    sleep(2 * START);

    let removed = remove(&lab, &community)?;
    // What it starts now goes by its own line, as without burstmesh.
    ensure!(
        fetches(&lab, "c3", &server.url(web, "who"), BACK),
        "its own line"
    );
    println!(
        "its own line carries new connections after {:?}",
        removed.elapsed()
    );
    judge(&theirs.finish()?, &mine.finish()?)?;

    // Whom it asks next says why; an Init over a neighbour that has forgotten it is lost.
    community.wait("gw3", BACK, "told why", |s| {
        s["denied"] == "the admin has removed this router from the community"
    })?;
    println!("it is told why after {:?}", removed.elapsed());
    // The list is in a file too, so that it outlives a restart.
    let kept = lab.ns("gw1").dir().join("key.revoked");
    ensure!(std::fs::read_to_string(&kept)?.starts_with("bmr1"));
    no_secret_is_shown(&lab, &mut community)
}
