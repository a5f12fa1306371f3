//! Tests that touch the network run in a child process inside a network namespace of its own.

use std::io::Write;

/// Runs `test` in a forked child with a fresh network namespace (`lo` is up). The namespace dies with the child, also
/// when the test fails. Without root the test is skipped, loudly.
pub fn in_namespace(test: impl FnOnce()) {
    in_child(|| {
        // SAFETY: no pointers; affects this child only.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            drop(writeln!(std::io::stderr(), "SKIPPED: needs root"));
            return;
        }
        run("ip link set lo up");
        test();
    });
}

/// Runs `test` in a forked child and fails if the child does.
pub fn in_child(test: impl FnOnce()) {
    // SAFETY: the child runs the test on its only thread and leaves by `_exit`. The allocator of glibc survives fork.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork");
    if child == 0 {
        // SAFETY: no pointers. A child that hangs must not hang the whole run.
        unsafe { libc::alarm(60) };
        // What the child would print is captured in its own memory and lost: write it past the capture.
        std::panic::set_hook(Box::new(|info| drop(writeln!(std::io::stderr(), "{info}"))));
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(test));
        // SAFETY: ends the child without running the parent's exit handlers.
        unsafe { libc::_exit(i32::from(outcome.is_err())) };
    }
    let mut status = 0;
    // SAFETY: our own child, a valid status.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "the test failed in its child, see above");
}

/// Runs a shell command that must succeed, and gives its output.
pub fn run(command: &str) -> String {
    let output = std::process::Command::new("sh").args(["-c", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
