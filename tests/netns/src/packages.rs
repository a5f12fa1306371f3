//! Which programs the lab uses and which Debian package brings each; finding them, and saying exactly what is missing.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// A program of the lab and the Debian package that brings it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needed {
    /// The program.
    pub program: &'static str,
    /// The Debian package (bookworm or newer).
    pub package: &'static str,
}

/// Everything the lab and its tests run.
pub const NEEDED: [Needed; 9] = [
    Needed {
        program: "ip",
        package: "iproute2",
    },
    Needed {
        program: "nft",
        package: "nftables",
    },
    Needed {
        program: "ping",
        package: "iputils-ping",
    },
    Needed {
        program: "iperf3",
        package: "iperf3",
    },
    Needed {
        program: "curl",
        package: "curl",
    },
    Needed {
        program: "nginx",
        package: "nginx-light",
    },
    Needed {
        program: "dnsmasq",
        package: "dnsmasq-base",
    },
    Needed {
        program: "tcpdump",
        package: "tcpdump",
    },
    Needed {
        program: "conntrack",
        package: "conntrack",
    },
];

/// Programs that this workspace builds.
const OWN: [&str; 2] = ["burstmesh", "burstmesh-proxy"];

/// Where system programs may be, whatever `PATH` says (root's tools are often not on a user's).
const SYSTEM: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// What of [`NEEDED`] is not installed.
pub fn missing() -> Vec<Needed> {
    NEEDED
        .into_iter()
        .filter(|needed| system_program(needed.program).is_none())
        .collect()
}

/// Fails, naming program and package, unless all these programs are there.
pub fn require(programs: &[&str]) -> Result<()> {
    let missing: Vec<_> = missing()
        .into_iter()
        .filter(|needed| programs.contains(&needed.program))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let programs: Vec<_> = missing.iter().map(|needed| needed.program).collect();
    let packages: Vec<_> = missing.iter().map(|needed| needed.package).collect();
    bail!(
        "missing {}; install the Debian packages: {}",
        programs.join(", "),
        packages.join(" ")
    )
}

/// The path of a program: one of ours from where cargo put it, any other from the system.
pub fn locate(program: &str) -> PathBuf {
    let own = OWN
        .contains(&program)
        .then(|| own_program(program))
        .flatten();
    own.or_else(|| system_program(program))
        .unwrap_or_else(|| PathBuf::from(program))
}

/// Where cargo built one of the workspace's programs: `BURSTMESH_BIN_DIR`, else beside the running test.
pub fn own_program(program: &str) -> Option<PathBuf> {
    if let Some(dir) = std::env::var_os("BURSTMESH_BIN_DIR") {
        return Some(Path::new(&dir).join(program)).filter(|path| path.exists());
    }
    // A test runs from target/<profile>/deps, a program from target/<profile>.
    let running = std::env::current_exe().ok()?;
    running
        .ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join(program))
        .find(|path| path.is_file())
}

fn system_program(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program));
    }
    SYSTEM
        .iter()
        .map(|dir| Path::new(dir).join(program))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        let unknown = require(&["ip"]).err().map(|error| error.to_string());
        assert!(unknown.is_none_or(|text| text.contains("iproute2")));
        assert_eq!(locate("/x/y"), PathBuf::from("/x/y"));
        assert_eq!(locate("no-such-program"), PathBuf::from("no-such-program"));
    }
}
