//! What never uses the pool: bypassed names, by a real dnsmasq, and connections that a rule sends direct.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use burstmesh_netns::community::Community;
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::{Lab, Topology, root};

/// Ports of the web server: an ordinary one, one that a rule pools, one that a rule sends direct, one whose packets are marked.
const PORTS: [u16; 4] = [80, 8080, 8081, 8082];
/// Another address of `c1`, which a rule sends direct.
const TABLET: &str = "192.168.1.77";
/// Another address of the web server.
const ALSO: &str = "88.230.0.1";

const RULES: &str = "\tlist bypass 'bypassed.web.test'\n
config rule\n\toption lane 'auto'\n\toption port '8080'\n
config rule\n\toption lane 'direct'\n\toption protocol 'tcp'\n\toption port '8081'\n
config rule\n\toption lane 'direct'\n\toption dscp '46'\n
config rule\n\toption lane 'direct'\n\toption client '192.168.1.77'\n";

/// Where a new connection of `c1` left.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    Direct,
    Pooled,
}

/// Asks the web server from where it was asked.
fn left(lab: &Lab, url: &str, options: &[&str]) -> Result<Left> {
    let url = format!("http://{url}/who");
    let words = [&["-s", "-m", "5"], options, &[&url]].concat();
    let from = lab.ns("c1").run("curl", &words).context(url)?;
    let exit = lab.link("exit")?;
    let pooled = from == exit.v4.to_string() || from == exit.v6.to_string();
    // Over IPv6 a client has its own address.
    let own = from == lab.link("gw1")?.v4.to_string() || from.contains(':');
    ensure!(pooled || own, "left at {from}");
    Ok(if pooled { Left::Pooled } else { Left::Direct })
}

/// What the client's packets are like.
fn prepare_client(lab: &Lab) -> Result<()> {
    let client = lab.ns("c1");
    client.run(
        "ip",
        &["address", "add", &format!("{TABLET}/24"), "dev", "eth0"],
    )?;
    let marks = "table inet marks { chain out { type filter hook output priority mangle; tcp dport 8082 ip dscp set 46; }; }\n";
    lab.nft("c1", marks)
}

fn by_name(lab: &Lab) -> Result<()> {
    // Nobody has asked for the name yet.
    let web = lab.link("web")?.v4.to_string();
    ensure!(
        left(lab, &web, &[])? == Left::Pooled,
        "the address is nobody's yet"
    );
    for family in ["-4", "-6"] {
        ensure!(
            left(lab, "bypassed.web.test", &[family])? == Left::Direct,
            "{family}"
        );
    }
    ensure!(
        left(lab, "also.web.test", &[])? == Left::Pooled,
        "another address"
    );
    // A neighbour on the same address cannot be told apart, but what a rule fits.
    ensure!(left(lab, "web.test", &["-4"])? == Left::Direct);
    ensure!(left(lab, "web.test:8080", &["-4"])? == Left::Pooled);
    ensure!(left(lab, "bypassed.web.test:8080", &["-6"])? == Left::Pooled);
    Ok(())
}

fn by_rule(lab: &Lab) -> Result<()> {
    ensure!(
        left(lab, &format!("{ALSO}:8081"), &[])? == Left::Direct,
        "by port"
    );
    ensure!(
        left(lab, &format!("{ALSO}:8082"), &[])? == Left::Direct,
        "by DSCP"
    );
    ensure!(
        left(lab, ALSO, &["--interface", TABLET])? == Left::Direct,
        "by client"
    );
    ensure!(left(lab, ALSO, &[])? == Left::Pooled);
    Ok(())
}

#[test]
fn a_bypassed_name_and_what_a_rule_sends_direct_leave_at_the_own_line_and_the_rest_is_pooled()
-> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let mut topology = Topology::builtin("three-homes")?;
    let web = topology.hosts.iter_mut().find(|h| h.name == "web");
    web.context("no web")?.also = vec![ALSO.parse()?];
    let lab = Lab::beside(&topology)?;
    let servers: Result<Vec<_>> = PORTS
        .iter()
        .map(|p| HttpServer::start(&lab, "web", *p))
        .collect();
    let _servers = servers?;
    prepare_client(&lab)?;
    let mut community = Community::exit_only(&lab)?;
    let config = community.write_agent_config("gw1", RULES)?;
    community.start_agent_with("gw1", &config)?;
    community.wait_pooling("gw1", 1, Duration::from_secs(10))?;
    by_name(&lab)?;
    by_rule(&lab)?;

    // New rules leave dnsmasq's sets alone: nobody asks for the name again.
    let web = lab.link("web")?.v4.to_string();
    let without = fs::read_to_string(&config)?.replace("'8081'", "'8083'");
    fs::write(&config, without)?;
    community.reload("gw1")?;
    std::thread::sleep(Duration::from_millis(500));
    ensure!(left(&lab, &format!("{ALSO}:8081"), &[])? == Left::Pooled);
    ensure!(
        left(&lab, &web, &[])? == Left::Direct,
        "a reload emptied the sets"
    );

    // A restart does, until the name is asked for.
    community.stop_agent("gw1")?;
    community.start_agent_with("gw1", &config)?;
    community.wait_pooling("gw1", 1, Duration::from_secs(10))?;
    ensure!(left(&lab, &web, &[])? == Left::Pooled);
    ensure!(left(&lab, "bypassed.web.test", &["-4"])? == Left::Direct);
    Ok(())
}
