//! Network namespaces without names: they end with the process that holds them, also when a test fails.

#![allow(dead_code)]

pub mod alone;
pub mod home;

use std::process::{Child, Command, Output, Stdio};

/// A network namespace.
pub struct Namespace(Child);

impl Namespace {
    /// A fresh one with loopback up; `None`, said loudly, where this is not allowed.
    pub fn new() -> Option<Self> {
        let child = Command::new("unshare")
            .args(["-n", "sleep", "300"])
            .stdout(Stdio::null())
            .spawn();
        let namespace = Self(child.ok()?);
        let own = std::fs::read_link("/proc/self/ns/net").ok();
        // The holder enters its namespace only a moment after it was started.
        for _ in 0..100 {
            let its = std::fs::read_link(format!("/proc/{}/ns/net", namespace.pid())).ok();
            if its.is_some() && its != own && namespace.run("ip link set lo up").status.success() {
                return Some(namespace);
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        eprintln!("SKIPPED: no network namespace can be made here (this test needs root)");
        None
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// The beginning of a command line that runs inside.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.pid().to_string(), "-n", "--", program]);
        command
    }

    /// Runs a shell line inside.
    pub fn run(&self, line: &str) -> Output {
        self.command("sh").args(["-c", line]).output().unwrap()
    }

    /// Runs a shell line inside that must succeed; returns what it printed.
    pub fn must(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(
            output.status.success(),
            "{line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a script through `nft`.
    pub fn nft(&self, arguments: &[&str], script: &str) -> Output {
        use std::io::Write;
        let mut command = self.command("nft");
        let piped = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(script.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a shell line that must succeed, here; returns what it printed.
pub fn must(line: &str) -> String {
    let output = Command::new("sh").args(["-ec", line]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Puts rules in place, here.
pub fn nft(script: &str) {
    use std::io::Write;
    let mut child = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(script.as_bytes()).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success(), "{script}");
}
