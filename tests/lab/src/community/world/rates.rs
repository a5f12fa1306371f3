//! What everybody gets, given who sends now.

use super::{Event, PAYLOAD, World, blocks};
use crate::community::fluid::{self, Part};
use crate::community::{DOWN, Mode, Road, UP};

/// Until the exit has noticed an owner: its step of 50 ms, and a round trip. And how long a line is kept for him after his last
/// byte: his demand is remembered for a second, and a path that yields rests for 0.3.
const NOTICED: u64 = 150_000;
const KEPT: u64 = 1_300_000;

impl World {
    /// A line is its owner's alone.
    pub(super) fn kept_for_owner(&self, home: usize, way: usize) -> bool {
        let it = &self.homes[home];
        if self.setup.mode == Mode::Ideal {
            return false;
        }
        let noticed = it.own[way] > 0 && self.now >= it.since[way] + NOTICED;
        noticed || (it.own[way] == 0 && self.now < it.until[way])
    }

    /// Divides anew.
    pub(super) fn settle_rates(&mut self) {
        self.count_owners();
        if self.setup.mode != Mode::Alone && self.setup.road != Road::Spread {
            self.leave_lines();
            self.count_owners();
        }
        let mut lines: Vec<[f64; 2]> = self
            .homes
            .iter()
            .map(|h| [UP, DOWN].map(|way| (h.person.line[way] - h.calls).max(1e3)))
            .collect();
        let (mut own, mut parts) = (self.own_parts(), self.lent_parts());
        if self.setup.mode == Mode::Ideal {
            fluid::divide(&mut own, &mut lines.clone(), blocks(self.homes.len()));
            fluid::divide(&mut parts, &mut lines, blocks(self.homes.len()));
            parts.extend(own);
        } else {
            parts.extend(own);
            fluid::divide(&mut parts, &mut lines, blocks(self.homes.len()));
        }
        self.give(&parts);
    }

    /// Who uses his own line.
    fn count_owners(&mut self) {
        let mut own = vec![[0u32; 2]; self.homes.len()];
        for flow in self.flows.iter().filter(|f| f.line == f.home) {
            own[flow.home][flow.way] += 1;
        }
        for (home, own) in own.into_iter().enumerate() {
            for way in [UP, DOWN] {
                let it = &mut self.homes[home];
                let before = std::mem::replace(&mut it.own[way], own[way]);
                if before == 0 && own[way] > 0 {
                    let rests = self.now < it.until[way];
                    it.since[way] = if rests {
                        self.now.saturating_sub(NOTICED)
                    } else {
                        self.now
                    };
                    let since = it.since[way];
                    self.at(since + NOTICED, Event::Look);
                } else if before > 0 && own[way] == 0 {
                    it.until[way] = self.now + KEPT;
                    self.at(self.now + KEPT, Event::Look);
                }
            }
        }
    }

    fn own_parts(&self) -> Vec<Part> {
        let ways = (0..self.homes.len()).flat_map(|home| [(home, UP), (home, DOWN)]);
        ways.filter(|(home, way)| self.homes[*home].own[*way] > 0)
            .map(|(home, way)| Part {
                borrower: home,
                lender: home,
                way,
                most: f64::INFINITY,
                hop: f64::INFINITY,
                blocks: [0; 2],
                rate: 0.0,
            })
            .collect()
    }

    fn lent_parts(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        if self.setup.mode != Mode::Alone {
            for home in 0..self.homes.len() {
                self.parts_of(home, UP, &mut parts);
                self.parts_of(home, DOWN, &mut parts);
            }
        }
        parts
    }

    fn parts_of(&self, home: usize, way: usize, parts: &mut Vec<Part>) {
        let spread = self.setup.road == Road::Spread;
        let wants = |line: usize| {
            self.flows
                .iter()
                .any(|f| f.home == home && f.way == way && (spread || f.line == line))
        };
        if !wants(home) && spread {
            return;
        }
        let it = &self.homes[home];
        for path in it
            .paths
            .iter()
            .filter(|p| self.carries(p, way) && wants(p.lender))
        {
            let lender = &self.homes[path.lender];
            let limit = lender.lender.limit[way];
            parts.push(Part {
                borrower: home,
                lender: path.lender,
                way,
                most: if limit == 0 {
                    f64::INFINITY
                } else {
                    f64::from(limit) * 1e3
                },
                hop: self.hops[home][path.lender],
                blocks: [it.person.block, lender.person.block],
                rate: 0.0,
            });
        }
    }

    /// Hands it out to transfers.
    fn give(&mut self, parts: &[Part]) {
        let payload = if self.setup.mode == Mode::Alone {
            1.0
        } else {
            PAYLOAD
        };
        for home in &mut self.homes {
            (home.own_rate, home.lent_rate) = ([0.0; 2], [0.0; 2]);
        }
        let mut sums = vec![[0.0; 2]; self.homes.len()];
        for part in parts {
            sums[part.borrower][part.way] += part.rate;
            if part.borrower == part.lender {
                self.homes[part.lender].own_rate[part.way] += part.rate;
                continue;
            }
            self.homes[part.lender].lent_rate[part.way] += part.rate;
            let paths = &mut self.homes[part.borrower].paths;
            if let Some(path) = paths.iter_mut().find(|p| p.lender == part.lender) {
                path.seen[part.way] = path.seen[part.way].max(part.rate);
            }
        }
        let spread = self.setup.road == Road::Spread || self.setup.mode == Mode::Alone;
        let mates = |flow: &super::Flow| {
            let mate = |f: &&super::Flow| {
                f.home == flow.home && f.way == flow.way && (spread || f.line == flow.line)
            };
            self.flows.iter().filter(mate).count() as f64
        };
        let rates: Vec<f64> = self
            .flows
            .iter()
            .map(|flow| {
                let all = if spread {
                    sums[flow.home][flow.way]
                } else {
                    let there = parts.iter().find(|p| {
                        (p.borrower, p.lender, p.way) == (flow.home, flow.line, flow.way)
                    });
                    there.map_or(0.0, |p| p.rate)
                };
                all * payload / mates(flow)
            })
            .collect();
        for (flow, rate) in self.flows.iter_mut().zip(rates) {
            flow.rate = rate;
        }
    }
}
