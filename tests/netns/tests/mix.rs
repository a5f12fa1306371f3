//! What a household does at once (pages, a call, a large download), pooled and over its own line alone.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use burstmesh_netns::community::{Community, fetches};
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::ping::{PingReport, Pinger};
use burstmesh_netns::tools::transfer;
use burstmesh_netns::{Lab, Topology, root};

/// A page's parts, one after the other over new connections.
const PARTS: [u64; 3] = [30_000, 120_000, 400_000];
/// Payload bits per second that headers leave of the lines' sum.
const SUM: f64 = 0.927 * 60e6;
/// How much later a call's packets may come than over the idle line: the table's row for owners, 15 ms.
const CALL_LATER_MS: f64 = 15.0;

/// What pages and a call have had for a while.
struct Seen {
    /// Median time of a page.
    page: Duration,
    pages: usize,
    call: PingReport,
}

/// Fetches pages, half a second apart, with a call (200 bytes each 20 ms) beside them.
fn browse(lab: &Lab, urls: &[String], time: Duration) -> Result<Seen> {
    let web = lab.link("web")?.v4;
    let call = Pinger::start(lab, "c1", web, Duration::from_millis(20), 172)?;
    let (begun, mut pages) = (Instant::now(), Vec::new());
    while begun.elapsed() < time {
        let page = Instant::now();
        for url in urls {
            ensure!(fetches(lab, "c1", url, Duration::from_secs(10)), "{url}");
        }
        pages.push(page.elapsed());
        sleep(Duration::from_millis(500));
    }
    pages.sort();
    Ok(Seen {
        page: pages.get(pages.len() / 2).copied().unwrap_or_default(),
        pages: pages.len(),
        call: call.stop()?,
    })
}

/// Browses beside a large download; what that had meanwhile, in bits per second of payload.
fn mix(lab: &Lab, urls: &[String], large: &str) -> Result<(Seen, f64)> {
    let running = transfer::start_download(lab, "c1", large, Duration::from_secs(14))?;
    sleep(Duration::from_secs(5));
    let (begun, before) = (Instant::now(), running.received());
    let seen = browse(lab, urls, Duration::from_secs(6))?;
    let bits = (running.received() - before) as f64 * 8.0;
    let rate = bits / begun.elapsed().as_secs_f64();
    ensure!(running.finish()?.intact);
    Ok((seen, rate))
}

#[test]
#[ignore = "a minute: cargo xtask test --long"]
fn pages_and_a_call_are_faster_than_over_the_own_line_and_a_download_has_the_rest() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::up(&Topology::builtin("three-homes")?)?;
    let web = lab.link("web")?.v4;
    let server = HttpServer::start(&lab, "web", 80)?;
    let publish = |(n, bytes): (usize, &u64)| server.publish(&format!("part{n}"), *bytes, web);
    let urls = PARTS.iter().enumerate().map(publish);
    let urls = urls.collect::<Result<Vec<_>>>()?;
    let large = server.publish("large", 400_000_000, web)?;
    let idle = browse(&lab, &urls, Duration::from_secs(4))?;
    let (alone, _) = mix(&lab, &urls, &large)?;
    let community = Community::up(&lab)?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    // Two cores carry the lab and whatever else the machine does: a disturbed run is repeated, never averaged away.
    for _ in 0..3 {
        let (pooled, download) = mix(&lab, &urls, &large)?;
        let page: u64 = PARTS.iter().sum();
        let others = (page * pooled.pages as u64) as f64 * 8.0 / 6.0;
        let rest = download / (SUM - others);
        for (what, seen) in [("idle", &idle), ("own line", &alone), ("pooled", &pooled)] {
            println!(
                "{what}: a page {:?}, call's median {:.1} ms, p95 {:.1} ms, lost {}",
                seen.page,
                seen.call.percentile(50.0),
                seen.call.percentile(95.0),
                seen.call.lost()
            );
        }
        println!(
            "download {:.1} Mbit/s, {:.1} % of the rest",
            download / 1e6,
            100.0 * rest
        );
        let later = pooled.call.percentile(95.0) - idle.call.percentile(50.0);
        // One packet may be under way when ping is stopped.
        let call = later < CALL_LATER_MS && pooled.call.lost() <= 1;
        if call && pooled.page <= alone.page && rest >= 0.85 {
            return Ok(());
        }
    }
    bail!("short in each of three runs")
}
