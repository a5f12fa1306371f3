//! Path messages of a tunnel: challenges out, answers back.

use super::{AnyTunnel, Transmit};
use crate::data::path::Answer;
use crate::data::seal::PATH_MESSAGES;
use crate::error::Refusal;
use crate::time::Instant;
use crate::wire::Capabilities;
use crate::wire::frame::TAG;
use crate::wire::path::{Ask, BODY, Body, HEADER, Header, MIN_LEN};

impl AnyTunnel<'_> {
    /// An answer that is owed, or a challenge that is due.
    pub(super) fn poll_message(&mut self, now: Instant, out: &mut [u8]) -> Option<Transmit> {
        let gateway = self.initiator;
        let costs = self.capabilities.has(Capabilities::COSTS);
        for at in 0..self.paths.len() {
            let Some(path) = self.path_mut(at) else {
                continue;
            };
            let (says, cost) = (path.says(gateway), path.says_cost(gateway && costs));
            let time = now.as_micros32();
            let (cid, lent) = (path.setup.local_cid, path.setup.lent);
            if let Some(Answer { token, echo, size }) = path.answer.take() {
                return self.send_message(
                    now,
                    at,
                    Body {
                        ask: Ask::Response,
                        lent,
                        token,
                        cid,
                        time,
                        echo,
                        size,
                    },
                    0,
                    out,
                );
            }
            if let Some(size) = path.prober.poll(now) {
                let token = self.token();
                self.path_mut(at)?.prober.sent(now, token, size);
                let body = Body {
                    ask: Ask::Challenge,
                    lent,
                    token,
                    cid,
                    time,
                    echo: says,
                    size: cost,
                };
                return self.send_message(now, at, body, usize::from(size), out);
            }
        }
        None
    }

    /// Tells the other end that a path is closed.
    pub fn close_message(&mut self, now: Instant, at: usize, out: &mut [u8]) -> Option<Transmit> {
        let setup = self.path(at)?.setup;
        let body = Body {
            ask: Ask::Close,
            lent: setup.lent,
            token: 0,
            cid: setup.local_cid,
            time: now.as_micros32(),
            echo: 0,
            size: 0,
        };
        self.send_message(now, at, body, 0, out)
    }

    /// Seals a path message, padded to `size` bytes of datagram if that is more than it needs.
    fn send_message(
        &mut self,
        now: Instant,
        at: usize,
        body: Body,
        size: usize,
        out: &mut [u8],
    ) -> Option<Transmit> {
        let phase = self.keys.sending();
        let path = self.paths.get_mut(at).and_then(Option::as_mut)?;
        let headroom = usize::from(path.setup.headroom);
        let len = size.max(MIN_LEN);
        let datagram = out.get_mut(headroom..headroom + len)?;
        datagram.fill(0);
        let counter = path.next_message;
        path.next_message = path.next_message.wrapping_add(1);
        Header {
            cid: path.setup.remote_cid,
            path: path.setup.id,
            phase,
            counter,
        }
        .emit(datagram)
        .ok()?;
        let (header, rest) = datagram.split_at_mut_checked(HEADER)?;
        let (sealed, tag_room) = rest.split_at_mut_checked(len - HEADER - TAG)?;
        body.emit(sealed).ok()?;
        let word = PATH_MESSAGES | u32::from(path.setup.id);
        let tag = self
            .keys
            .seal(phase, word, u64::from(counter), header, sealed)
            .ok()?;
        tag_room.get_mut(..TAG)?.copy_from_slice(&tag);
        path.account_sent(now, len);
        Some(Transmit {
            path: at,
            len: headroom + len,
            stride: headroom + len,
            count: 1,
            message: true,
        })
    }

    /// Is this an authentic message, of the length that opens a path? It stays sealed.
    pub fn check_opening(&mut self, datagram: &[u8]) -> Result<(), Refusal> {
        let head = Header::parse(datagram)?;
        let copy: &mut [u8; MIN_LEN] = &mut datagram.try_into().map_err(|_| Refusal::Malformed)?;
        let (header, rest) = copy.split_at_mut(HEADER);
        let (sealed, tag) = rest.split_at_mut(BODY);
        let word = PATH_MESSAGES | u32::from(head.path);
        let number = u64::from(head.counter);
        self.keys
            .open(head.phase, word, number, header, sealed, tag)
    }

    /// Opens a path message. The owner of the tunnel has found (or opened) the path by ID.
    pub fn handle_path_message(
        &mut self,
        now: Instant,
        at: usize,
        datagram: &mut [u8],
    ) -> Result<Body, Refusal> {
        let len = datagram.len();
        let head = Header::parse(datagram)?;
        let path = self
            .paths
            .get_mut(at)
            .and_then(Option::as_mut)
            .ok_or(Refusal::Unknown)?;
        if head.path != path.setup.id {
            return Err(Refusal::Unknown);
        }
        path.rx.messages.check(u64::from(head.counter))?;
        let (header, rest) = datagram
            .split_at_mut_checked(HEADER)
            .ok_or(Refusal::Malformed)?;
        let (sealed, tag) = rest
            .split_at_mut_checked(len - HEADER - TAG)
            .ok_or(Refusal::Malformed)?;
        let word = PATH_MESSAGES | u32::from(head.path);
        self.keys.open(
            head.phase,
            word,
            u64::from(head.counter),
            header,
            sealed,
            tag,
        )?;
        path.rx.messages.insert(u64::from(head.counter))?;
        path.account_received(len);
        let body = Body::parse(sealed.get(..BODY).ok_or(Refusal::Malformed)?)?;
        path.setup.remote_cid = body.cid;
        path.remote_known = true;
        if body.lent && !path.setup.lent {
            // The gateway knows whose uplink it is; the exit learns it here.
            path.setup.lent = true;
            path.rate.yield_early();
        }
        match body.ask {
            Ask::Challenge => {
                let costs = self.capabilities.has(Capabilities::COSTS);
                let cost = if costs { body.size } else { 0 };
                path.told(self.initiator, body.echo, cost);
                path.prober.asked(now);
                let size = if len == MIN_LEN { 0 } else { len as u16 };
                path.owe(Answer {
                    token: body.token,
                    echo: body.time,
                    size,
                });
            }
            Ask::Response => {
                if path.prober.answered(now, body.token, body.size).is_some() {
                    path.suspect = false;
                    path.black_hole.arrived(0);
                    let raw = body.time.wrapping_sub(body.echo);
                    let origin = *self.delay_origin.get_or_insert(raw);
                    path.rate.delay_sample(now, raw.wrapping_sub(origin) as i32);
                }
            }
            Ask::Close => path.prober.die(now),
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Link, Pair};
    use super::*;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn of_sizes_that_come_in_one_go_the_largest_is_answered() {
        let mut pair = Pair::new(&[Link::mbit(20, 10)], Capabilities::OURS);
        pair.run(500, |_, _| {});
        let now = Instant::from_millis(500);
        let mut out = vec![0; 2_000];
        let mut challenge = |token, size| -> Vec<u8> {
            let body = Body {
                ask: Ask::Challenge,
                lent: false,
                token,
                cid: 100,
                time: 0,
                echo: 0,
                size: 0,
            };
            let sent = pair.a.send_message(now, 0, body, size, &mut out).unwrap();
            out[..sent.len].to_vec()
        };
        let sizes = [(1, 1452), (2, 1472), (3, 1435), (4, 0)];
        for mut datagram in sizes.map(|(token, size)| challenge(token, size)) {
            pair.b.handle_path_message(now, 0, &mut datagram).unwrap();
        }
        let owed = pair.b.path(0).unwrap().answer.unwrap();
        assert_eq!((owed.token, owed.size), (2, 1472));
    }
}
