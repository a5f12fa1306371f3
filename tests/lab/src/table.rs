//! The table of all cells: as CSV, and compared with the committed one.

use crate::cell::{self, Load, Row, Window};
use crate::lab::Lab;
use crate::profile::Profile;
use crate::special;

/// The seed of all snapshots.
const SEED: u64 = 1;

/// How far a figure may be from the committed one: absolute, and relative to it.
struct Column {
    name: &'static str,
    of: fn(&Row) -> f64,
    absolute: f64,
    relative: f64,
}

const fn column(name: &'static str, of: fn(&Row) -> f64, absolute: f64, relative: f64) -> Column {
    Column {
        name,
        of,
        absolute,
        relative,
    }
}

/// Shares within a point; delays and what depends on single events more loosely.
const COLUMNS: [Column; 16] = [
    column("share", |r| r.share, 1.0, 0.0),
    column("share_up", |r| r.share_up, 1.5, 0.0),
    column("jain", |r| r.jain, 0.05, 0.0),
    column("added_p50_ms", |r| r.added_p50, 1.5, 0.2),
    column("added_p99_ms", |r| r.added_p99, 4.0, 0.3),
    column("unanswered", |r| r.unanswered, 0.5, 0.0),
    column("gap_ms", |r| r.gap, 30.0, 0.3),
    column("repaired_kb", |r| r.repaired_kb, 50.0, 0.2),
    column("given_up", |r| f64::from(r.given_up), 2.0, 0.2),
    column("again", |r| r.again as f64, 20.0, 0.3),
    column("timeouts", |r| r.timeouts as f64, 0.0, 0.0),
    column("aqm_drops", |r| f64::from(r.aqm_drops), 10.0, 0.3),
    column("overflow", |r| f64::from(r.overflow), 10.0, 0.3),
    column("hold_ms", |r| r.hold, 30.0, 0.3),
    column("home_kb", |r| r.home_kb, 60.0, 0.2),
    column("exit_kb", |r| r.exit_kb, 60.0, 0.2),
];

/// All cells of a profile; each laboratory is shown to `see` while it is there.
pub fn rows(profile: &Profile, window: Window, mut see: impl FnMut(&Row, &Lab)) -> Vec<Row> {
    let mut rows = Vec::new();
    for load in Load::ALL {
        let (row, lab) = cell::run(profile, profile.links, load, window, SEED);
        see(&row, &lab);
        rows.push(row);
    }
    let specials = special::of(profile);
    rows.extend(specials.iter().map(|s| s.run(profile, window, SEED)));
    rows
}

/// The first line of the file.
pub fn head() -> String {
    let names = COLUMNS.map(|c| c.name);
    format!("profile,load,{}", names.join(","))
}

/// One line.
pub fn csv(row: &Row) -> String {
    let values = COLUMNS.map(|c| format!("{:.2}", (c.of)(row)));
    format!("{},{},{}", row.profile, row.load, values.join(","))
}

/// For people.
pub fn show(row: &Row) -> String {
    let values = COLUMNS.map(|c| format!("{:>9.1}", (c.of)(row)));
    format!("{:5} {:12} {}", row.profile, row.load, values.join(""))
}

/// The line above [`show`]'s.
pub fn legend() -> String {
    let names = COLUMNS.map(|c| format!("{:>9}", c.name.split("_ms").next().unwrap_or("")));
    let names = names.map(|n| n.chars().take(9).collect::<String>());
    format!("{:5} {:12} {}", "", "", names.join(""))
}

/// What of one table is not near enough to the other. Both are CSV with [`head`].
pub fn differences(committed: &str, measured: &str) -> Vec<String> {
    let lines = |text: &str| -> Vec<(String, Vec<f64>)> {
        let rows = text.lines().skip(1).filter(|l| !l.is_empty());
        rows.map(|line| {
            let mut cells = line.split(',');
            let name = cells.by_ref().take(2).collect::<Vec<_>>().join(" ");
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
        for ((c, was), is) in COLUMNS.iter().zip(was).zip(is) {
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
        assert!(differences(&row(91.0), &row(91.9)).is_empty());
        assert_eq!(
            differences(&row(91.0), &row(89.5)),
            ["P1 up: share was 91, is 89.5"]
        );
        assert_eq!(differences(&row(91.0), &row(f64::NAN)).len(), 1);
        assert_eq!(differences(&row(91.0), &head()).len(), 1);
    }
}
