//! Tests that run beside the ring `netns`, on what that leaves of the processor.
//!
//! Virtual machines keep a time of their own, so that they may be starved; the namespace lab waits for its lines most of the time, and
//! leaves much. At idle priority (SCHED_IDLE) the one does not take from the other: whatever else becomes ready runs at once.

use crate::process;
use anyhow::{Context as _, Result, ensure};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

/// What waits for the ring `netns`, or runs beside it.
pub struct Meanwhile {
    /// That ring is to come.
    to_come: bool,
    waiting: Mutex<Option<Command>>,
    running: Mutex<Option<Running>>,
}

struct Running {
    child: Child,
    begun: Instant,
    what: String,
}

impl Meanwhile {
    /// `to_come`: the ring `netns` will be run.
    pub fn new(to_come: bool) -> Self {
        Self {
            to_come,
            waiting: Mutex::default(),
            running: Mutex::default(),
        }
    }

    /// Runs tests whose programs are built: beside the ring `netns`, or where that does not come, now.
    ///
    /// # Errors
    /// When they failed.
    pub fn run(&self, mut tests: Command) -> Result<()> {
        if !self.to_come {
            return process::run(&mut tests);
        }
        println!("its machines run beside the ring `netns`");
        *slot(&self.waiting) = Some(tests);
        Ok(())
    }

    /// Something waits for the ring `netns`.
    pub fn waits(&self) -> bool {
        slot(&self.waiting).is_some()
    }

    /// Starts what waits.
    ///
    /// # Errors
    /// When it does not start.
    pub fn begin(&self) -> Result<()> {
        let Some(tests) = slot(&self.waiting).take() else {
            return Ok(());
        };
        let said = said();
        let file = File::create(&said).with_context(|| said.display().to_string())?;
        let mut idle = at_idle_priority(&tests);
        idle.stdout(file.try_clone()?).stderr(file);
        let what = process::line(&idle);
        println!("$ {what} &");
        *slot(&self.running) = Some(Running {
            child: idle.spawn().context("cannot start `chrt`")?,
            begun: Instant::now(),
            what,
        });
        Ok(())
    }

    /// Waits for it and prints what it said.
    ///
    /// # Errors
    /// When it failed.
    pub fn end(&self) -> Result<()> {
        let Some(mut running) = slot(&self.running).take() else {
            return Ok(());
        };
        let waited = Instant::now();
        let status = running.child.wait();
        println!("ended: {}", running.what);
        print!("{}", std::fs::read_to_string(said())?);
        println!(
            "{:.0} s beside others, {:.0} s of them waited for",
            running.begun.elapsed().as_secs_f64(),
            waited.elapsed().as_secs_f64()
        );
        let status = status.context("what ran meanwhile is gone")?;
        ensure!(status.success(), "failed: {}", running.what);
        Ok(())
    }
}

/// Who fails meanwhile leaves nothing running.
impl Drop for Meanwhile {
    fn drop(&mut self) {
        if let Some(mut running) = slot(&self.running).take() {
            end_with_children(&running.child.id().to_string());
            let _ = running.child.wait();
        }
    }
}

fn said() -> PathBuf {
    process::root().join("target/meanwhile.log")
}

fn slot<T>(slot: &Mutex<T>) -> MutexGuard<'_, T> {
    slot.lock().unwrap_or_else(|e| e.into_inner())
}

fn at_idle_priority(tests: &Command) -> Command {
    let mut idle = process::command("chrt");
    idle.args(["--idle", "0"]).arg(tests.get_program());
    idle.args(tests.get_args());
    for (name, value) in tests.get_envs() {
        match value {
            Some(value) => idle.env(name, value),
            None => idle.env_remove(name),
        };
    }
    idle
}

/// Who has been told to end starts no more children: so parents first.
fn end_with_children(pid: &str) {
    let children = process::output(Command::new("pgrep").args(["--parent", pid]));
    let _ = Command::new("kill").arg(pid).status();
    for child in children.unwrap_or_default().lines() {
        end_with_children(child);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader};
    use std::path::Path;

    #[test]
    fn who_is_ended_leaves_no_children() {
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 60 & echo $!; wait"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(shell.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert!(Path::new("/proc").join(line.trim()).exists());
        end_with_children(&shell.id().to_string());
        assert!(!shell.wait().unwrap().success());
        // Its output closes when the last one that holds it is gone.
        assert_eq!(said.read_line(&mut line).unwrap(), 0);
    }

    #[test]
    fn what_has_nothing_to_run_beside_runs_at_once() {
        let at_once = Meanwhile::new(false);
        assert!(at_once.run(Command::new("false")).is_err());
        assert!(at_once.run(Command::new("true")).is_ok());
        assert!(!at_once.waits());
    }

    #[test]
    fn what_failed_beside_others_has_failed() {
        let beside = Meanwhile::new(true);
        let mut tests = Command::new("sh");
        // SCHED_IDLE is policy 5, which is the 41st field (proc(5)).
        let is_idle = "[ $(cut -d' ' -f41 /proc/self/stat) = $POLICY ]";
        tests.args(["-c", is_idle]).env("POLICY", "5");
        beside.run(tests).unwrap();
        assert!(beside.waits());
        beside.begin().unwrap();
        beside.end().unwrap();
        beside.run(Command::new("false")).unwrap();
        beside.begin().unwrap();
        assert!(beside.end().is_err());
    }
}
