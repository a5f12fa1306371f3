//! New settings in a running agent: taken without cutting a flow, or refused as a whole.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use burstmesh_netns::community::Community;
use burstmesh_netns::emulator::Way;
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::transfer;
use burstmesh_netns::{Lab, Topology, packages, root};

const GUESTS: &str = "\nconfig client 'guests'\n\toption ifname 'lan1'\n";

/// A second network of the home: `lan1` of `gw1`, which is `eth1` of `c1`.
fn add_guest_network(lab: &Lab) -> Result<()> {
    let (gateway, client) = (lab.ns("gw1"), lab.ns("c1"));
    lab.cable(("gw1", "lan1"), ("c1", "eth1"))?;
    gateway.run("ip", &["address", "add", "192.168.2.1/24", "dev", "lan1"])?;
    gateway.run("ip", &["link", "set", "lan1", "up"])?;
    client.run("ip", &["address", "add", "192.168.2.10/24", "dev", "eth1"])?;
    client.run("ip", &["link", "set", "eth1", "up"])?;
    let route = [
        "route",
        "add",
        "default",
        "via",
        "192.168.2.1",
        "dev",
        "eth1",
        "metric",
        "9",
    ];
    client.run("ip", &route)?;
    // One host on two networks: answers come in where the other one would be asked.
    client.sysctls(&[
        ("net/ipv4/conf/all/rp_filter", "0"),
        ("net/ipv4/conf/eth1/rp_filter", "0"),
    ])?;
    lab.nft(
        "gw1",
        "add rule inet home zone_burstmesh iifname lan1 oifname { wan0, bm0 } accept\n",
    )
}

/// Whether a new connection of `c1` from `device` to `target` is pooled, as the gateway's tracker has it.
fn pooled(lab: &Lab, device: &str, url: &str, target: &str) -> Result<bool> {
    let gateway = lab.ns("gw1");
    let _ = gateway.run("conntrack", &["-D", "-d", target]);
    let limits = ["-sf", "-o", "/dev/null", "--max-time", "3"];
    lab.ns("c1")
        .run(
            "curl",
            &[&limits[..], &["--interface", device, url]].concat(),
        )
        .with_context(|| format!("{url} from {device}"))?;
    let tracked = gateway.run("conntrack", &["-L", "-d", target])?;
    // The last packets of an earlier connection from the other device may have come after it was forgotten.
    let source = source_of(lab, device)?;
    let mut ours = tracked.lines().filter(|line| line.contains(&source));
    ensure!(
        ours.clone().any(|line| line.contains("mark=")),
        "no connection to {target}: {tracked}"
    );
    Ok(ours.any(|line| line.contains("mark=268435456")))
}

/// A device of `c1` as the source of a tracked connection.
fn source_of(lab: &Lab, device: &str) -> Result<String> {
    let shown = lab
        .ns("c1")
        .run("ip", &["-4", "-o", "address", "show", "dev", device])?;
    let address = shown
        .split_whitespace()
        .nth(3)
        .and_then(|a| a.split('/').next());
    Ok(format!("src={} ", address.context("no address")?))
}

/// Adds `more` to a home's file, exchanges parts of it, and has its agent read it.
fn reconfigure(
    community: &mut Community<'_>,
    home: &str,
    more: &str,
    (from, to): (&str, &str),
) -> Result<std::path::PathBuf> {
    let path = community.write_agent_config(home, more)?;
    let text = fs::read_to_string(&path)?;
    ensure!(text.contains(from), "no {from:?} in {text}");
    fs::write(&path, text.replace(from, to))?;
    community.reload(home)?;
    Ok(path)
}

fn line_of(path: &Path, word: &str) -> Result<usize> {
    let text = fs::read_to_string(path)?;
    let at = text.lines().position(|line| line.contains(word));
    Ok(at.with_context(|| format!("no {word}"))? + 1)
}

/// A bypass and a network more for `gw1`, a limit for what `gw2` lends.
fn take_new(community: &mut Community<'_>, target: &str) -> Result<()> {
    let more = format!("\tlist bypass '{target}/32'\n{GUESTS}");
    reconfigure(community, "gw1", &more, ("", ""))?;
    let lend = "option lend '1'";
    let limited = format!("{lend}\n\toption lend_down '2Mbit'");
    reconfigure(community, "gw2", "", (lend, &limited))?;
    sleep(Duration::from_secs(3));
    for home in ["gw1", "gw2"] {
        let log = community.agent(home)?.log();
        ensure!(log.contains("settings reloaded"), "{home}: {log}");
    }
    Ok(())
}

/// The new settings of `gw1`: a bypass for everybody, and a network more.
fn in_force(lab: &Lab, url: &str, target: &str) -> Result<()> {
    ensure!(
        !pooled(lab, "eth0", url, target)?,
        "the bypass is not in force"
    );
    ensure!(
        pooled(lab, "eth1", url, target)?,
        "the new network is not pooled"
    );
    Ok(())
}

/// The bypass is gone from this file, but it is wrong elsewhere.
fn take_nothing_broken(community: &mut Community<'_>) -> Result<()> {
    let mistake = ("option lend '1'", "option lent '1'");
    let path = reconfigure(community, "gw1", GUESTS, mistake)?;
    sleep(Duration::from_secs(1));
    let (log, line) = (community.agent("gw1")?.log(), line_of(&path, "lent")?);
    let place = format!("{}:{line}: unknown option 'lent'", path.display());
    ensure!(log.contains(&place), "no {place} in {log}");
    Ok(())
}

/// Bits per second that the line of `gw2` carries towards it.
fn lent_rate(lab: &Lab) -> f64 {
    let carried = || lab.line("gw2").traffic(Way::Down).delivered.bytes;
    let (begun, before) = (Instant::now(), carried());
    sleep(Duration::from_secs(3));
    (carried() - before) as f64 * 8.0 / begun.elapsed().as_secs_f64()
}

#[test]
fn a_reload_in_a_download_puts_new_settings_in_force_and_a_broken_file_changes_nothing()
-> Result<()> {
    if root::skip() {
        return Ok(());
    }
    packages::require(&["conntrack"])?;
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    add_guest_network(&lab)?;
    let mut community = Community::up(&lab)?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    let (web, other) = (
        HttpServer::start(&lab, "web", 80)?,
        HttpServer::start(&lab, "private", 80)?,
    );
    let large = web.publish("large", 400_000_000, lab.link("web")?.v4)?;
    let target = lab.link("private")?.v4.to_string();
    let small = other.publish("small", 20_000, lab.link("private")?.v4)?;
    ensure!(pooled(&lab, "eth0", &small, &target)?, "pooled before");
    ensure!(
        !pooled(&lab, "eth1", &small, &target)?,
        "no client network yet"
    );

    let running = transfer::start_download(&lab, "c1", &large, Duration::from_secs(32))?;
    sleep(Duration::from_secs(6));
    let before = lent_rate(&lab);
    take_new(&mut community, &target)?;
    let after = lent_rate(&lab);
    println!(
        "lent {:.1}, then {:.1} of 2 Mbit/s",
        before / 1e6,
        after / 1e6
    );
    ensure!(before > 8e6, "only {before} bit/s were lent before");
    ensure!(after < 2.4e6, "{after} bit/s are lent beyond 2 Mbit/s");
    in_force(&lab, &small, &target)?;

    take_nothing_broken(&mut community)?;
    in_force(&lab, &small, &target)?;

    let result = running.finish()?;
    println!(
        "{} bytes, longest gap {:?}",
        result.bytes, result.longest_gap
    );
    result.went_on()?;
    ensure!(result.longest_gap < Duration::from_secs(1), "{result:?}");
    ensure!(
        community.status("gw1")?["uptime_s"].as_u64() > Some(20),
        "it was restarted"
    );
    spare_a_metered_line(&lab, &mut community, &large)
}

/// The own line of `gw1` costs money from now on: it carries a download only while the neighbours' lines are silent.
fn spare_a_metered_line(lab: &Lab, community: &mut Community<'_>, large: &str) -> Result<()> {
    let metered = ("option lend '1'", "option metered '1'");
    reconfigure(community, "gw1", "", metered)?;
    let limit = Duration::from_secs(5);
    community.wait("gw1", limit, "metered", |s| {
        s["uplinks"][0]["metered"] == true
    })?;
    let table = community.status_table("gw1")?;
    ensure!(table.contains("metered, not lent"), "{table}");
    let running = transfer::start_download(lab, "c1", large, Duration::from_secs(6))?;
    let own = || {
        let carried = || lab.line("gw1").traffic(Way::Down).delivered.bytes;
        let before = carried();
        sleep(Duration::from_secs(1));
        carried() - before
    };
    sleep(Duration::from_millis(1_500));
    let spared = own();
    for home in ["gw2", "gw3"] {
        lab.line(home).silent()?;
    }
    sleep(Duration::from_millis(1_500));
    let needed = own();
    println!("the metered line carried {spared} bytes in a second, {needed} when it was needed");
    // A moment's doubt about the others costs it a few packets.
    ensure!(spared < 100_000 && needed > 1_000_000, "{table}");
    ensure!(running.finish()?.intact);
    Ok(())
}
