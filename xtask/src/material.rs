//! What virtual machines are made of: a kernel with its modules and a few programs, from Debian's packages of another architecture.

use crate::apt::Suite;
use crate::process::{self, command, run};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Debian's last release for 32-bit MIPS, whatever release this machine has.
const RELEASE: &str = "bookworm";

/// A machine to boot.
pub struct Machine {
    /// Debian's name of the architecture.
    architecture: &'static str,
    /// The metapackage of its kernel.
    kernel: &'static str,
    /// Programs that tests use in it; their libraries come along.
    packages: &'static [&'static str],
}

/// A router with Wi-Fi: 32-bit little-endian MIPS.
pub const MIPSEL: Machine = Machine {
    architecture: "mipsel",
    kernel: "linux-image-4kc-malta",
    packages: &[
        "busybox-static",
        "ethtool",
        "iperf3",
        "iproute2",
        "iw",
        "nftables",
        "wireguard-tools",
    ],
};

/// A router of the ARM kind, 32-bit with hardware floating point.
pub const ARMHF: Machine = Machine {
    architecture: "armhf",
    kernel: "linux-image-armmp",
    packages: &["busybox-static", "iproute2", "nftables"],
};

/// Folder with all of it; removed with `target/`.
fn folder() -> PathBuf {
    process::root().join("target/machines")
}

impl Machine {
    /// Fetches and unpacks it unless it is there; returns the folder with `boot`, `lib/modules` and the programs in it.
    pub fn ensure(&self) -> Result<PathBuf> {
        let folder = folder().join(self.architecture);
        let root = folder.join("root");
        let stamp = folder.join("unpacked");
        let wanted = format!("{} {}\n", self.kernel, self.packages.join(" "));
        if fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
            return Ok(root);
        }
        println!("fetching kernel and programs for {}", self.architecture);
        let _ = fs::remove_dir_all(&folder);
        self.unpack(&folder.join("apt"), &root)
            .with_context(|| format!("cannot get Debian's packages for {}", self.architecture))?;
        fs::write(stamp, wanted)?;
        Ok(root)
    }

    fn unpack(&self, lists: &Path, root: &Path) -> Result<()> {
        fs::create_dir_all(root)?;
        let suite = Suite::foreign(lists, RELEASE, self.architecture)?;
        let image = suite.download_newest(&suite.behind(self.kernel)?)?;
        for package in suite.download_all(self.packages)?.iter().chain([&image]) {
            run(command("dpkg-deb").arg("--extract").arg(package).arg(root))?;
        }
        // The packages would have done this on installation.
        let release = only_entry(&root.join("lib/modules"))?;
        run(command(process::find("depmod").context("no depmod")?)
            .arg("--basedir")
            .arg(root)
            .arg(&release))?;
        fs::remove_dir_all(lists)?;
        Ok(())
    }
}

/// Name of the one thing in a folder.
fn only_entry(folder: &Path) -> Result<String> {
    let entry = fs::read_dir(folder)?
        .next()
        .with_context(|| format!("{} is empty", folder.display()))??;
    Ok(entry.file_name().to_string_lossy().into_owned())
}
