//! Members upgrade one at a time: a gateway of the previous minor protocol version pools with the others.

use std::time::Duration;

use anyhow::Result;
use burstmesh_netns::community::Community;
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::transfer::{download, share};
use burstmesh_netns::units::Rate;
use burstmesh_netns::{Lab, Topology, root};

#[test]
fn a_gateway_of_the_previous_minor_version_borrows_and_lends() -> Result<()> {
    if root::skip() {
        return Ok(());
    }
    let Some(agent) = std::env::var_os("BURSTMESH_PREVIOUS_AGENT") else {
        eprintln!(
            "SKIPPED: needs BURSTMESH_PREVIOUS_AGENT, a build with --features previous-minor (cargo xtask test makes it)"
        );
        assert!(
            std::env::var_os("BURSTMESH_REQUIRE_ROOT").is_none(),
            "the build of the previous version is missing"
        );
        return Ok(());
    };
    let agent = agent.to_string_lossy().into_owned();
    let lab = Lab::up(&Topology::builtin("three-homes")?)?;
    let mut community = Community::exit_only(&lab)?;
    community.start_agent("gw1", "")?;
    community.start_other_agent("gw2", &[&agent])?;
    community.start_agent("gw3", "")?;
    community.wait_all_pooling(Duration::from_secs(10))?;
    assert_eq!(community.status("gw2")?["protocol"], "1.0");
    assert_eq!(community.status("gw1")?["protocol"], "1.1");
    let server = HttpServer::start(&lab, "web", 80)?;
    let url = server.publish("file", 400_000_000, lab.link("web")?.v4)?;
    let lines: Vec<Rate> = vec!["20Mbit".parse()?, "20Mbit".parse()?, "20Mbit".parse()?];
    for client in ["c1", "c2"] {
        let result = download(&lab, client, &url, Duration::from_secs(12))?;
        println!("{client}: {:.1} %", 100.0 * share(&result, &lines));
        assert!(result.intact && share(&result, &lines) > 0.75, "{client}");
    }
    Ok(())
}
