//! Tests that touch the network or the process as a whole run in a process of their own.

use std::io::Write;
use std::process::Command;

/// Set in the child.
const MARK: &str = "BURSTMESH_TEST_CHILD";

/// Runs `test` in a process with a fresh network namespace (`lo` is up). The namespace dies with the process, also when
/// the test fails. Without root the test is skipped, loudly.
pub fn in_namespace<F: FnOnce()>(test: F) {
    in_child_named(std::any::type_name::<F>(), || {
        // SAFETY: no pointers; affects this process only.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            return drop(writeln!(std::io::stderr(), "SKIPPED: needs root"));
        }
        run("ip link set lo up");
        test();
    });
}

/// Runs `test` in a process of its own, on its only thread, and fails if that fails.
pub fn in_child<F: FnOnce()>(test: F) {
    in_child_named(std::any::type_name::<F>(), test);
}

/// Starts this test program again for the one test whose closure is named `closure`. (A mere fork would inherit locks
/// that other tests' threads hold.)
fn in_child_named(closure: &str, test: impl FnOnce()) {
    if std::env::var_os(MARK).is_some() {
        // SAFETY: no pointers. A test that hangs must not hang the whole run.
        unsafe { libc::alarm(60) };
        return test();
    }
    let (_crate, path) = closure.split_once("::").unwrap();
    let name = path.trim_end_matches("::{{closure}}");
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{name}: {}: {words}",
        output.status
    );
    let summary = String::from_utf8_lossy(&output.stdout);
    assert!(
        summary.contains("1 passed"),
        "{name} was not found: {summary}"
    );
    if words.contains("SKIPPED") {
        drop(writeln!(std::io::stderr(), "{name}: {words}"));
    }
}

/// Runs a shell command that must succeed, and gives its output.
pub fn run(command: &str) -> String {
    let output = std::process::Command::new("sh")
        .args(["-c", command])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A directory that goes with its contents when dropped.
pub struct TempDir(std::path::PathBuf);

impl TempDir {
    pub fn new() -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let dir =
            std::env::temp_dir().join(format!("burstmesh-test-{}-{number}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        Self(dir)
    }

    /// The path of `name` in it.
    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
