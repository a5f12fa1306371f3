//! The table of communities: a line per size, lane and mode, over several seeds.

use super::{Done, Mode, Outcome, Road, Role, Setup, Street, World};
use crate::parallel;
use crate::table::Column;
use std::collections::HashMap;

/// Seeds of what is committed and reported: others than those that were used while building (1 to 9).
const SEEDS: u64 = 101;

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub homes: usize,
    pub street: Street,
    pub road: Road,
    pub seeds: usize,
    pub days: usize,
}

const fn case(homes: usize, street: Street, road: Road, seeds: usize) -> Case {
    Case {
        homes,
        street,
        road,
        seeds,
        days: 7,
    }
}

/// Some seconds: four days, with more lenders than paths.
pub const SHORT: [Case; 2] = [
    Case {
        days: 4,
        ..case(12, Street::Usual, Road::Spread, 1)
    },
    Case {
        days: 4,
        ..case(12, Street::Narrow, Road::Local, 1)
    },
];

/// Minutes.
pub const LONG: [Case; 13] = [
    case(5, Street::Usual, Road::Spread, 8),
    case(5, Street::Usual, Road::Session, 8),
    case(5, Street::Usual, Road::Local, 8),
    case(10, Street::Narrow, Road::Spread, 4),
    case(10, Street::Narrow, Road::Session, 4),
    case(10, Street::Narrow, Road::Local, 4),
    case(20, Street::Usual, Road::Spread, 4),
    case(20, Street::Usual, Road::Session, 4),
    case(20, Street::Usual, Road::Local, 4),
    case(20, Street::Narrow, Road::Spread, 4),
    case(20, Street::Narrow, Road::Session, 4),
    case(20, Street::Narrow, Road::Local, 4),
    Case {
        days: 2,
        ..case(200, Street::Usual, Road::Spread, 1)
    },
];

/// One line of the table.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub homes: usize,
    pub road: &'static str,
    pub mode: &'static str,
    pub street: &'static str,
    /// A lender's time alone over his time in the pool: the median member, the worst one.
    pub speedup: f64,
    pub worst: f64,
    /// Hours that all waited for bursts, and in percent how much less than by the choice in the line before.
    pub waited: f64,
    pub better: f64,
    /// The same if no owner ever needed his line.
    pub bound: f64,
    /// Seconds of late video, per member and day; alone, too.
    pub stalls: f64,
    pub stalls_alone: f64,
    /// Bursts that took over 10 % and 0.2 s longer than alone, percent; seconds lost by them per member and day.
    pub noticed: f64,
    pub lost: f64,
    pub jain: f64,
    pub riders: f64,
    pub past_cap: f64,
    pub stops: f64,
    /// GB lent per member and day.
    pub lent: f64,
}

pub const COLUMNS: [Column<Row>; 14] = [
    Column::new("speedup", |r| r.speedup, 0.02, 0.02),
    Column::new("worst", |r| r.worst, 0.02, 0.05),
    Column::new("waited_h", |r| r.waited, 0.05, 0.02),
    Column::new("better", |r| r.better, 1.0, 0.0),
    Column::new("bound", |r| r.bound, 1.0, 0.0),
    Column::new("stalls_s", |r| r.stalls, 0.5, 0.05),
    Column::new("stalls_alone_s", |r| r.stalls_alone, 0.5, 0.05),
    Column::new("noticed", |r| r.noticed, 0.1, 0.05),
    Column::new("lost_s", |r| r.lost, 0.2, 0.05),
    Column::new("jain", |r| r.jain, 0.02, 0.0),
    Column::new("riders", |r| r.riders, 0.05, 0.05),
    Column::new("past_cap", |r| r.past_cap, 0.0, 0.0),
    Column::new("cap_stops", |r| r.stops, 2.0, 0.1),
    Column::new("lent_gb", |r| r.lent, 0.02, 0.05),
];

/// A case's three modes for one seed.
pub struct Trial {
    pub homes: usize,
    pub alone: Outcome,
    pub first: Outcome,
    pub off: Outcome,
    pub on: Outcome,
    pub ideal: Outcome,
}

/// Lives a week five times.
pub fn trial(case: &Case, seed: u64) -> Trial {
    let live = |mode| {
        let Case {
            homes,
            street,
            road,
            days,
            ..
        } = *case;
        World::new(Setup {
            seed,
            homes,
            street,
            days,
            road,
            mode,
        })
        .run()
    };
    Trial {
        homes: case.homes,
        alone: live(Mode::Alone),
        first: live(Mode::First),
        off: live(Mode::Off),
        on: live(Mode::On),
        ideal: live(Mode::Ideal),
    }
}

/// All trials of a case, on so many seeds from `first`.
pub fn trials(case: &Case, first: Option<u64>) -> Vec<Trial> {
    let first = first.unwrap_or(SEEDS);
    parallel::each(case.seeds, |n| trial(case, first + n as u64))
}

/// The lines of a case.
pub fn rows(case: &Case, trials: &[Trial]) -> [Row; 3] {
    let mut first = row(case, trials, |t| &t.first);
    let mut off = row(case, trials, |t| &t.off);
    let mut on = row(case, trials, |t| &t.on);
    let ideal = row(case, trials, |t| &t.ideal);
    (first.mode, off.mode, on.mode) = ("none", "rates", "patterns");
    let better = |than: &Row, waited: f64| 100.0 * (1.0 - waited / than.waited);
    off.better = better(&first, off.waited);
    on.better = better(&off, on.waited);
    on.bound = better(&off, ideal.waited);
    [first, off, on]
}

/// By how much each member waited less than alone; and his role.
pub fn speedups(trial: &Trial, pooled: &Outcome) -> Vec<(Role, f64)> {
    let mut times = vec![[0.0; 2]; trial.homes];
    for (before, done) in pairs(trial, pooled) {
        times[done.home][0] += before.took;
        times[done.home][1] += done.took;
    }
    let all = times.into_iter().zip(&pooled.roles);
    all.filter(|([_, pooled], _)| *pooled > 0.0)
        .map(|([alone, pooled], role)| (*role, alone / pooled))
        .collect()
}

/// The same bursts alone and pooled.
fn pairs<'a>(trial: &'a Trial, pooled: &'a Outcome) -> Vec<(&'a Done, &'a Done)> {
    let alone: HashMap<(usize, u64), &Done> = trial
        .alone
        .bursts
        .iter()
        .map(|d| ((d.home, d.at), d))
        .collect();
    let both = |done: &'a Done| Some((*alone.get(&(done.home, done.at))?, done));
    pooled.bursts.iter().filter_map(both).collect()
}

fn row(case: &Case, trials: &[Trial], of: impl Fn(&Trial) -> &Outcome) -> Row {
    let mut row = Row {
        homes: case.homes,
        road: case.road.name(),
        street: case.street.name(),
        ..Row::default()
    };
    let (mut seen, mut bad, mut all) = (0.0, 0.0, Vec::new());
    for trial in trials {
        let pooled = of(trial);
        for (before, done) in pairs(trial, pooled) {
            row.waited += done.took / 3_600.0;
            seen += 1.0;
            if done.took > before.took * 1.1 && done.took > before.took + 0.2 {
                bad += 1.0;
                row.lost += done.took - before.took;
            }
        }
        all.extend(speedups(trial, pooled));
        row.stalls += pooled.stalls.iter().sum::<f64>();
        row.stalls_alone += trial.alone.stalls.iter().sum::<f64>();
        row.past_cap += pooled.past_cap;
        row.stops += f64::from(pooled.stops);
        row.lent += pooled.lent.iter().sum::<f64>() / 1e9;
    }
    let member_days = (trials.len() * case.homes * case.days) as f64;
    for sum in [
        &mut row.stalls,
        &mut row.stalls_alone,
        &mut row.lost,
        &mut row.lent,
    ] {
        *sum /= member_days;
    }
    row.noticed = 100.0 * bad / seen;
    let of = |rides: bool| -> Vec<f64> {
        let mut some: Vec<f64> = all
            .iter()
            .filter(|(role, _)| (*role == Role::Rider) == rides)
            .map(|s| s.1)
            .collect();
        some.sort_by(f64::total_cmp);
        some
    };
    let (lenders, riders) = (of(false), of(true));
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    (row.speedup, row.worst) = (lenders[lenders.len() / 2], lenders[0]);
    row.jain = mean(&lenders).powi(2) / mean(&lenders.iter().map(|x| x * x).collect::<Vec<_>>());
    row.riders = mean(&riders) / mean(&lenders);
    row
}

/// The first line of the file.
pub fn head() -> String {
    format!(
        "homes,street,road,choice,{}",
        COLUMNS.each_ref().map(|c| c.name).join(",")
    )
}

/// One line.
pub fn csv(row: &Row) -> String {
    let values = COLUMNS.each_ref().map(|c| format!("{:.3}", (c.of)(row)));
    format!(
        "{},{},{},{},{}",
        row.homes,
        row.street,
        row.road,
        row.mode,
        values.join(",")
    )
}

/// For people.
pub fn show(row: &Row) -> String {
    let values = COLUMNS.each_ref().map(|c| format!("{:>10.2}", (c.of)(row)));
    format!(
        "{:>4} {:6} {:11} {:8} {}",
        row.homes,
        row.street,
        row.road,
        row.mode,
        values.join("")
    )
}

/// The line above [`show`]'s.
pub fn legend() -> String {
    let names = COLUMNS.each_ref().map(|c| format!("{:>10.9}", c.name));
    format!("{:32} {}", "", names.join(""))
}
