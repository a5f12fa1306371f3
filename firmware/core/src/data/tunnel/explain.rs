//! What people are told of the busiest flows: what each looks like, by which paths it goes, why, and what came second.
//!
//! Worked out when somebody asks. Of a download only its acknowledgements leave here, so what comes back is looked at, too: its
//! sender decides about that, and by which paths it came is known.

use super::AnyTunnel;
use crate::data::lane::{Busy, Why};
use crate::data::path::Path;
use crate::data::queue::{BUSIEST, TxFlow};
use crate::data::resequence::RxFlow;
use crate::data::shape::{Pace, Shape, Supply, shape};
use crate::time::Instant;
use heapless::Vec;

impl AnyTunnel<'_> {
    /// The flows that sent the most packets lately.
    pub fn busiest(&self, now: Instant) -> Vec<Busy, BUSIEST> {
        let supplies = self.supplies(now);
        let flows = self.queue.busiest(now);
        let told = flows.iter().map(|flow| self.explain(now, flow, &supplies));
        told.collect()
    }

    /// What there is, there and back.
    fn supplies(&self, now: Instant) -> [Supply; 2] {
        let [mut there, mut back] = [Supply::default(); 2];
        for (_, path) in self.paths().filter(|(_, p)| p.carries()) {
            for (supply, kbit) in [&mut there, &mut back].into_iter().zip(path.measured()) {
                supply.carries = supply.carries.saturating_add(kbit.saturating_mul(125));
            }
        }
        self.queue.paces(now).for_each(|p| there.take(p.rate()));
        self.resequencer
            .paces(now)
            .for_each(|p| back.take(p.rate()));
        [there, back]
    }

    fn explain(&self, now: Instant, flow: &TxFlow, [there, back]: &[Supply; 2]) -> Busy {
        let mut told = flow.told(now);
        let comes = self.resequencer.named(flow.name());
        let pace = comes.map_or(Pace::NONE, |c| c.pace(now));
        told.rates[1] = pace.rate();
        told.shape = shape([&flow.pace(now), &pace], [there, back]);
        if told.paths == 0 {
            let [goes, came] = told.rates;
            let came = comes.filter(|_| came > goes).map_or(0, RxFlow::came);
            (told.paths, told.why) = match told.shape {
                Shape::Burst | Shape::Stream if came != 0 => (came, why_came(came, told.shape)),
                // Small ones take turns among lines that are as near: what counts is where the next one would go.
                _ if came.is_power_of_two() => (came, Why::Light),
                _ if told.why == Why::Light => (self.best(now, 0), Why::Light),
                _ => (self.spread_over(now), told.why),
            };
            told.second = self
                .best(now, told.paths)
                .checked_ilog2()
                .map(|n| n as usize);
        }
        told
    }

    /// The path besides these where something arrives first, as a bit; 0: there is none.
    fn best(&self, now: Instant, besides: u8) -> u8 {
        let others = self
            .paths()
            .filter(|(at, p)| p.carries() && besides & bit(*at) == 0);
        let first = others.min_by_key(|(_, p): &(usize, &Path)| p.arrival(now));
        first.map_or(0, |(at, _)| bit(at))
    }

    /// The paths that bursts use.
    fn spread_over(&self, now: Instant) -> u8 {
        let Some(earliest) = self.earliest(now) else {
            return 0;
        };
        let used = self
            .paths()
            .filter(|(_, p)| self.takes_bursts(now, earliest, p));
        used.fold(0, |all, (at, _)| all | bit(at))
    }
}

/// Why the other end sends by these paths, as far as can be seen from here.
fn why_came(paths: u8, shape: Shape) -> Why {
    if paths.is_power_of_two() && shape != Shape::Burst {
        Why::Light
    } else {
        Why::Spread
    }
}

fn bit(at: usize) -> u8 {
    1 << (at & 7)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Link, Pair};
    use super::*;
    use crate::data::inner::tests::udp_packet;
    use crate::wire::Capabilities;

    /// A packet of the flow to this port, or one that comes back.
    fn packet(port: u16, len: usize, back: bool) -> std::vec::Vec<u8> {
        let mut p = udp_packet(5_000, len);
        p[22..24].copy_from_slice(&port.to_be_bytes());
        if back {
            // IPv4's checksum is the same.
            p[12..20].rotate_left(4);
            p[20..24].rotate_left(2);
        }
        p
    }

    const CALL: u16 = 1;
    const VIDEO: u16 = 2;
    const DOWN: u16 = 3;
    const UP: u16 = 4;

    /// Twelve seconds with a call, a video, and a transfer one way or the other.
    fn busy(bulk: u16) -> std::vec::Vec<Busy> {
        let links = [Link::mbit(20, 10), Link::mbit(10, 12)];
        let mut pair = Pair::new(&links, Capabilities::OURS);
        pair.run(3_000, |_, _| {});
        pair.run(15_000, |pair, now| {
            let every = |ms: u64| now.as_micros().is_multiple_of(ms * 1_000);
            let up = |pair: &mut Pair, port, len| {
                let _ = pair.a.handle_inner(now, &mut packet(port, len, false));
            };
            let down = |pair: &mut Pair, port, len| {
                let _ = pair.b.handle_inner(now, &mut packet(port, len, true));
            };
            if every(20) {
                up(pair, CALL, 172);
                down(pair, CALL, 172);
            }
            if every(4) {
                down(pair, VIDEO, 1_250);
                up(pair, bulk, if bulk == DOWN { 30 } else { 1_300 });
            }
            if every(16) {
                up(pair, VIDEO, 30);
            }
            if bulk == DOWN {
                (pair.b.backlog()..40).for_each(|_| down(pair, DOWN, 1_300));
            } else {
                (pair.a.backlog()..40).for_each(|_| up(pair, UP, 1_300));
            }
        });
        pair.a
            .busiest(Instant::from_millis(15_000))
            .into_iter()
            .collect()
    }

    #[test]
    fn each_flow_is_told_with_its_looks_its_paths_and_what_came_second() {
        for bulk in [DOWN, UP] {
            let told = busy(bulk);
            let of = |port| told.iter().find(|b| b.port == port).unwrap();
            assert_eq!(of(CALL).shape, Shape::Interactive, "{told:?}");
            assert_eq!(of(VIDEO).shape, Shape::Stream, "{told:?}");
            let bulk = of(bulk);
            assert_eq!(
                (bulk.shape, bulk.paths, bulk.second, bulk.why),
                (Shape::Burst, 0b11, None, Why::Spread)
            );
            let call = of(CALL);
            let both = call.paths | bit(call.second.unwrap());
            assert!(call.paths.is_power_of_two() && both == 0b11, "{call:?}");
        }
    }
}
