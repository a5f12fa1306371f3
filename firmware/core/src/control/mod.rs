//! Who is there, and with whom do we share keys: announcements, handshakes and their protection. Knows nothing of data.

pub mod admission;
pub mod announcer;
pub mod cookie;
pub mod handshake;
pub mod heard;
mod jitter;
pub mod trickle;
