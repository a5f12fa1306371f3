//! A bad configuration: file, line, what and how, exit code 2, and nothing half set up.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use burstmesh_netns::community::{Community, fetches};
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::{Lab, Topology, root};

#[test]
fn every_mistake_is_told_with_file_line_and_mend_by_check_and_by_run() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
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
    for case in cases(&community, &good)? {
        check_case(&lab, &good, case)?;
    }
    Ok(())
}

/// What is wrong, the file, and a word that the answer must contain.
type Case = (&'static str, String, &'static str);

fn cases(community: &Community<'_>, good: &str) -> Result<[Case; 6]> {
    let invitation = format!("\toption invitation '{}'\n", community.invitation("gw1")?);
    Ok([
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
    ])
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

/// A home's file without an invitation: name, secret and exit are written out.
fn write_by_hand(community: &Community<'_>, lab: &Lab, home: &str, secret: &str) -> Result<()> {
    let path = community.write_agent_config(home, "")?;
    let text = fs::read_to_string(&path)?;
    let invitation = format!("\toption invitation '{}'\n", community.invitation(home)?);
    let (exit, key) = (lab.link("exit")?, community.proxy(&["key"])?);
    let by_hand = text.replace(
        &invitation,
        &format!("\toption name 'by-hand'\n\toption secret '{secret}'\n"),
    );
    assert_ne!(text, by_hand);
    let exit = format!(
        "\nconfig exit 'main'\n\toption key '{}'\n\tlist address '{}:4454'\n\tlist address '[{}]:4454'\n",
        key.trim(),
        exit.v4,
        exit.v6
    );
    Ok(fs::write(&path, by_hand + &exit)?)
}

#[test]
fn a_community_by_hand_pools_as_an_invited_one_does() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let mut community = Community::exit_only(&lab)?;
    let secret = lab.ns("gw1").run("burstmesh", &["keygen", "--secret"])?;
    let secret = secret.lines().next().context("no secret")?.trim();
    // In a file: an argument is seen by everybody on the machine.
    let file = lab.ns("exit").dir().join("secret");
    fs::write(&file, secret)?;
    let add = ["community", "add", "by-hand", "--secret-file"];
    community.proxy(&[&add[..], &[&file.display().to_string()]].concat())?;
    for home in ["gw1", "gw2", "gw3"] {
        write_by_hand(&community, &lab, home, secret)?;
        let config = lab.ns(home).dir().join("burstmesh.uci");
        community.start_agent_with(home, &config)?;
    }
    community.wait_all_pooling(Duration::from_secs(10))?;
    let server = HttpServer::start(&lab, "web", 80)?;
    let url = server.publish("page", 20_000, lab.link("web")?.v4)?;
    assert!(fetches(&lab, "c1", &url, Duration::from_secs(3)));
    let members = community.exit_status()?;
    let of = |name: &str| {
        let all = members["communities"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let found = all.iter().find(|c| c["name"] == name);
        found.and_then(|c| c["members"].as_array().map(Vec::len))
    };
    assert_eq!((of("by-hand"), of("elm-street")), (Some(3), Some(0)));
    Ok(())
}

#[test]
fn a_key_that_is_kept_in_a_file_is_told_by_its_public_half_and_never_overwritten() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let lab = Lab::beside(&Topology::builtin("three-homes")?)?;
    let gw1 = lab.ns("gw1");
    let file = gw1.dir().join("new-key").display().to_string();
    let told = gw1.run("burstmesh", &["keygen", "-o", &file])?;
    assert_eq!(told, gw1.run("burstmesh", &["pubkey", &file])?);
    assert_eq!(told.trim().len(), 44);
    let kept = fs::read_to_string(&file)?;
    assert!(gw1.run("burstmesh", &["keygen", "-o", &file]).is_err());
    assert_eq!(kept, fs::read_to_string(&file)?);
    let secret = gw1.dir().join("new-secret").display().to_string();
    assert_eq!(
        gw1.run("burstmesh", &["keygen", "--secret", "-o", &secret])?,
        ""
    );
    Ok(())
}
