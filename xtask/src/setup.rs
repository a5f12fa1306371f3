//! `cargo xtask setup`: what the other commands need from the system, by purpose.

use crate::{apt, process, python, toolchain};
use anyhow::{Result, bail};
use std::fmt;
use std::process::Command;

/// What a set of tools is for. A ring of tests names the purposes it depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Cross-building for routers: the linker comes as a Python package.
    RouterBuilds,
    /// Running router binaries on this machine.
    Emulation,
    /// The namespace lab: real clients, servers and observers.
    Lab,
    /// Whole routers as virtual machines.
    Machines,
    /// The OpenWrt feed: a router's shell, what reads its Makefiles, and a linter as a Python package.
    Packaging,
    /// A browser for the pages, and what drives it.
    Browser,
    /// Other tunnels, to compare with, and a tracer that counts system calls.
    Peers,
}

/// A program and the Debian package that brings it.
#[derive(Debug)]
pub struct Tool {
    program: &'static str,
    package: &'static str,
    /// Wanted from the release's backports, where it is there.
    newest: bool,
}

const fn tool(program: &'static str, package: &'static str) -> Tool {
    Tool {
        program,
        package,
        newest: false,
    }
}

const fn newest(program: &'static str, package: &'static str) -> Tool {
    Tool {
        program,
        package,
        newest: true,
    }
}

/// `python3` must also be able to make a virtual environment; see [`Tool::is_present`].
const ROUTER_BUILDS: &[Tool] = &[
    tool("python3", "python3"),
    tool(VENV, "python3-venv"),
    tool("tar", "tar"),
];
const EMULATION: &[Tool] = &[tool("qemu-mips-static", "qemu-user-static")];
const LAB: &[Tool] = &[
    tool("ip", "iproute2"),
    tool("nft", "nftables"),
    tool("conntrack", "conntrack"),
    tool("ping", "iputils-ping"),
    tool("iperf3", "iperf3"),
    tool("curl", "curl"),
    tool("nginx", "nginx-light"),
    tool("dnsmasq", "dnsmasq-base"),
    tool("tcpdump", "tcpdump"),
    tool("openssl", "openssl"),
    tool("sysctl", "procps"),
];
/// Parts of QEMU must be of one version, and a machine that has some from the backports can take no others.
const MACHINES: &[Tool] = &[
    newest("qemu-system-mipsel", "qemu-system-mips"),
    newest("qemu-system-arm", "qemu-system-arm"),
    tool("depmod", "kmod"),
];
const PACKAGING: &[Tool] = &[
    // Linked statically, so that it runs in a root folder of its own.
    tool("busybox", "busybox-static"),
    tool("node", "nodejs"),
    tool("xgettext", "gettext"),
    tool("make", "make"),
    tool("git", "git"),
    tool("python3", "python3"),
    tool(VENV, "python3-venv"),
];
const BROWSER: &[Tool] = &[
    tool("chromium", "chromium"),
    tool("node", "nodejs"),
    tool("npm", "npm"),
    tool("python3", "python3"),
    tool("tc", "iproute2"),
];
const PEERS: &[Tool] = &[
    tool("openvpn", "openvpn"),
    tool("fastd", "fastd"),
    tool("strace", "strace"),
];

/// Not a program but a module that Debian packages apart from Python.
const VENV: &str = "python3 -m venv";

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 7] = [
        Self::RouterBuilds,
        Self::Emulation,
        Self::Lab,
        Self::Machines,
        Self::Packaging,
        Self::Browser,
        Self::Peers,
    ];

    fn tools(self) -> &'static [Tool] {
        match self {
            Self::RouterBuilds => ROUTER_BUILDS,
            Self::Emulation => EMULATION,
            Self::Lab => LAB,
            Self::Machines => MACHINES,
            Self::Packaging => PACKAGING,
            Self::Browser => BROWSER,
            Self::Peers => PEERS,
        }
    }

    /// Programs of this purpose that are not there.
    pub fn missing(self) -> Vec<&'static Tool> {
        self.tools()
            .iter()
            .filter(|tool| !tool.is_present())
            .collect()
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RouterBuilds => "router builds",
            Self::Emulation => "emulation",
            Self::Lab => "namespace lab",
            Self::Machines => "virtual machines",
            Self::Packaging => "packaging",
            Self::Browser => "browser",
            Self::Peers => "comparison",
        })
    }
}

impl Tool {
    fn is_present(&self) -> bool {
        if self.program == VENV {
            return process::output(Command::new("python3").args(["-c", "import venv, ensurepip"]))
                .is_ok();
        }
        process::find(self.program).is_some()
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (package {})", self.program, self.package)
    }
}

/// Arguments of `setup`.
#[derive(clap::Args)]
pub struct Args {
    /// Only say what is missing; install nothing
    #[arg(long)]
    check: bool,
}

/// `cargo xtask setup`.
pub fn run(args: &Args) -> Result<()> {
    if !args.check {
        install(&Purpose::ALL)?;
        toolchain::Sources::ensure()?;
        toolchain::Zig::ensure()?;
    }
    let missing = report(&Purpose::ALL);
    if missing > 0 {
        bail!("{missing} programs are missing, see above");
    }
    println!("everything is there");
    Ok(())
}

/// Installs what is missing for `purposes`. Where that is impossible (no root, no apt, no network) it says what is missing
/// and returns all the same: what can run, runs.
pub fn install(purposes: &[Purpose]) -> Result<()> {
    let missing: Vec<&Tool> = purposes
        .iter()
        .flat_map(|purpose| purpose.missing())
        .collect();
    let packages = |wanted: &dyn Fn(&Tool) -> bool| {
        missing
            .iter()
            .filter(|t| wanted(t))
            .map(|t| t.package)
            .collect::<Vec<_>>()
    };
    if missing.is_empty() {
        return Ok(());
    }
    if !process::is_root() {
        println!(
            "not root, so nothing is installed; as root: apt-get install {}",
            packages(&|_| true).join(" ")
        );
    } else if process::find("apt-get").is_none() {
        println!(
            "no apt-get here; install with your own package manager: {}",
            packages(&|_| true).join(" ")
        );
    } else if let Err(error) = install_packages(&packages(&|t| !t.newest), &packages(&|t| t.newest))
    {
        println!("apt-get could not install everything: {error:#}; one by one");
        // One name that nobody knows must not keep the others away.
        for tool in &missing {
            let _ = apt::install(&[tool.package]);
        }
    }
    report(purposes);
    Ok(())
}

fn install_packages(release: &[&str], newest: &[&str]) -> Result<()> {
    if !release.is_empty() {
        apt::install(release)?;
    }
    if newest.is_empty() {
        return Ok(());
    }
    let lists = python::tools().join("apt-backports");
    // Not every release has backports, and its own packages do where nothing newer is installed.
    apt::install_backports(newest, &lists).or_else(|_| apt::install(newest))
}

/// Prints what is missing, by purpose; returns how many programs.
fn report(purposes: &[Purpose]) -> usize {
    let mut count = 0;
    for purpose in purposes {
        for tool in purpose.missing() {
            println!("missing for {purpose}: {tool}");
            count += 1;
        }
    }
    count
}
