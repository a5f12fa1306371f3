//! Runs `nft`, and waits for it no longer than it may take: the kernel's lock on rules can be held by others.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Shorter than whoever asks by the control socket waits.
const PATIENCE: Duration = Duration::from_secs(4);
/// How often a running child is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Runs `nft` with a script on its standard input; returns what it printed. Never called by the data thread.
pub(super) fn nft(arguments: &[&str], script: &str) -> Result<String> {
    let mut command = Command::new("nft");
    command
        .args(arguments)
        // Services are not told where sbin is by every supervisor.
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    run(&mut command, script, PATIENCE)
}

fn run(command: &mut Command, input: &str, patience: Duration) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("`nft` cannot be run: install the package nftables")?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    // All three at once: neither side ever waits for a full pipe.
    let (status, printed, said) = thread::scope(|scope| {
        // A script that nft does not read to its end is judged by nft's own exit code.
        scope.spawn(|| stdin.map(|mut pipe| pipe.write_all(input.as_bytes())));
        let printed = scope.spawn(|| drain(stdout));
        let said = scope.spawn(|| drain(stderr));
        let status = wait(&mut child, patience);
        (
            status,
            printed.join().unwrap_or_default(),
            said.join().unwrap_or_default(),
        )
    });
    if !status?.success() {
        bail!(
            "`nft` refuses: {}",
            said.lines().next().unwrap_or("no reason given")
        );
    }
    Ok(printed)
}

fn drain(pipe: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = pipe.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The child's end, or ours of patience: then it is killed, which closes its pipes too.
fn wait(child: &mut Child, patience: Duration) -> Result<ExitStatus> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().context("`nft`")? {
            return Ok(status);
        }
        if begun.elapsed() >= patience {
            let _ = child.kill();
            let _ = child.wait();
            bail!("`nft` did not end within {patience:?}");
        }
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_hangs_is_killed_and_said_so() {
        let begun = Instant::now();
        let error = run(
            Command::new("sleep").arg("60"),
            "",
            Duration::from_millis(100),
        );
        let text = error.unwrap_err().to_string();
        assert!(text.contains("did not end within 100ms"), "{text}");
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn more_than_a_pipe_holds_goes_in_and_comes_out() {
        let script = "x".repeat(1 << 20);
        let back = run(&mut Command::new("cat"), &script, Duration::from_secs(30));
        assert_eq!(back.unwrap().len(), script.len());
    }

    #[test]
    fn a_refusal_is_told_by_its_first_line() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo no such thing >&2; echo more >&2; exit 1"]);
        let error = run(&mut shell, "", Duration::from_secs(30)).unwrap_err();
        assert_eq!(error.to_string(), "`nft` refuses: no such thing");
    }
}
