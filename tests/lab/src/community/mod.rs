//! A street of gateways over a week: what people gain, and what owners notice. `docs/community-simulation.md` has the model.
//!
//! The core decides: [`Usage`](burstmesh_core::usage::Usage), [`Cap`](burstmesh_core::ledger::Cap), the limits of lending, the
//! planner, announcements. Lines and mesh are fluids.

pub mod air;
mod fluid;
mod lender;
pub mod page;
mod people;
mod random;
mod sessions;
pub mod table;
mod world;

pub use people::{Role, Street};
pub use world::World;

/// Towards the Internet, and from it.
const UP: usize = 0;
const DOWN: usize = 1;
/// Homes of a block.
const BLOCK: usize = 10;
/// Weeks that a household has been watched for when the simulation begins.
const LEARNED: usize = 4;

/// How members pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Not at all: everybody by his own line, without burstmesh.
    Alone,
    /// Over the lines of the neighbours that were there first, whatever they carry.
    First,
    /// By what lines carry.
    Off,
    /// By what they are likely to have over, too.
    On,
    /// As `Off`, if no owner ever needed his line: what no knowledge of owners can beat.
    Ideal,
}

/// How a transfer is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Road {
    /// Spread over all paths.
    Spread,
    /// Over one path, and over another one when its owner needs the line: through a remote exit.
    Session,
    /// Over one line from beginning to end: it meets the Internet there.
    Local,
}

impl Road {
    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spread => "per_packet",
            Self::Session => "per_session",
            Self::Local => "local_exit",
        }
    }
}

/// One run.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub seed: u64,
    pub homes: usize,
    pub street: Street,
    pub days: usize,
    pub road: Road,
    pub mode: Mode,
}

/// A burst that came to its end.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    pub home: usize,
    /// When it began, us: the same in every mode.
    pub at: u64,
    pub way: usize,
    pub bits: f64,
    /// Seconds.
    pub took: f64,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub bursts: Vec<Done>,
    /// Seconds of video that came late, by member.
    pub stalls: Vec<f64>,
    /// Bytes lent, by member.
    pub lent: Vec<f64>,
    /// Bytes lent past a cap, and how often a capped lender stopped.
    pub past_cap: f64,
    pub stops: u32,
    pub roles: Vec<Role>,
    /// By hour of the week: seconds spent waiting for bursts.
    pub waited: Vec<f64>,
}
