//! Commands in the machine, over its second serial line: one line in, what it prints and its status out.

use anyhow::{Result, bail, ensure};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Begins the line that ends an answer; see `guest/init`.
const MARK: &str = "@@ ";
/// More would not fit the terminal's buffer.
const LONGEST: usize = 3000;

/// The line to a machine.
pub struct Shell {
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Shell {
    /// Over the machine's input and output.
    pub fn new(input: ChildStdin, output: ChildStdout) -> Self {
        let (sender, lines) = channel();
        // A thread of its own, because reading a pipe knows no time limit. It ends with the machine.
        std::thread::spawn(move || {
            let mut reader = BufReader::new(output);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                if sender.send(text).is_err() {
                    return;
                }
                line.clear();
            }
        });
        Self { input, lines }
    }

    /// Waits for the first mark: the machine is up.
    pub fn wait_ready(&mut self, limit: Duration) -> Result<()> {
        self.answer("booting", limit).map(drop)
    }

    /// Runs one line.
    pub fn run(&mut self, command: &str, limit: Duration) -> Result<(i32, String)> {
        ensure!(
            !command.contains('\n') && command.len() < LONGEST,
            "no short line: {command}"
        );
        writeln!(self.input, "{command}")?;
        self.input.flush()?;
        self.answer(command, limit)
    }

    fn answer(&mut self, what: &str, limit: Duration) -> Result<(i32, String)> {
        let begun = Instant::now();
        let mut said = String::new();
        loop {
            let left = limit.saturating_sub(begun.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    if let Some(status) = line.strip_prefix(MARK) {
                        return Ok((status.trim().parse()?, said.trim().to_owned()));
                    }
                    said += &line;
                    said.push('\n');
                }
                Err(RecvTimeoutError::Timeout) => {
                    bail!("`{what}` did not end within {limit:?}; so far: {said}")
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("the machine ended during `{what}`; so far: {said}")
                }
            }
        }
    }
}
