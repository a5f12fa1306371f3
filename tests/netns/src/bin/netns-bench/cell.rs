//! What is measured: roads, and what runs on them.

use std::fs;

/// The profiles that two cores can carry in real time.
pub const PROFILES: [&str; 7] = ["P1", "P2", "P3", "P4", "P5", "P6", "P7"];

/// How the client's packets reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Road {
    /// The agent of the first home pools all lines.
    Ours,
    /// The kernel's multipath TCP, a client with all lines to itself, no tunnel.
    Mptcp,
    /// The agent with the best line only.
    Alone,
}

impl Road {
    /// In the order in which they are measured.
    pub const ALL: [Self; 3] = [Self::Ours, Self::Mptcp, Self::Alone];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Mptcp => "MPTCP",
            Self::Alone => "best line alone",
        }
    }

    /// The loads that say something on it.
    pub fn loads(self) -> impl Iterator<Item = &'static Load> {
        LOADS
            .iter()
            .filter(move |load| self == Self::Ours || load.simple())
    }
}

/// What runs.
#[derive(Debug)]
pub struct Load {
    /// What it is called.
    pub name: &'static str,
    /// The kernel's name of its congestion control.
    pub congestion: &'static str,
    pub flows: usize,
    pub down: bool,
    /// The simulator's name of the same.
    pub simulated: Option<&'static str>,
}

impl Load {
    /// One flow with the congestion control that nearly everybody has.
    fn simple(&self) -> bool {
        self.flows == 1 && self.congestion == "cubic"
    }

    /// Whether this kernel has what it needs.
    pub fn possible(&self) -> bool {
        fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control")
            .is_ok_and(|all| all.split_whitespace().any(|name| name == self.congestion))
    }
}

/// All loads.
pub const LOADS: [Load; 4] = [
    Load {
        name: "CUBIC down",
        congestion: "cubic",
        flows: 1,
        down: true,
        simulated: Some("linux"),
    },
    Load {
        name: "CUBIC up",
        congestion: "cubic",
        flows: 1,
        down: false,
        simulated: Some("up"),
    },
    Load {
        name: "BBR down",
        congestion: "bbr",
        flows: 1,
        down: true,
        simulated: None,
    },
    Load {
        name: "16 CUBIC down",
        congestion: "cubic",
        flows: 16,
        down: true,
        simulated: Some("16"),
    },
];
