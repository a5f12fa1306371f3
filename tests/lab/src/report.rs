//! A page of one profile: five plots a cell. One file that needs nothing else.

use crate::cell::Row;
use crate::lab::{Lab, Sample};
use crate::plot::Plot;
use crate::profile::Profile;
use crate::table;
use std::fmt::Write as _;

const COLORS: [&str; 8] = [
    "#1f6feb", "#d9822b", "#2a9d57", "#a23bc2", "#c33", "#0aa", "#886", "#333",
];

pub(crate) const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:1120px;margin:2em auto;padding:0 1em;color:#1c2430}
h2{margin:1.6em 0 .2em}h3{margin:.8em 0 0;font-size:1em}svg{width:100%;height:auto}
svg text{font:11px system-ui,sans-serif;fill:#566}svg .levelname{fill:#a22}.grid{stroke:#dde3ea}.level{stroke:#c33;stroke-dasharray:6 4}
pre{overflow-x:auto;font-size:12px}";

/// Collects the cells of a profile.
pub struct Page {
    profile: &'static Profile,
    body: String,
}

impl Page {
    pub fn new(profile: &'static Profile) -> Self {
        Self {
            profile,
            body: String::new(),
        }
    }

    /// Adds the plots of a cell.
    pub fn add(&mut self, row: &Row, lab: &Lab) {
        let rates = lines(lab, 1.15 * widest(lab), "Mbit/s", |s| {
            s.paths.iter().map(|p| (p.0, p.1)).collect()
        });
        let queues = lines(lab, 40.0, "ms", |s| {
            let own = s.paths.iter().map(|p| (p.0, p.2));
            own.collect()
        });
        let holds = lines(lab, 200.0, "ms", |s| {
            vec![(1, s.hold), (2, f64::from(s.backlog))]
        });
        let widest = lab.samples.iter().map(|s| s.window).max().unwrap_or(0);
        let windows = lines(lab, 1.1 * widest as f64, "packets", |s| {
            vec![(1, s.window as f64)]
        });
        let _ = write!(
            self.body,
            "<h2>{} {}: {:.1} %</h2>\n<h3>Rate of each path, as its controller has it</h3>{rates}\
             <h3>Each path's own queue, as its controller sees it</h3>{queues}\
             <h3>What the resequencer holds longest (1), and packets waiting at the sender (2)</h3>{holds}\
             <h3>Window of the first flow</h3>{windows}\
             <h3>Round trip of the light flow</h3>{}",
            row.profile,
            row.load,
            row.share,
            light(lab)
        );
    }

    /// The page, with the table.
    pub fn finish(self, rows: &[Row]) -> String {
        let table: Vec<String> = rows.iter().map(table::show).collect();
        format!(
            "<!doctype html><meta charset=utf-8><title>{name}</title><style>{STYLE}</style>\n\
             <h1>{name}: {}</h1><pre>{}\n{}</pre>{}",
            self.profile.what,
            table::legend(),
            table.join("\n"),
            self.body,
            name = self.profile.name,
        )
    }
}

fn seconds(lab: &Lab) -> f64 {
    lab.now() as f64 / 1e6
}

fn widest(lab: &Lab) -> f64 {
    let links = lab.links.iter().map(|l| l.down.max(l.up));
    links.max().unwrap_or(1) as f64
}

/// One line per name that `of` gives.
fn lines(
    lab: &Lab,
    top: f64,
    unit: &'static str,
    of: impl Fn(&Sample) -> Vec<(u16, f64)>,
) -> String {
    let mut plot = Plot::new(seconds(lab), top, unit);
    let after = || lab.samples.iter().filter(|s| s.at >= 0);
    let mut names: Vec<u16> = after()
        .flat_map(|s| of(s).into_iter().map(|v| v.0))
        .collect();
    names.sort_unstable();
    names.dedup();
    for (i, name) in names.iter().enumerate() {
        let value = |s: &Sample| of(s).into_iter().find(|v| v.0 == *name).map(|v| v.1);
        let points: Vec<(f64, f64)> = after()
            .filter_map(|s| Some((s.at as f64 / 1e6, value(s)?)))
            .collect();
        plot.line(&points, COLORS[i % COLORS.len()]);
    }
    plot.finish()
}

fn light(lab: &Lab) -> String {
    let answers = lab.flows[0]
        .answers
        .iter()
        .filter(|(at, _)| *at >= lab.start);
    let points: Vec<(f64, f64)> = answers
        .map(|(at, rtt)| ((at - lab.start) as f64 / 1e6, *rtt as f64 / 1e3))
        .collect();
    let top = points.iter().map(|p| p.1).fold(50.0, f64::max);
    let mut plot = Plot::new(seconds(lab), top, "ms");
    plot.line(&points, COLORS[0]);
    plot.finish()
}
