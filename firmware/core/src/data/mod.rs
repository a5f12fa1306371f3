//! The packet's own road, from the client's packet to the path and back. Hot: nothing here allocates or divides by
//! 64 bits per packet.
//!
//! Sending: [`inner`] (which flow) -> [`queue`] (fair queueing, AQM, numbering) -> [`tunnel`] (which path) -> [`pace`] ->
//! [`seal`]. Receiving: [`seal`] -> [`replay`] -> [`resequence`]. [`path`], [`probe`] and [`rate`]
//! measure; [`tunnel`] resends.

mod black_hole;
pub mod coalesce;
pub mod codel;
mod headers;
pub mod inner;
pub mod lane;
pub mod pace;
pub mod path;
pub mod pieces;
pub mod planner;
pub mod pool;
pub mod probe;
pub mod queue;
pub mod rate;
pub mod replay;
pub mod resequence;
pub mod reset;
pub mod runs;
pub mod seal;
pub mod segment;
pub mod shape;
pub mod too_big;
pub mod tunnel;
mod work;
