//! What the lab needs from the machine, and how a test says loudly that it is not there.

use std::fs::File;
use std::io::Write as _;

use anyhow::{Result, bail};

use crate::sys;

/// Fails, with the reason, where namespaces and TAP devices cannot be made.
pub fn check() -> Result<()> {
    if !sys::root() {
        bail!("needs root (namespaces, TAP devices); run as root");
    }
    if File::open("/dev/net/tun").is_err() {
        bail!("needs /dev/net/tun (modprobe tun)");
    }
    Ok(())
}

/// True when a test must be skipped, after saying so on standard error. With `BURSTMESH_REQUIRE_ROOT=1` a machine
/// that cannot run the lab is a failure instead.
///
/// # Panics
/// When `BURSTMESH_REQUIRE_ROOT` is set and the lab cannot run.
#[expect(clippy::panic, reason = "this is how a test fails")]
pub fn skip() -> bool {
    let Err(reason) = check() else { return false };
    if std::env::var_os("BURSTMESH_REQUIRE_ROOT").is_some_and(|value| value != "0") {
        panic!("BURSTMESH_REQUIRE_ROOT is set, but the lab {reason}");
    }
    let test = std::thread::current().name().unwrap_or("test").to_owned();
    // Written past the test harness, which shows only what failed tests print.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: {reason}");
    true
}
