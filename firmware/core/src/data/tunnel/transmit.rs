//! Sending: which packet, on which path, in which frame.

use super::{AnyTunnel, Transmit, sooner};
use crate::data::codel::Measure;
use crate::data::headers::Short;
use crate::data::pace::{REPAIR, URGENT};
use crate::data::pool::{Meta, PacketId};
use crate::data::queue::{Kind, Turn};
use crate::error::Refusal;
use crate::time::Instant;
use crate::wire::bytes::Writer;
use crate::wire::feedback::MAX_LEN as FEEDBACK_LEN;
use crate::wire::frame::{HEADER, Header, TAG};
use crate::wire::headers::How;
use crate::wire::path::Cost;
use crate::wire::record::{
    PACKET_HEADER, RECORD_HEADER, Record, emit_packet_header, emit_told_header,
};
use crate::wire::{Capabilities, control};

/// Most datagrams in one run: the kernel's own limit. The caller's buffer sets a lower one where caches are small.
const MAX_RUN: u32 = 64;
/// Packets up to this length share frames.
const SMALL: usize = 300;
/// A path later than the first one by more than this is not used for bursts: the resequencer would not wait.
pub(super) const TOO_LATE_US: i32 = 350_000;

impl AnyTunnel<'_> {
    /// The next run of datagrams, written to `out`; `None` when there is nothing to send now. Call until `None`.
    /// `out` should hold at least 2 KB; more lets runs grow.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut [u8]) -> Option<Transmit> {
        self.poll_upkeep(now, out)
            .or_else(|| self.poll_data(now, out))
    }

    /// The same without packets: what keeps paths known and alive.
    pub fn poll_upkeep(&mut self, now: Instant, out: &mut [u8]) -> Option<Transmit> {
        self.poll_message(now, out)
            .or_else(|| self.poll_feedback(now, out))
            .or_else(|| self.poll_control(now, out))
    }

    /// The rest: packets, and padding that measures a path.
    pub fn poll_data(&mut self, now: Instant, out: &mut [u8]) -> Option<Transmit> {
        self.poll_packets(now, out)
            .or_else(|| self.poll_train(now, out))
    }

    /// When a path takes some of what waits. A burst does not wait for a path that it does not use, nor anything for one that is
    /// too narrow for it: the caller would look again and again until that changes.
    pub(super) fn packets_at(&self, now: Instant) -> Instant {
        let front = |kind| self.queue.front_len(Turn::any(kind), &self.pool);
        let len_of = |id: Option<PacketId>| id.map(|id| self.pool.len_of(id));
        let (light, again) = (front(Kind::Light), len_of(self.repair.front()));
        let burst = len_of(self.stash).or_else(|| front(Kind::Burst));
        let earliest = self.earliest(now);
        let ahead = sooner::ahead(self.queue.next_is_light());
        let mut at = Instant::FAR;
        for (place, path) in self.paths().filter(|(_, p)| p.carries()) {
            let lane = place as u8 + 1;
            let keeps = |kind| self.queue.waiting(Turn { kind, lane });
            let fits = |len: Option<usize>| len.is_some_and(|len| path.fits(len));
            if fits(light) {
                at = at.min(path.pacer.ready_for_at(ahead));
            }
            if keeps(Kind::Light) {
                at = at.min(path.pacer.ready_for_at(URGENT));
            }
            if fits(again) {
                at = at.min(path.pacer.ready_for_at(REPAIR));
            }
            // Where all paths rest for their owners, the first that has rested will do.
            let used = |len: usize| {
                earliest.is_none_or(|e| path.takes_part(e) && !self.leaves_it(now, e, path, len))
            };
            if burst.is_some_and(|len| path.fits(len) && used(len)) || keeps(Kind::Burst) {
                at = at.min(path.pacer.ready_at().max(path.yields_until));
            }
        }
        at
    }

    /// Of the cheapest free paths the one with the least delay that takes a burst's packet of this length; the most, while late ones come first.
    fn free_for_burst(&self, now: Instant, len: usize) -> Option<usize> {
        let earliest = self.earliest(now)?;
        let place = |delay: i32| if self.queue.late_first { !delay } else { delay };
        self.paths()
            .filter(|(_, p)| p.fits(len))
            .filter(|(_, p)| p.pacer.ready(now) && self.takes_bursts(now, earliest, p))
            .filter(|(_, p)| !self.leaves_it(now, earliest, p, len))
            .min_by_key(|(_, p)| (p.cost, p.rate.base_delay().map(place)))
            .map(|(i, _)| i)
    }

    /// May a burst that has begun on this path go on?
    fn goes_on(&self, now: Instant, at: usize) -> bool {
        let (Some(earliest), Some(path)) = (self.earliest(now), self.path(at)) else {
            return false;
        };
        path.pacer.goes_on(now)
            && self.takes_bursts(now, earliest, path)
            && path.leaves <= self.queue.bytes()
    }

    fn poll_feedback(&mut self, now: Instant, out: &mut [u8]) -> Option<Transmit> {
        if !self
            .paths()
            .any(|(_, p)| p.rx.report_at.is_some_and(|t| t <= now))
        {
            return None;
        }
        let via = self.any_path(now)?;
        let bundle = self.capabilities.has(Capabilities::BUNDLE);
        let hold = self.hold(now);
        self.told_hold = hold;
        let mut body = [0u8; 1100];
        let mut w = Writer::new(&mut body);
        for at in 0..self.paths.len() {
            let Some(path) = self.path_mut(at) else {
                continue;
            };
            if path.rx.report_at.is_none() || w.room() < FEEDBACK_LEN + RECORD_HEADER {
                continue;
            }
            let mut report = [0u8; FEEDBACK_LEN];
            let n = path
                .rx
                .report(now, path.setup.id, hold)
                .emit(&mut report)
                .ok()?;
            Record::Feedback(report.get(..n)?).emit(&mut w).ok()?;
            if !bundle {
                break;
            }
        }
        let n = w.len();
        self.send_records(now, via, body.get(..n)?, out)
    }

    fn poll_control(&mut self, now: Instant, out: &mut [u8]) -> Option<Transmit> {
        if self.control.is_empty() {
            return None;
        }
        let via = self.any_path(now)?;
        let message = self.control.pop_front()?;
        let mut body = [0u8; control::MAX_LEN + RECORD_HEADER];
        let mut w = Writer::new(&mut body);
        Record::Control(&message).emit(&mut w).ok()?;
        let n = w.len();
        self.send_records(now, via, body.get(..n)?, out)
    }

    /// One frame of records that are not repaired.
    fn send_records(
        &mut self,
        now: Instant,
        at: usize,
        records: &[u8],
        out: &mut [u8],
    ) -> Option<Transmit> {
        let headroom = usize::from(self.path(at)?.setup.headroom);
        let end = headroom + HEADER + records.len();
        out.get_mut(headroom + HEADER..end)?
            .copy_from_slice(records);
        let len = self
            .seal_frame(now, at, out.get_mut(headroom..)?, records.len())
            .ok()?;
        Some(Transmit {
            path: at,
            len: headroom + len,
            stride: headroom + len,
            count: 1,
            message: false,
        })
    }

    /// Seals a packet that belongs to no flow, to be sent at once; returns the datagram's length. Nothing is kept of it.
    pub fn seal_alone(
        &mut self,
        now: Instant,
        at: usize,
        packet: Record<'_>,
        out: &mut [u8],
    ) -> Result<usize, Refusal> {
        let body = packet.wire_len();
        let room = out.get_mut(HEADER..HEADER + body).ok_or(Refusal::Full)?;
        packet.emit(&mut Writer::new(room))?;
        let len = self.seal_frame(now, at, out, body)?;
        if let Some(path) = self.path_mut(at) {
            path.prober.data_sent(now);
            if matches!(packet, Record::Loose(_)) {
                path.carried(now);
            }
        }
        Ok(len)
    }

    /// Seals the `body` bytes that stand behind the header room of `frame`; returns the frame's length.
    pub(super) fn seal_frame(
        &mut self,
        now: Instant,
        at: usize,
        frame: &mut [u8],
        body: usize,
    ) -> Result<usize, Refusal> {
        let phase = self.keys.sending();
        let path = self
            .paths
            .get_mut(at)
            .and_then(Option::as_mut)
            .ok_or(Refusal::Unknown)?;
        let number = path.next_number;
        path.next_number += 1;
        let counter = (number & 0xff_ffff) as u32;
        Header {
            phase,
            cid: path.setup.remote_cid,
            counter,
        }
        .emit(frame)?;
        let (header, rest) = frame.split_at_mut_checked(HEADER).ok_or(Refusal::Full)?;
        let (sealed, rest) = rest.split_at_mut_checked(body).ok_or(Refusal::Full)?;
        let tag = self
            .keys
            .seal(phase, u32::from(path.setup.id), number, header, sealed)?;
        rest.get_mut(..TAG)
            .ok_or(Refusal::Full)?
            .copy_from_slice(&tag);
        let len = HEADER + body + TAG;
        path.account_sent(now, len);
        Ok(len)
    }

    fn poll_packets(&mut self, now: Instant, out: &mut [u8]) -> Option<Transmit> {
        if self.queue.bytes() > 0 {
            self.review_standby(now);
        }
        self.review_spread(now);
        self.review_lanes(now);
        let (at, first, lane) = self.next_packet(now)?;
        let headroom = usize::from(self.path(at)?.setup.headroom);
        let room = usize::from(self.path(at)?.mtu());
        let frame = out.get_mut(headroom..)?;
        let most = self.path_mut(at)?.runs.begin(MAX_RUN);
        let filled = self.fill_frame(now, at, first, frame, room);
        let stride = headroom + filled.inspect_err(|id| self.pool.release(*id)).ok()??;
        let mut run = Transmit {
            path: at,
            len: stride,
            stride,
            count: 1,
            message: false,
        };
        // Packets of one length go in runs while the path is free; a shorter one ends the run.
        while run.count < most && out.len() >= run.len + stride {
            let Some(id) = self.next_of_run(now, at, lane, stride - headroom) else {
                break;
            };
            let frame = out.get_mut(run.len + headroom..run.len + stride)?;
            if let Some(path) = self.path_mut(at) {
                path.runs.go_on();
            }
            let len = match self.fill_frame(now, at, id, frame, stride - headroom) {
                Ok(Some(len)) => headroom + len,
                Ok(None) => break,
                // Longer than it seemed: it begins the next run, of its own path if it keeps to one.
                Err(id) if lane == 0 => {
                    self.stash = Some(id);
                    break;
                }
                Err(id) => {
                    self.pool.push(&mut self.repair, id);
                    break;
                }
            };
            run.len += len;
            run.count += 1;
            if len < stride {
                break;
            }
        }
        Some(run)
    }

    /// The packet that [`Self::next_packet`] would give next, if it goes on the same path and is no longer than `len`
    /// with its frame.
    fn next_of_run(&mut self, now: Instant, at: usize, lane: u8, len: usize) -> Option<PacketId> {
        if self.stash.is_some() || !self.repair.is_empty() {
            return None;
        }
        let light = [0, at as u8 + 1].map(|lane| Turn {
            kind: Kind::Light,
            lane,
        });
        let burst = Turn {
            kind: Kind::Burst,
            lane,
        };
        let waiting = light.into_iter().find(|turn| self.queue.waiting(*turn));
        let turn = waiting.unwrap_or(burst);
        let next = self.queue.peek_len(turn, &self.pool)?;
        let same_path = match turn {
            Turn { lane: 1.., .. } => self.kept_goes_on(now, at, turn),
            turn if turn.kind == Kind::Light => {
                self.urgent_path(now, next, self.queue.next_is_light()) == Some(at)
            }
            _ => self.goes_on(now, at),
        };
        let shorter = next.saturating_sub(self.queue.saves(turn));
        let fits = next > SMALL && shorter + super::FRAME_OVERHEAD <= len;
        if !same_path || !fits {
            return None;
        }
        self.pop(now, turn)
    }

    /// What to send next, where, and in which lane: repairs and light flows by the path where they arrive first, bursts by
    /// the path that is free, and what keeps to a path by that.
    fn next_packet(&mut self, now: Instant) -> Option<(usize, PacketId, u8)> {
        self.drop_misfits(now);
        if let Some(id) = self.repair.front()
            && let Some(at) = self.path_again(now, id)
        {
            self.pool.pop(&mut self.repair);
            return Some((at, id, 0));
        }
        let light = Turn::any(Kind::Light);
        if let Some(len) = self.queue.peek_len(light, &self.pool) {
            let is_light = self.queue.next_is_light();
            if let Some(at) = self.urgent_path(now, len, is_light) {
                self.mark_cheaper_busy(now, at);
                if let Some(id) = self.pop(now, light) {
                    let len = self.pool.len_of(id);
                    let at = self.urgent_path(now, len, is_light).unwrap_or(at);
                    return Some((at, id, 0));
                }
            } else {
                self.mark_busy(now, Cost::METERED);
            }
        }
        let kept = (self.queue.standing() >> 1 != 0).then(|| {
            self.next_kept(now, Kind::Light)
                .ok_or_else(|| self.next_kept(now, Kind::Burst))
        });
        match kept {
            Some(Ok(turn)) => self.pop_kept(now, turn),
            Some(Err(turn)) => self.next_burst(now, turn),
            None => self.next_burst(now, None),
        }
    }

    /// The next packet of a burst: of one that keeps to a path, of which `kept` is ready, and of all others in turn.
    fn next_burst(&mut self, now: Instant, kept: Option<Turn>) -> Option<(usize, PacketId, u8)> {
        let len = match self.stash {
            Some(id) => Some(self.pool.len_of(id)),
            None => self.queue.peek_len(Turn::any(Kind::Burst), &self.pool),
        };
        let at = len.and_then(|len| self.free_for_burst(now, len));
        if let Some(turn) = kept
            && (at.is_none() || self.kept_next)
        {
            self.kept_next = false;
            return self.pop_kept(now, turn);
        }
        self.kept_next = true;
        let Some(at) = at else {
            if len.is_some() {
                self.mark_busy(now, Cost::METERED);
            }
            self.mark_kept_busy(now);
            return None;
        };
        self.mark_cheaper_busy(now, at);
        let id = self.stash.take();
        let id = id.or_else(|| self.pop(now, Turn::any(Kind::Burst)))?;
        Some((at, id, 0))
    }

    fn pop_kept(&mut self, now: Instant, turn: Turn) -> Option<(usize, PacketId, u8)> {
        let at = usize::from(turn.lane).checked_sub(1)?;
        Some((at, self.pop(now, turn)?, turn.lane))
    }

    /// A packet that none of the paths in use carries (the one it was meant for is gone) must not hold up the others. Its
    /// flow hears of the smaller size by its next packet.
    fn drop_misfits(&mut self, now: Instant) {
        while let Some(id) = self.repair.front()
            && self.misfit(self.pool.len_of(id))
        {
            self.pool.pop(&mut self.repair);
            self.drop_misfit(id);
        }
        if let Some(id) = self.stash.filter(|id| self.misfit(self.pool.len_of(*id))) {
            self.stash = None;
            self.drop_misfit(id);
        }
        if self.queue.standing() >> 1 != 0 {
            self.free_misfits(now);
        }
        for turn in [Kind::Light, Kind::Burst].map(Turn::any) {
            while let Some(len) = self.queue.peek_len(turn, &self.pool)
                && self.misfit(len)
                && let Some(id) = self.queue.pop(now, &mut self.pool, turn, Measure::USUAL)
            {
                if self.misfit(self.pool.len_of(id)) {
                    self.drop_misfit(id);
                } else {
                    // The AQM gave another packet than the one that was seen.
                    self.pool.push(&mut self.repair, id);
                }
            }
        }
    }

    fn drop_misfit(&mut self, id: PacketId) {
        self.counters.misfits = self.counters.misfits.saturating_add(1);
        self.pool.release(id);
    }

    /// Some path is in use, but none that takes an inner packet of this length.
    fn misfit(&self, len: usize) -> bool {
        let mut usable = self.paths().filter(|(_, p)| p.carries()).peekable();
        usable.peek().is_some() && !usable.any(|(_, p)| p.fits(len))
    }

    fn pop(&mut self, now: Instant, turn: Turn) -> Option<PacketId> {
        let measure = self.measure_of(now, turn);
        self.queue.pop(now, &mut self.pool, turn, measure)
    }

    /// There is more to send than the rates of paths up to this cost allow.
    pub(super) fn mark_busy(&mut self, now: Instant, cost: Cost) {
        for path in self.paths.iter_mut().flatten() {
            if path.carries() && path.cost <= cost {
                path.wants_more(now);
            }
        }
    }

    /// Puts a packet into a frame, and other small ones if it is small and `room` bytes are not full; returns the frame's
    /// length, `None` if it could not be sealed (its packets count as under way and are repaired), or the packet if it does not fit.
    fn fill_frame(
        &mut self,
        now: Instant,
        at: usize,
        first: PacketId,
        frame: &mut [u8],
        room: usize,
    ) -> Result<Option<usize>, PacketId> {
        let number = self.path(at).ok_or(first)?.next_number;
        let most = frame.len().saturating_sub(TAG);
        let mut body = 0;
        let mut next = Some(first);
        while let Some(id) = next {
            let space = frame.get_mut(HEADER + body..most).unwrap_or_default();
            let Some(len) = self.emit_packet(id, space) else {
                if body == 0 {
                    return Err(first);
                }
                self.pool.release(id);
                break;
            };
            body += len;
            self.track(now, at, id, number);
            let left = room.saturating_sub(HEADER + body + TAG);
            next = self.small_companion(now, at, self.pool.len_of(id), left);
        }
        Ok(self.seal_frame(now, at, frame, body).ok())
    }

    fn emit_packet(&mut self, id: PacketId, space: &mut [u8]) -> Option<usize> {
        let (meta, len) = (self.pool.meta(id), self.pool.len_of(id));
        let flags = (meta.pinned, self.leads(meta.slot));
        let short = self.shorten(id, &meta, flags, len);
        let saved = short.as_ref().map_or(0, |s| s.instead - s.prefix.len());
        let mut w = Writer::new(space.get_mut(..PACKET_HEADER + len - saved)?);
        let skip = match &short {
            Some(short) => {
                emit_told_header(&mut w, meta.flow, meta.order, len - saved).ok()?;
                w.put(&short.prefix).ok()?;
                short.instead
            }
            None => {
                emit_packet_header(&mut w, meta.flow, meta.order, flags, len).ok()?;
                0
            }
        };
        let rest = w.reserve(len - skip).ok()?;
        self.pool.copy_rest(id, skip, rest)?;
        self.pool.set_saved(id, saved as u8);
        Some(PACKET_HEADER + len - saved)
    }

    /// What to send in place of a packet's header, if the far end knows it or is to know it. What is sent again is whole: it
    /// may have been lost because it was not.
    fn shorten(
        &mut self,
        id: PacketId,
        meta: &Meta,
        (pinned, leads): (bool, bool),
        len: usize,
    ) -> Option<Short> {
        if !self.capabilities.has(Capabilities::COMPRESS) || meta.repairs > 0 {
            return None;
        }
        let how = How::default().with(How::PINNED, pinned);
        let how = how.with(How::LEADS, leads);
        let (headers, newest) = self.queue.headers(meta)?;
        headers.shorten((meta.order, newest), how, self.pool.front_bytes(id), len)
    }

    /// Another small packet for the same frame.
    fn small_companion(
        &mut self,
        now: Instant,
        at: usize,
        len: usize,
        left: usize,
    ) -> Option<PacketId> {
        if !self.capabilities.has(Capabilities::BUNDLE) || len > SMALL {
            return None;
        }
        let own = at as u8 + 1;
        for (kind, lane) in [
            (Kind::Light, 0),
            (Kind::Light, own),
            (Kind::Burst, 0),
            (Kind::Burst, own),
        ] {
            let turn = Turn { kind, lane };
            let fits = self
                .queue
                .peek_len(turn, &self.pool)
                .is_some_and(|n| n <= SMALL && n + PACKET_HEADER <= left);
            let goes = match turn {
                Turn { lane: 1.., .. } => self.kept_goes_on(now, at, turn),
                _ => kind == Kind::Light || self.goes_on(now, at),
            };
            if fits && goes {
                let id = self.queue.pop(now, &mut self.pool, turn, Measure::USUAL)?;
                // The AQM may have dropped the small one and given the next, larger one.
                if self.pool.len_of(id) + PACKET_HEADER <= left {
                    return Some(id);
                }
                if self.stash.is_none() {
                    self.stash = Some(id);
                } else {
                    self.pool.push(&mut self.repair, id);
                }
                return None;
            }
        }
        None
    }

    /// Keeps a packet until it is known to have arrived.
    fn track(&mut self, now: Instant, at: usize, id: PacketId, number: u64) {
        if let Some(meta) = self.pool.meta_mut(id) {
            (meta.at, meta.counter) = (now, number);
        }
        let repaired = self.pool.meta(id).repairs > 0;
        let Some(path) = self.paths.get_mut(at).and_then(Option::as_mut) else {
            return;
        };
        path.counters.repairs = path.counters.repairs.saturating_add(u32::from(repaired));
        path.carried(now);
        path.prober.data_sent(now);
        self.pool.set_part(id, path.runs.part());
        self.pool.push(&mut path.in_flight, id);
        path.oldest_sent.get_or_insert(now);
    }
}
