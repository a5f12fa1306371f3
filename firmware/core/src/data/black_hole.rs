//! A path whose MTU has shrunk: large datagrams vanish while small ones arrive (RFC 8899, 4.3).

use super::probe::SMALLEST;

/// Rounds in which only small datagrams arrived, until it is no chance any more.
const ROUNDS: u8 = 3;

/// What arrived and what did not, by size.
#[derive(Clone, Copy, Debug, Default)]
pub struct BlackHole {
    rounds: u8,
    /// Length of the smallest large one that was lost in these rounds; 0 = none.
    least: u16,
    /// Something arrived since the last large loss: the path itself works.
    works: bool,
}

impl BlackHole {
    /// A datagram with an inner packet of `len` bytes arrived.
    pub fn arrived(&mut self, len: usize) {
        self.works = true;
        if is_large(len) && len >= usize::from(self.least) {
            (self.rounds, self.least) = (0, 0);
        }
    }

    /// One was lost.
    pub fn lost(&mut self, len: usize) {
        if is_large(len) {
            self.least = match self.least {
                0 => len as u16,
                least => least.min(len as u16),
            };
            self.rounds = self.rounds.saturating_add(u8::from(self.works));
            self.works = false;
        }
    }

    /// Large datagrams do not arrive, small ones do.
    pub fn is_certain(&self) -> bool {
        self.rounds >= ROUNDS
    }
}

/// Would it not fit the smallest MTU?
fn is_large(inner: usize) -> bool {
    inner + super::tunnel::FRAME_OVERHEAD > usize::from(SMALLEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_small_arrivals_between_large_losses_make_it_certain() {
        let mut b = BlackHole::default();
        for _ in 0..3 {
            assert!(!b.is_certain());
            b.arrived(60);
            b.lost(1400);
            b.lost(1400);
        }
        assert!(b.is_certain());
    }

    #[test]
    fn what_is_a_little_smaller_is_no_proof_that_the_largest_arrive() {
        let mut b = BlackHole::default();
        for _ in 0..3 {
            b.lost(1440);
            b.arrived(1401);
        }
        b.lost(1440);
        assert!(b.is_certain());
        // Losses by chance are of all sizes.
        let mut lossy = BlackHole::default();
        for _ in 0..1000 {
            lossy.lost(1440);
            lossy.lost(1401);
            lossy.arrived(1401);
        }
        assert!(!lossy.is_certain());
    }

    #[test]
    fn a_silent_path_and_one_that_loses_by_chance_are_no_black_holes() {
        let mut silent = BlackHole::default();
        silent.arrived(1400);
        (0..1000).for_each(|_| silent.lost(1400));
        assert!(!silent.is_certain());
        let mut lossy = BlackHole::default();
        for _ in 0..1000 {
            lossy.arrived(60);
            lossy.lost(1400);
            lossy.arrived(1400);
        }
        assert!(!lossy.is_certain());
    }
}
