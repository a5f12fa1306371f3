//! A page of the community simulation: its table, and plots by hour of the week and by member.

use super::Outcome;
use super::air::Air;
use super::table::{self, Case, Row, Trial};
use crate::plot::Plot;
use crate::report::STYLE;
use std::fmt::Write as _;

const ALONE: &str = "#888";
const OFF: &str = "#d9822b";
const ON: &str = "#1f6feb";

/// Collects cases.
#[derive(Default)]
pub struct Page {
    lines: Vec<String>,
    body: String,
}

impl Page {
    /// Adds a case's plots.
    pub fn add(&mut self, case: &Case, trials: &[Trial], rows: &[Row]) {
        self.lines.extend(rows.iter().map(table::show));
        let _ = write!(
            self.body,
            "<h2>{} homes, {} street, {}</h2><h3>Minutes that all waited for bursts begun in each hour of the week: alone (grey), pooled by \
             rates (orange), by patterns too (blue)</h3>{}<h3>Speed-up of each member, in order</h3>{}",
            case.homes,
            case.street.name(),
            case.road.name(),
            waited(trials),
            speedups(trials),
        );
    }

    /// The page.
    pub fn finish(self, air: &Air) -> String {
        format!(
            "<!doctype html><meta charset=utf-8><title>Community</title><style>{STYLE}</style>\n<h1>Community</h1>\
             <pre>{}\n{}</pre><p>{air}</p>{}",
            table::legend(),
            self.lines.join("\n"),
            self.body,
        )
    }
}

/// A mode's outcome.
type Of = fn(&Trial) -> &Outcome;

const MODES: [(Of, &str); 3] = [(|t| &t.alone, ALONE), (|t| &t.off, OFF), (|t| &t.on, ON)];

fn waited(trials: &[Trial]) -> String {
    let hour = |of: Of, hour: usize| {
        trials
            .iter()
            .map(|t| of(t).waited[hour] / 60.0)
            .sum::<f64>()
    };
    let all: Vec<(Vec<(f64, f64)>, &str)> = MODES
        .iter()
        .map(|(of, color)| ((0..168).map(|h| (h as f64, hour(*of, h))).collect(), *color))
        .collect();
    let top = all
        .iter()
        .flat_map(|l| &l.0)
        .map(|p| p.1)
        .fold(1.0, f64::max);
    let mut plot = Plot::new(168.0, top, "minutes").per("h");
    all.iter()
        .for_each(|(points, color)| plot.line(points, color));
    plot.finish()
}

fn speedups(trials: &[Trial]) -> String {
    let of = |of: Of| {
        let mut all: Vec<f64> = trials
            .iter()
            .flat_map(|t| table::speedups(t, of(t)))
            .map(|s| s.1)
            .collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let both: Vec<(Vec<f64>, &str)> = MODES[1..]
        .iter()
        .map(|(mode, color)| (of(*mode), *color))
        .collect();
    let top = both.iter().flat_map(|l| &l.0).copied().fold(1.0, f64::max);
    let mut plot = Plot::new(both[0].0.len() as f64, top, "times").per("");
    for (all, color) in &both {
        let points: Vec<(f64, f64)> = all
            .iter()
            .enumerate()
            .map(|(n, s)| (n as f64, *s))
            .collect();
        plot.line(&points, color);
    }
    plot.level(1.0, "alone");
    plot.finish()
}
