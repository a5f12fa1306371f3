//! The package format of apk 3, OpenWrt's package manager from 25.12 on, written by `apk mkpkg` itself where it is at hand.

use anyhow::Result;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::{FUNCTIONS, feed::Package};
use crate::package::{files, write};
use crate::process::{command, find, output, run};

/// apk, if it is one that can write packages.
pub fn program() -> Option<PathBuf> {
    let apk = find("apk")?;
    let version = output(command(&apk).arg("--version")).ok()?;
    version.starts_with("apk-tools 3.").then_some(apk)
}

/// Packs it into `out`; returns the file.
pub fn build(apk: &Path, package: &Package, out: &Path, epoch: &str) -> Result<PathBuf> {
    lists(package)?;
    let scripts = scripts(package)?;
    let file = out.join(format!("{}-{}.apk", package.name, package.version));
    let mut mkpkg = command(apk);
    mkpkg.arg("mkpkg").env("SOURCE_DATE_EPOCH", epoch);
    let architecture = match package.architecture.as_str() {
        "all" => "noarch",
        other => other,
    };
    let provides = package.field("provides");
    let provides = provides.map(|name| format!("{name}={}", package.version));
    let conflicts = package.field("conflicts").map(|name| format!("!{name}"));
    let mut depends: Vec<String> = package.depends().into_iter().map(str::to_owned).collect();
    // Who provides a package is asked for by its name as well, and must not be in its own way.
    depends.extend(conflicts.filter(|_| provides.is_none()));
    let description: Vec<&str> = package.description.lines().map(str::trim).collect();
    for (name, value) in [
        ("name", Some(package.name.to_owned())),
        ("version", Some(package.version.clone())),
        ("description", Some(description.join(" "))),
        ("arch", Some(architecture.to_owned())),
        ("license", package.field("license").map(str::to_owned)),
        ("url", package.field("url").map(str::to_owned)),
        ("maintainer", package.field("maintainer").map(str::to_owned)),
        ("provides", provides),
        ("depends", Some(depends.join(" "))),
    ] {
        if let Some(value) = value {
            mkpkg.arg("--info").arg(format!("{name}:{value}"));
        }
    }
    for (when, script) in scripts {
        mkpkg.arg("--script");
        mkpkg.arg(format!("{when}:{}", script.display()));
    }
    run(mkpkg
        .arg("--files")
        .arg(&package.tree)
        .arg("--output")
        .arg(&file))?;
    Ok(file)
}

/// What OpenWrt's own functions read of an installed package: its files, its user, the files of its owner.
fn lists(package: &Package) -> Result<()> {
    let put = |ending: &str, text: &str| {
        let name = format!("lib/apk/packages/{}.{ending}", package.name);
        write(&package.tree.join(name), text, 0o644)
    };
    let files = files(&package.tree)?;
    let list: String = files
        .iter()
        .map(|file| format!("/{}\n", file.display()))
        .collect();
    put("list", &list)?;
    if let Some(user) = package.field("userid") {
        put("rusers", &format!("{user}\n"))?;
    }
    if package.conffiles.is_empty() {
        return Ok(());
    }
    let mut sums = String::new();
    for file in &package.conffiles {
        let path = package.tree.join(file.trim_start_matches('/'));
        let sum = output(command("sha256sum").arg(path))?;
        writeln!(sums, "{file} {}", sum.split(' ').next().unwrap_or_default())?;
    }
    put("conffiles", &(package.conffiles.join("\n") + "\n"))?;
    put("conffiles_static", &sums)
}

/// The scripts, by the moment at which apk runs them.
fn scripts(package: &Package) -> Result<Vec<(&'static str, PathBuf)>> {
    let own = |text: &str| -> String {
        let lines = text.lines().filter(|line| !line.starts_with("#!"));
        lines.map(|line| format!("{line}\n")).collect()
    };
    let names = format!(
        "export root=\"${{IPKG_INSTROOT}}\"\nexport pkgname={}\n",
        package.name
    );
    let after = format!(
        "[ \"${{IPKG_NO_SCRIPT}}\" = 1 ] && exit 0\n{FUNCTIONS}{names}add_group_and_user\ndefault_postinst\n{}",
        own(&package.postinst)
    );
    let before = format!("{FUNCTIONS}{names}default_prerm\n{}", own(&package.prerm));
    let mut made = Vec::new();
    for (when, text) in [
        ("post-install", after.clone()),
        ("post-upgrade", format!("export PKG_UPGRADE=1\n{after}")),
        ("pre-deinstall", before),
    ] {
        let file = package.work.join(when);
        write(&file, &format!("#!/bin/sh\n{text}"), 0o755)?;
        made.push((when, file));
    }
    Ok(made)
}
