//! A state directory with a configuration of its own, the commands on it, and the daemon.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::Namespace;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_burstmesh-proxy");

pub struct Home {
    pub dir: tempfile::TempDir,
}

impl Home {
    pub fn new() -> Self {
        let home = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        home.configure("metrics = \"off\"\n[nat]\nuplink = \"lo\"\n");
        home
    }

    /// Writes the configuration anew: `rest` goes behind the folders and the port.
    pub fn configure(&self, rest: &str) {
        let path = self.dir.path().display();
        let text = format!(
            "listen = [\"0.0.0.0:4500\"]\nstate_dir = \"{path}/state\"\ncontrol = \"{path}/run/control.sock\"\n{rest}"
        );
        fs::write(self.config(), text).unwrap();
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("config.toml")
    }

    pub fn output(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM)
            .arg("--config")
            .arg(self.config())
            .args(arguments)
            .output()
            .unwrap()
    }

    /// As [`Self::output`], with `input` on standard input.
    pub fn hears(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(PROGRAM)
            .arg("--config")
            .arg(self.config())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap()
    }

    pub fn must(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Exit code and what was said on standard error.
    pub fn fails(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.output(arguments);
        assert!(output.stdout.is_empty(), "{arguments:?}");
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }

    /// The status of the running daemon.
    pub fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.must(&["status", "--json"])).unwrap()
    }

    /// Starts the daemon in a namespace and waits until it serves.
    pub fn daemon(&self, here: &Namespace) -> Daemon<'_> {
        let mut command = here.command(PROGRAM);
        command.arg("--config").arg(self.config()).arg("run");
        self.started(command)
    }

    /// The same by a command that ends in the daemon.
    pub fn started(&self, mut command: Command) -> Daemon<'_> {
        let log = fs::File::create(self.dir.path().join("log")).unwrap();
        let child = command.stdin(Stdio::null()).stderr(log).spawn().unwrap();
        let mut daemon = Daemon { child, home: self };
        for _ in 0..200 {
            sleep(Duration::from_millis(50));
            let ended = daemon.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended by itself: {}", daemon.log());
            // The data thread publishes first thing: then everything is up.
            let status = self.output(&["status", "--json"]);
            if String::from_utf8_lossy(&status.stdout).contains("\"no_such_lease\"") {
                return daemon;
            }
        }
        panic!("it does not serve: {}", daemon.log());
    }
}

/// The running daemon.
pub struct Daemon<'h> {
    child: Child,
    home: &'h Home,
}

impl Daemon<'_> {
    pub fn log(&self) -> String {
        fs::read_to_string(self.home.dir.path().join("log")).unwrap()
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Ends it in the regular way.
    pub fn stop(mut self) {
        self.signal("-TERM");
        assert!(self.child.wait().unwrap().success(), "{}", self.log());
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
