//! What people do, drawn hour by hour. `docs/community-simulation.md` is this file in words.

use super::people::{HOURS, Person};
use super::random::Random;
use super::{DOWN, UP};

/// One thing somebody does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Session {
    /// Seconds from the beginning of the first week.
    pub at: f64,
    pub what: What,
}

/// Of which sort. Sizes in bits, rates in bit/s, spans in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// Somebody waits for its end.
    Burst {
        way: usize,
        size: f64,
    },
    Video {
        rate: f64,
        span: f64,
    },
    Call {
        rate: f64,
        span: f64,
    },
}

/// Seconds of a video that are fetched at once.
pub const PIECE: f64 = 10.0;
const MB: f64 = 8e6;

/// All that a household does in an hour, counted from the beginning of the first week.
pub fn hour(seed: u64, who: usize, person: &Person, hour: usize) -> Vec<Session> {
    let mut day = Random::new(seed, 1 << 40 | (who << 16) as u64 | (hour / 24) as u64);
    let away = day.chance(0.07);
    let mood = day.lognormal(1.0, 0.4) * f64::from(!away);
    let mut random = Random::new(seed, 2 << 40 | (who << 16) as u64 | hour as u64);
    let volume = person.volume * person.curve[hour % HOURS] * mood;
    let [up, down] = person.line;
    let video = |random: &mut Random| {
        let rate: f64 = random.pick(&[(0.3, 3e6), (0.5, 5e6), (0.2, 8e6)]);
        let span = random.exponential(45.0 * 60.0);
        What::Video {
            rate: rate.min(down / 2.0),
            span,
        }
    };
    let call = |random: &mut Random| What::Call {
        rate: 1.5e6f64.min(up / 3.0),
        span: random.exponential(25.0 * 60.0),
    };
    let burst = |way, median: f64, sigma, most: f64| {
        move |random: &mut Random| What::Burst {
            way,
            size: random.lognormal(median * MB, sigma).min(most * MB),
        }
    };
    let mean = |median: f64, sigma: f64| median * MB * (sigma * sigma / 2.0f64).exp();
    let mut all = Vec::new();
    let mut draw = |share: f64, mean: f64, make: &dyn Fn(&mut Random) -> What| {
        // By chance, but as often as the volume asks for.
        let every = 3_600.0 * mean / (share * volume).max(1.0);
        let mut at = random.exponential(every);
        while at < 3_600.0 {
            let what = make(&mut random);
            all.push(Session {
                at: hour as f64 * 3_600.0 + at,
                what,
            });
            at += random.exponential(every);
        }
    };
    draw(0.60, 4.9e6f64.min(down / 2.0) * 45.0 * 60.0, &video);
    draw(0.20, mean(100.0, 1.2), &burst(DOWN, 100.0, 1.2, 5_000.0));
    draw(0.12, mean(1.5, 0.8), &burst(DOWN, 1.5, 0.8, 100.0));
    draw(0.03, 1.5e6f64.min(up / 3.0) * 25.0 * 60.0, &call);
    draw(0.05, mean(20.0, 1.2), &burst(UP, 20.0, 1.2, 2_000.0));
    all.sort_by(|a, b| a.at.total_cmp(&b.at));
    all
}

/// About what a session moves in a direction, and over how long at least, for what is learned before the week begins.
pub fn volume(what: What) -> [f64; 2] {
    match what {
        What::Burst { way: UP, size } => [size, 0.0],
        What::Burst { size, .. } => [0.0, size],
        What::Video { rate, span } => [0.0, rate * span],
        What::Call { rate, span } => [rate * span; 2],
    }
}

/// Over how long, at least, in seconds.
pub fn span(what: What) -> f64 {
    match what {
        What::Burst { .. } => 0.0,
        What::Video { span, .. } | What::Call { span, .. } => span,
    }
}
