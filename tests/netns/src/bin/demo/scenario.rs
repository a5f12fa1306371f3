//! What happens: a file down and up alone, then pooled, then with a line that goes silent in the middle.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use burstmesh_netns::Lab;
use burstmesh_netns::community::Community;
use burstmesh_netns::emulator::{Line, Way};
use burstmesh_netns::tools::http::HttpServer;
use burstmesh_netns::tools::ping::Pinger;
use burstmesh_netns::tools::transfer::{self, Running, Transfer};
use burstmesh_netns::units::Rate;

use crate::live::Live;
use crate::recorder::{Recorder, Recording, Step};
use crate::report;

/// Half a minute over one line of 20 Mbit/s.
const FILE: u64 = 75_000_000;
/// Long enough for a line to go and to come back.
const LONG_FILE: u64 = 110_000_000;
const LIMIT: Duration = Duration::from_secs(45);
const IDLE: Duration = Duration::from_secs(3);
/// For queues to drain before the next step.
const PAUSE: Duration = Duration::from_secs(1);
const PING_EVERY: Duration = Duration::from_millis(100);
const LOOK: Duration = Duration::from_millis(100);
const SILENT_AFTER: Duration = Duration::from_secs(5);
const UP_AFTER: Duration = Duration::from_secs(11);

/// The client whose file it is, in the home of the first line.
const CLIENT: &str = "c1";
/// The lender whose line is pulled.
const PULLED: &str = "gw2";

/// Runs all of it.
pub fn run(lab: &Lab, interrupted: &AtomicBool) -> Result<Recording> {
    let homes: Vec<_> = lab
        .topology()
        .homes
        .iter()
        .filter(|home| home.line.is_some())
        .collect();
    let rates: Vec<Rate> = homes
        .iter()
        .filter_map(|home| home.line.as_ref()?.down().rate)
        .collect();
    let lines: Vec<Line> = homes
        .iter()
        .map(|home| lab.line(&home.name).clone())
        .collect();
    let server = Arc::new(HttpServer::start(lab, "web", 80)?);
    let mut stage = Stage {
        lab,
        live: Live::new(&rates)?,
        recorder: Recorder::start(lines),
        interrupted,
        recording: Recording {
            lines: rates,
            samples: Vec::new(),
            steps: Vec::new(),
            marks: Vec::new(),
        },
        pooled: false,
    };
    let web = lab.link("web")?.v4;
    let file = server.publish("file", FILE, web)?;
    let long_file = server.publish("long-file", LONG_FILE, web)?;
    let to = server.url(web, "up/file");
    let down = |url: &str| transfer::start_download(lab, CLIENT, url, LIMIT);
    let up = || transfer::start_upload(lab, CLIENT, &server, &to, FILE, LIMIT);

    stage.idle("Idle, own line")?;
    stage.transfer("Download, own line alone", Way::Down, FILE, || down(&file))?;
    stage.transfer("Upload, own line alone", Way::Up, FILE, up)?;
    stage.live.say("\nstarting the exit and the three gateways");
    let community = Community::up(lab)?;
    community.wait_all_pooling(Duration::from_secs(15))?;
    stage.pooled = true;
    stage.idle("Idle, pooled")?;
    stage.transfer("Download, pooled", Way::Down, FILE, || down(&file))?;
    stage.transfer("Upload, pooled", Way::Up, FILE, up)?;
    stage.transfer(PULL, Way::Down, LONG_FILE, || down(&long_file))?;
    stage.recording.samples = stage.recorder.samples();
    Ok(stage.recording)
}

/// The step in which a line goes silent.
const PULL: &str = "Download, pooled, home 2's line pulled";

struct Stage<'a> {
    lab: &'a Lab,
    live: Live,
    recorder: Recorder,
    interrupted: &'a AtomicBool,
    recording: Recording,
    pooled: bool,
}

impl Stage<'_> {
    /// Nothing but a ping.
    fn idle(&mut self, title: &'static str) -> Result<()> {
        let begun = Instant::now();
        self.step(title, Way::Down, 0, |stage, pinger| {
            while begun.elapsed() < IDLE {
                stage.look(Way::Down, 0, pinger)?;
            }
            Ok(None)
        })
    }

    fn transfer(
        &mut self,
        title: &'static str,
        way: Way,
        bytes: u64,
        start: impl FnOnce() -> Result<Running>,
    ) -> Result<()> {
        self.step(title, way, bytes, |stage, pinger| {
            let running = start()?;
            let mut pull: &[_] = if title == PULL {
                &[(SILENT_AFTER, true), (UP_AFTER, false)]
            } else {
                &[]
            };
            while !running.ended() {
                stage.look(way, running.received(), pinger)?;
                if let [(when, silent), rest @ ..] = pull
                    && running.begun().elapsed() >= *when
                {
                    stage.pull(*silent)?;
                    pull = rest;
                }
            }
            running.finish().map(Some)
        })
    }

    /// One step with a ping of its own beside it: a flow stays on the road it began on, so an old ping would go on
    /// over the own line.
    fn step(
        &mut self,
        title: &'static str,
        way: Way,
        bytes: u64,
        work: impl FnOnce(&mut Self, &Pinger) -> Result<Option<Transfer>>,
    ) -> Result<()> {
        self.live.step(title, bytes);
        let (begun, noise) = (self.recorder.now(), self.lab.lateness()?);
        let pinger = Pinger::start(self.lab, CLIENT, self.lab.link("web")?.v4, PING_EVERY, 56)?;
        let transfer = work(self, &pinger)?;
        let ended = self.recorder.now();
        let late = self.lab.lateness()?.since(&noise).percentile(99.0);
        // The last ones asked for may still be answered.
        sleep(PAUSE);
        let mut ping = pinger.stop()?;
        let sent_at = |number: u32| begun + f64::from(number - 1) * PING_EVERY.as_secs_f64();
        let answered = |number: &u32| ping.replies.iter().any(|reply| reply.number == *number);
        // What was sent last had no time to be answered, and what was sent after the step does not belong to it.
        let lost = (1..=ping.sent)
            .filter(|number| !answered(number))
            .map(sent_at)
            .filter(|at| *at < ended)
            .collect();
        for reply in &mut ping.replies {
            reply.at = self.recorder.at_wall(reply.at);
        }
        ping.replies.retain(|reply| reply.at <= ended);
        let step = Step {
            title,
            pooled: self.pooled,
            way,
            span: (begun, ended),
            transfer,
            ping,
            lost,
            late,
        };
        self.live.say(format_args!(
            "  {}",
            report::summary(&step, &self.recording.lines)
        ));
        self.recording.steps.push(step);
        Ok(())
    }

    /// Shows how it stands; an error when someone wants to end.
    fn look(&mut self, way: Way, received: u64, pinger: &Pinger) -> Result<()> {
        sleep(LOOK);
        ensure!(!self.interrupted.load(Relaxed), "interrupted");
        let last = pinger.so_far().last().map(|reply| reply.rtt_ms);
        self.live
            .show(self.recorder.latest().way(way), received, last);
        Ok(())
    }

    fn pull(&mut self, silent: bool) -> Result<()> {
        let line = self.lab.line(PULLED);
        // In a few words for the plots, where there is little room.
        let (what, mark) = if silent {
            ("home 2's line goes silent", "line silent")
        } else {
            ("home 2's line is back", "back")
        };
        if silent {
            line.silent()?
        } else {
            line.up()?
        }
        self.live.say(format_args!("  {what}"));
        self.recording.marks.push((self.recorder.now(), mark));
        Ok(())
    }
}
