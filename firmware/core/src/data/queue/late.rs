//! Whether late paths come first for what is sent alone, and who asks for it (`tunnel/spread.rs` decides).

use super::TxFlow;
use crate::time::{Duration, Instant};
use core::ops::Range;

/// A burst of which nothing waits, and which has been silent for so long, asks how late its paths are: BBR lets all that is under way
/// arrive first (ProbeRTT), which takes a round trip. Whoever is silent for longer has waited for a timeout.
const ASKS: Range<Duration> = Duration::from_millis(10)..Duration::from_millis(150);

/// What late paths are for bursts.
#[derive(Debug)]
pub struct Late {
    /// Taken before the others: of a burst, what is sent alone is then as late as what fills all paths. Else they are left to what the
    /// earlier ones cannot take.
    pub first: bool,
    /// When a burst asked.
    pub asked: Option<Instant>,
}

impl Late {
    /// Last, and nobody has asked.
    pub const LAST: Self = Self {
        first: false,
        asked: None,
    };

    /// The least goes first.
    pub fn place(&self, delay: i32) -> i32 {
        if self.first {
            delay.saturating_neg()
        } else {
            delay
        }
    }

    /// A packet of this flow comes.
    pub(super) fn note(&mut self, now: Instant, flow: &TxFlow) {
        if flow.burst && flow.list.is_empty() && ASKS.contains(&now.since(flow.last)) {
            self.asked = Some(now);
        }
    }

    /// Does this flow keep its place among bursts when nothing of it waits? Else it would go by the early paths as a light one.
    pub(super) fn keeps(&self, flow: &TxFlow) -> bool {
        self.first && flow.burst
    }
}
