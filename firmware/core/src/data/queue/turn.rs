//! The rounds in which flows wait.

/// Which round to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Light flows', or bursts'.
    pub kind: Kind,
    /// Of those that keep to a path (its place + 1), or of those that do not (0).
    pub lane: u8,
}

impl Turn {
    /// Of flows that may go anywhere.
    pub const fn any(kind: Kind) -> Self {
        Self { kind, lane: 0 }
    }
}

/// Which of the two rounds to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Newly busy flows.
    Light,
    /// Flows that have shown themselves as bursts.
    Burst,
}
