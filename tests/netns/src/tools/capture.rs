//! tcpdump on an interface, and reading what it wrote.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::daemon::Daemon;
use crate::lab::Lab;
use crate::packages;

/// A running capture; dropping it ends it.
#[derive(Debug)]
pub struct Capture {
    daemon: Daemon,
    path: PathBuf,
}

/// A captured Ethernet frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// Time since 1970.
    pub at: Duration,
    /// The frame, its Ethernet header first (or IP at once, on a TUN).
    pub bytes: Vec<u8>,
}

impl Capture {
    /// Captures whole frames on `interface` of `ns` that match `filter` (tcpdump's language; empty: all).
    pub fn start(lab: &Lab, ns: &str, interface: &str, filter: &str) -> Result<Self> {
        packages::require(&["tcpdump"])?;
        let mut paths = (0..).map(|number| {
            lab.run_dir()
                .join(format!("{ns}-{interface}-{number}.pcap"))
        });
        let path = paths
            .find(|path| !path.exists())
            .context("no name for a capture")?;
        let mut command = lab.ns(ns).command("tcpdump");
        command.args([
            "-i",
            interface,
            "-n",
            "-U",
            "-s",
            "0",
            "-B",
            "16384",
            "--immediate-mode",
            "-Z",
            "root",
            "-w",
        ]);
        command.arg(&path).arg(filter);
        let log = path.with_extension("log");
        let mut daemon = Daemon::start("tcpdump", command, &log)?;
        daemon.wait_for_log("listening on", Duration::from_secs(5))?;
        Ok(Self { daemon, path })
    }

    /// Ends it and reads the frames.
    pub fn stop(mut self) -> Result<Vec<Captured>> {
        self.daemon.signal(libc::SIGINT)?;
        self.daemon.wait(Duration::from_secs(5))?;
        read(&self.path)
    }

    /// The file it writes.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Reads a capture file in tcpdump's classic format, as written on this machine.
pub fn read(path: &Path) -> Result<Vec<Captured>> {
    parse(&fs::read(path)?)
}

fn parse(data: &[u8]) -> Result<Vec<Captured>> {
    let (header, mut rest) = data.split_at_checked(24).context("no capture header")?;
    if header.get(..4) != Some(&0xa1b2_c3d4_u32.to_ne_bytes()[..]) {
        bail!("not a capture in microseconds");
    }
    let mut frames = Vec::new();
    while let Some((record, after)) = rest.split_at_checked(16) {
        let word = |at: usize| {
            record
                .get(at..at + 4)?
                .try_into()
                .ok()
                .map(u32::from_ne_bytes)
        };
        let (Some(seconds), Some(micros), Some(length)) = (word(0), word(4), word(8)) else {
            break;
        };
        // The last record may be cut off when tcpdump was killed.
        let Some((bytes, next)) = after.split_at_checked(length as usize) else {
            break;
        };
        frames.push(Captured {
            at: Duration::new(seconds.into(), micros * 1000),
            bytes: bytes.to_vec(),
        });
        rest = next;
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_and_a_cut_record_ends_the_file() {
        let mut file = 0xa1b2_c3d4_u32.to_ne_bytes().to_vec();
        file.extend([0; 20]);
        for word in [7u32, 5, 3, 3] {
            file.extend(word.to_ne_bytes());
        }
        file.extend([1, 2, 3, 9, 9]);
        let frames = parse(&file).unwrap();
        assert_eq!(
            frames,
            [Captured {
                at: Duration::new(7, 5000),
                bytes: vec![1, 2, 3]
            }]
        );
        assert!(parse(&[0; 30]).is_err());
    }
}
