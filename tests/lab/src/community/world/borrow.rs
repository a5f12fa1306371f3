//! Which lenders a gateway has paths over: the core's choice.

use super::{Path, World};
use crate::community::Mode;
use burstmesh_core::data::planner;
use burstmesh_core::data::tunnel::MAX_PATHS;

/// For how long what was seen of a line counts, us.
const REMEMBERED: u64 = 3_600_000_000;

impl World {
    /// What a line is worth to somebody, kbit/s both ways.
    fn worth(&self, home: usize, lender: usize) -> u32 {
        if self.setup.mode == Mode::First {
            return 1;
        }
        let stated = self.homes[lender].lender.stated.iter().sum();
        let open = self.homes[home].paths.iter().find(|p| p.lender == lender);
        let seen = match open {
            Some(path) => (path.seen.iter().sum::<f64>() / 1e3) as u32,
            None => {
                let (kbit, when) = self.seen[home][lender];
                if self.now < when + REMEMBERED {
                    kbit
                } else {
                    0
                }
            }
        };
        planner::worth(stated, seen)
    }

    /// Paths over the best lines; one at a time gives way to a better one.
    pub(super) fn review_paths(&mut self, home: usize) {
        let lends = |world: &Self, of: usize| world.homes[of].on && world.homes[of].lender.lends;
        let gone: Vec<usize> = self.homes[home]
            .paths
            .iter()
            .map(|p| p.lender)
            .filter(|l| !lends(self, *l))
            .collect();
        gone.iter().for_each(|lender| self.close(home, *lender));
        loop {
            let used: Vec<usize> = self.homes[home].paths.iter().map(|p| p.lender).collect();
            let others = self.homes[home].neighbours.iter().copied();
            // Of equals the one that was met first.
            let place = |l: usize| self.homes[home].neighbours.iter().position(|n| *n == l);
            let best = others
                .filter(|l| !used.contains(l) && lends(self, *l))
                .max_by_key(|l| (self.worth(home, *l), std::cmp::Reverse(place(*l))));
            let Some(best) = best else { return };
            if used.len() < MAX_PATHS - 1 {
                self.open(home, best);
                continue;
            }
            let worst = used.iter().copied().min_by_key(|l| self.worth(home, *l));
            if let Some(worst) = worst
                && planner::replaces(self.worth(home, best), self.worth(home, worst))
            {
                self.close(home, worst);
                self.open(home, best);
            }
            return;
        }
    }

    /// A path begins with a look at what it carries (trains of packets).
    fn open(&mut self, home: usize, lender: usize) {
        let it = &self.homes[lender];
        let seen = [0, 1].map(|way| {
            let limit = match it.lender.limit[way] {
                0 => f64::INFINITY,
                kbit => f64::from(kbit) * 1e3,
            };
            it.person.line[way].min(self.hops[home][lender]).min(limit)
        });
        self.homes[home].paths.push(Path { lender, seen });
        self.dirty = true;
    }

    fn close(&mut self, home: usize, lender: usize) {
        let paths = &mut self.homes[home].paths;
        if let Some(at) = paths.iter().position(|p| p.lender == lender) {
            let path = paths.swap_remove(at);
            self.seen[home][lender] = ((path.seen.iter().sum::<f64>() / 1e3) as u32, self.now);
        }
        for n in 0..self.flows.len() {
            if self.flows[n].home == home && self.flows[n].line == lender {
                let flow = self.flows[n];
                self.flows[n].line = self.line_for(&flow);
            }
        }
        self.dirty = true;
    }
}
