//! What neighbours ask for: uplinks, and ways to members.

use super::Gateway;
use crate::node::Via;
use crate::node::lend::{LEASE, Over};
use crate::time::{Duration, Instant};
use crate::wire::control::{MAX_CIDS, Message, Reason, WAY};
use heapless::Vec;

impl Gateway<'_> {
    /// The answer to an Ask.
    pub(super) fn handle_ask(
        &mut self,
        now: Instant,
        place: usize,
        uplink: u8,
        exit: [u8; 8],
        address: u8,
        cids: &Vec<u32, MAX_CIDS>,
    ) -> Message {
        let leads = if uplink >= WAY {
            let way = self.way_to(place, uplink, exit);
            way.map(|over| (over, [0; 2])).ok_or(Reason::Down)
        } else if self
            .peers
            .get(place)
            .is_some_and(|p| p.as_ref().is_some_and(|p| p.refused))
        {
            Err(Reason::Refused)
        } else {
            self.line_to(now, place, uplink, exit, address, cids)
        };
        let fresh = self.draw.cid();
        let granted = leads.and_then(|(over, told)| {
            self.relays
                .grant(now, place as u8, over, cids, fresh, told)
                .map(|relay| granted(uplink, exit, relay, LEASE, told))
                .map_err(|_| Reason::Full)
        });
        granted.unwrap_or_else(|reason| Message::Refuse {
            uplink,
            exit,
            reason,
        })
    }

    /// Where a grant over one of our uplinks leads, and the borrower's part of it up and down.
    fn line_to(
        &mut self,
        now: Instant,
        place: usize,
        uplink: u8,
        exit: [u8; 8],
        address: u8,
        cids: &Vec<u32, MAX_CIDS>,
    ) -> Result<(Over, [u32; 2]), Reason> {
        let pinned = self.exit_named(exit);
        let known = pinned.filter(|e| {
            let exit = self.exits.get(*e);
            exit.is_some_and(|x| usize::from(address) < x.addresses.len())
        });
        let exit = known.ok_or(Reason::UnknownExit)?;
        let line = self.uplinks.get(usize::from(uplink));
        line.filter(|u| u.config.lend).ok_or(Reason::NotLent)?;
        // Where the exit in use has died no line is proven: others are asked over one that was.
        let works =
            self.link.proven(uplink) || (exit != self.link.exit && self.link.opened(uplink));
        if !works {
            return Err(Reason::Down);
        }
        let via = Via::Uplink {
            uplink,
            exit: exit as u8,
            address,
        };
        // A name that somebody else answers to would take his datagrams.
        let paths = || self.link.tunnel.paths();
        let ours = |(_, p): (usize, &crate::data::path::Path)| cids.contains(&p.setup().local_cid);
        if self.relays.knows(place as u8, via, cids) || paths().any(ours) {
            return Err(Reason::Full);
        }
        // It may have come since parts were given last.
        self.give_parts(now);
        let peer = self.peers.get(place).and_then(Option::as_ref);
        let parts = peer.map_or([0; 2], |p| p.parts_of(uplink));
        Ok((Over::Line(via), parts))
    }
}

/// What says so to the borrower.
pub(super) fn granted(
    uplink: u8,
    exit: [u8; 8],
    relay: u32,
    holds: Duration,
    [up_kbit, down_kbit]: [u32; 2],
) -> Message {
    Message::Grant {
        uplink,
        exit,
        relay,
        seconds: (holds.as_millis() as u32 / 1_000) as u16,
        up_kbit,
        down_kbit,
    }
}
