//! The networks that every change is measured on. Rates in Mbit/s of IP, delays one way in ms.

use crate::world::{Bursts, Direction, Line, Room};

/// What a line does over time, in ms since the flows began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weather {
    Steady,
    /// Between its rate and this one, every so many ms.
    Alternating(u64, u64),
    /// Nothing passes between these times.
    Silent(u64, u64),
    /// This rate between these times.
    Other(u64, u64, u64),
}

/// One line of a profile. The first is the home's own; each other is a neighbour's.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub up: u64,
    pub down: u64,
    pub delay: u64,
    pub jitter: u64,
    pub loss_ppm: u64,
    pub bursts: Bursts,
    pub weather: Weather,
}

/// A network and what is held against it.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    pub name: &'static str,
    pub what: &'static str,
    pub links: &'static [Link],
    /// Mbit/s of the mesh, and hops to every neighbour.
    pub mesh: u64,
    pub hops: u64,
    /// The gateways' packet memory.
    pub room: (&'static str, Room),
    /// Least share in percent for one flow.
    pub bar: f64,
}

const fn link(rate: u64, delay: u64) -> Link {
    unlike(rate, rate, delay)
}

const fn unlike(down: u64, up: u64, delay: u64) -> Link {
    Link {
        up,
        down,
        delay,
        jitter: 0,
        loss_ppm: 0,
        bursts: Bursts {
            begin_ppm: 0,
            end_ppm: 0,
        },
        weather: Weather::Steady,
    }
}

const fn with(weather: Weather, link: Link) -> Link {
    Link { weather, ..link }
}

/// As the agent's limits have it.
const TINY: (&str, Room) = (
    "tiny",
    Room {
        slots: 2_000,
        blocks: 3_000,
    },
);
const SMALL: (&str, Room) = (
    "small",
    Room {
        slots: 3_000,
        blocks: 4_300,
    },
);
const LARGE: (&str, Room) = (
    "large",
    Room {
        slots: 16_000,
        blocks: 32_000,
    },
);

const fn profile(
    name: &'static str,
    what: &'static str,
    links: &'static [Link],
    bar: f64,
) -> Profile {
    Profile {
        name,
        what,
        links,
        mesh: 200,
        hops: 1,
        room: TINY,
        bar,
    }
}

/// All of them. P1 to P15 are the design's; M1 and M2 have a mesh that is narrower than its lines.
pub const PROFILES: [Profile; 19] = [
    profile("P1", "20/10 + 20/10", &[link(20, 10), link(20, 10)], 91.0),
    profile(
        "P1x3",
        "three of 20/10",
        &[link(20, 10), link(20, 10), link(20, 10)],
        91.0,
    ),
    profile("P2", "20/10 + 10/40", &[link(20, 10), link(10, 40)], 91.0),
    profile("P3", "50/5 + 10/60", &[link(50, 5), link(10, 60)], 91.0),
    profile(
        "P4",
        "20/10 + 20/10 with 1 % loss",
        &[
            link(20, 10),
            Link {
                loss_ppm: 10_000,
                ..link(20, 10)
            },
        ],
        89.0,
    ),
    // Of a hundred datagrams one is lost as in P4, but five in a row on average.
    profile(
        "P4b",
        "20/10 + 20/10 with 1 % loss in bursts of 5",
        &[
            link(20, 10),
            Link {
                bursts: Bursts::mean(10_000, 5),
                ..link(20, 10)
            },
        ],
        89.0,
    ),
    profile(
        "P5",
        "20/10 + 5/100 with 10 ms jitter",
        &[
            link(20, 10),
            Link {
                jitter: 10,
                ..link(5, 100)
            },
        ],
        88.0,
    ),
    profile(
        "P6",
        "30/15 + 20/25 + 8/50",
        &[link(30, 15), link(20, 25), link(8, 50)],
        91.0,
    ),
    profile("P7", "50/10 + 12/10", &[link(50, 10), link(12, 10)], 91.0),
    Profile {
        room: SMALL,
        ..profile("P8", "100/10 + 10/10", &[link(100, 10), link(10, 10)], 91.0)
    },
    Profile {
        room: LARGE,
        ..profile("P9", "300/4 + 30/20", &[link(300, 4), link(30, 20)], 91.0)
    },
    Profile {
        room: LARGE,
        ..profile("P10", "50/10 + 50/35", &[link(50, 10), link(50, 35)], 91.0)
    },
    Profile {
        room: LARGE,
        ..profile(
            "P11",
            "eight of 10, delays 5 to 40",
            &[
                link(10, 5),
                link(10, 10),
                link(10, 15),
                link(10, 20),
                link(10, 25),
                link(10, 30),
                link(10, 35),
                link(10, 40),
            ],
            91.0,
        )
    },
    profile(
        "P12",
        "20/10 + 20/10 that alternates with 10",
        &[
            link(20, 10),
            with(Weather::Alternating(10, 2_000), link(20, 10)),
        ],
        86.0,
    ),
    profile(
        "P13",
        "20/10 + 20/10 silent from 5 to 8 s",
        &[
            link(20, 10),
            with(Weather::Silent(5_000, 8_000), link(20, 10)),
        ],
        86.0,
    ),
    profile(
        "P14",
        "own 20/10 + lent 20/10 with a busy owner",
        &[link(20, 10), link(20, 10)],
        91.0,
    ),
    profile(
        "P15",
        "down 50 up 5/10 + down 20 up 2/15",
        &[unlike(50, 5, 10), unlike(20, 2, 15)],
        85.0,
    ),
    Profile {
        mesh: 40,
        ..profile(
            "M1",
            "20/10 + 2 of 50/10 over a mesh of 40",
            &[link(20, 10), link(50, 10), link(50, 10)],
            80.0,
        )
    },
    Profile {
        mesh: 40,
        hops: 2,
        ..profile(
            "M2",
            "20/10 + 50/10, two hops over a mesh of 40",
            &[link(20, 10), link(50, 10)],
            80.0,
        )
    },
];

impl Profile {
    /// By name, not minding case.
    pub fn named(name: &str) -> Option<&'static Self> {
        PROFILES.iter().find(|p| p.name.eq_ignore_ascii_case(name))
    }

    /// Bytes that the lines carry at IP level between two times since the flows began, one way. What the mesh cannot
    /// bring to the neighbours' lines does not count.
    pub fn capacity(&self, from_us: u64, to_us: u64, down: bool) -> f64 {
        let of = |l: &Link| {
            (from_us / 1_000..to_us / 1_000)
                .map(|ms| l.rate_at(ms, down) as f64 * 125.0)
                .sum::<f64>()
        };
        let own = self.links.first().map_or(0.0, of);
        let lent: f64 = self.links.iter().skip(1).map(of).sum();
        // A datagram on the mesh has 80 bytes of headers and a relay header for 28 on the line.
        let mesh = (self.mesh * 125 * (to_us - from_us) / 1_000) as f64 / self.hops as f64 * 0.955;
        own + lent.min(mesh)
    }
}

impl Link {
    /// Its rate at a time in ms since the flows began, Mbit/s; 0 while silent.
    pub fn rate_at(&self, ms: u64, down: bool) -> u64 {
        let usual = if down { self.down } else { self.up };
        match self.weather {
            Weather::Alternating(other, every) if (ms / every) % 2 == 1 => other,
            Weather::Silent(from, to) if (from..to).contains(&ms) => 0,
            Weather::Other(rate, from, to) if (from..to).contains(&ms) => rate,
            _ => usual,
        }
    }

    /// As the world has it.
    pub fn line(&self) -> Line {
        let way = |rate: u64| {
            let mut way = Direction::new(rate * 125_000, self.delay * 1_000);
            way.jitter = self.jitter * 1_000;
            (way.loss_ppm, way.bursts) = (self.loss_ppm, self.bursts);
            way
        };
        Line {
            up: way(self.up),
            down: way(self.down),
            ..Line::mbit(1, 1)
        }
    }
}
