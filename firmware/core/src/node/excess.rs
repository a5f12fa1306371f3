//! Who sends more than it is lent, towards the Internet: what is dropped of it is counted, and a flood is told with its name.

use crate::error::Refusal;
use crate::time::{Duration, Instant};

/// So many datagrams dropped between two looks, and at least half as many as passed, are a flood. Who adapts to its part, as TCP
/// and every gateway does, loses far fewer.
const MANY: u32 = 100;
const LOOK: Duration = Duration::from_secs(5);
/// At most one line in the log in this time.
const QUIET: Duration = Duration::from_secs(60);

/// What a neighbour sent over its part.
#[derive(Clone, Copy, Debug, Default)]
pub struct Excess {
    dropped: u32,
    /// Dropped and passed, when it was last looked at.
    before: [u32; 2],
    looked: Instant,
    floods: bool,
    told: Option<Instant>,
}

impl Excess {
    /// Whether a datagram towards the Internet passed: counted if not, unless its sender was cut short a moment ago (`held`).
    pub(super) fn note(&mut self, held: bool, passes: Result<(), Refusal>) -> Result<(), Refusal> {
        let counts = passes.is_err() && !held;
        self.dropped = self.dropped.saturating_add(u32::from(counts));
        passes
    }

    /// Datagrams that were dropped so far.
    pub fn dropped(&self) -> u32 {
        self.dropped
    }

    /// It sends far more than it is lent.
    pub fn floods(&self) -> bool {
        self.floods
    }

    /// `passed`: datagrams so far. True: it is worth a line in the log. May be called at any time.
    pub(super) fn look(&mut self, now: Instant, passed: u32) -> bool {
        if now.since(self.looked) < LOOK {
            return false;
        }
        let all = [self.dropped, passed];
        let [dropped, passed] = [0, 1].map(|i: usize| {
            let at = |of: &[u32; 2]| of.get(i).copied().unwrap_or(0);
            at(&all).wrapping_sub(at(&self.before))
        });
        (self.before, self.looked) = (all, now);
        self.floods = dropped > MANY && dropped >= passed / 2;
        let quiet = self.told.is_none_or(|at| now.since(at) >= QUIET);
        let tell = self.floods && quiet;
        if tell {
            self.told = Some(now);
        }
        tell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In which seconds it was told, of two minutes in which so many are sent each second and so many of them pass, and whether
    /// it floods at the end.
    fn told(sent: u32, pass: u32) -> (std::vec::Vec<u32>, bool) {
        let mut excess = Excess::default();
        let seconds = 1..120u32;
        let told = seconds.filter(|s| {
            for n in 0..sent {
                let passes = (n < pass).then_some(()).ok_or(Refusal::Forbidden);
                assert_eq!(excess.note(false, passes), passes);
                assert_eq!(excess.note(true, passes), passes);
            }
            let now = Instant::ZERO + Duration::from_secs(u64::from(*s));
            excess.look(now, s * pass)
        });
        let told = told.collect();
        assert_eq!(excess.dropped(), 119 * (sent - pass));
        (told, excess.floods())
    }

    #[test]
    fn a_flood_is_told_once_a_minute_and_who_adapts_never() {
        assert_eq!(told(1_000, 200), (vec![5, 65], true));
        assert_eq!(told(1_000, 900), (vec![], false));
        assert_eq!(told(15, 0), (vec![], false));
    }

    #[test]
    fn a_flood_that_has_ended_is_none_any_more() {
        let mut excess = Excess::default();
        let at = |s| Instant::ZERO + Duration::from_secs(s);
        for _ in 0..500 {
            let _ = excess.note(false, Err(Refusal::Forbidden));
        }
        assert!(excess.look(at(6), 0) && excess.floods());
        assert!(!excess.look(at(8), 0) && excess.floods(), "too soon");
        assert!(!excess.look(at(12), 0) && !excess.floods());
    }
}
