//! Steps of the loops whose length depends on how much is held, on paths or on flows. Tests bound them per packet; outside
//! tests nothing is counted.

/// One turn of such a loop.
#[cfg(not(test))]
#[inline(always)]
pub(in crate::data) fn step() {}

#[cfg(test)]
pub(in crate::data) use counting::{step, steps};

#[cfg(test)]
mod counting {
    use std::cell::Cell;

    std::thread_local!(static STEPS: Cell<u64> = const { Cell::new(0) });

    pub(in crate::data) fn step() {
        STEPS.with(|steps| steps.set(steps.get() + 1));
    }

    /// Steps of this thread since the last call.
    pub(in crate::data) fn steps() -> u64 {
        STEPS.with(|steps| steps.replace(0))
    }
}
