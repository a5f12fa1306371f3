//! One namespace of a lab: a place to run programs in.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::packages;
use crate::sys::{self, View};

/// A network namespace with a `/sys`, `/run` and `/etc/resolv.conf` of its own.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    system_name: String,
    netns: File,
    dir: PathBuf,
    view: View,
}

impl Namespace {
    /// Opens the namespace that `ip netns` knows as `system_name`; its files go to `dir`.
    pub(crate) fn open(name: &str, system_name: &str, dir: &Path, resolver: &str) -> Result<Self> {
        let path = Path::new("/run/netns").join(system_name);
        let netns =
            File::open(&path).with_context(|| format!("cannot open namespace {system_name}"))?;
        let run = dir.join("run");
        fs::create_dir_all(&run)?;
        let resolv = dir.join("resolv.conf");
        fs::write(
            &resolv,
            format!("nameserver {resolver}\noptions timeout:2 attempts:2\n"),
        )?;
        // Resolved before /run is covered, so that a link into /run (systemd-resolved) still finds its file.
        let mut binds = Vec::new();
        let target = fs::canonicalize("/etc/resolv.conf").unwrap_or_default();
        match target.strip_prefix("/run") {
            Ok(inside) => {
                let copy = run.join(inside);
                fs::create_dir_all(copy.parent().unwrap_or(&run))?;
                fs::copy(&resolv, copy)?;
            }
            Err(_) if target.exists() => binds.push((resolv.as_path(), target.as_path())),
            Err(_) => {}
        }
        binds.push((run.as_path(), Path::new("/run")));
        let view = View::new(&netns, &binds)?;
        Ok(Self {
            name: name.into(),
            system_name: system_name.into(),
            netns,
            dir: dir.into(),
            view,
        })
    }

    /// The name in the topology.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name that `ip netns` knows.
    pub fn system_name(&self) -> &str {
        &self.system_name
    }

    /// A folder for this namespace's files; `run` in it is the `/run` its programs see.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Does something inside, on a thread of its own: what it opens (sockets) stays inside.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        crate::sys::in_namespace(&self.netns, || Ok(work()))
    }

    /// The open namespace.
    pub(crate) fn netns(&self) -> &File {
        &self.netns
    }

    /// A command that will run inside. The project's own programs are found where cargo builds them.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(packages::locate(program));
        let view = self.view.clone();
        // SAFETY: `enter` only makes system calls on memory prepared here.
        unsafe { command.pre_exec(move || view.enter()) };
        command
    }

    /// Runs a command inside to its end and gives what it printed; fails when the command does.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let output = self.command(program).args(arguments).output();
        let output = output.with_context(|| format!("cannot start {program}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!(
                "in {}: {program} {}: {}: {}",
                self.name,
                arguments.join(" "),
                output.status,
                said.trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Sets a kernel setting, such as `net/ipv4/ip_forward`, of this namespace.
    pub fn sysctl(&self, setting: &str, value: &str) -> Result<()> {
        self.sysctls(&[(setting, value)])
    }

    /// Sets several kernel settings of this namespace.
    pub fn sysctls(&self, settings: &[(&str, &str)]) -> Result<()> {
        sys::in_namespace(&self.netns, || {
            for (setting, value) in settings {
                let path = Path::new("/proc/sys").join(setting);
                fs::write(path, value)
                    .with_context(|| format!("cannot set {setting} = {value}"))?;
            }
            Ok(())
        })
    }

    /// Runs `work` in a thread inside this namespace: sockets it opens belong there.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        sys::in_namespace(&self.netns, work)
    }

    /// Bytes and packets an interface has received and sent.
    pub fn interface_counters(&self, interface: &str) -> Result<InterfaceCounters> {
        let text = self.run("ip", &["-j", "-s", "link", "show", "dev", interface])?;
        let value: serde_json::Value = serde_json::from_str(&text)?;
        let number = |way: &str, what: &str| {
            let found = value
                .pointer(&format!("/0/stats64/{way}/{what}"))
                .and_then(serde_json::Value::as_u64);
            found.with_context(|| format!("ip shows no {way} {what} for {interface}"))
        };
        Ok(InterfaceCounters {
            rx_bytes: number("rx", "bytes")?,
            rx_packets: number("rx", "packets")?,
            tx_bytes: number("tx", "bytes")?,
            tx_packets: number("tx", "packets")?,
        })
    }
}

/// The kernel's counters of one interface (Ethernet headers included).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceCounters {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
}
