//! What the feed's Makefiles say of a package, read by `make` with stand-ins for OpenWrt's rules (`packaging/openwrt`).

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{clear, lmo};
use crate::process::{command, output, root};

/// Which package to read.
pub struct Source<'a> {
    /// Folder below `openwrt-feed/`.
    pub folder: &'static str,
    pub name: &'static str,
    /// As OpenWrt calls the processor, for example `mips_24kc`.
    pub architecture: &'a str,
    /// Where `cargo install` would have put the program: `bin/` below this.
    pub built: PathBuf,
}

/// A package before it is packed.
pub struct Package {
    pub name: &'static str,
    pub version: String,
    /// `all` if every processor takes it.
    pub architecture: String,
    /// Its files, as they lie on the router.
    pub tree: PathBuf,
    /// Beside the files: for scripts and descriptions on their way into the package.
    pub work: PathBuf,
    /// Files that the owner may change: an upgrade leaves his.
    pub conffiles: Vec<String>,
    /// What was written for after an install and before a removal; may be empty.
    pub postinst: String,
    pub prerm: String,
    pub description: String,
    about: BTreeMap<String, String>,
}

impl Package {
    /// A field of its definition; `None` if it is empty.
    pub fn field(&self, name: &str) -> Option<&str> {
        let value = self.about.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    }

    /// Names of the packages that it needs.
    pub fn depends(&self) -> Vec<&str> {
        let named = self.field("depends").unwrap_or_default();
        let named = named.split_whitespace().filter_map(|d| d.strip_prefix('+'));
        // Programs need the C library; what every processor takes is no program.
        let library = (self.architecture != "all").then_some("libc");
        library.into_iter().chain(named).collect()
    }
}

/// Lays out a package below `folder`.
pub fn read(source: &Source, folder: &Path) -> Result<Package> {
    let (tree, work) = (folder.join("files"), folder.join("work"));
    clear(&tree)?;
    clear(&work)?;
    let about = make(source, "about", &work)?;
    let about: BTreeMap<String, String> = about
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    make(source, "install", &tree)?;
    translate(&tree.join("usr/lib/lua/luci/i18n"))?;
    make(source, "scripts", &work)?;
    let text = |name: &str| fs::read_to_string(work.join(name)).with_context(|| name.to_owned());
    let conffiles = text("conffiles")?;
    let mut package = Package {
        name: source.name,
        version: about.get("version").context("no version")?.clone(),
        architecture: source.architecture.to_owned(),
        conffiles: Vec::new(),
        postinst: text("postinst")?,
        prerm: text("prerm")?,
        description: text("description")?.trim().to_owned(),
        tree,
        about,
        work: work.clone(),
    };
    if let Some(architecture) = package.field("architecture") {
        package.architecture = architecture.to_owned();
    }
    keep(&mut package, &conffiles)?;
    Ok(package)
}

/// Compiles the catalogues of texts in this folder, if it is there.
fn translate(folder: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "po") {
            let made = lmo::compile(&fs::read_to_string(&path)?);
            let made = made.with_context(|| path.display().to_string())?;
            fs::rename(&path, path.with_extension("lmo"))?;
            fs::write(path.with_extension("lmo"), made)?;
        }
    }
    Ok(())
}

/// Entries that are no installed files are kept over a sysupgrade, which has a folder of lists for that.
fn keep(package: &mut Package, entries: &str) -> Result<()> {
    let (files, kept): (Vec<&str>, Vec<&str>) = entries
        .split_whitespace()
        .partition(|entry| package.tree.join(entry.trim_start_matches('/')).is_file());
    package.conffiles = files.into_iter().map(str::to_owned).collect();
    if !kept.is_empty() {
        let list = format!("lib/upgrade/keep.d/{}", package.name);
        let text = kept.join("\n") + "\n";
        crate::package::write(&package.tree.join(list), &text, 0o644)?;
    }
    Ok(())
}

/// Runs `TARGET-NAME` of the package's Makefile; returns what it printed. Modes must not hang on the caller's umask.
fn make(source: &Source, target: &str, dest: &Path) -> Result<String> {
    let shell = "umask 022; exec make --no-print-directory \"$@\"";
    output(
        command("sh")
            .args(["-c", shell, "make", "-C"])
            .arg(root().join("openwrt-feed").join(source.folder))
            .arg(format!("{target}-{}", source.name))
            .arg(format!("TOPDIR={}/packaging/openwrt", root().display()))
            .arg(format!("DEST={}", dest.display()))
            .arg(format!("PKG_INSTALL_DIR={}", source.built.display())),
    )
}
