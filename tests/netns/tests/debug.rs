use std::time::Duration;
use anyhow::Result;
use burstmesh_netns::community::Community;
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::transfer;
use burstmesh_netns::{Lab, Topology};
fn sh(lab: &Lab, ns: &str, cmd: &str) {
    let o = lab.ns(ns).command("sh").args(["-c", cmd]).output().unwrap();
    println!("== {ns}: {cmd}\n{}{}", String::from_utf8_lossy(&o.stdout), String::from_utf8_lossy(&o.stderr));
}
#[test]
fn debug() -> Result<()> {
    let lab = Lab::up(&Topology::builtin("three-homes")?)?;
    let community = Community::up(&lab)?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    let server = HttpServer::start(&lab, "web", 80)?;
    let web = lab.link("web")?.v4;
    let url = server.publish("file", 400_000_000, web)?;
    std::thread::sleep(Duration::from_secs(1));
    let down = transfer::start_download(&lab, "c1", &url, Duration::from_secs(4))?;
    sh(&lab, "gw1", "timeout 2 tcpdump -ni bm0 -c 10 2>&1");
    sh(&lab, "exit", "timeout 2 tcpdump -ni bmx0 -c 10 2>&1; timeout 1 tcpdump -ni eth0 -c 5 tcp 2>&1");
    sh(&lab, "gw1", "ip rule; ip route show table 181; ip addr show bm0; nft list table inet burstmesh; cat /proc/sys/net/ipv4/conf/*/rp_filter");
    sh(&lab, "exit", "ip addr; ip route; nft list ruleset; cat /proc/sys/net/ipv4/ip_forward");
    println!("{:?}", down.finish()?.said);
    println!("{}", community.exit_log());
    println!("{:#}", community.exit_status()?);
    Ok(())
}
