//! A ring of tests: one thing the project promises, with a heading, a time and an outcome.

use crate::meanwhile::Meanwhile;
use crate::process;
use crate::setup::Purpose;
use anyhow::Result;
use std::time::{Duration, Instant};

/// How to run the rings.
pub struct Options {
    /// Also what takes minutes.
    pub long: bool,
    /// What runs beside the ring `netns`.
    pub meanwhile: Meanwhile,
}

/// One ring.
pub struct Ring {
    /// Name on the command line.
    pub name: &'static str,
    /// What it shows, for the heading.
    pub what: &'static str,
    /// What must be installed.
    pub needs: &'static [Purpose],
    /// Anything else that must be so: `Some` is the reason why it cannot run here.
    pub obstacle: fn() -> Option<String>,
    pub run: fn(&Options) -> Result<()>,
}

/// What came of a ring.
pub enum Outcome {
    Passed(Duration),
    /// What it is about waits for the ring `netns`, and runs beside that.
    Built(Duration),
    Skipped(String),
    Failed(anyhow::Error),
}

impl Ring {
    /// Why this machine cannot run it.
    pub fn reason_to_skip(&self) -> Option<String> {
        let missing: Vec<String> = self
            .needs
            .iter()
            .flat_map(|purpose| purpose.missing())
            .map(|tool| tool.to_string())
            .collect();
        if !missing.is_empty() {
            return Some(format!("not installed: {}", missing.join(", ")));
        }
        (self.obstacle)()
    }

    /// Runs it under its heading.
    pub fn run(&self, options: &Options) -> Outcome {
        println!("\n━━━ {}: {}", self.name, self.what);
        if let Some(reason) = self.reason_to_skip() {
            println!("!!! SKIPPED {}: {reason}", self.name);
            return Outcome::Skipped(reason);
        }
        let start = Instant::now();
        match (self.run)(options) {
            Ok(()) if options.meanwhile.waits() => Outcome::Built(start.elapsed()),
            Ok(()) => Outcome::Passed(start.elapsed()),
            Err(error) => Outcome::Failed(error),
        }
    }
}

/// Nothing else is needed.
pub fn no_obstacle() -> Option<String> {
    None
}

/// Network namespaces and TUN devices need root and a kernel that allows them; containers often have neither.
pub fn namespaces_obstacle() -> Option<String> {
    if !process::is_root() {
        return Some("network namespaces need root".to_owned());
    }
    if process::output(process::command("unshare").args(["--net", "true"])).is_err() {
        return Some("the kernel allows no network namespace here".to_owned());
    }
    let tun = std::path::Path::new("/dev/net/tun").exists();
    (!tun).then(|| "there is no /dev/net/tun".to_owned())
}
