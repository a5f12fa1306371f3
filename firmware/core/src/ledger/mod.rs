//! Who carried how much for whom, by day, and what an account may still lend: state that outlives the process.
//!
//! | file | what |
//! |---|---|
//! | `book.rs` | the amounts: a bounded table of days, uplinks and members |
//! | `cap.rs` | how much of a monthly cap may still be lent |
//! | `slots.rs` | how they are kept so that no power cut loses them |
//! | `clock.rs` | which day it is, on a router whose clock is wrong until NTP answers, and jumps |
//!
//! Sans-I/O like everything here: the shell reads interface counters and wall time, and writes the file.

pub mod book;
pub mod cap;
pub mod clock;
pub mod slots;

pub use book::{Amount, Kind, Ledger, Row};
pub use cap::Cap;
pub use clock::Clock;
