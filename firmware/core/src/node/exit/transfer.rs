//! Packets and datagrams through an exit.

use super::seat::{FromMember, Hands};
use super::{Exit, Output, Seat, Session};
use crate::data::path::Setup;
use crate::data::probe::State;
use crate::data::segment::Offload;
use crate::data::too_big::too_big;
use crate::data::tunnel::{MAX_PATHS, NotTaken, Transmit, Tunnel};
use crate::error::Refusal;
use crate::node::{Outgoing, Via, outer_headers};
use crate::time::Instant;
use crate::wire::path::{Ask, Header, MIN_LEN};
use crate::wire::{Kind, classify, frame};
use core::net::SocketAddr;

impl Exit<'_> {
    /// Takes a packet from the Internet for the member at this seat. A packet that is too big is answered through `out`.
    pub fn handle_inner(
        &mut self,
        now: Instant,
        seat: usize,
        packet: &mut [u8],
        out: &mut impl Output,
    ) {
        self.handle_large(now, seat, packet, Offload::default(), out);
    }

    /// Takes what the TUN hands over with its offload header: a packet, or a large segment.
    pub fn handle_large(
        &mut self,
        now: Instant,
        seat: usize,
        packet: &mut [u8],
        offload: Offload,
        out: &mut impl Output,
    ) {
        let Some(s) = self
            .seats
            .get_mut(seat)
            .and_then(Option::as_mut)
            .filter(|s| s.session.is_some())
        else {
            return self.refusals.count(Refusal::Unknown);
        };
        match s.tunnel.handle_large(now, packet, offload) {
            Ok(_) => {}
            Err(NotTaken::Malformed) => self.refusals.count(Refusal::Malformed),
            Err(NotTaken::TooBig(mtu)) => {
                let mut answer = [0; 576];
                if let Some(n) = too_big(packet, mtu, &mut answer) {
                    out.deliver(seat, answer.get(..n).unwrap_or_default());
                }
            }
        }
    }

    /// Takes a run of datagrams of `stride` bytes each (the last may be shorter) that came in together.
    pub fn handle_datagrams(
        &mut self,
        now: Instant,
        via: Via,
        from: SocketAddr,
        run: &mut [u8],
        stride: usize,
        out: &mut impl Output,
    ) {
        for datagram in run.chunks_mut(stride.max(1)) {
            if let Err(why) = self.handle_datagram(now, via, from, datagram, out) {
                self.refusals.count(why);
            }
        }
    }

    fn handle_datagram(
        &mut self,
        now: Instant,
        via: Via,
        from: SocketAddr,
        d: &mut [u8],
        out: &mut impl Output,
    ) -> Result<(), Refusal> {
        match classify(d)? {
            Kind::HandshakeInit => self.handle_init(now, via, from, d),
            Kind::Path => self.handle_path(now, via, from, d),
            Kind::Data0 | Kind::Data1 => self.handle_data(now, via, from, d, out),
            _ => Err(Refusal::Forbidden),
        }
    }

    /// Seat and place are written into a path's connection ID.
    fn find(&self, cid: u32) -> Option<(usize, usize)> {
        let (seat, place) = ((cid >> 4) as usize & 0xfff, cid as usize & 0xf);
        let s = self.seats.get(seat)?.as_ref()?;
        s.tunnel
            .path(place)
            .filter(|p| p.setup().local_cid == cid)
            .map(|_| (seat, place))
    }

    fn handle_data(
        &mut self,
        now: Instant,
        via: Via,
        from: SocketAddr,
        d: &mut [u8],
        out: &mut impl Output,
    ) -> Result<(), Refusal> {
        let (at, place) = self.find(frame::cid_of(d)?).ok_or(Refusal::Unknown)?;
        let seat = self
            .seats
            .get_mut(at)
            .and_then(Option::as_mut)
            .ok_or(Refusal::Unknown)?;
        let session = seat.session.as_mut().ok_or(Refusal::Unknown)?;
        let mut sink = FromMember {
            now,
            seat: at,
            session,
            hands: Hands {
                own: self.node,
                inside: &mut self.inside,
                limits: &mut self.limits,
                refusals: &mut self.refusals,
                inbox: &mut self.inbox,
            },
            out,
        };
        seat.tunnel.handle_data(now, place, d, &mut sink)?;
        if session.seen(now, place, via, from) {
            seat.tunnel.look_now(now, place);
        }
        Ok(())
    }

    fn handle_path(
        &mut self,
        now: Instant,
        via: Via,
        from: SocketAddr,
        d: &mut [u8],
    ) -> Result<(), Refusal> {
        let head = Header::parse(d)?;
        let (at, place, fresh) = match self.find(head.cid) {
            Some((at, place)) => (at, place, false),
            None => self.open_path(now, &head, d, from)?,
        };
        let seat = self
            .seats
            .get_mut(at)
            .and_then(Option::as_mut)
            .ok_or(Refusal::Unknown)?;
        let session = seat.session.as_mut().ok_or(Refusal::Unknown)?;
        let body = match seat.tunnel.handle_path_message(now, place, d) {
            Ok(body) => body,
            Err(why) => {
                if fresh {
                    seat.tunnel.close_path(place);
                }
                return Err(why);
            }
        };
        if fresh {
            session.opened.insert(u64::from(head.path))?;
            if let Some(a) = session.addresses.get_mut(place) {
                *a = super::seat::Address::default();
            }
        }
        let new = session.seen(now, place, via, from);
        match body.ask {
            Ask::Response => session.proved(place, via, from),
            Ask::Challenge if new => seat.tunnel.look_now(now, place),
            Ask::Challenge => {}
            Ask::Close => seat.tunnel.close_path(place),
        }
        Ok(())
    }

    /// A path message under the session's connection ID: a path that is to be opened, or one that we opened already and
    /// whose answer has not arrived. Gives seat and place, and whether the path is new: then nothing of it is proved yet.
    fn open_path(
        &mut self,
        now: Instant,
        head: &Header,
        message: &[u8],
        from: SocketAddr,
    ) -> Result<(usize, usize, bool), Refusal> {
        let ours = |s: &super::Session| s.is_for(head.cid);
        let at = self
            .seats
            .iter()
            .position(|s| {
                s.as_ref()
                    .is_some_and(|s| s.session.as_ref().is_some_and(ours))
            })
            .ok_or(Refusal::Unknown)?;
        let random = self.draw.cid();
        let seat = self
            .seats
            .get_mut(at)
            .and_then(Option::as_mut)
            .ok_or(Refusal::Unknown)?;
        if let Some(place) = seat.tunnel.place_of(head.path) {
            return Ok((at, place, false));
        }
        let session = seat.session.as_ref().ok_or(Refusal::Unknown)?;
        session.opened.check(u64::from(head.path))?;
        if seat.tunnel.free_place().is_none() {
            // Only the member may give up one path for another.
            seat.tunnel.check_opening(message)?;
            let dead = |p: &crate::data::path::Path| p.state() == State::Dead;
            let gone = seat
                .tunnel
                .paths()
                .find(|(_, p)| dead(p))
                .map(|(i, _)| i)
                .ok_or(Refusal::Full)?;
            seat.tunnel.close_path(gone);
        }
        let place = seat
            .tunnel
            .free_place()
            .filter(|p| *p < MAX_PATHS)
            .ok_or(Refusal::Full)?;
        let setup = Setup {
            id: head.path,
            local_cid: (random & 0xffff_0000) | ((at as u32) << 4) | place as u32,
            remote_cid: session.remote_cid,
            headroom: 0,
            outer: outer_headers(from.is_ipv6()),
            lent: false,
            known_rate: None,
        };
        seat.tunnel.open_path(now, setup)?;
        Ok((at, place, true))
    }

    /// The next run of datagrams, written to `out` (at least 2 KB); `None` when there is nothing to send now.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut [u8]) -> Option<Outgoing> {
        if let Some(letter) = self.letters.pop_front() {
            let len = letter.bytes.len();
            out.get_mut(..len)?.copy_from_slice(&letter.bytes);
            return Some(Outgoing {
                via: letter.via,
                to: letter.to,
                len,
                stride: len,
            });
        }
        while let Some(forwarded) = self.inside.pop_front() {
            match self.send_on(now, &forwarded, out) {
                Ok(o) => return Some(o),
                Err(why) => self.refusals.count(why),
            }
        }
        let n = self.used;
        for i in 0..n {
            let at = (self.turn + i) % n;
            if let Some(outgoing) = self.poll_seat(now, at, out) {
                self.turn = at + 1;
                return Some(outgoing);
            }
        }
        self.poll_held(now, out)
    }

    /// The next run of datagrams for one member: without its packets if its community is held to a rate.
    fn poll_seat(&mut self, now: Instant, at: usize, out: &mut [u8]) -> Option<Outgoing> {
        let seat = self.seats.get_mut(at)?.as_mut()?;
        let held = self
            .limits
            .open_at(seat.session.as_ref()?.community)
            .is_some();
        seat.poll(now, out, |tunnel, out| {
            if held {
                tunnel.poll_upkeep(now, out)
            } else {
                tunnel.poll_transmit(now, out)
            }
        })
        .map(|(outgoing, _)| outgoing)
    }

    /// The next packets for communities that are held to a rate, each of whose members has a turn: the others' do not count there.
    fn poll_held(&mut self, now: Instant, out: &mut [u8]) -> Option<Outgoing> {
        let n = self.used;
        for limit in 0..self.limits.len() {
            let Some(open) = self.limits.open(now, limit) else {
                continue;
            };
            let run = out.len().min(open.run);
            for at in (0..n).map(|i| (open.turn + i) % n) {
                let seat = self.seats.get_mut(at).and_then(Option::as_mut);
                let of_it = |s: &Session| s.community == open.community;
                let Some(seat) = seat.filter(|s| s.session.as_ref().is_some_and(of_it)) else {
                    continue;
                };
                let packets = |tunnel: &mut Tunnel<'_>, out: &mut [u8]| tunnel.poll_data(now, out);
                if let Some((outgoing, bytes)) = seat.poll(now, out.get_mut(..run)?, packets) {
                    self.limits.sent(now, &open, at, bytes);
                    return Some(outgoing);
                }
            }
        }
        None
    }
}

impl Seat<'_> {
    /// The next run that `next` gives and that has an address, and its bytes with all headers.
    fn poll(
        &mut self,
        now: Instant,
        out: &mut [u8],
        mut next: impl FnMut(&mut Tunnel<'_>, &mut [u8]) -> Option<Transmit>,
    ) -> Option<(Outgoing, usize)> {
        let session = self.session.as_mut()?;
        while let Some(t) = next(&mut self.tunnel, out) {
            // What is padded goes only where a challenge was answered: an unproved address gets no more than it sent.
            let small = t.message && t.len <= MIN_LEN;
            if let Some((via, to)) = session.address(now, t.path, small) {
                let headers = usize::from(outer_headers(to.is_ipv6())) * t.count as usize;
                let outgoing = Outgoing {
                    via,
                    to: Some(to),
                    len: t.len,
                    stride: t.stride,
                };
                return Some((outgoing, t.len + headers));
            }
        }
        None
    }
}
