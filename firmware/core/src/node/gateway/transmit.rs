//! Datagrams to the outside.

use super::Gateway;
use super::exit_link::Route;
use super::hops::road;
use super::receive::outer_to;
use crate::data::tunnel::Transmit;
use crate::node::{Outgoing, Via};
use crate::time::Instant;
use crate::wire::relay;
use core::net::{Ipv6Addr, SocketAddr, SocketAddrV6};

/// The link-local multicast group of announcements.
pub const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xbb57);

impl Gateway<'_> {
    /// The next run of datagrams, written to `out` (at least 2 KB); `None` when there is nothing to send now.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut [u8]) -> Option<Outgoing> {
        self.poll_letter(out)
            .or_else(|| self.poll_announcement(out))
            .or_else(|| self.poll_peers(now, out))
            .or_else(|| self.poll_exit(now, out))
    }

    fn poll_letter(&mut self, out: &mut [u8]) -> Option<Outgoing> {
        let letter = self.letters.pop_front()?;
        let len = letter.bytes.len();
        out.get_mut(..len)?.copy_from_slice(&letter.bytes);
        Some(Outgoing {
            via: letter.via,
            to: letter.to,
            len,
            stride: len,
        })
    }

    fn poll_announcement(&mut self, out: &mut [u8]) -> Option<Outgoing> {
        let (mesh, len) = self
            .announcers
            .iter_mut()
            .enumerate()
            .find_map(|(i, a)| a.poll_transmit(out).map(|n| (i, n)))?;
        let port = self.mesh_ports.get(mesh).copied()?;
        let to = Some(SocketAddr::V6(SocketAddrV6::new(GROUP, port, 0, 0)));
        Some(Outgoing {
            via: Via::Mesh(mesh as u8),
            to,
            len,
            stride: len,
        })
    }

    fn poll_peers(&mut self, now: Instant, out: &mut [u8]) -> Option<Outgoing> {
        for place in 0..self.peers.len() as u8 {
            while let Some(t) = self.poll_peer(now, place, out) {
                let run = out.get_mut(..t.len)?;
                let frames = t.len.div_ceil(t.stride.max(1)) as u32;
                let road = road(&mut self.peers, place, frames);
                // What has no way now is lost, as on any link.
                let Some(mut road) = road else { continue };
                road.address(run, t.stride);
                return Some(Outgoing {
                    via: road.via,
                    to: Some(road.to),
                    len: t.len,
                    stride: t.stride,
                });
            }
        }
        None
    }

    fn poll_peer(&mut self, now: Instant, place: u8, out: &mut [u8]) -> Option<Transmit> {
        let peer = self.peers.get_mut(usize::from(place))?.as_mut()?;
        peer.session.as_ref()?;
        peer.tunnel.poll_transmit(now, out)
    }

    fn poll_exit(&mut self, now: Instant, out: &mut [u8]) -> Option<Outgoing> {
        self.link.session.as_ref()?;
        loop {
            let t = self.link.tunnel.poll_transmit(now, out)?;
            match self.link.route(t.path) {
                Some(Route::Own { uplink, address }) => {
                    let via = Via::Uplink {
                        uplink,
                        exit: self.link.exit as u8,
                        address,
                    };
                    return Some(Outgoing {
                        via,
                        to: None,
                        len: t.len,
                        stride: t.stride,
                    });
                }
                Some(Route::Lent { peer, uplink }) => {
                    if let Some(o) =
                        self.address_relayed(peer, uplink, out.get_mut(..t.len)?, t.stride)
                    {
                        return Some(o);
                    }
                }
                None => {}
            }
        }
    }

    /// Writes the relay headers into the room that the tunnel left in front of each datagram.
    pub(super) fn address_relayed(
        &mut self,
        place: u8,
        uplink: u8,
        run: &mut [u8],
        stride: usize,
    ) -> Option<Outgoing> {
        let peer = self.peers.get_mut(usize::from(place))?.as_mut()?;
        let hop = usize::from(peer.hop_headroom());
        let session = peer.session.as_ref()?;
        let loan = peer.loans.iter_mut().find(|l| l.uplink == uplink)?;
        let relay = loan.relay?;
        let over = outer_to(&self.exits, loan.via(self.link.exit as u8));
        let frames = run.len().div_ceil(stride.max(1));
        if let Some(tally) = peer.borrowed.get_mut(usize::from(uplink)) {
            tally.add_up(run.len() + frames * over - frames * (hop + relay::HEADER));
        }
        for frame in run.chunks_mut(stride) {
            relay::Header {
                relay,
                counter: loan.count_up(),
            }
            .emit(frame.get_mut(hop..)?, session.relay.sending())
            .ok()?;
        }
        let mut road = road(&mut self.peers, place, frames as u32)?;
        road.address(run, stride);
        Some(Outgoing {
            via: road.via,
            to: Some(road.to),
            len: run.len(),
            stride,
        })
    }

    /// Says good-bye to every peer; call once before stopping, then [`Self::poll_transmit`] until `None`.
    pub fn leave(&mut self) {
        for peer in self
            .peers
            .iter_mut()
            .flatten()
            .filter(|p| p.session.is_some())
        {
            let _ = super::maintain::say(peer, &crate::wire::control::Message::Bye);
        }
    }
}
