//! A bad configuration: file, line, what and how, exit code 2, and nothing half set up.

use std::fs;

use anyhow::Result;
use burstmesh_netns::community::Community;
use burstmesh_netns::{Lab, Topology, root};

#[test]
fn every_mistake_is_told_with_file_line_and_mend_by_check_and_by_run() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::up(&Topology::builtin("three-homes")?)?;
    let community = Community::exit_only(&lab)?;
    let good = fs::read_to_string(community.write_agent_config("gw1", "")?)?;
    lab.ns("gw1")
        .run("ip", &["link", "add", "br0", "type", "bridge"])?;
    lab.ns("gw1").run(
        "ip",
        &[
            "link", "add", "mesh1", "type", "veth", "peer", "name", "mesh2",
        ],
    )?;
    lab.ns("gw1")
        .run("ip", &["link", "set", "mesh1", "master", "br0"])?;
    for case in cases(&community, &good) {
        check_case(&lab, &good, case)?;
    }
    Ok(())
}

/// What is wrong, the file, and a word that the answer must contain.
type Case = (&'static str, String, &'static str);

fn cases(community: &Community<'_>, good: &str) -> [Case; 6] {
    let invitation = format!("\toption invitation '{}'\n", community.invitation());
    [
        (
            "unknown option",
            good.replace("option lend ", "option lent "),
            "lent",
        ),
        (
            "bad unit",
            good.replace(
                "option lend '1'",
                "option lend '1'\n\toption lend_up '5Megabit'",
            ),
            "5Megabit",
        ),
        (
            "missing uplink",
            good.replace(
                "config uplink 'wan'\n\toption ifname 'wan0'\n\toption lend '1'\n",
                "",
            ),
            "uplink",
        ),
        (
            "two defaults",
            format!(
                "{}\nconfig uplink 'b'\n\toption ifname 'wan1'\n\toption default '1'\n",
                good.replace("option lend '1'", "option lend '1'\n\toption default '1'")
            ),
            "default",
        ),
        (
            "no secret",
            good.replace(&invitation, "\toption name 'elm'\n"),
            "secret",
        ),
        (
            "bridged mesh port",
            good.replace("'mesh0'", "'mesh1'"),
            "bridge",
        ),
    ]
}

/// Both commands refuse it, and nothing is set up.
fn check_case(lab: &Lab, good: &str, (what, text, names): Case) -> Result<()> {
    assert_ne!(text, good, "{what}: the case changes nothing");
    let path = lab.ns("gw1").dir().join("bad.uci").display().to_string();
    fs::write(&path, &text)?;
    for command in ["check", "run"] {
        let output = lab
            .ns("gw1")
            .command("burstmesh")
            .args([command, "--config", &path])
            .output()?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(2), "{what}, {command}: {said}");
        let place = said
            .lines()
            .any(|l| l.starts_with(&format!("{path}:")) && l.contains("; "));
        assert!(place && said.contains(names), "{what}, {command}: {said}");
    }
    let links = lab.ns("gw1").run("ip", &["-br", "link"])?;
    let tables = lab.ns("gw1").run("nft", &["list", "tables"])?;
    assert!(
        !links.contains("bm0") && !tables.contains("burstmesh"),
        "{what}: half set up"
    );
    Ok(())
}
