//! `status`: what the running exit says, as tables.

use anyhow::{Context as _, Result};

use super::table::{age, decimal, layout};
use crate::status::{CommunityStatus, Live, MemberStatus, Status};

pub fn run(json: &str, as_json: bool) -> Result<()> {
    if as_json {
        println!("{json}");
        return Ok(());
    }
    let status: Status =
        serde_json::from_str(json).context("the running exit is of another version: restart it")?;
    print!("{}", text(&status));
    Ok(())
}

fn text(status: &Status) -> String {
    let listen: Vec<_> = status.listen.iter().map(ToString::to_string).collect();
    let mut out = format!(
        "burstmesh-proxy {}, up {}, at {}\npublic key {}\n{} of {} seats taken; packet memory {} of at most {}\n",
        status.version,
        age(status.uptime_seconds),
        listen.join(", "),
        status.key,
        status.seats.taken,
        status.seats.most,
        decimal(status.seats.memory_bytes, "B"),
        decimal(status.seats.memory_most_bytes, "B"),
    );
    if status.communities.is_empty() {
        out.push_str("\nNo community is served: burstmesh-proxy community add NAME\n");
    }
    for community in &status.communities {
        out.push_str(&community_text(community));
    }
    let refused = status
        .firewall
        .iter()
        .filter(|c| c.refusal && c.packets > 0);
    let mut rows: Vec<_> = refused
        .map(|c| vec![c.packets.to_string(), c.about.clone()])
        .collect();
    rows.extend(
        status
            .refusals
            .iter()
            .filter(|(_, n)| **n > 0)
            .map(|(why, n)| vec![n.to_string(), why.clone()]),
    );
    if !rows.is_empty() {
        out.push('\n');
        out.push_str(&layout(&["REFUSED", "BECAUSE OF"], &rows));
    }
    out
}

fn community_text(community: &CommunityStatus) -> String {
    let live = community
        .members
        .iter()
        .filter(|m| m.live.is_some())
        .count();
    let mut out = format!(
        "\n{} ({}): {live} of {} members are here\n",
        community.name,
        community.id,
        community.members.len()
    );
    if community.members.is_empty() {
        return out;
    }
    let rows: Vec<_> = community.members.iter().map(member_row).collect();
    out.push_str(&layout(
        &["MEMBER", "LEASE", "HANDSHAKE", "UP", "DOWN", "DROPPED"],
        &rows,
    ));
    let paths: Vec<_> = community
        .members
        .iter()
        .filter_map(|m| Some((m, m.live.as_ref()?)))
        .flat_map(path_rows)
        .collect();
    if !paths.is_empty() {
        out.push('\n');
        out.push_str(&layout(
            &[
                "PATH OF", "NO", "VIA", "STATE", "RATE", "DELAY", "LOSS", "UP", "DOWN",
            ],
            &paths,
        ));
    }
    out
}

fn called(member: &MemberStatus) -> String {
    member
        .name
        .clone()
        .unwrap_or_else(|| member.node_id.clone())
}

fn member_row(member: &MemberStatus) -> Vec<String> {
    let mut row = vec![called(member), member.lease_v4.to_string()];
    match &member.live {
        Some(live) => row.extend([
            age(live.handshake_age_seconds as u64) + " ago",
            decimal(live.up.bytes, "B"),
            decimal(live.down.bytes, "B"),
            live.drops.values().sum::<u64>().to_string(),
        ]),
        None if member.revoked => row.push("removed".into()),
        None => row.push("away".into()),
    }
    row
}

fn path_rows((member, live): (&MemberStatus, &Live)) -> Vec<Vec<String>> {
    let row = |path: &crate::status::PathStatus| {
        vec![
            called(member),
            path.id.to_string(),
            path.via.to_string(),
            path.state.clone(),
            decimal(path.rate_bps, "bit/s"),
            format!("{:.1} ms", path.delay_ms),
            format!("{:.1} %", path.loss * 100.0),
            decimal(path.up.bytes, "B"),
            decimal(path.down.bytes, "B"),
        ]
    };
    live.paths.iter().map(row).collect()
}
