//! Who lives there: households, their habits, lines and rules. `docs/community-simulation.md` is this file in words.

use super::random::Random;

/// Hours of a week.
pub const HOURS: usize = 168;

/// What a household is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Family,
    Office,
    Retired,
    Night,
    Watchers,
    Shop,
}

const KINDS: [(f64, Kind); 6] = [
    (0.30, Kind::Family),
    (0.20, Kind::Office),
    (0.15, Kind::Retired),
    (0.10, Kind::Night),
    (0.10, Kind::Watchers),
    (0.15, Kind::Shop),
];

/// Mbit/s, down and up.
const LINES: [(f64, [f64; 2]); 5] = [
    (0.10, [6.0, 0.6]),
    (0.30, [16.0, 2.4]),
    (0.30, [25.0, 5.0]),
    (0.20, [50.0, 10.0]),
    (0.10, [100.0, 40.0]),
];

/// The most of a line that the busiest hour asks for; and what is sent upwards, as a part of what comes down.
const BUSIEST: f64 = 0.4;
const UPWARDS: f64 = 0.08;

/// Slower lines that are used twice as much, for comparison: 6/0.6 and 16/2.4 Mbit/s, and evenings that ask for twice as much of them.
const NARROW: [(f64, [f64; 2]); 2] = [(0.3, [6.0, 0.6]), (0.7, [16.0, 2.4])];

/// Which lines a street has, and how much they are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Street {
    Usual,
    Narrow,
}

/// What a member does to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Lender,
    Rider,
    Liar,
}

/// A household with its line. Rates are bit/s, towards the Internet first.
#[derive(Clone, Debug)]
pub struct Person {
    pub role: Role,
    /// A part of what is used in a week falls into each of its hours.
    pub curve: [f64; HOURS],
    /// Bits down in a usual week.
    pub volume: f64,
    pub line: [f64; 2],
    /// The cap, as a multiple of a usual month, and the day of the month on which it ends.
    pub cap: Option<(f64, u8)>,
    pub block: usize,
}

impl Street {
    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::Narrow => "narrow",
        }
    }
}

impl Kind {
    /// GB a month.
    fn volume(self) -> f64 {
        match self {
            Self::Family | Self::Office => 300.0,
            Self::Retired => 200.0,
            Self::Night => 400.0,
            Self::Watchers => 600.0,
            Self::Shop => 250.0,
        }
    }

    /// How busy an hour is, as a multiple of the quietest.
    fn busy(self, hour: usize) -> f64 {
        let (weekend, hour) = (hour / 24 > 4, hour % 24);
        let asleep = (1..6).contains(&hour);
        match self {
            Self::Shop if !weekend && (8..17).contains(&hour) => 20.0,
            Self::Shop => 0.1,
            Self::Night if !(3..21).contains(&hour) => 16.0,
            Self::Night if (4..12).contains(&hour) => 0.3,
            Self::Night => 2.0,
            _ if asleep => 0.3,
            Self::Family if (17..22).contains(&hour) => 14.0,
            Self::Family if weekend && hour >= 9 => 7.0,
            Self::Family if hour == 7 || hour == 22 => 4.0,
            Self::Office if !weekend && (9..17).contains(&hour) => 12.0,
            Self::Office if (19..22).contains(&hour) => 6.0,
            Self::Retired if (8..12).contains(&hour) => 10.0,
            Self::Retired if (14..20).contains(&hour) => 10.0,
            Self::Watchers if hour >= 17 => 16.0,
            Self::Watchers if weekend && hour >= 10 => 12.0,
            _ => 1.5,
        }
    }
}

/// Everybody in a street of so many homes, ten to a block.
pub fn street(seed: u64, homes: usize, street: Street) -> Vec<Person> {
    (0..homes)
        .map(|n| {
            person(
                &mut Random::new(seed, 1_000 + n as u64),
                n / super::BLOCK,
                street,
            )
        })
        .collect()
}

fn person(random: &mut Random, block: usize, street: Street) -> Person {
    let (lines, more): (&[_], _) = match street {
        Street::Usual => (&LINES, 1.0),
        Street::Narrow => (&NARROW, 2.0),
    };
    let kind = random.pick(&KINDS);
    let volume = random.lognormal(kind.volume(), 0.5) * 8e9 / 30.0 * 7.0;
    let shift = (random.bits() % 3) as usize;
    let mut curve = [0.0; HOURS];
    for (hour, part) in curve.iter_mut().enumerate() {
        // An hour earlier, as it is, or later.
        *part = kind.busy((hour + HOURS + 1 - shift) % HOURS) * random.lognormal(1.0, 0.4);
    }
    let sum: f64 = curve.iter().sum();
    curve.iter_mut().for_each(|part| *part /= sum);
    let [down, up] = random.pick(lines);
    // Nobody goes on asking for what his line does not carry.
    let busiest = curve.iter().copied().fold(0.0, f64::max);
    let volume =
        (volume * more).min(more * BUSIEST * 3_600.0 * down.min(up / UPWARDS) * 1e6 / busiest);
    let role = random.pick(&[
        (0.85, Role::Lender),
        (0.10, Role::Rider),
        (0.05, Role::Liar),
    ]);
    let capped = random.chance(0.2) && role == Role::Lender;
    let day = 26 + (random.bits() % 4) as u8;
    Person {
        role,
        curve,
        volume,
        line: [up * 1e6, down * 1e6],
        cap: capped.then_some((1.2, day)),
        block,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_village_uses_what_the_document_says() {
        let street = street(1, 2_000, Street::Usual);
        let gb: f64 = street
            .iter()
            .map(|p| p.volume * 30.0 / 7.0 / 8e9)
            .sum::<f64>()
            / 2_000.0;
        assert!((270.0..380.0).contains(&gb), "{gb}");
        let mut day = [0.0; 24];
        for person in &street {
            for (hour, part) in person.curve.iter().enumerate() {
                day[hour % 24] += part * person.volume;
            }
        }
        let busiest = day.iter().copied().fold(0.0, f64::max) / day.iter().sum::<f64>();
        assert!((0.06..0.085).contains(&busiest), "{busiest}");
    }
}
