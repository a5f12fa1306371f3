//! Cells that ask something of their own.

use crate::cell::{self, Load, Row, Window};
use crate::flow::Kind;
use crate::flow::congestion::Law;
use crate::lab::Lab;
use crate::profile::{Link, Profile, Weather};

const CUBIC: Kind = Kind::Tcp(Law::Linux);
const MB: u64 = 1_000_000;
/// When the owner of a lent line begins his download, and from when it is measured, us.
const OWNER: u64 = 8 * MB;
const OWNER_MEASURED: (u64, u64) = (9 * MB, 17 * MB);

/// The questions, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// What the best line carries alone, through the same code; share of the profile's sum.
    Alone,
    /// A neighbour begins a download past burstmesh on the line that he lends; share of what he gets without lending, and
    /// the delay of a light flow of his beyond what it would be.
    Owner,
    /// The same through burstmesh.
    OwnerPooled,
    /// Both with uploads.
    OwnerUp,
    OwnerUpPooled,
    /// 1 MB over lines that were last used 20 s ago; time over that of one line of their sum, in percent.
    Burst,
    /// Every home downloads at once; the least that one gets over what his own line alone gives, and what all get over the
    /// lines' sum (`share_up`), both in percent.
    Everyone,
    /// A line is 5 % slower for a second; share in that second and the next, and from two seconds after (`share_up`).
    Wrong,
}

/// Which questions are asked of a profile.
pub fn of(profile: &Profile) -> Vec<Special> {
    let mut list = Vec::new();
    if profile.links.len() <= 3 && !profile.name.starts_with('M') {
        list.push(Special::Alone);
    }
    match profile.name {
        "P14" => list.extend([
            Special::Owner,
            Special::OwnerPooled,
            Special::OwnerUp,
            Special::OwnerUpPooled,
        ]),
        "P1x3" => list.extend([Special::Burst, Special::Everyone]),
        "P2" | "P6" => list.push(Special::Everyone),
        "P1" | "P4" => list.push(Special::Wrong),
        _ => {}
    }
    list
}

impl Special {
    pub fn name(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Owner => "owner",
            Self::OwnerPooled => "owner-pooled",
            Self::OwnerUp => "owner-up",
            Self::OwnerUpPooled => "owner-up-pooled",
            Self::Burst => "burst",
            Self::Everyone => "everyone",
            Self::Wrong => "wrong",
        }
    }

    /// Asks.
    pub fn run(self, profile: &Profile, window: Window, seed: u64) -> Row {
        let row = match self {
            Self::Alone => alone(profile, window, seed),
            Self::Owner => owner(profile, true, true, seed),
            Self::OwnerPooled => owner(profile, false, true, seed),
            Self::OwnerUp => owner(profile, true, false, seed),
            Self::OwnerUpPooled => owner(profile, false, false, seed),
            Self::Burst => burst(profile, seed),
            Self::Everyone => everyone(profile, window, seed),
            Self::Wrong => wrong(profile, seed),
        };
        Row {
            profile: profile.name.into(),
            load: self.name().into(),
            ..row
        }
    }
}

fn alone(profile: &Profile, window: Window, seed: u64) -> Row {
    let each = profile.links.iter().map(|link| {
        let (row, _) = cell::run(
            profile,
            std::slice::from_ref(link),
            Load::Down,
            window,
            seed,
        );
        row
    });
    each.max_by(|a, b| a.share.total_cmp(&b.share))
        .unwrap_or_default()
}

/// The owner's goodput in bytes and the 99th percentile of his light flow's delay in ms, while the home downloads (or uploads, as
/// he does) or not.
fn owners(profile: &Profile, direct: bool, down: bool, lent: bool, seed: u64) -> (f64, f64) {
    let mut lab = Lab::new(profile, profile.links, seed);
    lab.run_to(0);
    if lent {
        lab.add(CUBIC, down, u64::MAX / 2);
    }
    lab.run_to(OWNER);
    let transfer = lab.add_at(1, direct, CUBIC, down, u64::MAX / 2);
    let light = lab.add_at(1, direct, Kind::Ping, false, u64::MAX);
    lab.run_to(OWNER_MEASURED.1);
    let (from, to) = (lab.start + OWNER_MEASURED.0, lab.start + OWNER_MEASURED.1);
    let answers = lab.flows[light]
        .answers
        .iter()
        .filter(|(at, _)| (from..to).contains(at));
    let mut delays: Vec<u64> = answers.map(|(_, rtt)| *rtt).collect();
    delays.sort_unstable();
    let p99 = delays
        .get(delays.len() * 99 / 100)
        .copied()
        .unwrap_or(u64::MAX / 2);
    (
        lab.flows[transfer].bytes(from, to) as f64,
        p99 as f64 / 1_000.0,
    )
}

fn owner(profile: &Profile, direct: bool, down: bool, seed: u64) -> Row {
    let with = owners(profile, direct, down, true, seed);
    // His line alone, without burstmesh: pooled he would have the home's line as well.
    let without = owners(profile, true, down, false, seed);
    Row {
        share: with.0 * 100.0 / without.0,
        added_p99: (with.1 - without.1).max(0.0),
        ..Row::default()
    }
}

/// How long 1 MB takes, in us.
fn transfer(lab: &mut Lab, direct: bool, from: u64) -> u64 {
    lab.run_to(from);
    let flow = lab.add_at(0, direct, CUBIC, true, MB);
    let mut at = from;
    while !lab.flows[flow].sender.is_done() && at < from + 10 * MB {
        at += 5_000;
        lab.run_to(at);
    }
    let last = lab.flows[flow].progress.last();
    last.map_or(u64::MAX / 2, |(t, _)| t - lab.start - from)
}

fn burst(profile: &Profile, seed: u64) -> Row {
    let mut lab = Lab::new(profile, profile.links, seed);
    lab.run_to(0);
    lab.add(CUBIC, true, 20 * MB);
    let took = transfer(&mut lab, false, 30 * MB);
    let sum = profile.links.iter().map(|l| l.down).sum();
    let least = profile.links.iter().map(|l| l.delay).min().unwrap_or(0);
    let one = [Link {
        up: sum,
        down: sum,
        delay: least,
        ..profile.links[0]
    }];
    let mut lab = Lab::new(profile, &one, seed);
    let ideal = transfer(&mut lab, true, 0);
    Row {
        share: took as f64 * 100.0 / ideal as f64,
        gap: took as f64 / 1_000.0,
        ..Row::default()
    }
}

fn everyone(profile: &Profile, window: Window, seed: u64) -> Row {
    let (from, to) = (window.from * MB, window.to * MB);
    let mut lab = Lab::new(profile, profile.links, seed);
    lab.run_to(0);
    let flows: Vec<usize> = (0..profile.links.len())
        .map(|home| lab.add_at(home, false, CUBIC, true, u64::MAX / 2))
        .collect();
    lab.run_to(to);
    let bytes = |flow: usize| lab.flows[flow].bytes(lab.start + from, lab.start + to) as f64;
    let shares = flows.iter().zip(profile.links).map(|(flow, link)| {
        let (alone, _) = cell::run(
            profile,
            std::slice::from_ref(link),
            Load::Linux,
            window,
            seed,
        );
        let alone = alone.share * profile.capacity(from, to, true) / 100.0;
        bytes(*flow) * 100.0 / alone
    });
    Row {
        share: shares.fold(f64::INFINITY, f64::min),
        share_up: flows.iter().map(|f| bytes(*f)).sum::<f64>() * 100.0
            / profile.capacity(from, to, true),
        ..Row::default()
    }
}

fn wrong(profile: &Profile, seed: u64) -> Row {
    let mut links = profile.links.to_vec();
    let Some(last) = links.last_mut() else {
        return Row::default();
    };
    last.weather = Weather::Other(last.down * 95 / 100, 10_000, 11_000);
    let (_, lab) = cell::run(
        profile,
        &links,
        Load::Down,
        Window { from: 5, to: 16 },
        seed,
    );
    let share = |from: u64, to: u64| {
        let bytes = lab.flows[1].bytes(lab.start + from * MB, lab.start + to * MB);
        bytes as f64 * 100.0 / profile.capacity(from * MB, to * MB, true)
    };
    Row {
        share: share(10, 12),
        share_up: share(13, 16),
        ..Row::default()
    }
}
