//! Who carried how much for whom: the agents' ledgers against the counters of the kernel and of the emulated lines.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use burstmesh_netns::community::Community;
use burstmesh_netns::emulator::Way;
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::transfer;
use burstmesh_netns::{Lab, Topology, root};
use serde_json::Value;

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
    borrowed: [u64; 2],
}

fn count(lab: &Lab, community: &Community<'_>) -> Result<Count> {
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
        borrowed: sum(&mine, "borrowed"),
    })
}

fn compare(before: &Count, after: &Count) -> Result<()> {
    for (n, way) in ["up", "down"].into_iter().enumerate() {
        let [lent, own, interface, line, borrowed] = [
            |c: &Count| c.lent,
            |c: &Count| c.own,
            |c: &Count| c.interface,
            |c: &Count| c.line,
            |c: &Count| c.borrowed,
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
    }
    Ok(())
}

#[test]
fn the_ledger_agrees_with_the_counters_within_one_percent_and_survives_restarts() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::up(&Topology::builtin("three-homes")?)?;
    let mut community = Community::up(&lab)?;
    community.wait_all_pooling(Duration::from_secs(10))?;
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
    community.wait_pooling("gw2", 3, Duration::from_secs(10))?;
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
    community.wait_pooling("gw1", 3, Duration::from_secs(10))?;
    let before = count(&lab, &community)?;
    both_ways(Duration::from_secs(4))?;
    compare(&before, &count(&lab, &community)?)?;
    community.kill_agent("gw2")?;
    community.start_agent("gw2", "")?;
    community.wait_pooling("gw2", 1, Duration::from_secs(10))?;
    ensure!(sum(&community.ledger("gw2")?, "lent") >= after.lent, "lost");

    // Forgetting today forgets all of it.
    let day = kept[0]["day"].as_str().unwrap_or_default().to_owned();
    community.ask("gw2", &["ledger", "--forget", &day])?;
    ensure!(
        sum(&community.ledger("gw2")?, "lent") == [0, 0],
        "not forgotten"
    );
    Ok(())
}
