//! The Debian package.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

use super::{Item, NAME, install, write};
use crate::process::{command, output, root, run as execute};

/// Of the packaging, behind the program's own version.
const REVISION: u32 = 1;
const DOC: &str = "usr/share/doc/burstmesh-proxy";

/// Packs the files below `stage`; returns the package.
pub fn build(items: &[Item], stage: &Path, out: &Path, epoch: &str) -> Result<PathBuf> {
    let tree = stage.join("deb");
    for item in items {
        match item.deb.strip_suffix(".gz") {
            Some(plain) => {
                install(&item.from, &tree.join(plain), item.mode)?;
                compress(&tree.join(plain))?;
            }
            None => install(&item.from, &tree.join(item.deb), item.mode)?,
        }
    }
    let changelog = tree.join(DOC).join("changelog.Debian");
    write(
        &changelog,
        &filled("changelog", &[("@DATE@", &date(epoch)?)])?,
        0o644,
    )?;
    compress(&changelog)?;
    about(items, &tree)?;
    let file = out.join(format!("{NAME}_{}_{}.deb", version(), architecture()?));
    execute(
        command("dpkg-deb")
            .args(["--root-owner-group", "-Zxz", "--build"])
            .args([&tree, &file])
            // Every time stamp that is later than this becomes this.
            .env("SOURCE_DATE_EPOCH", epoch),
    )?;
    Ok(file)
}

/// What dpkg itself reads.
fn about(items: &[Item], tree: &Path) -> Result<()> {
    let sums = sums(tree)?;
    let bytes: u64 = items
        .iter()
        .filter_map(|i| fs::metadata(&i.from).ok())
        .map(|m| m.len())
        .sum();
    let control = filled(
        "control",
        &[
            ("@ARCH@", architecture()?),
            ("@SIZE@", &bytes.div_ceil(1024).to_string()),
            ("@HOMEPAGE@", env!("CARGO_PKG_REPOSITORY")),
        ],
    )?;
    let about = tree.join("DEBIAN");
    write(&about.join("control"), &control, 0o644)?;
    write(&about.join("md5sums"), &sums, 0o644)?;
    write(
        &about.join("conffiles"),
        "/etc/burstmesh-proxy/config.toml\n",
        0o644,
    )?;
    for script in ["postinst", "prerm", "postrm"] {
        install(&source(script), &about.join(script), 0o755)?;
    }
    Ok(())
}

fn source(name: &str) -> PathBuf {
    root().join("packaging/deb").join(name)
}

/// A file of packaging/deb with its places filled in.
fn filled(name: &str, places: &[(&str, &str)]) -> Result<String> {
    let text = fs::read_to_string(source(name))?;
    let text = text.replace("@VERSION@", &version());
    let fill = |text: String, (place, with): &(&str, &str)| text.replace(place, with);
    Ok(places.iter().fold(text, fill))
}

fn version() -> String {
    format!("{}-{REVISION}", env!("CARGO_PKG_VERSION"))
}

/// As a changelog wants it.
fn date(epoch: &str) -> Result<String> {
    let mut date = command("date");
    date.args(["-u", "-R", "-d", &format!("@{epoch}")]);
    Ok(output(date.env("LC_ALL", "C"))?.trim().to_owned())
}

fn compress(file: &Path) -> Result<()> {
    execute(command("gzip").arg("-n9").arg(file))
}

/// The sums by which `dpkg --verify` finds damaged files: of all but the configuration, sorted by path.
fn sums(tree: &Path) -> Result<String> {
    let mut files = super::files(tree)?;
    files.retain(|f| !f.starts_with("etc"));
    output(command("md5sum").args(&files).current_dir(tree)).context("md5sum")
}

/// Debian's name for the machine we build on and for.
fn architecture() -> Result<&'static str> {
    Ok(match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "armhf",
        "riscv64" => "riscv64",
        other => {
            bail!("no Debian package for {other} yet: add its name to xtask/src/package/deb.rs")
        }
    })
}
