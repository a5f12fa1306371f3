//! Who carried how much for whom: the agents' ledgers against the counters of the kernel and of the emulated lines.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use burstmesh_netns::community::Community;
use burstmesh_netns::emulator::Way;
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::transfer;
use burstmesh_netns::{Lab, Topology, root};
use serde_json::Value;

const READY: Duration = Duration::from_secs(10);

/// Bytes of the rows of one kind, towards the Internet and from it.
fn sum(rows: &[Value], kind: &str) -> [u64; 2] {
    let rows = || rows.iter().filter(|r| r["kind"] == kind);
    ["up_bytes", "down_bytes"].map(|way| rows().filter_map(|r| r[way].as_u64()).sum())
}

fn close(what: &str, a: u64, b: u64) -> Result<()> {
    let off = a.abs_diff(b) as f64 / b.max(1) as f64;
    println!("{what}: {a} and {b}, {:.3} % apart", off * 100.0);
    ensure!(
        off <= 0.01,
        "{what}: {a} and {b} differ by {:.2} %",
        off * 100.0
    );
    Ok(())
}

/// What `gw2`'s ledger, its interface and its line have counted by now.
struct Count {
    lent: [u64; 2],
    own: [u64; 2],
    interface: [u64; 2],
    line: [u64; 2],
    /// The same bytes at the line's other end: what came out upwards and what went in downwards.
    far: [u64; 2],
    borrowed: [u64; 2],
    exit: [u64; 2],
}

/// What the exit counts of the borrower's paths over `gw2`'s line, with all headers.
fn at_exit(lab: &Lab, community: &Community<'_>) -> Result<[u64; 2]> {
    let line = format!("{}:", lab.link("gw2")?.v4);
    let borrower = community.status("gw1")?["node"].clone();
    let status = community.exit_status()?;
    let communities = status["communities"].as_array().into_iter().flatten();
    let members = communities
        .filter_map(|c| c["members"].as_array())
        .flatten();
    let paths = members
        .filter(|m| m["node_id"] == borrower)
        .filter_map(|m| m["live"]["paths"].as_array())
        .flatten();
    let over: Vec<&Value> = paths
        .filter(|p| p["via"].as_str().is_some_and(|via| via.starts_with(&line)))
        .collect();
    ensure!(!over.is_empty(), "no path over {line} in {status:#}");
    Ok(["up", "down"].map(|way| over.iter().filter_map(|p| p[way]["bytes"].as_u64()).sum()))
}

fn count(lab: &Lab, community: &Community<'_>) -> Result<Count> {
    // A router may take its session for alive for a while after the exit began anew.
    let begun = Instant::now();
    while at_exit(lab, community).is_err() && begun.elapsed() < READY {
        std::thread::sleep(Duration::from_millis(100));
    }
    // The agents read their counters every second.
    std::thread::sleep(Duration::from_millis(2_200));
    let rows = community.ledger("gw2")?;
    let interface = lab.ns("gw2").interface_counters("wan0")?;
    let line = [Way::Up, Way::Down].map(|way| lab.line("gw2").traffic(way));
    // What comes down is at the interface once it was delivered; what goes up once it was offered.
    let lender = rows.iter().find(|r| r["kind"] == "lent");
    let borrower = lender.and_then(|r| r["member"].as_str());
    ensure!(
        borrower.is_some_and(|m| m.len() == 16) || lender.is_none(),
        "{rows:?}"
    );
    let mut mine = community.ledger("gw1")?;
    let node = community.status("gw2")?["node"].clone();
    mine.retain(|r| r["member"] == node);
    Ok(Count {
        lent: sum(&rows, "lent"),
        own: sum(&rows, "own"),
        interface: [interface.tx_bytes, interface.rx_bytes],
        line: [line[0].offered.bytes, line[1].delivered.bytes],
        far: [line[0].delivered.bytes, line[1].offered.bytes],
        exit: at_exit(lab, community)?,
        borrowed: sum(&mine, "borrowed"),
    })
}

fn compare(before: &Count, after: &Count) -> Result<()> {
    for (n, way) in ["up", "down"].into_iter().enumerate() {
        let [lent, own, interface, line, far, borrowed, exit] = [
            |c: &Count| c.lent,
            |c: &Count| c.own,
            |c: &Count| c.interface,
            |c: &Count| c.line,
            |c: &Count| c.far,
            |c: &Count| c.borrowed,
            |c: &Count| c.exit,
        ]
        .map(|of| of(after)[n] - of(before)[n]);
        println!("{way}: lent {lent}, own {own}, interface {interface}, line {line}");
        ensure!(lent > 1_000_000, "too little was lent {way} to compare");
        close(
            &format!("{way}, own and lent, interface"),
            own + lent,
            interface,
        )?;
        close(&format!("{way}, lent, the idle home's line"), lent, line)?;
        close(&format!("{way}, borrowed, lent"), borrowed, lent)?;
        // What the line's queue dropped is between its two ends.
        println!("{way}: lost on the line {}", line.abs_diff(far));
        close(&format!("{way}, exit, the line's far end"), exit, far)?;
    }
    Ok(())
}

#[test]
fn the_ledger_agrees_with_the_counters_within_one_percent_and_survives_restarts() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let mut community = Community::up(&lab)?;
    community.wait_all_pooling(READY)?;
    let server = Arc::new(HttpServer::start(&lab, "web", 80)?);
    let web = lab.link("web")?.v4;
    let large = server.publish("large", 400_000_000, web)?;
    let both_ways = |time: Duration| -> Result<()> {
        let up = server.url(web, &format!("up/for-{time:?}"));
        transfer::upload(&lab, "c1", &server, &up, 100_000_000, time)?;
        transfer::download(&lab, "c1", &large, time)?;
        Ok(())
    };
    let before = count(&lab, &community)?;
    both_ways(Duration::from_secs(6))?;
    let after = count(&lab, &community)?;
    compare(&before, &after)?;

    // A regular stop keeps everything.
    community.stop_agent("gw2")?;
    let table_of = |c: &Community<'_>| c.ask("gw2", &["ledger"]);
    community.start_agent("gw2", "")?;
    community.wait_pooling("gw2", 3, READY)?;
    let kept = community.ledger("gw2")?;
    ensure!(sum(&kept, "lent") >= after.lent, "{kept:?}");
    let table = table_of(&community)?;
    ensure!(
        table.contains("the household") && table.contains("lent to "),
        "{table}"
    );
    println!("{table}");
    let csv = community.ask("gw2", &["ledger", "--csv"])?;
    ensure!(csv.lines().count() == kept.len() + 1, "{csv}");

    // It counts on, and a crash costs no more than what was counted since the last write.
    community.wait_pooling("gw1", 3, READY)?;
    let before = count(&lab, &community)?;
    both_ways(Duration::from_secs(4))?;
    compare(&before, &count(&lab, &community)?)?;
    community.kill_agent("gw2")?;
    community.start_agent("gw2", "")?;
    community.wait_pooling("gw2", 1, READY)?;
    ensure!(sum(&community.ledger("gw2")?, "lent") >= after.lent, "lost");

    // Nor does an exit that starts anew take anything from it.
    community.kill_exit()?;
    community.start_exit()?;
    community.wait_pooling("gw1", 3, READY)?;
    community.wait_pooling("gw2", 1, READY)?;
    let before = count(&lab, &community)?;
    both_ways(Duration::from_secs(4))?;
    compare(&before, &count(&lab, &community)?)?;

    // Forgetting today forgets all of it.
    let day = kept[0]["day"].as_str().unwrap_or_default().to_owned();
    community.ask("gw2", &["ledger", "--forget", &day])?;
    ensure!(
        sum(&community.ledger("gw2")?, "lent") == [0, 0],
        "not forgotten"
    );
    Ok(())
}
