//! What the terminal shows while it happens: a bar for each line, one for the file. Without a terminal, a line of
//! text every few seconds.

use std::fmt::Display;
use std::io::{IsTerminal as _, stderr};
use std::time::{Duration, Instant};

use anyhow::Result;
use burstmesh_netns::units::Rate;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// The terminal.
pub struct Live {
    bars: MultiProgress,
    lines: Vec<ProgressBar>,
    file: ProgressBar,
    terminal: bool,
    said: Instant,
}

impl Live {
    /// Bars for lines of these rates.
    pub fn new(lines: &[Rate]) -> Result<Self> {
        let bars = MultiProgress::new();
        let style = ProgressStyle::with_template("  {prefix:<22} {bar:40.cyan/dim} {msg}")?
            .progress_chars("━━─");
        let lines = lines.iter().enumerate().map(|(index, rate)| {
            let bar = bars.add(ProgressBar::new(rate.bits_per_second()).with_style(style.clone()));
            bar.with_prefix(super::report::line_name(index))
        });
        let lines: Vec<_> = lines.collect();
        let style = ProgressStyle::with_template(
            "  {prefix:<22} {bar:40.green/dim} {bytes} of {total_bytes}, {elapsed}; ping {msg}",
        )?;
        let file = bars.add(
            ProgressBar::new(0)
                .with_style(style.progress_chars("━━─"))
                .with_prefix("file"),
        );
        Ok(Self {
            bars,
            lines,
            file,
            terminal: stderr().is_terminal(),
            said: Instant::now(),
        })
    }

    /// A new step begins, with a file of so many bytes.
    pub fn step(&mut self, title: impl Display, bytes: u64) {
        self.say(format_args!("\n{title}"));
        self.file.reset();
        self.file.set_length(bytes);
        self.said = Instant::now();
    }

    /// How it stands: bits per second of each line, bytes received, round trip of the last ping.
    pub fn show(&mut self, rates: &[f64], received: u64, ping_ms: Option<f64>) {
        for (bar, rate) in self.lines.iter().zip(rates) {
            bar.set_position(*rate as u64);
            bar.set_message(format!("{:5.1} Mbit/s", rate / 1e6));
        }
        let ping = ping_ms.map_or_else(|| "…".to_owned(), |ms| format!("{ms:.0} ms"));
        self.file.set_message(ping.clone());
        self.file.set_position(received);
        if !self.terminal && self.said.elapsed() >= PLAIN_EVERY {
            self.said = Instant::now();
            let each: Vec<_> = rates
                .iter()
                .map(|rate| format!("{:.1}", rate / 1e6))
                .collect();
            let (each, sum) = (each.join(" + "), rates.iter().sum::<f64>() / 1e6);
            println!(
                "  {each} = {sum:.1} Mbit/s, {} MB, ping {ping}",
                received / 1_000_000
            );
        }
    }

    /// Prints a line that stays.
    pub fn say(&self, text: impl Display) {
        self.bars.suspend(|| println!("{text}"));
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // Failing to draw leaves only an old bar on the screen.
        let _ = self.bars.clear();
    }
}
