//! Raising a road and running the loads on it, with a canary beside.

use std::fmt::Write as _;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use burstmesh_lab::profile::{Link, Profile};
use burstmesh_netns::canary::Canary;
use burstmesh_netns::community::Community;
use burstmesh_netns::tools::bulk::{Bulk, jain};
use burstmesh_netns::tools::mptcp;
use burstmesh_netns::{Lab, Topology};
use serde_json::Value;

use crate::cell::{Load, Road};
use crate::figures::{Figure, Figures};

/// Not counted, as in the simulator.
const START: Duration = Duration::from_secs(5);
/// Counted.
const LENGTH: Duration = Duration::from_secs(15);
/// For paths to be found, and for queues to drain between two loads.
const PAUSE: Duration = Duration::from_secs(2);
/// A disturbed run is repeated, twice at most.
const TRIES: u32 = 3;

/// Measures all loads of a road, in a lab of its own.
pub fn measure(profile: &Profile, road: Road, figures: &mut Figures) -> Result<()> {
    let best = profile.links.iter().max_by_key(|link| link.down);
    let links: Vec<&Link> = match road {
        Road::Alone => best.into_iter().collect(),
        Road::Ours | Road::Mptcp => profile.links.iter().collect(),
    };
    let lab = Lab::up(&Topology::parse(&topology(profile, &links))?)?;
    let community = match road {
        Road::Mptcp => {
            mptcp::raise(&lab, "web")?;
            None
        }
        Road::Ours | Road::Alone => Some(Community::up(&lab)?),
    };
    if let Some(community) = &community {
        community.wait_all_pooling(Duration::from_secs(20))?;
    }
    for load in road.loads().filter(|load| load.possible()) {
        sleep(PAUSE);
        let figure = run(&lab, profile, road, load)?;
        figures.set(profile.name, road, load, figure);
        if let Some(community) = &community {
            tell_paths(community)?;
        }
    }
    Ok(())
}

/// What the exit knows of its paths to the homes: where a figure is low, why.
fn tell_paths(community: &Community<'_>) -> Result<()> {
    let status = community.exit_status()?;
    let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let communities = list(&status, "communities").into_iter();
    let members = communities.flat_map(|c| list(&c, "members"));
    for path in members.flat_map(|member| list(&member["live"], "paths")) {
        let megabytes = path["down"]["bytes"].as_f64().unwrap_or(0.0) / 1e6;
        // The others' own lines carry only feedback.
        if megabytes > 0.1 {
            println!(
                "    path {} via {}: {}, {:.1} Mbit/s down, {:.0} ms, {megabytes:.0} MB so far",
                path["id"],
                path["via"],
                path["state"],
                path["rate_bps"].as_f64().unwrap_or(0.0) / 1e6,
                path["delay_ms"].as_f64().unwrap_or(0.0)
            );
        }
    }
    Ok(())
}

/// One load, again while the machine is noisy. The last try counts if all were, and is marked.
fn run(lab: &Lab, profile: &Profile, road: Road, load: &Load) -> Result<Figure> {
    let bulk = Bulk {
        multipath: road == Road::Mptcp,
        congestion: load.congestion,
        flows: load.flows,
        down: load.down,
        start: START,
        length: LENGTH,
    };
    let sum: u64 = profile
        .links
        .iter()
        .map(|l| if load.down { l.down } else { l.up })
        .sum();
    let mut tries = 0;
    loop {
        tries += 1;
        let canary = Canary::start(lab)?;
        let rates = bulk.run(lab, "c1", "web", lab.link("web")?.v4)?;
        let verdict = canary.stop(lab)?;
        let figure = Figure {
            share: rates.iter().sum::<f64>() / (sum as f64 * 1e6) * 100.0,
            jain: jain(&rates),
            quiet: verdict.quiet(),
        };
        println!(
            "  {}: {:.1} %, Jain {:.2}; canary {:.1} ms late{}",
            load.name,
            figure.share,
            figure.jain,
            verdict.late_ms(),
            if figure.quiet { "" } else { ": disturbed" }
        );
        if figure.quiet || tries == TRIES {
            return Ok(figure);
        }
        sleep(PAUSE);
    }
}

/// Homes of these lines, the first one's client is the one that is looked at. Nobody is told a rate; the mesh has the
/// simulator's.
fn topology(profile: &Profile, links: &[&Link]) -> String {
    let mut text = format!(
        "name = \"{}\"\n[mesh]\nrate = \"{}Mbit\"\ndelay = \"1ms\"\nqueue = \"100ms\"\n",
        profile.name, profile.mesh
    );
    for (number, link) in links.iter().enumerate().map(|(i, link)| (i + 1, link)) {
        let _ = write!(
            text,
            "[[home]]\nname = \"gw{number}\"\nclient = \"c{number}\"\n\
             line = {{ delay = \"{}ms\", jitter = \"{}ms\", loss = \"{}%\", queue = \"100ms\", \
             up = {{ rate = \"{}Mbit\" }}, down = {{ rate = \"{}Mbit\" }} }}\n",
            link.delay,
            link.jitter,
            link.loss_ppm as f64 / 1e4,
            link.up,
            link.down
        );
    }
    text + "[[exit]]\nname = \"exit\"\n[[host]]\nname = \"web\"\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_becomes_a_topology_with_its_lines() {
        let profile = Profile::named("P5").unwrap();
        let links: Vec<&Link> = profile.links.iter().collect();
        let topology = Topology::parse(&topology(profile, &links)).unwrap();
        let line = topology.homes[1].line.clone().unwrap();
        assert_eq!(line.down().rate, Some("5Mbit".parse().unwrap()));
        assert_eq!(line.up().jitter, "10ms".parse().unwrap());
        assert_eq!(line.up().delay, "100ms".parse().unwrap());
    }
}
