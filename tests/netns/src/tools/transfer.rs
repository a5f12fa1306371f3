//! Downloads and uploads by curl, with a record of what the receiver got and when.

use std::fs;
use std::io::Read as _;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};

use super::http::HttpServer;
use super::pattern;
use crate::lab::Lab;
use crate::packages;
use crate::units::Rate;

/// Width of one entry of [`Transfer::bins`].
pub const BIN: Duration = Duration::from_millis(100);
/// How long a transfer runs before its share counts.
pub const START: Duration = Duration::from_secs(5);
/// How often an upload's receiver is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// What became of one transfer.
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    /// Payload bytes that arrived in each 100 ms since the start.
    pub bins: Vec<u64>,
    /// Payload bytes that arrived.
    pub bytes: u64,
    /// From the start to the last byte.
    pub duration: Duration,
    /// From the start to the first byte.
    pub first_byte: Duration,
    /// The longest time without a byte, between the first and the last.
    pub longest_gap: Duration,
    /// curl ended well: the whole file arrived. False when it hit its time limit.
    pub complete: bool,
    /// Every byte that arrived was the right one; of an upload it is known only of a whole one.
    pub intact: bool,
    /// curl's exit code: 28 is the time limit, 56 a reset.
    pub exit_code: Option<i32>,
    /// What curl said.
    pub said: String,
}

impl Transfer {
    /// It was ended by its time limit alone, and all that had arrived was right.
    ///
    /// # Errors
    /// What curl said, if not.
    pub fn went_on(&self) -> Result<()> {
        ensure!(self.intact && self.exit_code == Some(28), "{}", self.said);
        Ok(())
    }

    /// Payload bits per second between `from` and the last byte.
    pub fn rate_after(&self, from: Duration) -> f64 {
        let skip = (from.as_millis() / BIN.as_millis()) as usize;
        let bytes: u64 = self.bins.iter().skip(skip).sum();
        let seconds = self.duration.saturating_sub(from).as_secs_f64();
        if seconds > 0.0 {
            bytes as f64 * 8.0 / seconds
        } else {
            0.0
        }
    }

    /// Payload bits per second between two moments since the start.
    pub fn rate_between(&self, from: Duration, to: Duration) -> f64 {
        let bin = |time: Duration| (time.as_millis() / BIN.as_millis()) as usize;
        let (first, last) = (bin(from), bin(to));
        let bytes: u64 = self.bins.iter().take(last).skip(first).sum();
        bytes as f64 * 8.0 / ((last.saturating_sub(first)).max(1) as f64 * BIN.as_secs_f64())
    }
}

/// Payload received after the first five seconds, over the sum of the lines' IP-level rates.
pub fn share(transfer: &Transfer, lines: &[Rate]) -> f64 {
    let sum: u64 = lines.iter().map(|rate| rate.bits_per_second()).sum();
    transfer.rate_after(START) / sum as f64
}

/// A transfer under way.
#[derive(Debug)]
pub struct Running {
    received: Arc<AtomicU64>,
    begun: Instant,
    thread: JoinHandle<Result<Transfer>>,
}

impl Running {
    /// Payload bytes received so far.
    pub fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// When it began.
    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// Whether it has ended.
    pub fn ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for its end.
    pub fn finish(self) -> Result<Transfer> {
        self.thread
            .join()
            .map_err(|_| anyhow!("the thread that watches a transfer panicked"))?
    }
}

/// Downloads `url` in the namespace `client` for at most `limit`.
pub fn download(lab: &Lab, client: &str, url: &str, limit: Duration) -> Result<Transfer> {
    start_download(lab, client, url, limit)?.finish()
}

/// Begins a download.
pub fn start_download(lab: &Lab, client: &str, url: &str, limit: Duration) -> Result<Running> {
    let mut curl = curl(lab, client, limit, &[url])?;
    let mut body = curl.stdout.take().context("curl has no output")?;
    Ok(watch(move |record| {
        let mut buffer = vec![0; 256 << 10];
        loop {
            let got = body.read(&mut buffer)?;
            if got == 0 {
                return record.end(curl);
            }
            record.arrived(buffer.get(..got).unwrap_or_default());
        }
    }))
}

/// Begins an upload of `bytes` checkable bytes from `client` to `server`, reached at `url` (a path beginning with
/// "up/"). The record is of what the server received; one upload at a time per server.
pub fn start_upload(
    lab: &Lab,
    client: &str,
    server: &Arc<HttpServer>,
    url: &str,
    bytes: u64,
    limit: Duration,
) -> Result<Running> {
    let source = lab.ns(client).dir().join(format!("send-{bytes}"));
    if fs::metadata(&source).map_or(0, |metadata| metadata.len()) != bytes {
        pattern::write_file(&source, bytes)?;
    }
    let path = url
        .splitn(4, '/')
        .nth(3)
        .context("an address without a path")?;
    let place = server.uploaded(path);
    // An earlier upload's file would look like bytes that have arrived.
    let _ = fs::remove_file(&place);
    for _ in 0..100 {
        if server.uploading() == 0 {
            break;
        }
        std::thread::sleep(LOOK);
    }
    let source = source.display().to_string();
    let mut curl = curl(lab, client, limit, &["-H", "Expect:", "-T", &source, url])?;
    let server = Arc::clone(server);
    Ok(watch(move |record| {
        record.intact = false;
        loop {
            let ended = curl.try_wait()?.is_some();
            let there = server
                .uploading()
                .max(fs::metadata(&place).map_or(0, |metadata| metadata.len()));
            record.reached(there);
            if ended {
                if place.exists() {
                    record.intact = pattern::file_matches(&place, bytes)?;
                }
                return record.end(curl);
            }
            std::thread::sleep(LOOK);
        }
    }))
}

/// Uploads and waits for the end.
pub fn upload(
    lab: &Lab,
    client: &str,
    server: &Arc<HttpServer>,
    url: &str,
    bytes: u64,
    limit: Duration,
) -> Result<Transfer> {
    start_upload(lab, client, server, url, bytes, limit)?.finish()
}

fn curl(lab: &Lab, client: &str, limit: Duration, arguments: &[&str]) -> Result<Child> {
    packages::require(&["curl"])?;
    let mut command = lab.ns(client).command("curl");
    command.args(["-q", "-sS", "-g", "--fail", "--connect-timeout", "10"]);
    command
        .arg("--max-time")
        .arg(format!("{:.3}", limit.as_secs_f64()))
        .args(arguments);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().context("cannot start curl")
}

fn watch(work: impl FnOnce(&mut Record) -> Result<Transfer> + Send + 'static) -> Running {
    let received = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let mut record = Record::new(begun, Arc::clone(&received));
    let thread = std::thread::spawn(move || work(&mut record));
    Running {
        received,
        begun,
        thread,
    }
}

/// What the receiver got, growing.
struct Record {
    begun: Instant,
    received: Arc<AtomicU64>,
    bins: Vec<u64>,
    bytes: u64,
    first: Option<Duration>,
    last: Duration,
    longest_gap: Duration,
    intact: bool,
}

impl Record {
    fn new(begun: Instant, received: Arc<AtomicU64>) -> Self {
        let (last, longest_gap) = (Duration::ZERO, Duration::ZERO);
        Self {
            begun,
            received,
            bins: Vec::new(),
            bytes: 0,
            first: None,
            last,
            longest_gap,
            intact: true,
        }
    }

    /// These bytes have just arrived.
    fn arrived(&mut self, data: &[u8]) {
        self.intact &= pattern::matches(self.bytes, data);
        self.reached(self.bytes + data.len() as u64);
    }

    /// So many bytes have arrived by now.
    fn reached(&mut self, bytes: u64) {
        if bytes <= self.bytes {
            return;
        }
        let now = self.begun.elapsed();
        let bin = (now.as_millis() / BIN.as_millis()) as usize;
        self.bins.resize(self.bins.len().max(bin + 1), 0);
        if let Some(bin) = self.bins.get_mut(bin) {
            *bin += bytes - self.bytes;
        }
        if self.first.replace(self.first.unwrap_or(now)).is_some() {
            self.longest_gap = self.longest_gap.max(now - self.last);
        }
        self.last = now;
        self.bytes = bytes;
        self.received.store(bytes, Relaxed);
    }

    fn end(&mut self, mut curl: Child) -> Result<Transfer> {
        let status = curl.wait()?;
        let mut said = String::new();
        if let Some(mut stderr) = curl.stderr.take() {
            stderr.read_to_string(&mut said)?;
        }
        // A transfer that hung to its limit had its longest gap at the end.
        let ended = self.begun.elapsed();
        if !status.success() {
            self.longest_gap = self.longest_gap.max(ended - self.last);
        }
        Ok(Transfer {
            bins: std::mem::take(&mut self.bins),
            bytes: self.bytes,
            duration: if status.success() { self.last } else { ended },
            first_byte: self.first.unwrap_or(ended),
            longest_gap: self.longest_gap,
            complete: status.success(),
            intact: self.intact,
            exit_code: status.code(),
            said: said.trim().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_leaves_out_the_start() {
        let transfer = Transfer {
            bins: [vec![1; 50], vec![500_000; 50]].concat(),
            bytes: 25_000_050,
            duration: Duration::from_secs(10),
            first_byte: Duration::ZERO,
            longest_gap: Duration::ZERO,
            complete: true,
            intact: true,
            exit_code: Some(0),
            said: String::new(),
        };
        assert!((share(&transfer, &[Rate::mbit(20); 3]) - 40.0 / 60.0).abs() < 1e-9);
        let middle = transfer.rate_between(Duration::from_secs(6), Duration::from_secs(7));
        assert!((middle - 40e6).abs() < 1.0);
    }
}
