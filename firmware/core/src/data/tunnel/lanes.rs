//! Flows that keep to one path: which one, and when they move.
//!
//! A flow gets its path with its first packet, and once more when it has become a burst: by when a download would have come
//! over each, given the bursts that are there already. It moves when its path falls silent or is needed by its owner. Only
//! the sender of a burst knows what its paths carry, so it leads, and what goes back follows it to that path (record kinds
//! 5 and 6): to an exit all of a member's flows in this lane lead until it sends a burst itself.

use super::{AnyTunnel, NotTaken};
use crate::data::codel::{self, Measure};
use crate::data::inner::{self, Inner};
use crate::data::lane::{Lane, Why};
use crate::data::pace::{REPAIR, URGENT};
use crate::data::path::Path;
use crate::data::planner::{self, Choice};
use crate::data::pool::PacketId;
use crate::data::queue::{Kind, Turn};
use crate::time::Instant;
use crate::wire::Capabilities;
use crate::wire::path::Cost;

impl AnyTunnel<'_> {
    /// Which lane flows have from now on that no rule is about, those under way too.
    pub fn set_lane(&mut self, lane: Lane) {
        self.lane = lane;
    }

    /// Reads a client's packet: its flow, and the lane that it has. A code point by which the router's firewall says so is
    /// no business of others.
    pub(super) fn read(&self, packet: &mut [u8]) -> Result<(Inner, Lane), NotTaken> {
        let inner = Inner::parse(packet, &self.secret).ok_or(NotTaken::Malformed)?;
        let ruled = Lane::ruled(inner.code_point).filter(|_| self.initiator);
        if ruled.is_some() {
            inner::clear_code_point(packet);
        }
        Ok((inner, ruled.unwrap_or(self.lane)))
    }

    /// Queues a client's packet in the lane of its flow. What comes to an exit has the lane that the gateway shows.
    pub(super) fn enqueue(&mut self, now: Instant, inner: &Inner, lane: Lane, packet: &[u8]) {
        let Some(slot) = self.queue.slot_for(now, inner) else {
            return;
        };
        if self.initiator {
            self.queue.set_lane(slot, lane);
        }
        if let Some(flow) = self.queue.flow(slot)
            && flow.lane() == Lane::PerSession
            && !self.serves(flow.path())
        {
            let why = match flow.path() {
                0 => Why::Began,
                path => self.why_left(path),
            };
            self.settle(now, slot, why);
        }
        self.queue.push(now, &mut self.pool, slot, inner, packet);
    }

    /// The path with this number (place + 1) carries packets.
    fn serves(&self, path: u8) -> bool {
        self.kept_path(path).is_some_and(Path::carries)
    }

    /// Why a flow leaves the path with this number.
    fn why_left(&self, path: u8) -> Why {
        match self.kept_path(path) {
            Some(p) if p.carries() => Why::Owner,
            Some(p) if p.usable() => Why::Cheaper,
            _ => Why::Silent,
        }
    }

    /// Dearer paths of this cost are in use: a burst that shares a cheaper one with others moves if it is better off elsewhere.
    pub(super) fn relieve(&mut self, now: Instant, cost: Cost) {
        for lane in 1..=self.paths.len() as u8 {
            let turn = Turn {
                kind: Kind::Burst,
                lane,
            };
            let Some(slot) = self.queue.first(turn) else {
                continue;
            };
            let shared = || self.queue.bursts(now, slot).get(usize::from(lane)) > Some(&0);
            if self.kept_path(lane).is_some_and(|p| p.cost < cost) && shared() {
                self.settle(now, slot, Why::Burst);
                if self.queue.flow(slot).is_some_and(|f| f.path() != lane) {
                    self.queue.move_on(turn, slot);
                    return;
                }
            }
        }
    }

    fn kept_path(&self, path: u8) -> Option<&Path> {
        self.path(usize::from(path).checked_sub(1)?)
    }

    /// Gives a flow the path that is best for it now; none while there is none.
    fn settle(&mut self, now: Instant, slot: u16, why: Why) {
        let bursts = self.queue.bursts(now, slot);
        let free = self.paths().any(|(_, p)| p.free_for_bursts(now));
        let (mut choice, mut kept_out) = (Choice::NONE, i64::MAX);
        for (at, path) in self.paths() {
            if path.carries() && (!free || path.free_for_bursts(now)) {
                let others = bursts.get(at + 1).copied().unwrap_or(0);
                let cost = |alone| planner::cost(alone, path.arrival(now), others);
                let alone = path.time_for(planner::OBJECT);
                let [ours, theirs] = path.limits.map(planner::time_at);
                // Nobody knows yet which way a gateway's flow that begins is going to carry more.
                let both = self.initiator && why == Why::Began;
                let limited = if both { ours.max(theirs) } else { ours };
                choice.consider(at as u8, cost(alone.max(limited)));
                if limited > alone {
                    kept_out = kept_out.min(cost(alone));
                }
            }
        }
        let why = match why {
            Why::Began | Why::Burst if choice.no_better_than(kept_out) => Why::Lent,
            why => why,
        };
        self.queue
            .keep_to(slot, choice.best(), choice.second(), why);
    }

    /// Flows move to where they are to be from now on.
    pub(super) fn review_lanes(&mut self, now: Instant) {
        if let Some(slot) = self.queue.take_turned() {
            self.settle(now, slot, Why::Burst);
        }
        if self.queue.standing() >> 1 == 0 {
            return;
        }
        for lane in 1..=self.paths.len() as u8 {
            for kind in [Kind::Light, Kind::Burst] {
                self.leave(now, Turn { kind, lane });
            }
        }
    }

    /// All leave a path that carries them no more, if there is a better one.
    fn leave(&mut self, now: Instant, turn: Turn) {
        if !self.queue.waiting(turn) || self.keeps(now, turn) {
            return;
        }
        let why = self.why_left(turn.lane);
        while let Some(slot) = self.queue.first(turn) {
            self.settle(now, slot, why);
            if self.queue.flow(slot).is_none_or(|f| f.path() == turn.lane) {
                break;
            }
            self.queue.move_on(turn, slot);
        }
    }

    fn keeps(&self, now: Instant, turn: Turn) -> bool {
        self.kept_path(turn.lane).is_some_and(|p| match turn.kind {
            Kind::Light => p.carries(),
            Kind::Burst => p.free_for_bursts(now),
        })
    }

    /// The next packet of those that keep to a path, where the path takes it now.
    pub(super) fn next_kept(&mut self, now: Instant, kind: Kind) -> Option<Turn> {
        for lane in 1..=self.paths.len() as u8 {
            let turn = Turn { kind, lane };
            if !self.queue.waiting(turn) || !self.keeps(now, turn) {
                continue;
            }
            let ready = self.kept_path(lane).is_some_and(|p| match kind {
                Kind::Light => p.pacer.ready_for(now, URGENT),
                Kind::Burst => p.pacer.ready(now),
            });
            if ready && self.queue.peek_len(turn, &self.pool).is_some() {
                return Some(turn);
            }
        }
        None
    }

    /// May a run on this path go on with this round?
    pub(super) fn kept_goes_on(&self, now: Instant, at: usize, turn: Turn) -> bool {
        usize::from(turn.lane) == at + 1
            && self.keeps(now, turn)
            && self.path(at).is_some_and(|p| match turn.kind {
                Kind::Light => p.pacer.ready_for(now, URGENT),
                Kind::Burst => p.pacer.goes_on(now),
            })
    }

    /// Paths whose own flows have more to send than they take.
    pub(super) fn mark_kept_busy(&mut self, now: Instant) {
        let standing = self.queue.standing() >> 1;
        for (at, path) in self.paths.iter_mut().enumerate() {
            let turn = Turn {
                kind: Kind::Burst,
                lane: at as u8 + 1,
            };
            if standing & (1 << at) != 0
                && self.queue.waiting(turn)
                && let Some(path) = path
            {
                path.wants_more(now);
            }
        }
    }

    /// What does not fit the path that it was to keep to goes where it fits.
    pub(super) fn free_misfits(&mut self, now: Instant) {
        for lane in 1..=self.paths.len() as u8 {
            for kind in [Kind::Light, Kind::Burst] {
                let turn = Turn { kind, lane };
                while let Some(len) = self.queue.peek_len(turn, &self.pool)
                    && self
                        .kept_path(lane)
                        .is_some_and(|p| p.carries() && !p.fits(len))
                    && let Some(id) = self.queue.pop(now, &mut self.pool, turn, Measure::USUAL)
                {
                    self.pool.push(&mut self.repair, id);
                }
            }
        }
    }

    /// What the queue's delay is held against in a round.
    pub(super) fn measure_of(&self, now: Instant, turn: Turn) -> Measure {
        match self.kept_path(turn.lane) {
            None => self.measure(now),
            Some(path) if path.starting() => Measure {
                interval: codel::PATIENCE,
                ..Measure::USUAL
            },
            Some(_) => Measure::USUAL,
        }
    }

    /// Where a packet that was numbered already goes: by the path to which its flow keeps, if that takes it now, or where
    /// it arrives first.
    pub(super) fn path_again(&self, now: Instant, id: PacketId) -> Option<usize> {
        let len = self.pool.len_of(id);
        let kept = self
            .queue
            .flow(self.pool.meta(id).slot)
            .map_or(0, |f| f.path());
        let takes = |p: &Path| p.carries() && p.fits(len) && p.pacer.ready_for(now, REPAIR);
        if self.kept_path(kept).is_some_and(takes) {
            return usize::from(kept).checked_sub(1);
        }
        self.repair_path(now, len)
    }

    /// Does a packet of this flow show the other end where to send?
    pub(super) fn leads(&self, slot: u16) -> bool {
        self.capabilities.has(Capabilities::LANES)
            && self.queue.flow(slot).is_some_and(|f| {
                f.lane() == Lane::PerSession && f.path() != 0 && (self.initiator || f.is_burst())
            })
    }

    /// The flow of `packet` keeps to one path at the other end (place + 1), or to none any more: so does what goes back.
    pub(super) fn follow(&mut self, now: Instant, led: u8, packet: &[u8]) {
        if self.initiator && led == 0 {
            return;
        }
        let Some(slot) = Inner::parse_back(packet, &self.secret)
            .and_then(|inner| self.queue.slot_for(now, &inner))
        else {
            return;
        };
        if !self.initiator {
            let lane = if led == 0 {
                Lane::Auto
            } else {
                Lane::PerSession
            };
            self.queue.set_lane(slot, lane);
        }
        if let Some(flow) = self.queue.flow(slot)
            && flow.lane() == Lane::PerSession
            && flow.path() != led
            && !flow.weighs(now)
            && self.serves(led)
        {
            let own = flow.path();
            self.queue.keep_to(slot, led, own, Why::Followed);
        }
    }
}
