//! Large numbers as people read them.

use core::fmt::{self, Write};

/// Tenths of a larger unit, for people: `12.3`.
pub struct Tenths(pub u64);

impl Tenths {
    /// Millions, of bits per second or of bytes.
    pub fn mega(n: u64) -> Self {
        Self(n / 100_000)
    }
}

impl fmt::Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = heapless::String::<24>::new();
        write!(text, "{}.{}", self.0 / 10, self.0 % 10)?;
        f.pad(&text)
    }
}
