//! The page: what was done, two plots, a table. One file that needs nothing else.

use std::fmt::Write as _;

use burstmesh_netns::emulator::Way;
use burstmesh_netns::tools::transfer::{Transfer, share};
use burstmesh_netns::units::Rate;

use crate::recorder::{Recording, Step};
use burstmesh_lab::plot::Plot;

const COLORS: [&str; 4] = ["#2f6fde", "#2aa876", "#f0a030", "#b05cc8"];
/// The lab, as the README draws it.
const PICTURE: &str = include_str!("../../../../../docs/img/overview.svg");
const STYLE: &str = "
body{font:15px/1.5 system-ui,sans-serif;max-width:1140px;margin:2em auto;padding:0 1em;color:#1c2430;background:#fff}
h1{margin-bottom:.2em}h2{margin:1.6em 0 .2em}svg{width:100%;height:auto}.picture svg{max-width:640px}
.cards{display:flex;flex-wrap:wrap;gap:1em;margin:1em 0}
.cards div{flex:1 1 14em;padding:.7em 1em;border-radius:.5em;background:#eef4fd;color:#456}
.cards b{display:block;font-size:1.9em;line-height:1.25;color:#1c2430}
.wide{overflow-x:auto}.wide svg{min-width:760px}
.wide svg text{font:11px system-ui,sans-serif;fill:#566}.wide svg .name{fill:#1c2430}.wide svg .levelname{fill:#a22}
.grid{stroke:#dde3ea}.odd{fill:#f3f6fa}.even{fill:none}.level{stroke:#c33;stroke-dasharray:6 4}
.moment{stroke:#c33;stroke-width:1.5}.loss{stroke:#c33;stroke-width:1.5}
table{border-collapse:collapse}td,th{padding:.3em .45em;font-size:14px;white-space:nowrap;text-align:right;border-bottom:1px solid #dde3ea}
td:first-child,th:first-child{text-align:left}tr.pooled{background:#eef7f2}
i{display:inline-block;width:.9em;height:.9em;margin:0 .3em 0 1em;vertical-align:-.1em}p.note{color:#566}
";

/// What a home's line is called.
pub fn line_name(index: usize) -> String {
    let whose = if index == 0 { "own line" } else { "lent" };
    format!("home {} ({whose})", index + 1)
}

/// One line about a step for the terminal.
pub fn summary(step: &Step, lines: &[Rate]) -> String {
    let ping = format!(
        "ping p50 {:.0} ms, p99 {:.0} ms, {} lost",
        p(step, 50.0),
        p(step, 99.0),
        step.lost.len()
    );
    let Some(transfer) = &step.transfer else {
        return ping;
    };
    format!(
        "{:.1} s, {:.1} Mbit/s, {:.0} % of the lines' sum, longest gap {:.0} ms; {ping}",
        transfer.duration.as_secs_f64(),
        rate(transfer) / 1e6,
        100.0 * share(transfer, lines),
        transfer.longest_gap.as_secs_f64() * 1e3,
    )
}

/// The whole page.
pub fn render(recording: &Recording) -> String {
    let count = recording.lines.len();
    let legend = (0..count).fold(String::new(), |mut legend, index| {
        let _ = write!(
            legend,
            "<i style='background:{}'></i>{}",
            color(index),
            line_name(index)
        );
        legend
    });
    format!(
        "<!doctype html>\n<html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\n\
         <title>burstmesh: demonstration</title><style>{STYLE}</style>\n\
         <h1>burstmesh: {count} lines, one connection</h1>\n\
         <p>One file over one TCP connection of a client in the first home, alone over its own line, and then over all \
         of them.</p>\n{}<div class=picture>{}</div>\n\
         <h2>Throughput of each line</h2><p class=note>{legend}; in the direction of the transfer, IP level, \
         stacked. Dashed: one's own line.</p>\n<div class=wide>{}</div>\
         <h2>Delay of a ping beside it</h2><p class=note>Round trip from the same client to the web server, ten a \
         second. Strokes at the bottom: pings without an answer.</p>\n<div class=wide>{}</div>\
         <h2>Results</h2>\n<div class=wide>{}</div><p class=note>Rate: payload the receiver got, over the whole \
         transfer. Share: payload after the first five seconds over the sum of all lines' IP-level rates, one that was \
         away included; one line alone can reach at most \
         {:.0} %. Real kernel TCP, one connection each, in network namespaces over emulated lines; the gateways \
         are told no rate. Lab late: 99 % of the packets left the emulated lines no later than this after \
         their time; where it is not far below the lines' delay, the machine was too busy to trust the row.</p>\n</html>\n",
        cards(recording),
        // In a page a drawing needs no name of its language.
        PICTURE.replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1),
        throughput(recording),
        delay(recording),
        table(recording),
        100.0 * own(recording) / sum(recording),
    )
}

/// What it comes to, at a glance.
fn cards(recording: &Recording) -> String {
    let of = |way, pooled| {
        let mut steps = recording.steps.iter();
        steps.find(|s| s.way == way && s.pooled == pooled && s.transfer.is_some())
    };
    let mut cards = String::from("<div class=cards>");
    for (way, verb) in [(Way::Down, "Download"), (Way::Up, "Upload")] {
        if let (Some(alone), Some(pooled)) = (of(way, false), of(way, true))
            && let (Some(before), Some(after)) = (&alone.transfer, &pooled.transfer)
        {
            let (before, after) = (rate(before), rate(after));
            let _ = write!(
                cards,
                "<div>{verb}<b>{:.1} Mbit/s</b>{:.1} times the {:.1} of the own line</div>",
                after / 1e6,
                after / before,
                before / 1e6
            );
        }
    }
    if let (Some(alone), Some(pooled)) = (of(Way::Down, false), of(Way::Down, true)) {
        let (before, after) = (p(alone, 50.0), p(pooled, 50.0));
        if before.is_finite() && after.is_finite() {
            let _ = write!(
                cards,
                "<div>Ping beside the download<b>{after:.0} ms</b>median; {before:.0} ms beside one over the own line</div>"
            );
        }
    }
    let pulled = recording.steps.iter().find(|s| {
        let marks = &mut recording.marks.iter();
        marks.any(|(at, _)| *at >= s.span.0 && *at <= s.span.1)
    });
    if let Some(transfer) = pulled.and_then(|s| s.transfer.as_ref()) {
        let whole = if transfer.complete && transfer.intact {
            "the file arrived whole"
        } else {
            "the file did <b>not</b> arrive whole"
        };
        let _ = write!(
            cards,
            "<div>A line goes silent in the middle<b>{:.0} ms</b>longest gap; {whole}</div>",
            transfer.longest_gap.as_secs_f64() * 1e3
        );
    }
    cards + "</div>\n"
}

fn throughput(recording: &Recording) -> String {
    let mut plot = stage(recording, sum(recording) / 1e6 * 1.1, "Mbit/s");
    for step in &recording.steps {
        let inside = |at: f64| at >= step.span.0 && at <= step.span.1 + 0.2;
        let samples: Vec<_> = recording
            .samples
            .iter()
            .filter(|sample| inside(sample.at))
            .collect();
        for index in 0..recording.lines.len() {
            let level = |rates: &[f64], lines: usize| rates.iter().take(lines).sum::<f64>() / 1e6;
            let points = samples.iter().map(|sample| {
                let rates = sample.way(step.way);
                (sample.at, level(rates, index), level(rates, index + 1))
            });
            plot.area(&points.collect::<Vec<_>>(), color(index));
        }
    }
    plot.level(own(recording) / 1e6, "one's own line");
    finish(plot, recording)
}

fn delay(recording: &Recording) -> String {
    let top = recording
        .steps
        .iter()
        .map(|step| step.ping.max())
        .filter(|ms| ms.is_finite());
    let mut plot = stage(recording, top.fold(20.0, f64::max) * 1.1, "ms");
    for step in &recording.steps {
        let points: Vec<_> = step
            .ping
            .replies
            .iter()
            .map(|reply| (reply.at, reply.rtt_ms))
            .collect();
        plot.line(&points, COLORS[0]);
        for at in &step.lost {
            plot.loss(*at);
        }
    }
    finish(plot, recording)
}

/// A plot with the steps named.
fn stage(recording: &Recording, y_max: f64, unit: &'static str) -> Plot {
    let end = recording.steps.last().map_or(1.0, |step| step.span.1);
    let mut plot = Plot::new(end, y_max, unit);
    for (index, step) in recording.steps.iter().enumerate() {
        plot.stretch(step.span, step.title, index % 2 == 1);
    }
    plot
}

fn finish(mut plot: Plot, recording: &Recording) -> String {
    for (at, what) in &recording.marks {
        plot.moment(*at, what);
    }
    plot.finish()
}

fn table(recording: &Recording) -> String {
    let mut rows = String::from(
        "<table><tr><th>Step<th>File<th>Time<th>Rate<th>Share of the sum<th>Longest gap<th>Ping p50<th>Ping p99\
         <th>Pings lost<th>Lab late</tr>\n",
    );
    for step in &recording.steps {
        let class = if step.pooled { " class=pooled" } else { "" };
        let _ = write!(
            rows,
            "<tr{class}><td>{}{}",
            step.title,
            transfer_cells(step.transfer.as_ref(), recording)
        );
        for percent in [50.0, 99.0] {
            let ms = p(step, percent);
            let _ = if ms.is_finite() {
                write!(rows, "<td>{ms:.0} ms")
            } else {
                write!(rows, "<td>no answer")
            };
        }
        let _ = writeln!(
            rows,
            "<td>{} of {}<td>{:.1} ms</tr>",
            step.lost.len(),
            step.lost.len() + step.ping.replies.len(),
            step.late.as_secs_f64() * 1e3,
        );
    }
    rows + "</table>\n"
}

fn transfer_cells(transfer: Option<&Transfer>, recording: &Recording) -> String {
    let Some(transfer) = transfer else {
        return "<td>–".repeat(5);
    };
    let whole = if transfer.complete && transfer.intact {
        ""
    } else {
        ", <b>not whole</b>"
    };
    format!(
        "<td>{:.0} MB{whole}<td>{:.1} s<td>{:.1} Mbit/s<td>{:.0} %<td>{:.0} ms",
        transfer.bytes as f64 / 1e6,
        transfer.duration.as_secs_f64(),
        rate(transfer) / 1e6,
        100.0 * share(transfer, &recording.lines),
        transfer.longest_gap.as_secs_f64() * 1e3,
    )
}

/// Payload bits per second over the whole transfer.
fn rate(transfer: &Transfer) -> f64 {
    transfer.bytes as f64 * 8.0 / transfer.duration.as_secs_f64().max(0.001)
}

fn p(step: &Step, percent: f64) -> f64 {
    step.ping.percentile(percent)
}

fn own(recording: &Recording) -> f64 {
    recording
        .lines
        .first()
        .map_or(0.0, |rate| rate.bits_per_second() as f64)
}

fn sum(recording: &Recording) -> f64 {
    recording
        .lines
        .iter()
        .map(|rate| rate.bits_per_second() as f64)
        .sum()
}

fn color(index: usize) -> &'static str {
    COLORS.get(index % COLORS.len()).copied().unwrap_or("gray")
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
