//! A pause: nothing is lent or borrowed for a while, and clients use the own line.

use burstmesh_core::error::Refusal;
use burstmesh_core::time::{Duration, Instant};
use burstmesh_core::wire::bytes::{Reader, Writer};
use core::fmt::Write;

/// The longest pause in minutes: a day.
pub const LONGEST: u16 = 1_440;
/// A pause in minutes when nothing is said.
pub const USUAL: u16 = 60;

/// Whether the agent is paused, and until when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pause {
    until: Option<Instant>,
}

impl Pause {
    /// Bytes of [`Self::emit`].
    pub const EMITTED: usize = 12;

    /// Writes what outlives the process: seconds that are left (u32), and the end by the monotonic clock (u64, µs).
    pub fn emit(self, now: Instant, out: &mut Writer<'_>) -> Result<(), Refusal> {
        out.u32(self.seconds_left(now) as u32)?;
        out.u64(self.until.unwrap_or_default().as_micros())
    }

    /// Reads what [`Self::emit`] wrote. Since the same boot the end is known; after another one nobody knows the time yet, and
    /// what was left when it was written is paused for again: rather too long than lent against the owner's word.
    pub fn read(now: Instant, same_boot: bool, body: &mut Reader<'_>) -> Result<Self, Refusal> {
        let left = Duration::from_secs(body.u32()?.into());
        let end = Instant::from_micros(body.u64()?);
        let until = if same_boot { end } else { now + left };
        let longest = Duration::from_secs(u64::from(LONGEST) * 60);
        let sane = until > now && until.since(now) <= longest;
        Ok(Self {
            until: sane.then_some(until),
        })
    }

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

    /// What is read at `now` of a pause that was written at `then`.
    fn kept(pause: Pause, then: Instant, now: Instant, same_boot: bool) -> Pause {
        let mut bytes = [0; Pause::EMITTED];
        pause.emit(then, &mut Writer::new(&mut bytes)).unwrap();
        Pause::read(now, same_boot, &mut Reader::new(&bytes)).unwrap()
    }

    #[test]
    fn a_pause_outlives_the_process_and_after_a_reboot_what_was_left_is_paused_for() {
        let at = |s: u64| Instant::from_millis(s * 1_000);
        let mut pause = Pause::default();
        assert!(pause.set(at(5_000), 60));
        // Since the same boot the end stands, whenever it was written.
        assert_eq!(kept(pause, at(5_001), at(7_000), true), pause);
        assert!(!kept(pause, at(5_001), at(8_600), true).is_on());
        // After another one the clock begins anew, and the time between is unknown.
        let again = kept(pause, at(8_000), at(20), false);
        assert_eq!(again.seconds_left(at(20)), 600);
        assert_eq!(
            kept(Pause::default(), at(9), at(20), false),
            Pause::default()
        );
        assert_eq!(
            kept(Pause::default(), at(9), at(20), true),
            Pause::default()
        );
        // What no pause can be is none.
        assert!(pause.set(at(200_000), 60));
        assert!(!kept(pause, at(200_000), at(20), true).is_on());
        assert!(Pause::read(at(1), true, &mut Reader::new(&[0; 11])).is_err());
    }

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
