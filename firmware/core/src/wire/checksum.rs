//! The Internet checksum (RFC 1071), four bytes a step: it runs over every byte that a large segment carries.

/// A sum that is not yet folded. Sums of parts add up; a part of odd length must be the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u32);

impl Sum {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        // In the machine's own order: the sum of swapped words is the swapped sum (RFC 1071, 2 (B)).
        let (words, rest) = bytes.as_chunks::<4>();
        // Summed in pieces whose carries cannot pass 64 bits; on a 32-bit machine an addition with carry.
        let mut sum = words
            .iter()
            .fold(0u64, |sum, word| sum + u64::from(u32::from_ne_bytes(*word)));
        let mut last = [0; 4];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        sum += u64::from(u32::from_ne_bytes(last));
        let folded = fold32((sum & 0xffff_ffff) as u32, (sum >> 32) as u32);
        Self(u32::from(u16::from_be(fold(folded))))
    }

    /// This and one 16-bit number more.
    pub fn plus(self, word: u16) -> Self {
        self.and(Self(u32::from(word)))
    }

    /// This without a number that is in it.
    pub fn minus(self, word: u16) -> Self {
        self.plus(!word)
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self(u32::from(fold(fold32(self.0, other.0))))
    }

    /// Folded to 16 bits, not inverted: what a checksum field holds before the rest is added.
    pub fn folded(self) -> u16 {
        fold(self.0)
    }

    /// What the header's field must hold. Never 0, which UDP reads as "none"; 0xffff says the same everywhere.
    pub fn field(self) -> u16 {
        match !self.folded() {
            0 => 0xffff,
            other => other,
        }
    }

    /// The sum over everything, its field included, is that of an intact packet.
    pub fn holds(self) -> bool {
        self.folded() == 0xffff
    }
}

fn fold32(a: u32, b: u32) -> u32 {
    let (sum, carry) = a.overflowing_add(b);
    sum + u32::from(carry)
}

fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    (sum + (sum >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Word by word, as RFC 1071 has it.
    fn plain(bytes: &[u8]) -> u16 {
        let sum: u64 = bytes
            .chunks(2)
            .map(|c| u64::from(u16::from_be_bytes([c[0], c.get(1).copied().unwrap_or(0)])))
            .sum();
        let mut sum = sum;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    proptest! {
        #[test]
        fn the_sum_is_that_of_rfc_1071(bytes in proptest::collection::vec(any::<u8>(), 0..3000), at in 0usize..1500) {
            prop_assert_eq!(Sum::of(&bytes).folded() % 0xffff, plain(&bytes) % 0xffff);
            let (a, b) = bytes.split_at((at & !1).min(bytes.len() & !1));
            prop_assert_eq!(Sum::of(a).and(Sum::of(b)).folded() % 0xffff, plain(&bytes) % 0xffff);
        }

        #[test]
        fn what_was_added_can_be_taken_out(bytes in proptest::collection::vec(any::<u8>(), 2..100), word in any::<u16>()) {
            let sum = Sum::of(&bytes);
            prop_assert_eq!(sum.plus(word).minus(word).folded() % 0xffff, sum.folded() % 0xffff);
        }
    }
}
