//! A ring that runs beside another one, on what that leaves of the processor.
//!
//! Virtual machines keep a time of their own, so that they may be starved; the namespace lab waits for its lines most of the time, and
//! leaves much. At idle priority (SCHED_IDLE) the one does not take from the other: whatever else becomes ready runs at once.

use crate::process;
use anyhow::{Context as _, Result, ensure};
use std::fs::File;
use std::process::{Child, Command};
use std::sync::Mutex;
use std::time::Instant;

/// Rings to run meanwhile; nothing, where they have all been run in their turn.
#[derive(Default)]
pub struct Meanwhile {
    rings: Vec<&'static str>,
    long: bool,
    running: Mutex<Option<Running>>,
}

struct Running {
    child: Child,
    begun: Instant,
}

impl Meanwhile {
    pub fn new(rings: Vec<&'static str>, long: bool) -> Self {
        Self {
            rings,
            long,
            running: Mutex::default(),
        }
    }

    /// Starts them: `cargo xtask test` once more.
    ///
    /// # Errors
    /// When it does not start.
    pub fn begin(&self) -> Result<()> {
        if self.rings.is_empty() {
            return Ok(());
        }
        let said = self.said();
        let file = File::create(&said).with_context(|| said.display().to_string())?;
        let mut command = process::command("chrt");
        command.args(["--idle", "0"]);
        // By way of cargo: other rings have built our own file anew since.
        command.arg(process::cargo().get_program());
        command.args(["xtask", "test"]);
        for ring in &self.rings {
            command.args(["--only", ring]);
        }
        command.args(self.long.then_some("--long"));
        command.stdout(file.try_clone()?).stderr(file);
        println!("$ {} &", process::line(&command));
        *self.slot() = Some(Running {
            child: command.spawn().context("cannot start `chrt`")?,
            begun: Instant::now(),
        });
        Ok(())
    }

    /// Waits for them and prints what they said.
    ///
    /// # Errors
    /// When one of them failed.
    pub fn end(&self) -> Result<()> {
        let Some(mut running) = self.slot().take() else {
            return Ok(());
        };
        let waited = Instant::now();
        let status = running.child.wait();
        print!("{}", std::fs::read_to_string(self.said())?);
        println!(
            "ended: ring {}, {:.0} s beside others, {:.0} s of them waited for",
            self.rings.join(", "),
            running.begun.elapsed().as_secs_f64(),
            waited.elapsed().as_secs_f64()
        );
        let status = status.context("what ran meanwhile is gone")?;
        ensure!(status.success(), "failed: {}", self.rings.join(", "));
        Ok(())
    }

    fn said(&self) -> std::path::PathBuf {
        let name = format!("target/meanwhile-{}.log", self.rings.join("-"));
        process::root().join(name)
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Who fails meanwhile leaves nothing running.
impl Drop for Meanwhile {
    fn drop(&mut self) {
        if let Some(mut running) = self.slot().take() {
            end_with_children(&running.child.id().to_string());
            let _ = running.child.wait();
        }
    }
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
    fn nothing_to_do_is_done() {
        let nothing = Meanwhile::default();
        nothing.begin().unwrap();
        nothing.end().unwrap();
    }
}
