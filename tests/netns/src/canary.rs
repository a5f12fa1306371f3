//! A plain line beside the measured ones: when even it is disturbed, the machine was too busy to judge anything.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::emulator::LatenessReading;
use crate::lab::Lab;
use crate::tools::ping::{PingReport, Pinger};

/// The canary's line.
pub(crate) const LINE: &str = "rate = \"20Mbit\"\ndelay = \"10ms\"";
/// The near end of the canary's line.
pub(crate) const NEAR: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// The far end of the canary's line.
pub(crate) const FAR: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
/// The round trip of an undisturbed canary packet: two delays, and its own time twice.
const ROUND_TRIP_MS: f64 = 20.0 + 2.0 * 0.411;
/// How much later than that [`MOST`] may be on a quiet machine.
const LATE_MS: f64 = 3.0;
/// How late the emulator itself may send [`MOST`] packets.
const EMULATOR_LATE: Duration = Duration::from_millis(2);
/// Percent of the packets that must be on time: a short measurement has a hundred of the canary's.
const MOST: f64 = 98.0;

/// A running canary.
#[derive(Debug)]
pub struct Canary {
    pinger: Pinger,
    lateness: LatenessReading,
}

/// What the canary felt.
#[derive(Debug)]
pub struct Verdict {
    /// Its own round trips.
    pub ping: PingReport,
    /// How late the emulator sent everybody's packets meanwhile.
    pub lateness: LatenessReading,
}

impl Canary {
    /// Starts the canary of a lab.
    pub fn start(lab: &Lab) -> Result<Self> {
        let lateness = lab.lateness()?;
        let pinger = Pinger::start(lab, "canary-a", FAR, Duration::from_millis(20), 1000)?;
        Ok(Self { pinger, lateness })
    }

    /// Stops it.
    pub fn stop(self, lab: &Lab) -> Result<Verdict> {
        Ok(Verdict {
            ping: self.pinger.stop()?,
            lateness: lab.lateness()?.since(&self.lateness),
        })
    }
}

impl Verdict {
    /// Whether what was measured meanwhile may be believed.
    pub fn quiet(&self) -> bool {
        // One may be under way when ping is stopped.
        self.ping.lost() <= 1
            && self.late_ms() < LATE_MS
            && self.lateness.percentile(MOST) < EMULATOR_LATE
    }

    /// How much later than undisturbed 98 % of the canary packets came at most, in milliseconds.
    pub fn late_ms(&self) -> f64 {
        self.ping.percentile(MOST) - ROUND_TRIP_MS
    }
}

/// Measures with a canary beside, again while the machine is noisy, at most `attempts` times. A noisy run is thrown
/// away, never averaged in; when all were noisy that is an error of the machine, and says so.
pub fn measure_quietly<T>(
    lab: &Lab,
    attempts: u32,
    mut measure: impl FnMut() -> Result<T>,
) -> Result<T> {
    let mut last = None;
    for attempt in 1..=attempts {
        let canary = Canary::start(lab)?;
        let measured = measure()?;
        let verdict = canary.stop(lab)?;
        if verdict.quiet() {
            return Ok(measured);
        }
        eprintln!(
            "noisy run {attempt} of {attempts} thrown away: {}",
            describe(&verdict)
        );
        last = Some(verdict);
    }
    let verdict = last.context("no attempt was made")?;
    bail!(
        "the machine was too busy to measure in {attempts} attempts; last: {}",
        describe(&verdict)
    )
}

fn describe(verdict: &Verdict) -> String {
    format!(
        "canary p98 {:.1} ms late, {} lost; emulator p98 {:?} late",
        verdict.late_ms(),
        verdict.ping.lost(),
        verdict.lateness.percentile(MOST)
    )
}
