//! The big-endian MIPS build, emulated, as one of three gateways beside x86 members and exit.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use burstmesh_netns::community::{Community, sessions};
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::transfer;
use burstmesh_netns::{Lab, Topology, root};
use serde_json::Value;

/// The emulator starts slowly and its handshakes take long: what counts is that they come.
const MEETING: Duration = Duration::from_secs(30);
const LIMIT: Duration = Duration::from_secs(12);
/// What the line behind the emulated gateway must carry at least, in bytes: 1 Mbit/s over the transfer.
const RELAYED: u64 = 1_000_000 / 8 * 8;

/// The MIPS program: `BURSTMESH_MIPS_AGENT`, or what `cargo xtask build` left in `dist/`.
fn mips_agent() -> Option<String> {
    let built = || {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        root.join("dist/mips-unknown-linux-musl/burstmesh")
    };
    let named = std::env::var_os("BURSTMESH_MIPS_AGENT").map(PathBuf::from);
    let path = named.unwrap_or_else(built);
    if path.is_file() {
        return Some(path.display().to_string());
    }
    let required = std::env::var_os("BURSTMESH_REQUIRE_MIPS").is_some_and(|v| v != "0");
    assert!(
        !required,
        "BURSTMESH_REQUIRE_MIPS is set, but there is no {}",
        path.display()
    );
    // Written past the test harness, which shows only what failed tests print.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED: no {}: cargo xtask build --target mips-unknown-linux-musl",
        path.display()
    );
    None
}

/// Bytes received on every path of a status.
fn received(status: &Value) -> Vec<u64> {
    let paths = status["paths"].as_array().cloned().unwrap_or_default();
    paths
        .iter()
        .map(|p| p["rx_bytes"].as_u64().unwrap_or(0))
        .collect()
}

/// One transfer each way through `gw1`, while `emulated` runs the MIPS build.
fn pool_with(emulated: &str) -> Result<()> {
    let Some(program) = mips_agent() else {
        return Ok(());
    };
    let lab = Lab::up(&Topology::builtin("three-homes")?)?;
    let mut community = Community::exit_only(&lab)?;
    for home in ["gw1", "gw2", "gw3"] {
        if home == emulated {
            community.start_other_agent(home, &["qemu-mips-static", &program])?;
        } else {
            community.start_agent(home, "")?;
        }
    }
    for home in ["gw1", "gw2", "gw3"] {
        community.wait(home, MEETING, "meeting both neighbours", |s| {
            sessions(s) == 2
        })?;
    }
    community.wait_pooling("gw1", 3, MEETING)?;

    let server = std::sync::Arc::new(HttpServer::start(&lab, "web", 80)?);
    let web = lab.link("web")?.v4;
    let url = server.publish("file", 60_000_000, web)?;
    let before = received(&community.status("gw1")?);
    let down = transfer::download(&lab, "c1", &url, LIMIT)?;
    let status = community.status("gw1")?;
    let to = server.url(web, "up/file");
    let up = transfer::upload(&lab, "c1", &server, &to, 20_000_000, LIMIT)?;
    println!("{emulated}: down {} up {}; {status:#}", down.said, up.said);
    ensure!(down.complete && down.intact, "download: {}", down.said);
    ensure!(up.complete && up.intact, "upload: {}", up.said);
    let after = received(&status);
    ensure!(
        before.len() == 3 && after.len() == 3,
        "three paths: {status:#}"
    );
    for (at, (before, after)) in before.iter().zip(&after).enumerate() {
        let carried = after.checked_sub(*before).context("a path was made anew")?;
        ensure!(
            carried > RELAYED,
            "path {at} carried {carried} bytes: {status:#}"
        );
    }
    Ok(())
}

/// An emulated agent that has no processor for 400 ms fails open, as it should, and its connections end: a disturbed run is
/// repeated once, and its failure said.
fn undisturbed(emulated: &str) -> Result<()> {
    pool_with(emulated).or_else(|error| {
        println!("{emulated}, first run: {error:#}");
        pool_with(emulated)
    })
}

#[test]
fn a_big_endian_gateway_relays_for_its_neighbours() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    undisturbed("gw2")
}

#[test]
fn a_big_endian_gateway_pools_its_neighbours_lines() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    undisturbed("gw1")
}
