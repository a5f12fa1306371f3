//! On which path a packet arrives first: for light flows, repairs, reports and control messages.

use super::AnyTunnel;
use crate::data::pace::{LIGHT, REPAIR, URGENT};
use crate::data::path::Path;
use crate::time::{Duration, Instant};

/// How far ahead of a path's schedule a packet of the light round goes.
pub(super) fn ahead(light: bool) -> Duration {
    if light { LIGHT } else { URGENT }
}

impl AnyTunnel<'_> {
    /// The path on which something of this length arrives first.
    pub fn first_to_arrive(&self, now: Instant, len: usize) -> Option<usize> {
        let fitting = self.fitting(len);
        fitting.min_by_key(|(_, p)| p.arrival(now)).map(|(i, _)| i)
    }

    /// Any path that answers, the best one first: for feedback and control before all is measured.
    pub(super) fn any_path(&self, now: Instant) -> Option<usize> {
        self.first_to_arrive(now, 0).or_else(|| {
            self.paths()
                .find(|(_, p)| p.prober.is_up() && p.remote_known)
                .map(|(i, _)| i)
        })
    }

    /// The paths that carry something of this length.
    fn fitting(&self, len: usize) -> impl Iterator<Item = (usize, &Path)> {
        self.paths()
            .filter(move |(_, p)| p.carries() && p.fits(len))
    }

    /// Of the cheapest paths that take a packet of the light round now the one where it arrives first. (Waiting for a better one that is
    /// not ready would leave the others idle.)
    pub(super) fn urgent_path(&self, now: Instant, len: usize, light: bool) -> Option<usize> {
        let late = |p: &Path| if light { p.overdue(now) } else { 0 };
        self.fitting(len)
            .filter(|(_, p)| p.pacer.ready_for(now, ahead(light)))
            .min_by_key(|(_, p)| (p.cost, p.arrival(now) + late(p)))
            .map(|(i, _)| i)
    }

    /// Where a repair arrives first, whatever that costs.
    pub(super) fn repair_path(&self, now: Instant, len: usize) -> Option<usize> {
        self.fitting(len)
            .filter(|(_, p)| p.pacer.ready_for(now, REPAIR))
            .min_by_key(|(_, p)| p.arrival(now))
            .map(|(i, _)| i)
    }
}
