//! Connections that use no exit: direct ones, and those that leave at a neighbour's line. Their packets pass by the flow table, so the
//! kernel's tracker is asked for them, when somebody asks, by the marks that the firewall gave them.

use super::View;
use crate::daemon::routing::direct::{self, DIRECT, Reason};
use crate::daemon::routing::{GUEST, MASK};
use burstmesh_core::data::queue::BUSIEST;
use burstmesh_linux::netlink::conntrack::{self, Tracked};
use core::fmt::{self, Write};
use heapless::Vec;

/// So many of each kind are looked at: the data road waits meanwhile, some milliseconds on a slow router.
const LOOKED_AT: usize = 256;

/// Where a connection leaves without an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaves {
    Direct(Reason),
    /// At the host in this place.
    Host(usize),
}

/// One such connection.
pub(super) struct Alone {
    pub tracked: Tracked,
    leaves: Leaves,
}

impl Alone {
    fn of(tracked: &Tracked) -> Self {
        let leaves = match tracked.mark & MASK {
            DIRECT => Leaves::Direct(Reason::of(tracked.mark)),
            _ => Leaves::Host((tracked.mark >> 24 & 0xf) as usize),
        };
        Self {
            tracked: *tracked,
            leaves,
        }
    }

    /// What stands for its looks, which nobody sees.
    pub fn kind(&self) -> &'static str {
        match self.leaves {
            Leaves::Direct(_) => "direct",
            Leaves::Host(_) => "at one line",
        }
    }

    /// Why it leaves there, and what else it could have been.
    pub fn why(&self) -> &'static str {
        match self.leaves {
            Leaves::Direct(Reason::Network) => "a network that is always direct, else pooled",
            Leaves::Direct(Reason::Name) => "a name that is always direct, else pooled",
            Leaves::Direct(Reason::Rule(_)) => "a rule sends it direct, else pooled",
            Leaves::Direct(Reason::Turn) | Leaves::Host(_) => "its turn, by shares",
        }
    }

    /// Which rule, by its number in the settings.
    pub fn rule(&self, view: &View<'_>) -> Option<usize> {
        match self.leaves {
            Leaves::Direct(Reason::Rule(place)) => direct::rule_at(view.config, place),
            _ => None,
        }
    }

    fn host(&self) -> Option<usize> {
        match self.leaves {
            Leaves::Host(place) => Some(place),
            Leaves::Direct(_) => None,
        }
    }

    fn is_turn(&self) -> bool {
        matches!(self.leaves, Leaves::Host(_) | Leaves::Direct(Reason::Turn))
    }
}

impl View<'_> {
    /// Those that carried most so far, as far as the kernel counts that.
    pub(super) fn alone(&self) -> Vec<Alone, BUSIEST> {
        let mut most = Vec::<Alone, BUSIEST>::new();
        let mut look = |mark| {
            let mut left = LOOKED_AT;
            // Without a tracker nothing is marked.
            let _ = conntrack::list(mark, MASK, |tracked| {
                let at = most.iter().position(|a| a.tracked.bytes < tracked.bytes);
                let at = at.unwrap_or(most.len());
                if at < BUSIEST {
                    if most.is_full() {
                        most.pop();
                    }
                    let _ = most.insert(at, Alone::of(tracked));
                }
                left -= 1;
                left > 0
            });
        };
        let spread = self.applied.spread.is_used();
        if spread || direct::is_used(self.config) {
            look(DIRECT);
        }
        if spread {
            look(GUEST);
        }
        most
    }

    /// The line at which it leaves.
    pub(super) fn leaves_at(&self, alone: &Alone, out: &mut dyn Write) -> fmt::Result {
        self.line(alone.host(), out)
    }

    /// The line that gets most connections besides; false: there is none, or it was no matter of turns.
    pub(super) fn next_turn(&self, alone: &Alone, out: &mut dyn Write) -> Result<bool, fmt::Error> {
        let spread = &self.applied.spread;
        let hosts = spread
            .hosts()
            .map(|(place, share)| (share.weight, Some(place)));
        let all = hosts.chain([(spread.own, None)]);
        let others = all.filter(|(weight, line)| *weight > 0 && *line != alone.host());
        match others
            .max_by_key(|(weight, _)| *weight)
            .filter(|_| alone.is_turn())
        {
            Some((_, line)) => self.line(line, out).map(|()| true),
            None => Ok(false),
        }
    }

    /// A host's line, or the own ones: among several the router's routes decide.
    fn line(&self, host: Option<usize>, out: &mut dyn Write) -> fmt::Result {
        if let Some(place) = host {
            return match self.peer(place as u8) {
                Some(p) => write!(
                    out,
                    "{}/{}",
                    p.key.node_id(),
                    p.host.map_or(0, |h| h.uplink)
                ),
                None => write!(out, "?/0"),
            };
        }
        let up = self
            .config
            .uplinks
            .iter()
            .zip(self.uplinks)
            .filter(|(_, state)| state.up);
        for (n, (uplink, _)) in up.enumerate() {
            write!(out, "{}{}", if n == 0 { "" } else { " or " }, uplink.name)?;
        }
        Ok(())
    }
}
