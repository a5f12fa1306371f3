//! Whom the owner refuses, by the configuration or by a command.

use super::pause;
use crate::config::Config;
use crate::config::values;
use burstmesh_core::identity::NodeId;
use burstmesh_core::node::gateway::Gateway;
use burstmesh_core::time::{Duration, Instant};
use burstmesh_linux::info;
use core::fmt::Write;

/// Said of who is not refused; in one piece, which is smaller.
const NOT_REFUSED: &str = "not refused: 16 are, or over 1440 minutes\n";

/// Refuses a member from now on: for so many minutes, or for 0 until it is accepted. `false` if that is too long or there are too many.
pub fn refuse(gateway: &mut Gateway<'_>, now: Instant, node: NodeId, minutes: u32) -> bool {
    let until = match minutes {
        0 => Instant::FAR,
        minutes => now + Duration::from_secs(u64::from(minutes) * 60),
    };
    minutes <= pause::LONGEST.into() && set(gateway, now, node, Some(until))
}

/// Accepts a member again.
pub fn accept(gateway: &mut Gateway<'_>, now: Instant, node: NodeId) {
    set(gateway, now, node, None);
}

#[inline(never)]
fn set(gateway: &mut Gateway<'_>, now: Instant, node: NodeId, until: Option<Instant>) -> bool {
    let done = gateway.refuse(now, node, until);
    if done {
        let word = if until.is_some() {
            "refusing"
        } else {
            "accepting"
        };
        info!("{} {}", word, node);
    }
    done
}

/// What the configuration says of members: at the start, and when it is read again after `before`.
pub fn follow(gateway: &mut Gateway<'_>, now: Instant, before: &[NodeId], config: &Config) {
    let wanted = &config.community.refused;
    for node in before.iter().filter(|n| !wanted.contains(n)) {
        accept(gateway, now, *node);
    }
    for node in wanted.iter().filter(|n| !before.contains(n)) {
        refuse(gateway, now, *node, 0);
    }
    gateway.set_weights(now, &config.community.weights);
}

/// Answers a line from the control socket, if it is about this: `refuse NODE`, `refuse NODE MINUTES` or `accept NODE`.
pub fn answer(gateway: &mut Gateway<'_>, now: Instant, line: &str, out: &mut dyn Write) -> bool {
    let Some((word, rest)) = line.split_once(' ') else {
        return false;
    };
    let (name, minutes) = rest.split_once(' ').unwrap_or((rest, "0"));
    let Ok(node) = values::node(name) else {
        return false;
    };
    let _ = match word {
        "refuse" => {
            if refuse(gateway, now, node, minutes.parse().unwrap_or(u32::MAX)) {
                let known = gateway.peers().any(|(_, p)| p.key.node_id() == node);
                let absent = if known { "" } else { " (no neighbour now)" };
                writeln!(
                    out,
                    "{node}{absent} is refused: neither uses the other's line; until: burstmesh accept {node}"
                )
            } else {
                out.write_str(NOT_REFUSED)
            }
        }
        "accept" => {
            accept(gateway, now, node);
            writeln!(out, "{node} is accepted")
        }
        _ => return false,
    };
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use burstmesh_core::node::gateway::MAX_REFUSED;

    #[test]
    fn the_answer_to_who_cannot_be_refused_names_the_limits_that_hold() {
        assert_eq!((pause::LONGEST, MAX_REFUSED), (1_440, 16));
        assert!(NOT_REFUSED.contains("1440 minutes") && NOT_REFUSED.contains("16 are"));
    }
}
