//! Does a path carry runs? The shell hands a run to the kernel in one piece, and some device on the way cuts it. A kernel
//! that cannot says so at once; a driver or a PPPoE server that mangles segments says nothing. It shows in the losses: most of
//! what went behind another in its run is missing.
//!
//! But so it is where a queue overflows, or a line is silent for a moment. So there is a trial: short runs and as many packets sent
//! singly take turns, and what a queue loses it loses of both. Where runs alone are lost they stay off on this path; where not,
//! they are not suspected again for a while.

use crate::time::{Duration, Instant};

/// Packets of a kind whose fate is known before anything is concluded.
const ENOUGH: u16 = 64;
/// Most packets of a run, and sent singly after it, in a trial: few, so that both kinds meet the same queue.
const SHORT: u32 = 8;
/// A line that loses so much is not suspected again within this time.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a packet left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Part {
    /// First in its run, if it became one: says nothing.
    #[default]
    First,
    /// Behind another one in its run.
    Behind,
    /// By itself, in a trial.
    Alone,
}

/// The state of one path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    state: State,
    /// How the packet leaves that leaves now.
    part: Part,
    behind: Fate,
    alone: Fate,
    /// In the trial: what is known counts from this packet on, and so many more left in runs than singly.
    from: u32,
    ahead: i16,
    not_before: Instant,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Used,
    Trial,
    Off,
}

/// Of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fate {
    all: u16,
    lost: u16,
}

impl Fate {
    fn add(&mut self, arrived: bool) {
        // What comes after so many changes nothing.
        if self.all < u16::MAX / 8 {
            self.all += 1;
            self.lost += u16::from(!arrived);
        }
    }
}

impl Runs {
    /// Several datagrams may be handed over in one piece: not that runs were found to be what loses packets here.
    pub fn allowed(&self) -> bool {
        self.state != State::Off
    }

    /// A run begins that the caller would let have up to `most` packets; how many it may have.
    pub fn begin(&mut self, most: u32) -> u32 {
        let most = match self.state {
            State::Used => most,
            State::Trial if self.ahead <= 0 => most.min(SHORT),
            _ => 1,
        };
        let alone = self.state == State::Trial && most == 1;
        self.part = if alone { Part::Alone } else { Part::First };
        self.ahead -= i16::from(alone);
        most
    }

    /// Another packet joins it.
    pub fn go_on(&mut self) {
        self.part = Part::Behind;
        self.ahead += i16::from(self.state == State::Trial);
    }

    /// How the packet leaves that leaves now.
    pub fn part(&self) -> Part {
        self.part
    }

    /// The fate of a packet is known.
    pub fn know(&mut self, number: u64, part: Part, arrived: bool) {
        if (number as u32).wrapping_sub(self.from) > u32::MAX / 2 {
            return;
        }
        match part {
            Part::First => {}
            Part::Behind => self.behind.add(arrived),
            Part::Alone => self.alone.add(arrived),
        }
    }

    /// What follows from all that is known; `next` is the number of the packet that leaves next.
    pub fn conclude(&mut self, now: Instant, next: u64) {
        let Self { behind, alone, .. } = *self;
        let trial = self.state == State::Trial;
        if behind.all < ENOUGH || (trial && alone.all < ENOUGH) {
            return;
        }
        let many = behind.lost * 4 > behind.all;
        let few = alone.lost * 8 < alone.all;
        self.state = match self.state {
            State::Used if many && now >= self.not_before => {
                (self.from, self.ahead) = (next as u32, 0);
                State::Trial
            }
            State::Trial if many && few => State::Off,
            State::Trial => {
                self.not_before = now + PATIENCE;
                State::Used
            }
            other => other,
        };
        (self.behind, self.alone) = (Fate::default(), Fate::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many packets leave, as many as may in one run, and `arrives` says by number and part whether they do.
    fn send(runs: &mut Runs, packets: core::ops::Range<u64>, arrives: impl Fn(u64, Part) -> bool) {
        let mut left = 0;
        for number in packets {
            if left == 0 {
                left = runs.begin(64);
            } else {
                runs.go_on();
            }
            left -= 1;
            let part = runs.part();
            runs.know(number, part, arrives(number, part));
            runs.conclude(Instant::from_millis(number), number + 1);
        }
    }

    #[test]
    fn where_only_the_first_of_a_run_arrives_or_none_at_all_runs_stay_off() {
        for none in [false, true] {
            let mut runs = Runs::default();
            send(&mut runs, 0..400, |_, part| match part {
                Part::First => !none,
                part => part == Part::Alone,
            });
            assert!(!runs.allowed());
            assert_eq!(runs.begin(64), 1);
        }
    }

    #[test]
    fn a_line_that_is_silent_or_a_queue_that_overflows_does_not_stop_runs() {
        let mut runs = Runs::default();
        // All is lost for a moment, also in the trial that follows; then nothing.
        send(&mut runs, 0..1_000, |number, _| {
            !(100..400).contains(&number)
        });
        assert_eq!(runs.state, State::Used);
        assert_eq!(runs.begin(64), 64);
        // Half of all, in stretches of 100.
        let mut runs = Runs::default();
        send(&mut runs, 0..1_000, |number, _| number / 100 % 2 == 0);
        assert_eq!(runs.state, State::Used);
        assert_eq!(
            runs.not_before,
            runs.not_before.max(Instant::from_millis(1) + PATIENCE)
        );
    }

    #[test]
    fn what_left_before_the_trial_says_nothing_in_it() {
        let mut runs = Runs::default();
        send(&mut runs, 0..66, |_, _| false);
        assert_eq!(runs.state, State::Trial);
        (0..1_000).for_each(|_| runs.know(u64::from(runs.from) - 1, Part::Behind, false));
        assert_eq!(runs.behind, Fate::default());
        send(&mut runs, 200..600, |_, _| true);
        assert_eq!(runs.state, State::Used);
    }

    #[test]
    fn a_line_that_loses_as_much_without_runs_is_not_suspected_again_at_once() {
        let mut runs = Runs::default();
        send(&mut runs, 0..2_000, |number, _| number % 2 == 0);
        assert_eq!(runs.state, State::Used);
        send(&mut runs, 130_000..130_070, |_, _| false);
        assert_eq!(runs.state, State::Trial);
    }
}
