//! The side of the Internet: the TUN, whose packet is for which seat, and what was carried for each.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result};
use burstmesh_core::data::coalesce::Coalescer;
use burstmesh_core::data::segment::Offload;
use burstmesh_core::node::exit::{Exit, Output};
use burstmesh_core::time::Instant;
use burstmesh_core::wire::handshake::Lease;
use burstmesh_linux::fd::Fd;
use burstmesh_linux::rest::Look;
use burstmesh_linux::tun::Tun;

use crate::status::Traffic;

/// Packets taken from the TUN in one round, so that sending gets its turn: two large segments.
const ROUND: usize = 80;
/// Packets of the control network that wait: each connection has a window of two.
const QUESTIONS: usize = 64;
/// Longer than anything that the interface gives: a large segment with its headers.
const ROOM: usize = 66_000;
/// Flows whose packets are glued at a time, and bytes of each.
type Glue = Coalescer<8, 65_536>;

/// Inner packets of one session.
#[derive(Clone, Copy, Debug, Default)]
pub struct Carried {
    /// To the Internet: handed to the kernel.
    pub up: Traffic,
    /// From the Internet.
    pub down: Traffic,
}

/// Packets that ended here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Drops {
    /// For an address that no session has.
    pub no_such_lease: u64,
    /// The kernel had no room.
    pub full: u64,
    /// The kernel did not want it: the interface is down, or the packet is nonsense.
    pub refused: u64,
}

/// The inner side of the exit.
pub struct Inside {
    tun: Tun,
    glue: Box<Glue>,
    room: Vec<u8>,
    seats: HashMap<IpAddr, usize>,
    carried: Vec<Carried>,
    drops: Drops,
    /// Packets of the control network for the exit itself.
    questions: VecDeque<Vec<u8>>,
}

impl Inside {
    pub fn new(tun: Tun, seats: usize) -> Self {
        let mut glue = Box::new(Glue::new());
        glue.set_takes(tun.takes());
        Self {
            tun,
            glue,
            room: vec![0; ROOM],
            seats: HashMap::new(),
            carried: vec![Carried::default(); seats],
            drops: Drops::default(),
            questions: VecDeque::new(),
        }
    }

    /// The next packet of the control network for the exit.
    pub fn next_question(&mut self) -> Option<Vec<u8>> {
        self.questions.pop_front()
    }

    /// To wait on.
    pub fn fd(&self) -> &Fd {
        self.tun.fd()
    }

    pub fn carried(&self, seat: usize) -> Carried {
        self.carried.get(seat).copied().unwrap_or_default()
    }

    pub fn drops(&self) -> Drops {
        self.drops
    }

    /// Packets for these addresses go to this seat from now on, and no others do.
    pub fn lease(&mut self, seat: usize, lease: &Lease) {
        self.seats.retain(|_, at| *at != seat);
        let v6 = Ipv6Addr::from(lease.ipv6);
        self.seats.insert(Ipv4Addr::from(lease.ipv4).into(), seat);
        if !v6.is_unspecified() {
            self.seats.insert(v6.into(), seat);
        }
    }

    /// A session begins: its counters too.
    pub fn begin(&mut self, seat: usize) {
        if let Some(carried) = self.carried.get_mut(seat) {
            *carried = Carried::default();
        }
    }

    /// Forgets the addresses of seats without a session.
    pub fn keep(&mut self, exit: &Exit<'_>) {
        let mut live = vec![false; self.carried.len()];
        for (seat, _, _) in exit.seats() {
            if let Some(live) = live.get_mut(seat) {
                *live = true;
            }
        }
        self.seats
            .retain(|_, seat| live.get(*seat).copied().unwrap_or(false));
    }

    /// Gives packets that wait in the TUN to their members' seats, one round; says whether there may be more.
    ///
    /// # Errors
    /// The interface is gone.
    pub fn read(&mut self, now: Instant, exit: &mut Exit<'_>) -> Result<Look> {
        // Taken out while what is in it is handled: answers leave through `self`.
        let mut room = std::mem::take(&mut self.room);
        let result = self.read_round(now, exit, &mut room);
        self.room = room;
        result
    }

    fn read_round(&mut self, now: Instant, exit: &mut Exit<'_>, room: &mut [u8]) -> Result<Look> {
        let (mut left, mut found) = (ROUND, Look::Nothing);
        while left > 0 {
            let got = self.tun.read(room);
            let Some((len, offload)) =
                got.with_context(|| format!("{} is gone", self.tun.name()))?
            else {
                return Ok(found);
            };
            found = Look::All;
            let packets = offload.packets(len);
            left = left.saturating_sub(packets);
            let packet = room.get_mut(..len).unwrap_or_default();
            let seat = destination(packet)
                .and_then(|to| self.seats.get(&to))
                .copied();
            let Some(seat) = seat else {
                self.drops.no_such_lease += packets as u64;
                continue;
            };
            if let Some(carried) = self.carried.get_mut(seat) {
                count(&mut carried.down, packets, len);
            }
            exit.handle_large(now, seat, packet, offload, self);
        }
        Ok(Look::More)
    }

    /// Lets everything leave that waits to be glued: at the end of each round.
    pub fn flush(&mut self) {
        let (tun, drops) = (&self.tun, &mut self.drops);
        self.glue
            .flush(&mut |offload, piece| write(tun, drops, offload, piece));
    }
}

impl Output for Inside {
    fn inside(&mut self, _: usize, packet: &[u8]) {
        if self.questions.len() < QUESTIONS {
            self.questions.push_back(packet.to_vec());
        }
    }

    fn deliver(&mut self, seat: usize, packet: &[u8]) {
        if let Some(carried) = self.carried.get_mut(seat) {
            count(&mut carried.up, 1, packet.len());
        }
        let (tun, drops) = (&self.tun, &mut self.drops);
        self.glue.push(packet, &mut |offload, piece| {
            write(tun, drops, offload, piece);
        });
    }
}

fn write(tun: &Tun, drops: &mut Drops, offload: Offload, piece: &[u8]) {
    let packets = || offload.packets(piece.len()) as u64;
    match tun.write(piece, offload) {
        Ok(true) => {}
        // The senders' congestion control answers to that.
        Ok(false) => drops.full += packets(),
        Err(_) => drops.refused += packets(),
    }
}

fn count(traffic: &mut Traffic, packets: usize, bytes: usize) {
    traffic.packets += packets as u64;
    traffic.bytes += bytes as u64;
}

fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 => packet.get(16..20)?.first_chunk::<4>().map(|a| (*a).into()),
        6 => packet.get(24..40)?.first_chunk::<16>().map(|a| (*a).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_destination_is_read_from_either_family_and_from_nothing_else() {
        let mut packet = [0; 40];
        packet[0] = 0x45;
        packet[16..20].copy_from_slice(&[10, 77, 0, 2]);
        assert_eq!(destination(&packet), Some("10.77.0.2".parse().unwrap()));
        packet[0] = 0x60;
        packet[39] = 1;
        assert_eq!(destination(&packet), Some("::1".parse().unwrap()));
        assert_eq!(destination(&packet[..39]), None);
        packet[0] = 0x10;
        assert_eq!((destination(&packet), destination(&[])), (None, None));
    }
}
