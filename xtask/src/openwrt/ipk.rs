//! The package format of opkg, OpenWrt's package manager up to 24.10: a compressed tar of `debian-binary`, `control.tar.gz` and
//! `data.tar.gz`.

use anyhow::Result;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{FUNCTIONS, clear, feed::Package};
use crate::package::{files, write};
use crate::process::{command, run};

/// Packs it into `out`; returns the file.
pub fn build(package: &Package, out: &Path, epoch: &str) -> Result<PathBuf> {
    let (control, outer) = (package.work.join("control"), package.work.join("ipk"));
    clear(&control)?;
    clear(&outer)?;
    let put = |name: &str, text: &str, mode| write(&control.join(name), text, mode);
    // The functions call what the package has itself, by the name with -pkg.
    let postinst = format!(
        "#!/bin/sh\n[ \"${{IPKG_NO_SCRIPT}}\" = 1 ] && exit 0\n{FUNCTIONS}default_postinst $0 $@\n"
    );
    put("postinst", &postinst, 0o755)?;
    let prerm = format!("#!/bin/sh\n{FUNCTIONS}default_prerm $0 $@\n");
    put("prerm", &prerm, 0o755)?;
    for (name, text) in [
        ("postinst-pkg", &package.postinst),
        ("prerm-pkg", &package.prerm),
    ] {
        if !text.trim().is_empty() {
            put(name, text, 0o755)?;
        }
    }
    if !package.conffiles.is_empty() {
        put("conffiles", &(package.conffiles.join("\n") + "\n"), 0o644)?;
    }
    put("control", &fields(package, epoch)?, 0o644)?;
    write(&outer.join("debian-binary"), "2.0\n", 0o644)?;
    tar(&package.tree, &["."], &outer.join("data.tar.gz"), epoch)?;
    tar(&control, &["."], &outer.join("control.tar.gz"), epoch)?;
    let parts = ["./debian-binary", "./data.tar.gz", "./control.tar.gz"];
    let (name, version) = (package.name, &package.version);
    let file = out.join(format!("{name}_{version}_{}.ipk", package.architecture));
    tar(&outer, &parts, &file, epoch)?;
    Ok(file)
}

/// What opkg reads of a package before it unpacks it.
fn fields(package: &Package, epoch: &str) -> Result<String> {
    let mut out = String::new();
    let size = size(&package.tree)?.to_string();
    let depends = package.depends().join(", ");
    let conflicts = package.field("conflicts").map(|c| c.replace(' ', ", "));
    for (name, value) in [
        ("Package", Some(package.name)),
        ("Version", Some(package.version.as_str())),
        ("Depends", Some(depends.as_str())),
        ("Conflicts", conflicts.as_deref()),
        ("Provides", package.field("provides")),
        ("License", package.field("license")),
        ("Section", package.field("section")),
        ("Require-User", package.field("userid")),
        ("SourceDateEpoch", Some(epoch)),
        ("URL", package.field("url")),
        ("Maintainer", package.field("maintainer")),
        ("Architecture", Some(package.architecture.as_str())),
        ("Installed-Size", Some(size.as_str())),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            writeln!(out, "{name}: {value}")?;
        }
    }
    // Lines after the first begin with a space.
    let lines: Vec<&str> = package.description.lines().map(str::trim).collect();
    writeln!(out, "Description: {}", lines.join("\n "))?;
    Ok(out)
}

/// Bytes of all files.
fn size(tree: &Path) -> Result<u64> {
    let sizes = files(tree)?
        .into_iter()
        .map(|file| Ok(fs::metadata(tree.join(file))?.len()));
    sizes.sum()
}

/// The same bytes from the same files: sorted, of one owner and one time.
fn tar(folder: &Path, what: &[&str], into: &Path, epoch: &str) -> Result<()> {
    run(command("tar")
        .args(["--format=gnu", "--sort=name", "--numeric-owner"])
        .args(["--owner=0", "--group=0", "--use-compress-program=gzip -n9"])
        .arg(format!("--mtime=@{epoch}"))
        .arg("-cf")
        .arg(into)
        .arg("-C")
        .arg(folder)
        .args(what))?;
    // An archive lies in an archive.
    Ok(fs::set_permissions(into, PermissionsExt::from_mode(0o644))?)
}
