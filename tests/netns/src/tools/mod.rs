//! Real programs as clients and servers, and what their output says.

pub mod bulk;
pub mod capture;
pub mod crowd;
pub mod echo;
pub mod http;
pub mod iperf;
pub mod junk;
pub mod mptcp;
pub mod pattern;
pub mod ping;
pub mod transfer;
