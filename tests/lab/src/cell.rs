//! One cell of the table: a profile with a load, run and measured.

use crate::flow::congestion::Law;
use crate::flow::{Flow, Kind};
use crate::lab::{Lab, QUIET};
use crate::profile::{Link, Profile};

/// What runs beside the light flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Load {
    /// One TCP flow with CUBIC.
    Up,
    Down,
    /// One TCP flow with CUBIC as Linux has it, down.
    Linux,
    /// One TCP flow with Reno, down.
    Reno,
    /// Sixteen with CUBIC, down.
    Sixteen,
    /// One that is like QUIC, down.
    Quic,
    /// One each way.
    Both,
}

impl Load {
    pub const ALL: [Self; 7] = [
        Self::Up,
        Self::Down,
        Self::Linux,
        Self::Reno,
        Self::Sixteen,
        Self::Quic,
        Self::Both,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Linux => "linux",
            Self::Reno => "reno",
            Self::Sixteen => "16",
            Self::Quic => "quic",
            Self::Both => "both",
        }
    }

    fn flows(self) -> Vec<(Kind, bool)> {
        let cubic = Kind::Tcp(Law::Cubic);
        match self {
            Self::Up => vec![(cubic, false)],
            Self::Down => vec![(cubic, true)],
            Self::Linux => vec![(Kind::Tcp(Law::Linux), true)],
            Self::Reno => vec![(Kind::Tcp(Law::Reno), true)],
            Self::Sixteen => vec![(cubic, true); 16],
            Self::Quic => vec![(Kind::Quic, true)],
            Self::Both => vec![(cubic, true), (cubic, false)],
        }
    }
}

/// The stretch that is measured, in seconds since the flows began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub from: u64,
    pub to: u64,
}

impl Window {
    /// What the bars are about.
    pub const FULL: Self = Self { from: 5, to: 25 };
    /// What every run can afford.
    pub const SHORT: Self = Self { from: 5, to: 11 };

    fn us(self) -> (u64, u64) {
        (self.from * 1_000_000, self.to * 1_000_000)
    }
}

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    pub profile: String,
    pub load: String,
    /// Payload over what the lines carry at IP level, in percent; with flows both ways, the one down.
    pub share: f64,
    /// The same of the flow up, where there are both.
    pub share_up: f64,
    /// Jain's index over the bulk flows of one direction.
    pub jain: f64,
    /// Delay of the light flow beyond its least before, both ways together, ms.
    pub added_p50: f64,
    pub added_p99: f64,
    /// Questions of the light flow without answer, in percent.
    pub unanswered: f64,
    /// The longest time without a byte in order, ms.
    pub gap: f64,
    /// What the tunnels sent again since the flows began, and what was given up as lost for good; KB and holes.
    pub repaired_kb: f64,
    pub given_up: u32,
    /// Of the inner flows: packets sent again, timeouts.
    pub again: u64,
    pub timeouts: u64,
    /// Drops by the queue's control, and for want of memory.
    pub aqm_drops: u32,
    pub overflow: u32,
    /// The longest time that the receiver held a packet back, ms.
    pub hold: f64,
    /// Most packet memory in use at the home's gateway and at its seat at the exit, KB.
    pub home_kb: f64,
    pub exit_kb: f64,
}

/// Runs a cell. The laboratory comes back with everything in it, for plots.
pub fn run(profile: &Profile, links: &[Link], load: Load, window: Window, seed: u64) -> (Row, Lab) {
    let mut lab = Lab::new(profile, links, seed);
    lab.down = !matches!(load, Load::Up);
    lab.run_to(0);
    for (kind, down) in load.flows() {
        lab.add(kind, down, u64::MAX / 2);
    }
    lab.run_to(window.us().1);
    let row = measure(profile, load, window, &lab);
    (row, lab)
}

fn measure(profile: &Profile, load: Load, window: Window, lab: &Lab) -> Row {
    let (from, to) = window.us();
    let bulk = |down: bool| {
        let flows = lab
            .flows
            .iter()
            .filter(move |f| f.kind != Kind::Ping && f.way.down == down);
        flows.collect::<Vec<&Flow>>()
    };
    let share = |down: bool| {
        let bytes: u64 = bulk(down)
            .iter()
            .map(|f| f.bytes(lab.start + from, lab.start + to))
            .sum();
        bytes as f64 * 100.0 / profile.capacity(from, to, down)
    };
    let main = bulk(lab.down);
    let each: Vec<f64> = main
        .iter()
        .map(|f| f.bytes(lab.start + from, lab.start + to) as f64)
        .collect();
    let totals = |of: fn(&Flow) -> u64| lab.flows.iter().map(of).sum::<u64>();
    let (p50, p99, unanswered) = light(&lab.flows[0], lab.start, (from, to));
    let mut row = Row {
        profile: profile.name.into(),
        load: load.name().into(),
        share: share(lab.down),
        share_up: if load == Load::Both {
            share(false)
        } else {
            0.0
        },
        jain: jain(&each),
        added_p50: p50,
        added_p99: p99,
        unanswered,
        gap: main
            .iter()
            .map(|f| longest_gap(f, lab.start + from, lab.start + to))
            .fold(0.0, f64::max),
        again: totals(|f| f.sender.totals.again),
        timeouts: totals(|f| f.sender.totals.timeouts),
        ..Row::default()
    };
    nodes(&mut row, lab);
    row
}

/// What the nodes counted.
fn nodes(row: &mut Row, lab: &Lab) {
    let Some((sends, receives)) = lab.tunnels(lab.down) else {
        return;
    };
    let (_, queue, _) = sends.counters();
    let (_, _, order) = receives.counters();
    let full = f64::from(lab.mtu()) / 1_000.0;
    row.repaired_kb = sends
        .paths()
        .map(|(_, p)| f64::from(p.counters().repairs))
        .sum::<f64>()
        * full;
    (row.aqm_drops, row.overflow, row.given_up) = (queue.aqm_drops, queue.overflow, order.given_up);
    row.hold = f64::from(order.longest_hold_us) / 1_000.0;
    let block = std::mem::size_of::<burstmesh_core::data::pool::Block>() as f64 / 1_000.0;
    let most = |of: fn(&(u32, u32)) -> u32| {
        let blocks = lab.samples.iter().map(|s| of(&s.blocks));
        f64::from(blocks.max().unwrap_or(0)) * block
    };
    (row.home_kb, row.exit_kb) = (most(|b| b.0), most(|b| b.1));
}

/// Added delay of the light flow, median and 99th percentile in ms, and unanswered questions in percent.
fn light(flow: &Flow, start: u64, (from, to): (u64, u64)) -> (f64, f64, f64) {
    let before = flow
        .answers
        .iter()
        .filter(|(at, _)| *at >= start - QUIET && *at < start);
    let least = before.map(|(_, rtt)| *rtt).min().unwrap_or(0);
    let within = |at: &u64| (start + from..start + to - 1_000_000).contains(at);
    let mut added: Vec<u64> = flow
        .answers
        .iter()
        .filter(|(at, _)| within(at))
        .map(|(_, rtt)| rtt.saturating_sub(least))
        .collect();
    added.sort_unstable();
    let at = |p: usize| {
        added
            .get(added.len() * p / 100)
            .map_or(f64::NAN, |us| *us as f64 / 1_000.0)
    };
    let asked = (to - from - 1_000_000) / 20_000;
    let unanswered = 100.0 - added.len() as f64 * 100.0 / asked as f64;
    (at(50), at(99), unanswered.max(0.0))
}

fn longest_gap(flow: &Flow, from: u64, to: u64) -> f64 {
    let times = flow
        .progress
        .iter()
        .map(|(t, _)| *t)
        .filter(|t| (from..to).contains(t));
    let times: Vec<u64> = [from].into_iter().chain(times).chain([to]).collect();
    let gap = times.windows(2).map(|w| w[1] - w[0]).max();
    gap.unwrap_or(0) as f64 / 1_000.0
}

fn jain(each: &[f64]) -> f64 {
    let (sum, squares): (f64, f64) = (each.iter().sum(), each.iter().map(|x| x * x).sum());
    sum * sum / (each.len() as f64 * squares)
}
