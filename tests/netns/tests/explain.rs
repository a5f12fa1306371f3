//! What `burstmesh status` says of each connection: what it looks like, where it goes, why, and what came second.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use burstmesh_netns::community::{Community, fetches, has_hosts};
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::iperf::{self, Iperf};
use burstmesh_netns::tools::ping::Pinger;
use burstmesh_netns::tools::transfer;
use burstmesh_netns::units::Rate;
use burstmesh_netns::{Lab, Topology, root};
use serde_json::Value;

const READY: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);
/// Another address of the web server, which is always direct.
const ALSO: &str = "88.230.0.1";
const RULES: &str = "\tlist bypass '88.230.0.1/32'\n
config rule\n\toption lane 'auto'\n\toption port '9999'\n
config rule\n\toption lane 'direct'\n\toption protocol 'tcp'\n\toption port '8081'\n";

/// What runs meanwhile: a part of its name, and what it is.
const EXPECTED: [(&str, &str); 6] = [
    (":80 ", "light"),
    ("icmp ", "interactive"),
    (":8000 ", "steady stream"),
    (":8080 ", "burst"),
    (":8081 ", "direct"),
    ("88.230.0.1:8000 ", "direct"),
];

/// A slow download that goes on until it is dropped.
struct Slow(Child);

impl Slow {
    fn start(lab: &Lab, url: &str, bytes_per_second: &str) -> Result<Self> {
        let mut curl = lab.ns("c1").command("curl");
        curl.args([
            "-s",
            "-o",
            "/dev/null",
            "--limit-rate",
            bytes_per_second,
            url,
        ]);
        Ok(Self(curl.stdout(Stdio::null()).spawn()?))
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How often each kind of flow was told, and how often rightly.
type Seen = BTreeMap<&'static str, (u32, u32)>;

fn names(flow: &Value) -> Vec<&str> {
    let paths = flow["paths"].as_array().into_iter().flatten();
    paths.filter_map(Value::as_str).collect()
}

/// Whether a flow's lines, reason and runner-up are right.
fn is_explained(flow: &Value, kind: &str) -> bool {
    let (paths, why) = (names(flow), flow["why"].as_str().unwrap_or(""));
    let second = flow["second"].as_str();
    let other = second.is_some_and(|second| !paths.contains(&second));
    match kind {
        "direct" if flow["rule"].is_null() => {
            paths == ["wan"] && why == "a network that is always direct, else pooled"
        }
        "direct" => {
            paths == ["wan"] && why == "a rule sends it direct, else pooled" && flow["rule"] == 2
        }
        // Where all are used nothing comes second.
        "burst" => paths.len() == 3 && why == "spread" && second.is_none(),
        // A piece of a stream may be spread for a moment.
        "steady stream" if paths.len() == 3 => why == "spread" && second.is_none(),
        "steady stream" => !paths.is_empty() && other,
        _ => paths.len() == 1 && other && why == "where it arrives first",
    }
}

fn look(community: &Community<'_>, seen: &mut Seen) -> Result<()> {
    let status = community.status("gw1")?;
    let flows = status["busiest"].as_array().cloned().unwrap_or_default();
    for (name, kind) in EXPECTED {
        let is = |flow: &&Value| {
            let text = format!("{} ", flow["flow"].as_str().unwrap_or(""));
            text.contains(name) && text.contains(ALSO) == name.contains(ALSO)
        };
        let Some(flow) = flows.iter().find(is) else {
            continue;
        };
        let (told, right) = seen.entry(name).or_default();
        *told += 1;
        if flow["kind"] == kind && is_explained(flow, kind) {
            *right += 1;
        } else {
            println!("not right: {flow}");
        }
    }
    Ok(())
}

#[test]
fn each_kind_of_flow_is_named_with_its_lines_the_reason_and_the_runner_up() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let mut topology = Topology::builtin("three-homes")?;
    let web = topology.hosts.iter_mut().find(|h| h.name == "web");
    web.context("no web")?.also = vec![ALSO.parse()?];
    let lab = Lab::beside(&topology)?;
    let mut community = Community::exit_only(&lab)?;
    community.start_agent("gw1", RULES)?;
    for home in ["gw2", "gw3"] {
        community.start_agent(home, "")?;
    }
    community.wait_all_pooling(READY)?;
    let web = lab.link("web")?.v4;
    let serve = |port| -> Result<(HttpServer, String, String)> {
        let server = HttpServer::start(&lab, "web", port)?;
        let small = server.publish("small", 30_000, web)?;
        let large = server.publish("large", 400_000_000, web)?;
        Ok((server, small, large))
    };
    let [pages, video, bulk, ruled] = [serve(80)?, serve(8000)?, serve(8080)?, serve(8081)?];
    let _ruled = Slow::start(&lab, &ruled.2, "50K")?;
    let elsewhere = video.2.replace(&web.to_string(), ALSO);
    let _bypassed = Slow::start(&lab, &elsewhere, "50K")?;
    let _video = Slow::start(&lab, &video.2, "400K")?;
    let call = Pinger::start(&lab, "c1", web, Duration::from_millis(20), 172)?;
    let running = transfer::start_download(&lab, "c1", &bulk.2, 30 * SECOND)?;
    let begun = Instant::now();
    sleep(9 * SECOND);
    let (mut seen, mut looks) = (Seen::new(), 0);
    // All runs as long as the download does: on a busy machine a page takes a second.
    while begun.elapsed() < 27 * SECOND && looks < 12 {
        looks += 1;
        // In the last whole second it must have been there.
        for _ in 0..3 {
            ensure!(fetches(&lab, "c1", &pages.1, 5 * SECOND));
            sleep(Duration::from_millis(300));
        }
        look(&community, &mut seen)?;
    }
    println!("{}\n{looks} {seen:?}", community.status_table("gw1")?);
    call.stop()?;
    ensure!(running.finish()?.intact);
    ensure!(looks >= 5, "{looks} looks in 18 s");
    for (name, _) in EXPECTED {
        let (told, right) = seen.get(name).copied().unwrap_or_default();
        let enough = told * 3 >= looks * 2 && right * 10 >= told * 9;
        ensure!(enough, "{name}: {looks} looks, {seen:?}");
    }
    Ok(())
}

/// Three homes without an exit.
fn street(lab: &Lab) -> Result<Community<'_>> {
    let community = Community::without_exit(lab)?;
    for home in ["gw1", "gw2", "gw3"] {
        community.wait(home, READY, "spread over three lines", has_hosts(2))?;
    }
    Ok(community)
}

#[test]
fn without_an_exit_each_connection_is_told_with_the_line_where_it_leaves() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let community = street(&lab)?;
    // The firewall's table follows.
    sleep(SECOND);
    let server = HttpServer::start(&lab, "web", 80)?;
    let url = server.publish("large", 400_000_000, lab.link("web")?.v4)?;
    let slow = (0..6).map(|_| Slow::start(&lab, &url, "50K"));
    let _slow = slow.collect::<Result<Vec<_>>>()?;
    sleep(2 * SECOND);
    let status = community.status("gw1")?;
    println!("{}", community.status_table("gw1")?);
    let flows = status["busiest"].as_array().cloned().unwrap_or_default();
    let mut lines = BTreeMap::<String, u32>::new();
    for flow in flows
        .iter()
        .filter(|f| f["flow"].as_str().is_some_and(|f| f.ends_with(":80")))
    {
        let (paths, second) = (names(flow), flow["second"].as_str());
        ensure!(
            paths.len() == 1 && second.is_some_and(|s| s != paths[0]),
            "{flow:#}"
        );
        let turn = "its turn, by shares";
        ensure!(flow["why"] == turn, "{flow:#}");
        *lines.entry(paths[0].to_owned()).or_default() += 1;
    }
    ensure!(
        lines.len() == 3 && lines.values().all(|n| *n == 2),
        "{lines:?}"
    );
    ensure!(lines.contains_key("wan"), "{lines:?}");
    Ok(())
}

#[test]
fn a_borrower_that_floods_is_named_in_status_and_log_of_the_one_who_lends() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let mut community = street(&lab)?;
    community.stop_agent("gw2")?;
    let limited = "option lend '1'\n\toption lend_up '1Mbit'";
    let config = community.write_changed_config("gw2", "option lend '1'", limited)?;
    community.start_agent_with("gw2", &config)?;
    community.wait("gw1", READY, "spread over three lines", has_hosts(2))?;
    sleep(SECOND);
    // Of three streams one leaves at each line, and 6 Mbit/s are more than one of them lends.
    let how = Iperf {
        seconds: 14,
        udp: Some(Rate::mbit(6)),
        length: 1_200,
        parallel: 3,
        ..Iperf::default()
    };
    let found = iperf::run(&lab, "c1", "web", lab.link("web")?.v4, &how)?;
    println!("{:.0} % were lost", 100.0 * found.lost);
    let borrower = community.status("gw1")?["node"].clone();
    let name = borrower.as_str().context("no node")?.to_owned();
    let status = community.status("gw2")?;
    let peers = status["peers"].as_array().cloned().unwrap_or_default();
    println!("{}", community.status_table("gw2")?);
    for peer in &peers {
        let floods = peer["node"] == borrower;
        ensure!(peer["floods"] == floods, "{peer:#}");
        ensure!(
            (peer["over_part"].as_u64() > Some(1_000)) == floods,
            "{peer:#}"
        );
    }
    ensure!(
        community
            .status_table("gw2")?
            .contains("sends far more than it is lent")
    );
    let log = community.agent("gw2")?.log();
    ensure!(
        log.contains(&format!("{name} sends far more than it is lent")),
        "{log}"
    );
    Ok(())
}
