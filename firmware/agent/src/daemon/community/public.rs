//! What this gateway tells members who ask. Nothing of its clients: no flows, no addresses, no use of its household.

use crate::cli::VERSION;
use crate::daemon::status::View;
use burstmesh_control_net::Service;
use burstmesh_core::identity::NodeId;
use burstmesh_core::ledger::{Amount, Kind, Row};
use burstmesh_core::time::Instant;
use burstmesh_core::wire::inside::{Item, PIECE, Question};
use burstmesh_linux::log;
use heapless::{String, Vec};

/// A view, of which only this is told.
pub struct Public<'a>(pub View<'a>);

impl Service for Public<'_> {
    fn item(
        &mut self,
        _: Instant,
        question: Question,
        asker: NodeId,
        cursor: &mut u32,
    ) -> Option<Item> {
        let community = &self.0.config.community;
        let shared = match question {
            Question::Status => community.share_status,
            Question::Ledger | Question::Paths(_) => true,
            Question::Log => community.share_log && cfg!(not(feature = "defmt")),
        };
        if !shared {
            let first = *cursor == 0;
            *cursor = 1;
            return first.then_some(Item::NotShared);
        }
        self.shared(question, asker, cursor)
    }
}

impl Public<'_> {
    /// As [`Service::item`], whatever the owner shares.
    pub fn shared(&self, question: Question, asker: NodeId, cursor: &mut u32) -> Option<Item> {
        match question {
            Question::Status => {
                let at = *cursor as usize;
                *cursor += 1;
                self.status(at)
            }
            Question::Ledger => self.day(asker, cursor),
            // An exit knows that.
            Question::Paths(_) => None,
            Question::Log => {
                let mut room = [0; PIECE];
                let (len, next) = log::recent_from(*cursor, &mut room);
                *cursor = next;
                let piece = Vec::from_slice(room.get(..len)?).ok()?;
                (len > 0).then_some(Item::Log(piece))
            }
        }
    }

    fn status(&self, at: usize) -> Option<Item> {
        let view = &self.0;
        let uplinks = &view.config.uplinks;
        let Some(at) = at.checked_sub(1) else {
            return Some(Item::About {
                version: String::try_from(VERSION).unwrap_or_default(),
                seconds: (view.now.since(view.started).as_millis() / 1_000) as u32,
                exit: view.exit().map_or([0; 8], |exit| exit.0),
                is_exit: false,
            });
        };
        if let Some(uplink) = uplinks.get(at) {
            return Some(Item::Uplink {
                name: uplink.name.chars().collect(),
                up: view.uplinks.get(at).is_some_and(|u| u.up),
                lent: view.lending.reason(at).is_lent(),
                kbit: view.lending.limits(at),
            });
        }
        let mut peers = view.gateway.peers().filter(|(_, p)| p.session.is_some());
        let (_, peer) = peers.nth(at - uplinks.len())?;
        Some(Item::Neighbour {
            member: peer.key.node_id().0,
            up: peer.is_up(),
            hops: peer.hops(),
            rtt_ms: peer.rtt().as_millis().min(u64::from(u16::MAX)) as u16,
        })
    }

    /// The first day from `cursor` on with something between the asker and us.
    fn day(&self, asker: NodeId, cursor: &mut u32) -> Option<Item> {
        let from = *cursor;
        let with = |r: &&Row| r.member == asker && u32::from(r.day.0) >= from;
        let rows = || self.0.accounts.rows().iter().filter(with);
        let day = rows().map(|r| r.day).min()?;
        *cursor = u32::from(day.0) + 1;
        let sum = |kind| {
            let Amount { up, down } =
                Amount::total(rows().filter(|r| r.day == day && r.kind == kind));
            (up, down)
        };
        Some(Item::Day {
            day: day.0,
            lent: sum(Kind::Lent),
            borrowed: sum(Kind::Borrowed),
        })
    }
}
