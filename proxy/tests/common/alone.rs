//! A test in a process and network namespace of its own, which end with it also when it fails.

use std::process::Command;

use burstmesh_linux::netlink::Rtnl;

/// Set in the process that does a test on its own.
const MARK: &str = "BURSTMESH_EXIT_TEST_ALONE";

/// Are we the process that does the test, alone in a network namespace with loopback up? Otherwise it has been started, and has
/// done well. `test`: its name as the test program knows it.
pub fn alone_in_namespace(test: &str) -> bool {
    if std::env::var_os(MARK).is_some() {
        let mut netlink = Rtnl::open().unwrap();
        let lo = netlink.link_index("lo").unwrap().unwrap();
        netlink.set_link(lo, true, None).unwrap();
        return true;
    }
    let possible = Command::new("unshare").args(["-n", "true"]).output();
    if !possible.is_ok_and(|o| o.status.success()) {
        eprintln!("SKIPPED: no network namespace can be made here (this test needs root)");
        return false;
    }
    let output = Command::new("timeout")
        .args(["-k", "1", "100", "unshare", "-n"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}
