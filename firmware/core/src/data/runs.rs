//! Does a path carry runs? The shell hands a run to the kernel in one piece, and some device on the way cuts it. A kernel
//! that cannot says so at once; a driver or a PPPoE server that mangles segments says nothing. It shows in the
//! losses: most of what went in runs is missing, and what was repaired singly arrives. So runs are stopped for a trial. If the losses stop with them they stay
//! off on this path; if not, the line itself is bad, and runs are not suspected again for a while.

use crate::time::{Duration, Instant};

/// Packets whose fate is known before anything is concluded.
const ENOUGH: u32 = 64;
/// A line that loses so much is not suspected again within this time.
const PATIENCE: Duration = Duration::from_secs(120);

/// The state of one path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    state: State,
    arrived: u32,
    lost: u32,
    not_before: Instant,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Used,
    /// Stopped; what is known now is still of packets that went in runs.
    Settling,
    /// Stopped; what is known now went singly.
    Trial,
    Off,
}

impl Runs {
    /// May several datagrams be handed over in one piece?
    pub fn allowed(&self) -> bool {
        self.state == State::Used
    }

    /// Runs were found to be what loses packets here.
    pub fn found_broken(&self) -> bool {
        self.state == State::Off
    }

    /// So many more packets are known to have arrived, and to be lost.
    pub fn learn(&mut self, now: Instant, arrived: u32, lost: u32) {
        self.arrived += arrived;
        self.lost += lost;
        let all = self.arrived + self.lost;
        if all < ENOUGH {
            return;
        }
        let (many, few) = (self.lost * 4 > all, self.lost * 8 < all);
        self.state = match self.state {
            State::Used if many && now >= self.not_before => State::Settling,
            State::Settling => State::Trial,
            State::Trial if few => State::Off,
            State::Trial => {
                self.not_before = now + PATIENCE;
                State::Used
            }
            other => other,
        };
        (self.arrived, self.lost) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(reports: &[(u32, u32)]) -> Runs {
        let mut runs = Runs::default();
        for (n, (arrived, lost)) in reports.iter().enumerate() {
            runs.learn(Instant::from_millis(n as u64 * 100), *arrived, *lost);
        }
        runs
    }

    #[test]
    fn losses_that_end_with_the_runs_keep_them_off() {
        assert!(after(&[(60, 4)]).allowed());
        assert!(!after(&[(10, 60)]).allowed());
        let off = after(&[(10, 60), (0, 64), (64, 0), (0, 64), (64, 0)]);
        assert!(off.found_broken() && !off.allowed());
    }

    #[test]
    fn a_line_that_loses_as_much_without_runs_is_not_suspected_again_at_once() {
        assert!(after(&[(10, 60), (20, 50), (20, 50), (10, 60)]).allowed());
        let mut runs = after(&[(10, 60), (20, 50), (20, 50)]);
        runs.learn(Instant::from_millis(200_000), 0, 64);
        assert!(!runs.allowed());
    }
}
