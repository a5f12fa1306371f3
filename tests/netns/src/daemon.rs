//! A long-running program in a namespace, its log in a file, its end certain.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::sys;

/// How long a program may take to end by itself when its handle is dropped.
const GRACE: Duration = Duration::from_millis(500);

/// A running program; dropping the handle ends it (SIGTERM, then SIGKILL).
#[derive(Debug)]
pub struct Daemon {
    name: String,
    child: Child,
    log: PathBuf,
    log_begin: u64,
}

impl Daemon {
    /// Starts `command` with standard output and error in the file `log`.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .context("cannot make a log file")?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let log_begin = fs::metadata(log)?.len();
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self {
            name: name.into(),
            child,
            log: log.into(),
            log_begin,
        })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its log file.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// What it has said so far; an earlier run's words in the same file are left out.
    pub fn log(&self) -> String {
        let all = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(all.get(self.log_begin as usize..).unwrap_or_default()).into_owned()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until the log contains `text`; fails, showing the log, when it ends first or time runs out.
    pub fn wait_for_log(&mut self, text: &str, limit: Duration) -> Result<()> {
        self.wait_until(limit, |daemon| Ok(daemon.log().contains(text)))
            .with_context(|| format!("{} never said \"{text}\"", self.name))
    }

    /// Waits until `ready` says so, looking every 10 ms.
    pub fn wait_until(
        &mut self,
        limit: Duration,
        mut ready: impl FnMut(&Self) -> Result<bool>,
    ) -> Result<()> {
        let begun = Instant::now();
        loop {
            if ready(self)? {
                return Ok(());
            }
            if let Some(status) = self.ended()? {
                bail!(
                    "{} ended with {status}; its log:\n{}",
                    self.name,
                    self.log()
                );
            }
            if begun.elapsed() > limit {
                bail!(
                    "{} was not ready after {limit:?}; its log:\n{}",
                    self.name,
                    self.log()
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for its end.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if begun.elapsed() > limit {
                bail!(
                    "{} still runs after {limit:?}; its log:\n{}",
                    self.name,
                    self.log()
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends any signal (`libc::SIGHUP`, ...).
    pub fn signal(&self, signal: i32) -> Result<()> {
        sys::signal(self.pid(), signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// Asks it to end (SIGTERM) and waits.
    pub fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.signal(libc::SIGTERM)?;
        self.wait(limit)
    }

    /// Kills it (SIGKILL), as a crash or a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(libc::SIGKILL)?;
        self.child.wait().map(drop).map_err(|error| anyhow!(error))
    }

    /// Stops it where it stands (SIGSTOP): it hangs.
    pub fn freeze(&self) -> Result<()> {
        self.signal(libc::SIGSTOP)
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&self) -> Result<()> {
        self.signal(libc::SIGCONT)
    }

    /// Whether anything listens on this TCP port in its namespace.
    pub fn listens_on(&self, port: u16) -> bool {
        let listening = |table: &str| {
            let text =
                fs::read_to_string(format!("/proc/{}/net/{table}", self.pid())).unwrap_or_default();
            text.lines().any(|line| {
                let mut words = line.split_whitespace().skip(1);
                // "<address>:<port>", the other end, and 0A for LISTEN.
                words
                    .next()
                    .is_some_and(|local| local.ends_with(&format!(":{port:04X}")))
                    && words.nth(1) == Some("0A")
            })
        };
        listening("tcp") || listening("tcp6")
    }

    /// Its memory and processor time now.
    pub fn usage(&self) -> Result<Usage> {
        Usage::of(self.pid())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // Failing to signal means it ended just now; a frozen one must be thawed to hear SIGTERM.
        let _ = self.signal(libc::SIGTERM);
        let _ = self.thaw();
        if self.wait(GRACE).is_err() {
            let _ = self.kill();
        }
    }
}

/// What a process uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory in KiB.
    pub rss_kib: u64,
    /// The same without the pages of the system's C library and its loader, which all programs share, and which a router's static
    /// binary does not have.
    pub own_rss_kib: u64,
    /// The most resident memory it ever had, in KiB.
    pub peak_rss_kib: u64,
    /// Processor time of all its threads outside the kernel, in 10 ms steps.
    pub user: Duration,
    /// The same with that in the kernel, to the nanosecond.
    pub cpu: Duration,
}

impl Usage {
    /// Reads /proc for the process `pid`.
    pub fn of(pid: u32) -> Result<Self> {
        let status =
            fs::read_to_string(format!("/proc/{pid}/status")).context("the process is gone")?;
        let kib = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok())
                .with_context(|| format!("no {field}"))
        };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name may hold spaces; fields count from behind its closing bracket (state is field 3 of proc(5)).
        let fields: Vec<_> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let ticks = |field: usize| {
            fields
                .get(field - 3)
                .and_then(|text| text.parse::<u64>().ok())
                .unwrap_or(0)
        };
        let time = |ticks: u64| Duration::from_millis(ticks * 1000 / sys::clock_ticks());
        Ok(Self {
            rss_kib: kib("VmRSS:")?,
            own_rss_kib: kib("VmRSS:")?.saturating_sub(shared_kib(pid)?),
            peak_rss_kib: kib("VmHWM:")?,
            user: time(ticks(14)),
            cpu: sys::processor_time(pid)?,
        })
    }
}

/// Resident KiB of the system's C library and its loader in a process.
fn shared_kib(pid: u32) -> Result<u64> {
    let maps = fs::read_to_string(format!("/proc/{pid}/smaps")).context("the process is gone")?;
    let (mut shared, mut sum) = (false, 0);
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("Rss:") if shared => sum += words.next().and_then(|n| n.parse().ok()).unwrap_or(0),
            Some(word) if !word.ends_with(':') => {
                shared = ["libc.so", "libc-", "ld-linux", "ld-musl"]
                    .iter()
                    .any(|name| line.contains(name));
            }
            _ => {}
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_usage_can_be_read() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.rss_kib > 100 && usage.peak_rss_kib >= usage.rss_kib);
        // This test is linked to it.
        assert!(usage.own_rss_kib > 100 && usage.own_rss_kib < usage.rss_kib);
    }
}
