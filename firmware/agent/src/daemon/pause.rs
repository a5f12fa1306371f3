//! A pause: nothing is lent or borrowed for a while, and clients use the own line.

use burstmesh_core::time::{Duration, Instant};
use core::fmt::Write;

/// The longest pause in minutes: a day.
pub const LONGEST: u16 = 1_440;
/// A pause in minutes when nothing is said.
pub const USUAL: u16 = 60;

/// Whether the agent is paused, and until when.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pause {
    until: Option<Instant>,
}

impl Pause {
    /// Whether the agent is paused.
    pub fn is_on(self) -> bool {
        self.until.is_some()
    }

    /// Seconds that are left of it.
    pub fn seconds_left(self, now: Instant) -> u64 {
        self.until
            .map_or(0, |until| until.since(now).as_millis().div_ceil(1_000))
    }

    /// When it ends by itself.
    pub fn poll_timeout(self) -> Instant {
        self.until.unwrap_or(Instant::FAR)
    }

    /// The passing of time; `true` if it has just ended.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        self.until.take_if(|until| *until <= now).is_some()
    }

    /// Pauses for so many minutes from now on, or not any more for 0; `false` if that is too long.
    pub fn set(&mut self, now: Instant, minutes: u16) -> bool {
        if minutes > LONGEST {
            return false;
        }
        self.until = (minutes > 0).then(|| now + Duration::from_secs(u64::from(minutes) * 60));
        true
    }

    /// Answers a line from the control socket, if it is about a pause: `pause MINUTES` or `resume`.
    pub fn answer(&mut self, now: Instant, line: &str, out: &mut dyn Write) -> bool {
        let minutes = match line.split_once(' ') {
            None if line == "resume" => 0,
            Some(("pause", minutes)) => match minutes.parse::<u16>() {
                Ok(minutes @ 1..) => minutes,
                _ => return false,
            },
            _ => return false,
        };
        if !self.set(now, minutes) {
            return false;
        }
        let _ = match minutes {
            0 => writeln!(out, "not paused"),
            _ => writeln!(
                out,
                "paused for {minutes} minutes: nothing is lent or borrowed, clients use the own line; earlier by: burstmesh resume"
            ),
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_by_itself_or_earlier_and_nothing_else_is_understood() {
        let (mut pause, mut said) = (Pause::default(), String::new());
        let now = Instant::from_millis(5_000);
        assert!(pause.answer(now, "pause 2", &mut said) && said.contains("2 minutes"));
        assert_eq!((pause.is_on(), pause.seconds_left(now)), (true, 120));
        assert!(!pause.handle_timeout(now + Duration::from_secs(119)));
        assert!(pause.handle_timeout(pause.poll_timeout()));
        assert!(!pause.is_on() && !pause.handle_timeout(Instant::FAR));
        assert!(pause.answer(now, "pause 1440", &mut said) && pause.is_on());
        assert!(pause.answer(now, "resume", &mut said) && !pause.is_on());
        for other in [
            "pause",
            "pause 0",
            "pause 1441",
            "pause x",
            "resume 3",
            "status",
        ] {
            assert!(!pause.answer(now, other, &mut said), "{other}");
        }
    }
}
