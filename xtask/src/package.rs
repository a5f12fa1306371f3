//! `cargo xtask package-proxy`: the exit as a Debian package and as a plain archive, both the same byte for byte
//! whenever they are built from the same commit by the same compiler.

mod deb;

use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::process::{cargo, command, output, root, run as execute};
use crate::toolchain;

const NAME: &str = "burstmesh-proxy";

/// What the command line says.
#[derive(clap::Args)]
pub struct Args {
    /// Pack this binary instead of building one
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Where the packages go
    #[arg(long, value_name = "FOLDER", default_value = "dist")]
    out: PathBuf,
}

/// A file of the packages: where it comes from, where it goes, its mode. The Debian package compresses what ends with .gz.
struct Item {
    from: PathBuf,
    deb: &'static str,
    archive: &'static str,
    mode: u32,
}

pub fn run(args: &Args) -> Result<()> {
    let binary = match &args.binary {
        Some(path) => path.clone(),
        None => build()?,
    };
    let out = root().join(&args.out);
    let stage = out.join("stage");
    if stage.exists() {
        fs::remove_dir_all(&stage)?;
    }
    fs::create_dir_all(&stage)?;
    let items = items(binary);
    let epoch = epoch();
    let deb = deb::build(&items, &stage, &out, &epoch)?;
    let archive = archive(&items, &stage, &out, &epoch)?;
    fs::remove_dir_all(&stage)?;
    println!("{}\n{}", deb.display(), archive.display());
    Ok(())
}

fn items(binary: PathBuf) -> Vec<Item> {
    let packaging = root().join("packaging");
    let item = |from: PathBuf, deb, archive, mode| Item {
        from,
        deb,
        archive,
        mode,
    };
    vec![
        item(binary, "usr/bin/burstmesh-proxy", "burstmesh-proxy", 0o755),
        item(
            packaging.join("config.toml"),
            "etc/burstmesh-proxy/config.toml",
            "config.toml",
            0o644,
        ),
        item(
            packaging.join("burstmesh-proxy.service"),
            "usr/lib/systemd/system/burstmesh-proxy.service",
            "burstmesh-proxy.service",
            0o644,
        ),
        item(
            root().join("docs/exit-admin.md"),
            "usr/share/doc/burstmesh-proxy/README.md",
            "README.md",
            0o644,
        ),
        item(
            packaging.join("deb/copyright"),
            "usr/share/doc/burstmesh-proxy/copyright",
            "copyright",
            0o644,
        ),
        item(
            root().join("CHANGELOG.md"),
            "usr/share/doc/burstmesh-proxy/changelog.gz",
            "CHANGELOG.md",
            0o644,
        ),
        item(
            packaging.join("burstmesh-proxy.8"),
            "usr/share/man/man8/burstmesh-proxy.8.gz",
            "burstmesh-proxy.8",
            0o644,
        ),
    ]
}

/// A static binary: it runs on any distribution of the same architecture.
fn build() -> Result<PathBuf> {
    let host = output(command("rustc").arg("-vV"))?;
    let host = host.lines().find_map(|l| l.strip_prefix("host: "));
    let host = host.context("rustc does not say its host")?.to_owned();
    // The builder's folders are nobody's business, and would differ from machine to machine.
    let mut flags = format!(
        "-Ctarget-feature=+crt-static --remap-path-prefix={}=/burstmesh",
        root().display()
    );
    let home =
        std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|h| h + "/.cargo"));
    if let Ok(home) = home {
        flags += &format!(" --remap-path-prefix={home}=/cargo");
    }
    for flag in toolchain::processor_flags(&host)? {
        flags += &format!(" {flag}");
    }
    // Naming the target keeps the flags away from build scripts and procedural macros, which cannot be static.
    execute(
        cargo()
            .args([
                "build",
                "--locked",
                "--release",
                "-p",
                NAME,
                "--target",
                &host,
            ])
            .env("RUSTFLAGS", flags)
            .env("CARGO_PROFILE_RELEASE_STRIP", "true"),
    )?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(root().join(target).join(host).join("release").join(NAME))
}

fn archive(items: &[Item], stage: &Path, out: &Path, epoch: &str) -> Result<PathBuf> {
    let folder = format!(
        "{NAME}-{}-{}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH
    );
    for item in items {
        install(
            &item.from,
            &stage.join(&folder).join(item.archive),
            item.mode,
        )?;
    }
    let file = out.join(format!("{folder}.tar.gz"));
    execute(
        command("tar")
            .args([
                "--sort=name",
                "--owner=0",
                "--group=0",
                "--numeric-owner",
                "--mode=go-w",
            ])
            .args([
                "--use-compress-program=gzip -n9",
                &format!("--mtime=@{epoch}"),
                "-cf",
            ])
            .arg(&file)
            .arg("-C")
            .args([stage, Path::new(&folder)]),
    )?;
    Ok(file)
}

/// The time of the commit; without git (a release's source archive) the beginning of time.
pub fn epoch() -> String {
    if let Ok(given) = std::env::var("SOURCE_DATE_EPOCH") {
        return given;
    }
    let commit = output(command("git").args(["log", "-1", "--format=%ct"]));
    commit.map_or_else(|_| "0".into(), |time| time.trim().to_owned())
}

fn install(from: &Path, to: &Path, mode: u32) -> Result<()> {
    make_folder(to)?;
    fs::copy(from, to).with_context(|| format!("cannot pack {}", from.display()))?;
    Ok(fs::set_permissions(to, PermissionsExt::from_mode(mode))?)
}

pub fn write(to: &Path, text: &str, mode: u32) -> Result<()> {
    make_folder(to)?;
    fs::write(to, text)?;
    Ok(fs::set_permissions(to, PermissionsExt::from_mode(mode))?)
}

/// All files below `tree`, by their names from there, sorted.
pub fn files(tree: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![tree.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path.strip_prefix(tree)?.to_owned());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Folders are part of the packages: their modes must not hang on the builder's umask.
fn make_folder(of: &Path) -> Result<()> {
    let folder = of.parent().context("no folder")?;
    if !folder.exists() {
        make_folder(folder)?;
        fs::create_dir(folder)?;
        fs::set_permissions(folder, PermissionsExt::from_mode(0o755))?;
    }
    Ok(())
}
