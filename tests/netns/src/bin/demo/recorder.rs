//! What the demonstration writes down: what each line carries, and what came of each step.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use burstmesh_netns::emulator::{Line, Way};
use burstmesh_netns::tools::ping::PingReport;
use burstmesh_netns::tools::transfer::Transfer;
use burstmesh_netns::units::Rate;

/// How often the lines are looked at.
const INTERVAL: Duration = Duration::from_millis(200);

/// Everything the page is made from. Times are seconds since the recording began.
pub struct Recording {
    /// The rate of each home's line; the first is the one of the home that transfers.
    pub lines: Vec<Rate>,
    /// What they carried.
    pub samples: Vec<Sample>,
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// What happened to a line, and when.
    pub marks: Vec<(f64, &'static str)>,
}

/// What the lines carried since the sample before, in IP-level bits per second, one number a line.
#[derive(Clone, Default)]
pub struct Sample {
    /// When it was taken.
    pub at: f64,
    /// Towards the homes.
    pub down: Vec<f64>,
    /// Towards the Internet.
    pub up: Vec<f64>,
}

impl Sample {
    /// One direction of it.
    pub fn way(&self, way: Way) -> &[f64] {
        match way {
            Way::Down => &self.down,
            Way::Up => &self.up,
        }
    }
}

/// One part of the demonstration.
pub struct Step {
    /// What it is called.
    pub title: &'static str,
    /// Whether the pool carries it, or the own line alone.
    pub pooled: bool,
    /// The direction that counts.
    pub way: Way,
    /// From when to when.
    pub span: (f64, f64),
    /// What came of the file; none when nothing was transferred.
    pub transfer: Option<Transfer>,
    /// The ping beside it, with the round trips placed at the time of their answer.
    pub ping: PingReport,
    /// When the pings were sent that got no answer.
    pub lost: Vec<f64>,
    /// How late the emulator sent 99 % of its packets: the machine's own noise.
    pub late: Duration,
}

/// Looks at the lines from a thread of its own until it is dropped.
pub struct Recorder {
    begun: Instant,
    begun_wall: f64,
    samples: Arc<Mutex<Vec<Sample>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Begins to record.
    pub fn start(lines: Vec<Line>) -> Self {
        let begun = Instant::now();
        let (samples, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let thread = {
            let (samples, stop) = (Arc::clone(&samples), Arc::clone(&stop));
            thread::spawn(move || watch(&lines, begun, &samples, &stop))
        };
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            begun,
            begun_wall: wall.as_secs_f64(),
            samples,
            stop,
            thread: Some(thread),
        }
    }

    /// Seconds since the beginning.
    pub fn now(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// The same moment given by the wall clock.
    pub fn at_wall(&self, seconds: f64) -> f64 {
        seconds - self.begun_wall
    }

    /// The newest sample.
    pub fn latest(&self) -> Sample {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.last().cloned().unwrap_or_default()
    }

    /// All samples so far.
    pub fn samples(&self) -> Vec<Sample> {
        self.samples
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(lines: &[Line], begun: Instant, samples: &Mutex<Vec<Sample>>, stop: &AtomicBool) {
    let read = |way| -> Vec<u64> {
        lines
            .iter()
            .map(|line| line.traffic(way).delivered.bytes)
            .collect()
    };
    let mut last = (0.0, read(Way::Down), read(Way::Up));
    while !stop.load(Relaxed) {
        thread::sleep(INTERVAL);
        let now = (
            begun.elapsed().as_secs_f64(),
            read(Way::Down),
            read(Way::Up),
        );
        let seconds = now.0 - last.0;
        let rates = |now: &[u64], then: &[u64]| -> Vec<f64> {
            now.iter()
                .zip(then)
                .map(|(now, then)| (now - then) as f64 * 8.0 / seconds)
                .collect()
        };
        let sample = Sample {
            at: now.0,
            down: rates(&now.1, &last.1),
            up: rates(&now.2, &last.2),
        };
        samples
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(sample);
        last = now;
    }
}
