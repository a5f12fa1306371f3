//! A small seeded generator for timing jitter. Not for keys: those are handed in from the system's entropy.

/// SplitMix64 (Steele, Lea, Flood 2014): one 64-bit word of state, good enough to keep neighbours out of step.
#[derive(Clone, Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// Nodes that start with different seeds draw different times.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Evenly from `0..below`; 0 if that is empty. `below` may be up to 2^32.
    pub fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // The upper half, scaled by a product: no division.
        ((z >> 32) * below.min(1 << 32)) >> 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_below_the_bound_and_spread_over_it() {
        let mut jitter = Jitter::new(1);
        let mut counts = [0; 8];
        for _ in 0..8000 {
            counts[usize::try_from(jitter.below(8)).unwrap()] += 1;
        }
        assert!(counts.iter().all(|n| (850..1150).contains(n)), "{counts:?}");
        assert_eq!(jitter.below(0), 0);
    }
}
