//! The side of the members: the UDP sockets.

use std::net::{IpAddr, SocketAddr, UdpSocket as Plain};

use anyhow::{Context, Result};
use burstmesh_core::node::exit::Exit;
use burstmesh_core::node::{Outgoing, Via};
use burstmesh_core::time::Instant;
use burstmesh_linux::fd::Fd;
use burstmesh_linux::udp::{self, Options, RecvBatch, Source, UdpSocket};

use super::inside::Inside;
use super::sources::Sources;

/// Batches taken from one socket in one round.
const ROUND: usize = 4;
const BUFFER: u32 = 4 << 20;

/// The kernel glues up to 64 KB of datagrams together.
type Batch = RecvBatch<SLOTS, 65_536>;
const SLOTS: usize = 8;

/// Datagrams that could not be sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Drops {
    /// The socket's buffer was full.
    pub full: u64,
    /// There is no route, a firewall forbids it, or a probe of the path MTU is longer than our own link carries.
    pub refused: u64,
}

/// All listening sockets, and memory for what comes in.
pub struct Sockets {
    sockets: Vec<UdpSocket>,
    batch: Box<Batch>,
    sources: Sources,
    drops: Drops,
}

impl Sockets {
    /// Listens.
    ///
    /// # Errors
    /// An address that cannot be bound, with the reason.
    pub fn bind(addresses: &[SocketAddr]) -> Result<Self> {
        let segmentation = udp::segmentation_works();
        let bound = addresses.iter().map(|a| listen(*a, segmentation));
        Ok(Self {
            sockets: bound.collect::<Result<_>>()?,
            batch: Box::new(Batch::new()),
            sources: Sources::default(),
            drops: Drops::default(),
        })
    }

    /// To wait on, in the order of the addresses.
    pub fn fds(&self) -> impl Iterator<Item = &Fd> {
        self.sockets.iter().map(UdpSocket::fd)
    }

    pub fn drops(&self) -> Drops {
        self.drops
    }

    /// Hands on what has come in on one socket, one round.
    pub fn receive(&mut self, at: usize, exit: &mut Exit<'_>, inside: &mut Inside) {
        let Some(socket) = self.sockets.get(at) else {
            return;
        };
        let via = Via::Listener(at as u8);
        for _ in 0..ROUND {
            // An error here is the network's answer to a datagram of ours: its reading has cleared it.
            let Ok(filled) = socket.recv_batch(&mut self.batch) else {
                continue;
            };
            // Read after receiving: an arrival stamped too early would pass for a shorter line for many seconds, and
            // every later packet for one that waited in a queue.
            let now = burstmesh_linux::clock::now();
            for d in self.batch.datagrams() {
                if let Some(local) = d.local {
                    self.sources.note(via, d.from, local);
                }
                exit.handle_datagrams(now, via, d.from, d.bytes, d.segment_size, inside);
            }
            // With room to spare nothing more was there.
            if filled < SLOTS {
                break;
            }
        }
    }

    /// Sends everything that is due. `room` is working memory, 64 KB.
    pub fn transmit(&mut self, now: Instant, exit: &mut Exit<'_>, room: &mut [u8]) {
        while let Some(outgoing) = exit.poll_transmit(now, room) {
            self.send(&outgoing, room);
        }
    }

    /// Sends a run that stands in `room`.
    pub fn send(&mut self, outgoing: &Outgoing, room: &[u8]) {
        let run = room.get(..outgoing.len).unwrap_or_default();
        let count = run.len().div_ceil(outgoing.stride.max(1));
        match self.try_send(outgoing, run) {
            Some(Ok(sent)) => self.drops.full += count.saturating_sub(sent) as u64,
            // What cannot be sent is lost, and repaired like any other loss.
            Some(Err(_)) => self.drops.refused += count as u64,
            None => {}
        }
    }

    fn try_send(&self, o: &Outgoing, run: &[u8]) -> Option<burstmesh_linux::Result<usize>> {
        let (Via::Listener(at), Some(to)) = (o.via, o.to) else {
            return None;
        };
        let socket = self.sockets.get(usize::from(at))?;
        let plain = || socket.send_run(run, o.stride, o.to);
        let Some(local) = self.sources.of(o.via, to) else {
            return Some(plain());
        };
        let source = Source { local, ifindex: 0 };
        // The address may have left this machine: then any other must do.
        Some(
            socket
                .send_run_from(run, o.stride, to, source)
                .or_else(|_| plain()),
        )
    }
}

fn listen(address: SocketAddr, segmentation: bool) -> Result<UdpSocket> {
    let options = Options {
        v6_only: true,
        gro: true,
        // With one address only there is nothing to choose.
        packet_info: address.ip().is_unspecified(),
        receive_buffer: BUFFER,
        send_buffer: BUFFER,
        ..Options::default()
    };
    let socket = UdpSocket::bind(address, &options).with_context(|| {
        let hint = if family_is_missing(address.ip()) {
            let family = if address.is_ipv6() { "IPv6" } else { "IPv4" };
            format!("; this machine has no {family}: take the address out of `listen`")
        } else {
            String::new()
        };
        format!("cannot listen on {address}{hint}")
    })?;
    if !segmentation {
        socket.set_gso(false);
    }
    Ok(socket)
}

/// Can not even the loopback address of this family be bound?
fn family_is_missing(ip: IpAddr) -> bool {
    let loopback = if ip.is_ipv6() {
        "[::1]:0"
    } else {
        "127.0.0.1:0"
    };
    Plain::bind(loopback).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_taken_or_not_ours_is_named_in_the_error() {
        let taken = Plain::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        for address in [address, "192.0.2.1:4454".parse().unwrap()] {
            let error = Sockets::bind(&[address]).err().unwrap();
            let text = format!("{error:#}");
            assert!(
                text.contains(&format!("cannot listen on {address}: ")),
                "{text}"
            );
        }
    }
}
