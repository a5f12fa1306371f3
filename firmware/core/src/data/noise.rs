//! How much a path's delay jumps by itself (Wi-Fi, LTE, DSL interleaving), so that jitter is not taken for a queue.
//!
//! A queue of ours grows steadily from look to look, jitter goes up and down: half of the second difference of three looks
//! in a row leaves a ramp out. Averaged as RFC 3550 (6.4.1) averages jitter.

/// Jitter beyond this is not believed: a path must not be driven into any queue, us.
const MOST: i32 = 12_000;

/// The jitter of one path's looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noise {
    last: [i32; 2],
    looks: u8,
    /// Sixteenths of us.
    level: i32,
}

impl Noise {
    /// A look: the smallest queueing delay of a step, us.
    pub fn look(&mut self, queue: i32) {
        let [one, two] = self.last;
        self.last = [queue, one];
        if self.looks < 2 {
            self.looks += 1;
            return;
        }
        let bend = (queue
            .saturating_sub(one.saturating_mul(2))
            .saturating_add(two)
            / 2)
        .abs();
        self.level += bend.min(2 * MOST) - self.level / 16;
    }

    /// What one look may be off by, us.
    pub fn us(&self) -> i32 {
        (self.level / 16).min(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_is_no_noise_and_jumps_are() {
        let mut noise = Noise::default();
        (0..60).for_each(|i| noise.look(i * 1_000));
        assert_eq!(noise.us(), 0);
        (0..60).for_each(|i| noise.look(if i % 2 == 0 { 0 } else { 8_000 }));
        assert!((6_000..9_000).contains(&noise.us()), "{}", noise.us());
        (0..200).for_each(|_| noise.look(500));
        assert!(noise.us() < 200);
    }
}
