//! The street as it lives: events change rates, rates bring transfers to their ends.

mod borrow;
mod flows;
mod rates;

use super::lender::Lender;
use super::people::{self, Person};
use super::random::Random;
use super::sessions::{self, What};
use super::{BLOCK, LEARNED, Mode, Outcome, Setup};
use crate::agenda::Agenda;

/// What of a line is payload through the tunnel: 18.49 of 19.32 Mbit/s.
const PAYLOAD: f64 = 0.958;
const SECOND: u64 = 1_000_000;

/// A transfer, or a part of a video.
#[derive(Clone, Copy, Debug)]
struct Flow {
    home: usize,
    way: usize,
    /// Bits.
    left: f64,
    size: f64,
    rate: f64,
    began: u64,
    /// Its video goes on until then, at this rate.
    video: Option<(u64, f64)>,
    /// Of which home the line is to which it keeps.
    line: usize,
}

/// A path over a lent line.
#[derive(Clone, Copy, Debug)]
struct Path {
    lender: usize,
    /// The most that it carried since it was opened, bit/s.
    seen: [f64; 2],
}

struct Home {
    person: Person,
    lender: Lender,
    on: bool,
    /// Bit/s of calls under way.
    calls: f64,
    /// Own transfers that use the own line now, and since when and until when the line is kept for them.
    own: [u32; 2],
    since: [u64; 2],
    until: [u64; 2],
    neighbours: Vec<usize>,
    paths: Vec<Path>,
    /// Line bits since the last second, own and lent.
    used: [f64; 2],
    lent: [f64; 2],
    /// Line rates now.
    own_rate: [f64; 2],
    lent_rate: [f64; 2],
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Hour,
    Second,
    Session(usize, What),
    Piece(usize, f64, u64),
    CallEnds(usize, f64),
    /// A line is free for others again, or not any more.
    Look,
    Off(usize),
    Back(usize),
}

/// A street over some days.
pub struct World {
    setup: Setup,
    now: u64,
    homes: Vec<Home>,
    flows: Vec<Flow>,
    events: Agenda<Event>,
    /// What a hop between two homes carries, bit/s; 0: they do not hear each other.
    hops: Vec<Vec<f64>>,
    /// What was seen of a line by somebody, kbit/s, and when.
    seen: Vec<Vec<(u32, u64)>>,
    dirty: bool,
    outcome: Outcome,
}

impl World {
    /// A street on Monday at midnight.
    pub fn new(setup: Setup) -> Self {
        let people = people::street(setup.seed, setup.homes, setup.street);
        let hops = hops(&setup, &people);
        let neighbours = neighbours(&setup, &hops);
        let home = |(who, person): (usize, &Person)| Home {
            person: person.clone(),
            lender: Lender::new(setup.seed, who, person),
            on: true,
            calls: 0.0,
            own: [0; 2],
            since: [0; 2],
            until: [0; 2],
            neighbours: neighbours[who].clone(),
            paths: Vec::new(),
            used: [0.0; 2],
            lent: [0.0; 2],
            own_rate: [0.0; 2],
            lent_rate: [0.0; 2],
        };
        let mut world = Self {
            now: 0,
            homes: people.iter().enumerate().map(home).collect(),
            flows: Vec::new(),
            events: Agenda::new(),
            hops,
            seen: vec![vec![(0, 0); setup.homes]; setup.homes],
            dirty: true,
            outcome: Outcome {
                stalls: vec![0.0; setup.homes],
                lent: vec![0.0; setup.homes],
                roles: people.iter().map(|p| p.role).collect(),
                waited: vec![0.0; 168],
                ..Outcome::default()
            },
            setup,
        };
        world.at(0, Event::Hour);
        world.at(SECOND, Event::Second);
        world.churn();
        world
    }

    fn at(&mut self, when: u64, event: Event) {
        self.events.push(when, event);
    }

    /// When gateways go and come back: the same in every mode.
    fn churn(&mut self) {
        let end = self.end();
        for home in 0..self.homes.len() {
            let mut random = Random::new(self.setup.seed, 3 << 40 | home as u64);
            let mut when = 0.0;
            loop {
                when += random.exponential(2.0 * 86_400.0);
                let back = when + random.exponential(3_600.0).max(60.0);
                if (when * 1e6) as u64 >= end {
                    break;
                }
                self.at((when * 1e6) as u64, Event::Off(home));
                self.at((back * 1e6) as u64, Event::Back(home));
                when = back;
            }
        }
    }

    fn end(&self) -> u64 {
        self.setup.days as u64 * 86_400 * SECOND
    }

    /// Lives to the end.
    pub fn run(mut self) -> Outcome {
        let end = self.end();
        while self.now < end {
            if std::mem::take(&mut self.dirty) {
                self.settle_rates();
            }
            let event = self.events.next().unwrap_or(end);
            let next = event.min(self.next_end()).min(end);
            self.pass(next);
            self.finish_flows();
            while let Some(event) = self.events.take_due(self.now) {
                self.handle(event);
            }
        }
        for home in &self.homes {
            self.outcome.past_cap += home.lender.past_cap;
            self.outcome.stops += home.lender.stops;
        }
        self.outcome
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Hour => self.draw_hour(),
            Event::Second => self.second(),
            Event::Session(home, what) if self.homes[home].on => self.begin(home, what),
            Event::Piece(home, rate, until) if self.homes[home].on => self.piece(home, rate, until),
            Event::Session(..) | Event::Piece(..) => {}
            Event::CallEnds(home, rate) => {
                self.homes[home].calls = (self.homes[home].calls - rate).max(0.0);
                self.dirty = true;
            }
            Event::Look => self.dirty = true,
            Event::Off(home) => self.go_off(home),
            Event::Back(home) => {
                self.homes[home].on = true;
                self.dirty = true;
            }
        }
    }

    fn draw_hour(&mut self) {
        let hour = (self.now / (3_600 * SECOND)) as usize;
        let first = LEARNED * 168;
        for home in 0..self.homes.len() {
            let all = sessions::hour(
                self.setup.seed,
                home,
                &self.homes[home].person,
                first + hour,
            );
            for session in all {
                let at = (session.at * 1e6) as u64 - first as u64 * 3_600 * SECOND;
                self.at(at.max(self.now), Event::Session(home, session.what));
            }
        }
        self.at(self.now + 3_600 * SECOND, Event::Hour);
    }

    /// Counters are read, and what is lent follows; now and then paths are compared.
    fn second(&mut self) {
        self.at(self.now + SECOND, Event::Second);
        let turn = (self.now / SECOND) as usize;
        for home in 0..self.homes.len() {
            let it = &mut self.homes[home];
            if !it.on {
                continue;
            }
            let bytes = |bits: &mut [f64; 2]| std::mem::take(bits).map(|b| b / 8.0);
            let (own, lent) = (bytes(&mut it.used), bytes(&mut it.lent));
            self.dirty |= it.lender.tick(self.now, self.setup.mode, own, lent);
            self.outcome.lent[home] += lent[0] + lent[1];
            if (turn + home).is_multiple_of(60) && self.setup.mode != Mode::Alone {
                self.review_paths(home);
            }
        }
    }

    fn go_off(&mut self, home: usize) {
        let it = &mut self.homes[home];
        it.on = false;
        it.lender.power_cut();
        (it.own, it.calls, it.used, it.lent) = ([0; 2], 0.0, [0.0; 2], [0.0; 2]);
        it.paths.clear();
        self.flows.retain(|f| f.home != home);
        for other in 0..self.homes.len() {
            self.homes[other].paths.retain(|p| p.lender != home);
        }
        self.move_off(home);
        self.dirty = true;
    }
}

/// What hops carry.
fn hops(setup: &Setup, people: &[Person]) -> Vec<Vec<f64>> {
    let mut random = Random::new(setup.seed, 4 << 40);
    let mut hops = vec![vec![0.0; people.len()]; people.len()];
    for a in 0..people.len() {
        for b in 0..a {
            let (from, to) = match people[a].block.abs_diff(people[b].block) {
                0 => (100e6, 300e6),
                1 => (50e6, 150e6),
                _ => continue,
            };
            let rate = random.between(from, to);
            (hops[a][b], hops[b][a]) = (rate, rate);
        }
    }
    hops
}

/// With whom a session is kept: both ends need a place for it.
fn neighbours(setup: &Setup, hops: &[Vec<f64>]) -> Vec<Vec<usize>> {
    let mut pairs: Vec<(usize, usize)> = (0..hops.len())
        .flat_map(|a| (0..a).map(move |b| (a, b)))
        .filter(|(a, b)| hops[*a][*b] > 0.0)
        .collect();
    Random::new(setup.seed, 5 << 40).shuffle(&mut pairs);
    let mut all = vec![Vec::new(); hops.len()];
    for (a, b) in pairs {
        let room = |of: &Vec<usize>| of.len() < burstmesh_core::node::gateway::MAX_PEERS;
        if room(&all[a]) && room(&all[b]) {
            all[a].push(b);
            all[b].push(a);
        }
    }
    all
}

/// Blocks of a street.
fn blocks(homes: usize) -> usize {
    homes.div_ceil(BLOCK)
}
