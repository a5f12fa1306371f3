//! What clients and the Internet send in several of these tests.

use crate::world::World;
use crate::world::packet::{FAR, leased, packet};

/// Length of a full inner packet.
pub const FULL: usize = 1_400;

/// Sends a small packet up from the first home every 5 ms for so long.
pub fn talk(w: &mut World, ms: u64, next: &mut u32) {
    w.run_with(ms, 5_000, |w| {
        let now = w.instant();
        w.gateways[0].send(now, &mut packet(leased(0), FAR, 7, *next, 300));
        *next += 1;
    });
}

/// Fills up to so many full packets of a flow that wait at a gateway.
pub fn fill_up(w: &mut World, gateway: usize, flow: u16, most: u32, next: &mut u32) {
    let now = w.instant();
    while w.gateways[gateway].gw().link().tunnel().backlog() < most {
        let mut p = packet(leased(gateway), FAR, flow, *next, FULL);
        *next += 1;
        w.gateways[gateway].send(now, &mut p);
    }
}

/// Fills up to so many full packets of a flow that wait at the exit for a gateway, if that has a session there.
pub fn fill_down(w: &mut World, gateway: usize, flow: u16, most: u32, next: &mut u32) {
    let now = w.instant();
    let Some(seat) = w.exits[0].seat_of(&w.gateways[gateway].key()) else {
        return;
    };
    while w.exits[0].backlog(seat) < most {
        let mut p = packet(FAR, leased(gateway), flow, *next, FULL);
        *next += 1;
        w.exits[0].send(now, seat, &mut p);
    }
}
