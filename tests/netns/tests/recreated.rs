//! Devices that are deleted and made anew under a running agent: a dialled line, as PPPoE does it, and the mesh.

use std::fs;
use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use burstmesh_netns::community::{Community, live_paths};
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::transfer;
use burstmesh_netns::topology::plan::CORE;
use burstmesh_netns::{Lab, Topology, root};
use serde_json::Value;

/// The device of the line, and of the mesh: each has what the lab's own one carries, which cannot be made anew.
const LINE: &str = "ppp0";
const MESH: &str = "radio0";
/// How soon a device that is back is used again.
const AGAIN: Duration = Duration::from_secs(10);

/// Makes the device: another than before, by its number as by its hardware address.
fn make(lab: &Lab, name: &str) -> Result<u32> {
    let port = if name == LINE { "wan0" } else { "mesh0" };
    lab.ip(
        "gw1",
        &format!("link add link {port} name {name} type macvlan\nlink set {name} up\n"),
    )?;
    let number = format!("/sys/class/net/{name}/ifindex");
    Ok(lab.ns("gw1").run("cat", &[&number])?.trim().parse()?)
}

fn delete(lab: &Lab, name: &str) -> Result<()> {
    lab.ip("gw1", &format!("link delete {name}\n"))
}

/// Dials the line: a device with an address and a default route by it.
fn dial(lab: &Lab, number: u8) -> Result<u32> {
    let [near, far] = [2, 1].map(|last| Ipv4Addr::new(88, 11, number, last));
    lab.ip(CORE, &format!("address add {far}/30 dev to-gw1\n"))?;
    let index = make(lab, LINE)?;
    let script =
        format!("address add {near}/30 dev {LINE}\nroute add default via {far} dev {LINE}\n");
    lab.ip("gw1", &script)?;
    Ok(index)
}

/// All homes, of which `gw1` has these devices.
fn community(lab: &Lab) -> Result<Community<'_>> {
    let mut community = Community::exit_only(lab)?;
    for home in ["gw1", "gw2", "gw3"] {
        let path = community.write_agent_config(home, "")?;
        if home == "gw1" {
            let text = fs::read_to_string(&path)?;
            fs::write(&path, text.replace("wan0", LINE).replace("mesh0", MESH))?;
        }
        community.start_agent_with(home, &path)?;
    }
    Ok(community)
}

fn own_line(status: &Value) -> bool {
    let paths = status["paths"].as_array();
    paths.is_some_and(|all| {
        all.iter()
            .any(|path| path["lent"] == false && path["state"] == "live")
    })
}

/// What the line carries in two seconds.
fn carried(lab: &Lab) -> u64 {
    let [bytes] = lab.carried_within(["gw1"], Duration::from_secs(2));
    bytes
}

#[test]
fn a_line_that_is_dialled_anew_and_a_mesh_that_is_made_anew_cost_no_flow_and_are_used_again()
-> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    lab.ip("gw1", "address flush dev wan0\naddress flush dev mesh0\n")?;
    let (line, mesh) = (dial(&lab, 1)?, make(&lab, MESH)?);
    let community = community(&lab)?;
    community.wait_all_pooling(AGAIN)?;
    let server = HttpServer::start(&lab, "web", 80)?;
    let large = server.publish("large", 400_000_000, lab.link("web")?.v4)?;
    let running = transfer::start_download(&lab, "c1", &large, Duration::from_secs(30))?;
    sleep(Duration::from_secs(3));
    let before = carried(&lab);

    delete(&lab, LINE)?;
    sleep(Duration::from_secs(1));
    let without = carried(&lab);
    ensure!(dial(&lab, 2)? != line, "it is the same device");
    let took = community.wait("gw1", AGAIN, "using the line again", own_line)?;
    println!("the line was used again {took:?} after it was back");
    sleep(Duration::from_secs(2));
    let after = carried(&lab);
    println!("it carried {before} bytes in 2 s, {without} without it, {after} with the other");
    ensure!(before > 1_000_000 && without < 10_000 && after > before / 2);

    delete(&lab, MESH)?;
    let alone = community.wait("gw1", AGAIN, "alone", |s| live_paths(s) == 1)?;
    sleep(Duration::from_secs(1));
    ensure!(make(&lab, MESH)? != mesh, "it is the same device");
    let took = community.wait_pooling("gw1", 3, AGAIN)?;
    println!("alone {alone:?} after the mesh was gone, pooling {took:?} after it was back");

    let result = running.finish()?;
    println!(
        "{} bytes, longest gap {:?}",
        result.bytes, result.longest_gap
    );
    result.went_on()?;
    ensure!(result.longest_gap < Duration::from_secs(2), "{result:?}");
    let uptime = community.status("gw1")?["uptime_s"].as_u64();
    ensure!(uptime.context("no uptime")? > 20, "it was restarted");
    Ok(())
}
