//! Taking turns on the machine, and removing what this or a dead run left behind.

use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{packages, sys};

const NAMES: &str = "/run/netns";
const KEPT_RUNS: usize = 10;
const LARGE_FILE: u64 = 8 << 20;

/// Where all runs keep their files.
pub(super) fn runs_dir() -> PathBuf {
    std::env::temp_dir().join("burstmesh-lab")
}

/// With whom a lab shares the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nobody: it fills the machine, or measures what others would disturb.
    Alone,
    /// With labs of the same kind.
    Beside,
}

/// Waits until the machine is free. The turn ends when the file is closed.
pub(super) fn take_turn(turn: Turn) -> Result<File> {
    let file = lock_file("lock")?;
    match turn {
        Turn::Alone => file.lock(),
        Turn::Beside => file.lock_shared(),
    }
    .context("cannot wait for the machine")?;
    Ok(file)
}

fn lock_file(name: &str) -> Result<File> {
    fs::create_dir_all(runs_dir())?;
    let mut options = File::options();
    Ok(options
        .create(true)
        .append(true)
        .open(runs_dir().join(name))?)
}

/// Removes namespaces and processes of runs whose process is dead. Call it only while holding a turn.
pub fn clean_leftovers() -> Result<()> {
    // Two that begin beside each other must not remove the same.
    let cleaning = lock_file("cleaning")?;
    cleaning.lock().context("cannot wait for the others")?;
    let dead: HashSet<_> = names(NAMES)
        .filter_map(|name| owner(&name))
        .filter(|pid| !sys::alive(*pid))
        .collect();
    for pid in dead {
        let prefix = format!("bm{pid}-");
        let all: Vec<_> = names(NAMES)
            .filter(|name| name.starts_with(&prefix))
            .collect();
        end_processes(&all);
        delete_namespaces(&prefix)?;
    }
    Ok(())
}

/// Removes the folders of all but the newest finished runs, so that a failure's logs can still be read.
pub(super) fn prune_runs() {
    let folders = names(runs_dir())
        .filter(|name| owner(name).is_some_and(|pid| !sys::alive(pid)))
        .map(|name| runs_dir().join(name));
    let mut dated: Vec<_> = folders
        .filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path)))
        .collect();
    dated.sort();
    for (_, path) in dated.iter().rev().skip(KEPT_RUNS) {
        let _ = fs::remove_dir_all(path);
    }
}

/// Removes what is large in a run's folder and leaves its logs and captures.
pub(super) fn remove_large_files(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => remove_large_files(&entry.path()),
            Ok(metadata) if metadata.is_file() && metadata.len() > LARGE_FILE => {
                drop(fs::remove_file(entry.path()))
            }
            _ => {}
        }
    }
}

/// Ends every process inside these namespaces.
pub(super) fn end_processes(namespaces: &[String]) {
    let inodes: HashSet<_> = namespaces
        .iter()
        .filter_map(|name| inode(&Path::new(NAMES).join(name)))
        .collect();
    for pid in names("/proc").filter_map(|name| name.parse::<u32>().ok()) {
        if inode(Path::new(&format!("/proc/{pid}/ns/net")))
            .is_some_and(|found| inodes.contains(&found))
        {
            // It may have ended meanwhile.
            let _ = sys::signal(pid, libc::SIGKILL);
        }
    }
}

/// Deletes the namespaces whose name begins with `prefix`.
pub(super) fn delete_namespaces(prefix: &str) -> Result<()> {
    for name in names(NAMES).filter(|name| name.starts_with(prefix)) {
        let output = Command::new(packages::locate("ip"))
            .args(["netns", "delete", &name])
            .output()?;
        if !output.status.success() {
            bail!(
                "cannot delete namespace {name}: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
    }
    Ok(())
}

/// The process that a namespace or folder called "bm<pid>-<n>..." belongs to.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix("bm")?.split('-').next()?.parse().ok()
}

fn names(dir: impl AsRef<Path>) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

fn inode(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|metadata| metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_have_an_owner() {
        assert_eq!(owner("bm4711-0-gw1"), Some(4711));
        assert_eq!(owner("bmx-0"), None);
        assert_eq!(owner("vpn"), None);
    }
}
