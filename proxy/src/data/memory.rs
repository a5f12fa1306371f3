//! The packet memory of each member's seat, taken when the seat is first used and kept for the next member.

use burstmesh_core::data::pool::{Block, Slot};
use burstmesh_core::data::queue::TxFlow;
use burstmesh_core::data::resequence::RxFlow;
use burstmesh_core::data::tunnel::Memory;
use burstmesh_core::node::exit::Seat;

/// Members with a session at a time.
pub const SEATS: usize = 512;
/// 4 MB of packets: 300 Mbit/s for 100 ms.
const BLOCKS: usize = 16_000;
const SLOTS: usize = 8_000;
const FLOWS: usize = 1_024;

/// Memory for one seat, about 5.3 MB. Seats are reused, so what is taken is bounded by [`SEATS`].
pub fn for_a_seat() -> Memory<'static> {
    Memory {
        slots: vec![Slot::FREE; SLOTS].leak(),
        blocks: vec![Block::FREE; BLOCKS].leak(),
        tx_flows: vec![TxFlow::FREE; FLOWS].leak(),
        rx_flows: vec![RxFlow::FREE; FLOWS].leak(),
    }
}

/// Empty seats.
pub fn seats() -> &'static mut [Option<Seat<'static>>] {
    (0..SEATS).map(|_| None).collect::<Vec<_>>().leak()
}
