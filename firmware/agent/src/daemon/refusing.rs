//! Whom the owner refuses, by the configuration or by a command.

use super::pause;
use crate::config::Config;
use crate::config::values;
use burstmesh_core::identity::NodeId;
use burstmesh_core::node::gateway::Gateway;
use burstmesh_core::time::{Duration, Instant};
use burstmesh_linux::info;
use core::fmt::Write;

/// Refuses a member for so many minutes, or until it is accepted for `None`; `false` if that is too long or there are too many.
pub fn refuse(gateway: &mut Gateway<'_>, now: Instant, node: NodeId, minutes: Option<u16>) -> bool {
    let until = minutes.map_or(Instant::FAR, |m| {
        now + Duration::from_secs(u64::from(m) * 60)
    });
    let may = minutes.is_none_or(|m| (1..=pause::LONGEST).contains(&m));
    let done = may && gateway.refuse(now, node, until);
    if done {
        info!("refusing {}", node);
    }
    done
}

/// Accepts a member again.
pub fn accept(gateway: &mut Gateway<'_>, now: Instant, node: NodeId) {
    info!("accepting {}", node);
    gateway.accept(now, node);
}

/// What the configuration says: at the start, and when it is read again after `before`.
pub fn follow(gateway: &mut Gateway<'_>, now: Instant, before: &[NodeId], config: &Config) {
    let wanted = &config.community.refused;
    for node in before.iter().filter(|n| !wanted.contains(n)) {
        accept(gateway, now, *node);
    }
    for node in wanted.iter().filter(|n| !before.contains(n)) {
        refuse(gateway, now, *node, None);
    }
}

/// Answers a line from the control socket, if it is about this: `refuse NODE`, `refuse NODE MINUTES` or `accept NODE`.
pub fn answer(gateway: &mut Gateway<'_>, now: Instant, line: &str, out: &mut dyn Write) -> bool {
    let Some((word, rest)) = line.split_once(' ') else {
        return false;
    };
    let (name, minutes) = rest
        .split_once(' ')
        .map_or((rest, None), |(name, m)| (name, Some(m)));
    let minutes = minutes.map(|m| m.parse().unwrap_or(0));
    let Ok(node) = values::node(name) else {
        return false;
    };
    let _ = match (word, minutes) {
        ("refuse", minutes) => {
            if !refuse(gateway, now, node, minutes) {
                return false;
            }
            let known = gateway.peers().any(|(_, p)| p.key.node_id() == node);
            let absent = if known { "" } else { " (no neighbour now)" };
            writeln!(
                out,
                "{node}{absent} is refused: neither uses the other's line; until: burstmesh accept {node}"
            )
        }
        ("accept", None) => {
            accept(gateway, now, node);
            writeln!(out, "{node} is accepted")
        }
        _ => return false,
    };
    true
}
