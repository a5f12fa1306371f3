//! The table of all cells: as CSV, and compared with the committed one.

use crate::cell::{self, Load, Row, Window};
use crate::lab::Lab;
use crate::profile::Profile;
use crate::special;

/// The seed of all snapshots.
pub const SEED: u64 = 1;

/// How far a figure may be from the committed one: absolute, and relative to it.
pub struct Column<R> {
    pub name: &'static str,
    pub of: fn(&R) -> f64,
    absolute: f64,
    relative: f64,
}

impl<R> Column<R> {
    pub const fn new(name: &'static str, of: fn(&R) -> f64, absolute: f64, relative: f64) -> Self {
        Self {
            name,
            of,
            absolute,
            relative,
        }
    }
}

/// Shares within a point; delays and what depends on single events more loosely.
pub const COLUMNS: [Column<Row>; 16] = [
    Column::new("share", |r| r.share, 1.0, 0.0),
    Column::new("share_up", |r| r.share_up, 1.5, 0.0),
    Column::new("jain", |r| r.jain, 0.05, 0.0),
    Column::new("added_p50_ms", |r| r.added_p50, 1.5, 0.2),
    Column::new("added_p99_ms", |r| r.added_p99, 4.0, 0.3),
    Column::new("unanswered", |r| r.unanswered, 0.5, 0.0),
    Column::new("gap_ms", |r| r.gap, 30.0, 0.3),
    Column::new("repaired_kb", |r| r.repaired_kb, 50.0, 0.2),
    Column::new("given_up", |r| f64::from(r.given_up), 2.0, 0.2),
    Column::new("again", |r| r.again as f64, 20.0, 0.3),
    Column::new("timeouts", |r| r.timeouts as f64, 0.0, 0.0),
    Column::new("aqm_drops", |r| f64::from(r.aqm_drops), 10.0, 0.3),
    Column::new("overflow", |r| f64::from(r.overflow), 10.0, 0.3),
    Column::new("hold_ms", |r| r.hold, 30.0, 0.3),
    Column::new("home_kb", |r| r.home_kb, 60.0, 0.2),
    Column::new("exit_kb", |r| r.exit_kb, 60.0, 0.2),
];

/// All cells of a profile, or those of one name; each laboratory is shown to `see` while it is there.
pub fn rows(
    profile: &Profile,
    window: Window,
    seed: u64,
    only: Option<&str>,
    mut see: impl FnMut(&Row, &Lab),
) -> Vec<Row> {
    let mut rows = Vec::new();
    let asked = |name: &str| only.is_none_or(|only| only == name);
    for load in Load::ALL.into_iter().filter(|l| asked(l.name())) {
        let (row, lab) = cell::run(profile, profile.links, load, window, seed);
        see(&row, &lab);
        rows.push(row);
    }
    let specials = special::of(profile);
    rows.extend(
        specials
            .iter()
            .filter(|s| asked(s.name()))
            .map(|s| s.run(profile, window, seed)),
    );
    rows
}

/// The first line of the file.
pub fn head() -> String {
    let names = COLUMNS.each_ref().map(|c| c.name);
    format!("profile,load,{}", names.join(","))
}

/// One line.
pub fn csv(row: &Row) -> String {
    let values = COLUMNS.each_ref().map(|c| format!("{:.2}", (c.of)(row)));
    format!("{},{},{}", row.profile, row.load, values.join(","))
}

/// For people.
pub fn show(row: &Row) -> String {
    let values = COLUMNS.each_ref().map(|c| format!("{:>9.1}", (c.of)(row)));
    format!("{:5} {:12} {}", row.profile, row.load, values.join(""))
}

/// The line above [`show`]'s.
pub fn legend() -> String {
    let names = COLUMNS
        .each_ref()
        .map(|c| format!("{:>9}", c.name.split("_ms").next().unwrap_or("")));
    let names = names.map(|n| n.chars().take(9).collect::<String>());
    format!("{:5} {:12} {}", "", "", names.join(""))
}

/// What of one table is not near enough to the other. Both are CSV: cells that name a row, as many as `keys`, then `columns`.
pub fn differences<R>(
    keys: usize,
    columns: &[Column<R>],
    committed: &str,
    measured: &str,
) -> Vec<String> {
    let lines = |text: &str| -> Vec<(String, Vec<f64>)> {
        let rows = text.lines().skip(1).filter(|l| !l.is_empty());
        rows.map(|line| {
            let mut cells = line.split(',');
            let name = cells.by_ref().take(keys).collect::<Vec<_>>().join(" ");
            (name, cells.map(|c| c.parse().unwrap_or(f64::NAN)).collect())
        })
        .collect()
    };
    let (old, new) = (lines(committed), lines(measured));
    let mut found = Vec::new();
    let names = |rows: &[(String, Vec<f64>)]| rows.iter().map(|r| r.0.clone()).collect::<Vec<_>>();
    if names(&old) != names(&new) {
        found.push("other rows than the committed ones".to_owned());
    }
    for ((name, was), (_, is)) in old.iter().zip(&new) {
        for ((c, was), is) in columns.iter().zip(was).zip(is) {
            let both_unknown = was.is_nan() && is.is_nan();
            let near = (was - is).abs() <= c.absolute + c.relative * was.abs();
            // What is no number is near to none.
            if !near && !both_unknown {
                found.push(format!("{name}: {} was {was}, is {is}", c.name));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_out_of_its_tolerance_or_a_missing_row_is_told() {
        let row = |share: f64| {
            let row = Row {
                profile: "P1".into(),
                load: "up".into(),
                share,
                ..Row::default()
            };
            format!("{}\n{}\n", head(), csv(&row))
        };
        let differences = |old: &str, new: &str| differences(2, &COLUMNS, old, new);
        assert!(differences(&row(91.0), &row(91.9)).is_empty());
        assert_eq!(
            differences(&row(91.0), &row(89.5)),
            ["P1 up: share was 91, is 89.5"]
        );
        assert_eq!(differences(&row(91.0), &row(f64::NAN)).len(), 1);
        assert_eq!(differences(&row(91.0), &head()).len(), 1);
    }
}
