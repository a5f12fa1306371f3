//! Errors by blame: the bytes were malformed, the peer misbehaved, or a table is full.

use core::fmt;

/// Why a message from outside was refused. Small, `Copy`, countable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The bytes do not parse: too short, a length that does not fit, a field out of range.
    Malformed,
    /// Another major version of the protocol.
    Version,
    /// The connection ID, peer or path is not known here.
    Unknown,
    /// The authenticator does not fit the bytes and key.
    Forged,
    /// Authentic, but seen before or older than the replay window.
    Replayed,
    /// Authentic, but not allowed: wrong source, no grant, budget spent, private destination.
    Forbidden,
    /// A fixed table or the packet memory is full.
    Full,
}

impl Refusal {
    /// Its name for programs: a word, the same wherever it is counted.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Version => "version",
            Self::Unknown => "unknown",
            Self::Forged => "forged",
            Self::Replayed => "replayed",
            Self::Forbidden => "forbidden",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "other protocol version",
            other => other.name(),
        })
    }
}

/// How many messages were refused, by reason. All counters saturate at 2^32-1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    counts: [u32; 7],
}

impl Refusals {
    /// All reasons, in the order in which they are reported.
    pub const ALL: [Refusal; 7] = [
        Refusal::Malformed,
        Refusal::Version,
        Refusal::Unknown,
        Refusal::Forged,
        Refusal::Replayed,
        Refusal::Forbidden,
        Refusal::Full,
    ];

    /// Counts one refusal.
    pub fn count(&mut self, why: Refusal) {
        if let Some(n) = self.counts.get_mut(why as usize) {
            *n = n.saturating_add(1);
        }
    }
    /// How many were refused for this reason.
    pub fn of(&self, why: Refusal) -> u32 {
        self.counts.get(why as usize).copied().unwrap_or(0)
    }
    /// Both counts together.
    pub fn and(mut self, other: &Self) -> Self {
        for (n, m) in self.counts.iter_mut().zip(other.counts) {
            *n = n.saturating_add(m);
        }
        self
    }
    /// How many were refused in all.
    pub fn total(&self) -> u32 {
        self.counts.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }
}
