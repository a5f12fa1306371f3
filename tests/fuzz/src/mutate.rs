//! Seeded mutations: the same seed gives the same inputs on every machine.

/// Inputs never grow beyond this many bytes.
pub const MAX_LEN: usize = 4096;

/// Values at which length fields and counters go wrong.
const EDGES: [u8; 8] = [0, 1, 0x0f, 0x10, 0x7f, 0x80, 0xfe, 0xff];

/// A small generator (xorshift64*): not for secrets.
pub struct Random(u64);

impl Random {
    /// Any seed will do.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    /// A number below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        if n == 0 {
            0
        } else {
            self.next_u32() as usize % n
        }
    }
}

/// A changed copy of one of the corpus: one to eight small changes.
pub fn mutated(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut data = corpus
        .get(random.below(corpus.len()))
        .cloned()
        .unwrap_or_default();
    for _ in 0..1 << random.below(4) {
        change(random, &mut data, corpus);
    }
    data.truncate(MAX_LEN);
    data
}

fn change(random: &mut Random, data: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let at = random.below(data.len());
    match random.below(9) {
        0 => flip(random, data, at),
        1 => set(data, at, EDGES[random.below(EDGES.len())]),
        2 => set(data, at, random.next_u32() as u8),
        3 => {
            let word = EDGES[random.below(EDGES.len())];
            set(data, at, word);
            set(data, at + 1, EDGES[random.below(EDGES.len())]);
        }
        4 => data.truncate(at),
        5 => data.insert(at, random.next_u32() as u8),
        6 if !data.is_empty() => drop(data.drain(at..(at + 1 + random.below(8)).min(data.len()))),
        7 => {
            let end = (at + 1 + random.below(32)).min(data.len());
            let copy = data[at.min(end)..end].to_vec();
            let to = random.below(data.len());
            data.splice(to..to, copy);
        }
        _ => splice(random, data, at, corpus),
    }
}

fn flip(random: &mut Random, data: &mut [u8], at: usize) {
    if let Some(byte) = data.get_mut(at) {
        *byte ^= 1 << random.below(8);
    }
}

fn set(data: &mut [u8], at: usize, value: u8) {
    if let Some(byte) = data.get_mut(at) {
        *byte = value;
    }
}

/// Goes on with the tail of another one.
fn splice(random: &mut Random, data: &mut Vec<u8>, at: usize, corpus: &[Vec<u8>]) {
    let Some(other) = corpus.get(random.below(corpus.len())) else {
        return;
    };
    let from = random.below(other.len());
    data.truncate(at);
    data.extend_from_slice(&other[from..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_inputs() {
        let corpus = [b"one".to_vec(), b"another one".to_vec()];
        let run = |seed| {
            let mut random = Random::new(seed);
            (0..100)
                .map(|_| mutated(&mut random, &corpus))
                .collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }
}
