//! When refusals are worth a line in the log: strangers decide how many come, and must not fill it.

use crate::time::{Duration, Instant};

/// So many between two looks are worth a line.
const MANY: u32 = 100;
const LOOK: Duration = Duration::from_secs(5);
/// At most one line in this time.
const QUIET: Duration = Duration::from_secs(60);

/// Watches one counter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alarm {
    looked: Option<Instant>,
    before: u32,
    told: Option<Instant>,
}

impl Alarm {
    /// True if `total` has grown so much in the last five seconds that it should be told, and nothing was for a minute.
    /// May be called at any time.
    pub fn look(&mut self, now: Instant, total: u32) -> bool {
        if self.looked.is_some_and(|at| now.since(at) < LOOK) {
            return false;
        }
        let grown = total.saturating_sub(self.before);
        (self.looked, self.before) = (Some(now), total);
        let tell = grown > MANY && self.told.is_none_or(|at| now.since(at) > QUIET);
        if tell {
            self.told = Some(now);
        }
        tell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_once_a_minute_and_a_trickle_never() {
        let told = |a_second: u32| {
            let mut alarm = Alarm::default();
            let seconds = 0..130u32;
            seconds
                .filter(|s| {
                    let now = Instant::ZERO + Duration::from_secs(u64::from(*s));
                    alarm.look(now, s * a_second)
                })
                .collect::<std::vec::Vec<_>>()
        };
        assert_eq!(told(1_000), [5, 70]);
        assert!(told(20).is_empty());
    }
}
