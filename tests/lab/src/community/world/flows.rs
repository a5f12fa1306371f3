//! Transfers: their beginnings, their ends, and the lines to which sessions keep.

use super::{Event, Flow, Path, SECOND, World};
use crate::community::sessions::{PIECE, What};
use crate::community::{DOWN, Done, Mode, Road, UP};
use burstmesh_core::data::planner::{self, Choice};

/// When the first byte comes by the own line, and by a neighbour's, us.
const OWN_DELAY: i64 = 10_000;
const LENT_DELAY: i64 = 15_000;

impl World {
    pub(super) fn begin(&mut self, home: usize, what: What) {
        match what {
            What::Burst { way, size } => self.transfer(home, way, size, None),
            What::Video { rate, span } => self.piece(home, rate, self.now + (span * 1e6) as u64),
            What::Call { rate, span } => {
                self.homes[home].calls += rate;
                self.dirty = true;
                self.at(self.now + (span * 1e6) as u64, Event::CallEnds(home, rate));
            }
        }
    }

    pub(super) fn piece(&mut self, home: usize, rate: f64, until: u64) {
        if self.now < until {
            self.transfer(home, DOWN, rate * PIECE, Some((until, rate)));
        }
    }

    fn transfer(&mut self, home: usize, way: usize, size: f64, video: Option<(u64, f64)>) {
        let mut flow = Flow {
            home,
            way,
            left: size,
            size,
            rate: 0.0,
            began: self.now,
            video,
            line: home,
        };
        flow.line = self.line_for(&flow);
        self.flows.push(flow);
        self.dirty = true;
    }

    /// To which line a session keeps: the core's choice.
    pub(super) fn line_for(&self, flow: &Flow) -> usize {
        let it = &self.homes[flow.home];
        if self.setup.road == Road::Spread || self.setup.mode == Mode::Alone {
            return flow.home;
        }
        let way = flow.way;
        let bursts = |line: usize| {
            let there = |f: &&Flow| {
                f.home == flow.home && f.way == way && f.line == line && f.began != flow.began
            };
            self.flows.iter().filter(there).count() as u16
        };
        let mut choice = Choice::NONE;
        let line = it.person.line[way] - it.calls;
        let own = planner::time_at((line / 1e3) as u32);
        choice.consider(0, planner::cost(own, OWN_DELAY, bursts(flow.home)));
        for (place, path) in it.paths.iter().enumerate() {
            if self.carries(path, way) {
                // What a lender expects to have over is told to gateways. A remote exit, which chooses for downloads, does not know it.
                let knows =
                    self.setup.mode == Mode::On && (way == UP || self.setup.road == Road::Local);
                let stated = if knows {
                    self.homes[path.lender].lender.stated[way]
                } else {
                    0
                };
                let alone = planner::time_at(planner::worth(stated, (path.seen[way] / 1e3) as u32));
                choice.consider(
                    place as u8 + 1,
                    planner::cost(alone, LENT_DELAY, bursts(path.lender)),
                );
            }
        }
        match usize::from(choice.best()).checked_sub(2) {
            Some(place) => it.paths[place].lender,
            None => flow.home,
        }
    }

    /// Does a lent path carry bursts now?
    pub(super) fn carries(&self, path: &Path, way: usize) -> bool {
        let lender = &self.homes[path.lender];
        lender.on && lender.lender.lends && !self.kept_for_owner(path.lender, way)
    }

    /// Sessions leave a line that they may not use now.
    pub(super) fn leave_lines(&mut self) {
        for n in 0..self.flows.len() {
            let flow = self.flows[n];
            if flow.line == flow.home {
                continue;
            }
            let path = self.homes[flow.home]
                .paths
                .iter()
                .find(|p| p.lender == flow.line);
            let stays = self.setup.road == Road::Local;
            if !path.is_some_and(|p| stays || self.carries(p, flow.way)) {
                self.flows[n].line = self.line_for(&flow);
            }
        }
    }

    /// A gateway is gone: sessions over its line move.
    pub(super) fn move_off(&mut self, gone: usize) {
        for n in 0..self.flows.len() {
            if self.flows[n].line == gone {
                let flow = self.flows[n];
                self.flows[n].line = self.line_for(&flow);
            }
        }
    }

    /// When the next transfer ends, as rates are.
    pub(super) fn next_end(&self) -> u64 {
        let ends = self.flows.iter().filter(|f| f.rate > 0.0);
        let ends = ends.map(|f| self.now + (f.left / f.rate * 1e6).ceil() as u64 + 1);
        let lent = self.homes.iter().filter(|h| h.lender.left.is_finite());
        let stops = lent.filter_map(|h| {
            let rate = h.lent_rate[0] + h.lent_rate[1];
            let left = h.lender.left * 8.0 - h.lent[0] - h.lent[1];
            (rate > 0.0 && h.lender.lends).then(|| self.now + (left.max(0.0) / rate * 1e6) as u64)
        });
        ends.chain(stops)
            .min()
            .unwrap_or(u64::MAX)
            .max(self.now + 1)
    }

    /// Time passes.
    pub(super) fn pass(&mut self, to: u64) {
        let seconds = (to - self.now) as f64 / 1e6;
        self.now = to;
        for flow in &mut self.flows {
            flow.left -= flow.rate * seconds;
        }
        for home in &mut self.homes {
            for way in [UP, DOWN] {
                home.used[way] += (home.own_rate[way] + home.calls) * seconds;
                home.lent[way] += home.lent_rate[way] * seconds;
            }
            // Between two readings no more is lent than what the cap left: here to the microsecond, on a router to the packet.
            let lent = home.lent[0] + home.lent[1];
            if home.lender.lends
                && home.lender.left.is_finite()
                && lent > 0.0
                && lent / 8.0 + 1.0 >= home.lender.left
            {
                let over = (lent - home.lender.left * 8.0).max(0.0);
                home.lent[DOWN] -= over.min(home.lent[DOWN]);
                home.lender.lends = false;
                self.dirty = true;
            }
        }
    }

    pub(super) fn finish_flows(&mut self) {
        let mut n = 0;
        while n < self.flows.len() {
            if self.flows[n].left > 0.5 {
                n += 1;
                continue;
            }
            let flow = self.flows.swap_remove(n);
            self.dirty = true;
            let took = (self.now - flow.began) as f64 / 1e6;
            match flow.video {
                Some((until, rate)) => {
                    self.outcome.stalls[flow.home] += (took - PIECE).max(0.0);
                    let next = flow.began + (PIECE * 1e6) as u64;
                    self.at(next.max(self.now), Event::Piece(flow.home, rate, until));
                }
                None => {
                    let hour = (flow.began / (3_600 * SECOND)) as usize % 168;
                    self.outcome.waited[hour] += took;
                    self.outcome.bursts.push(Done {
                        home: flow.home,
                        at: flow.began,
                        way: flow.way,
                        bits: flow.size,
                        took,
                    });
                }
            }
        }
    }
}
