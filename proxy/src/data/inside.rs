//! The side of the Internet: the TUN, whose packet is for which seat, and what was carried for each.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result};
use burstmesh_core::node::exit::{Exit, Output};
use burstmesh_core::time::Instant;
use burstmesh_core::wire::handshake::Lease;
use burstmesh_linux::tun::Tun;

use crate::status::Traffic;

/// Packets taken from the TUN in one round, so that sending gets its turn.
const ROUND: usize = 64;
/// Longer than anything that an interface with [`super::worker::INNER_MTU`] gives.
const PACKET: usize = 2048;

/// Inner packets of one session.
#[derive(Clone, Copy, Debug, Default)]
pub struct Carried {
    /// To the Internet.
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
    seats: HashMap<IpAddr, usize>,
    carried: Vec<Carried>,
    drops: Drops,
}

impl Inside {
    pub fn new(tun: Tun, seats: usize) -> Self {
        Self {
            tun,
            seats: HashMap::new(),
            carried: vec![Carried::default(); seats],
            drops: Drops::default(),
        }
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

    /// Gives packets that wait in the TUN to their members' seats, one round.
    ///
    /// # Errors
    /// The interface is gone.
    pub fn read(&mut self, now: Instant, exit: &mut Exit<'_>) -> Result<()> {
        let mut room = [0; PACKET];
        for _ in 0..ROUND {
            let got = self.tun.read(&mut room);
            let Some(len) = got.with_context(|| format!("{} is gone", self.tun.name()))? else {
                break;
            };
            let packet = room.get_mut(..len).unwrap_or_default();
            let seat = destination(packet)
                .and_then(|to| self.seats.get(&to))
                .copied();
            let Some(seat) = seat else {
                self.drops.no_such_lease += 1;
                continue;
            };
            if let Some(carried) = self.carried.get_mut(seat) {
                count(&mut carried.down, len);
            }
            exit.handle_inner(now, seat, packet, self);
        }
        Ok(())
    }
}

impl Output for Inside {
    fn deliver(&mut self, seat: usize, packet: &[u8]) {
        match self.tun.write(packet) {
            Ok(true) => {
                if let Some(carried) = self.carried.get_mut(seat) {
                    count(&mut carried.up, packet.len());
                }
            }
            // The senders' congestion control answers to that.
            Ok(false) => self.drops.full += 1,
            Err(_) => self.drops.refused += 1,
        }
    }
}

fn count(traffic: &mut Traffic, bytes: usize) {
    traffic.packets += 1;
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
