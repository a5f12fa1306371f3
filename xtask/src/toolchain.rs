//! What router builds need beyond the pinned Rust toolchain: the sources of `core`, and a linker with a C library.
//!
//! Both live under `target/tools`. The toolchain itself is never changed: the sources must be exactly those of the compiler, and an
//! update of one without the other breaks every tier 3 build.

use crate::apt::Suite;
use crate::elf::Linking;
use crate::process::{self, command, output, run};
use crate::python::{self, tools};
use crate::setup::{self, Purpose};
use crate::targets::Target;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian suite whose `rust-src` matches the pinned toolchain.
const SUITE: &str = "trixie-backports";
/// The linker driver and the linker with musl for every target, as Python packages.
const ZIG_PACKAGES: [&str; 2] = ["cargo-zigbuild==0.24.0", "ziglang==0.17.1"];

/// Folder for everything built for routers, so that its unusual flags never disturb ordinary builds.
pub fn target_dir() -> PathBuf {
    process::root().join("target/router")
}

/// The same for programs with the standard library.
pub fn std_target_dir() -> PathBuf {
    process::root().join("target/router-std")
}

/// Sources of the standard library of exactly this compiler.
pub struct Sources {
    library: PathBuf,
}

impl Sources {
    /// Those beside the compiler if rustup put them there (`rust-src`), otherwise Debian's package of the same version.
    pub fn ensure() -> Result<Self> {
        let sysroot = output(command("rustc").args(["--print", "sysroot"]))?;
        let own = Path::new(&sysroot).join("lib/rustlib/src/rust/library");
        if is_library(&own) {
            return Ok(Self { library: own });
        }
        let version = compiler_version()?;
        let folder = tools().join(format!("rust-src-{version}"));
        if !is_library(&folder.join("library")) {
            println!(
                "fetching the sources of Rust {version}'s core (Debian package rust-src, {SUITE})"
            );
            fetch(&version, &folder)
                .with_context(|| format!("cannot get the sources of Rust {version}; with rustup: rustup component add rust-src"))?;
        }
        Ok(Self {
            library: folder.join("library"),
        })
    }

    /// Lets `cargo` build `core` and nothing else from these sources, its variant for small flash. Neither `alloc` nor `std` exists in
    /// such a build.
    pub fn build_core(&self, cargo: &mut Command) {
        self.build(cargo, "core");
        cargo.arg("-Zbuild-std-features=optimize_for_size");
    }

    /// Lets `cargo` build what the test harness needs as well. One panic strategy for all, or there would be two `core`s.
    pub fn build_for_tests(&self, cargo: &mut Command, target: &Target) -> Result<()> {
        self.build(cargo, "std,panic_unwind,test");
        cargo.args(["--config", "profile.dev.panic=\"unwind\""]);
        // The test harness does unwind.
        flags(target, Linking::Static, None)?
            .without(&["-Cforce-unwind-tables=no", "no-unwind.x"])
            .with_panics()
            .apply(cargo);
        Ok(())
    }

    /// Lets `cargo` build a program with the whole standard library, in a folder of its own: this `core` is another one.
    pub fn build_std(&self, cargo: &mut Command, target: &Target) -> Result<()> {
        self.build(cargo, "std,panic_abort");
        cargo.env("CARGO_TARGET_DIR", std_target_dir());
        flags(target, Linking::Static, None)?
            .with_panics()
            .apply(cargo);
        Ok(())
    }

    fn build(&self, cargo: &mut Command, crates: &str) {
        cargo
            // Cargo's own switch for sources outside the toolchain's folder: nothing is linked into rustup's files.
            .env("__CARGO_TESTS_ONLY_SRC_ROOT", &self.library)
            // `-Z` flags on the stable compiler: a tier 3 target needs them, and nightly would be another compiler.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_DIR", target_dir())
            .arg(format!("-Zbuild-std={crates}"));
    }
}

/// Flags of the compiler for router binaries.
pub struct Flags(Vec<String>);

impl Flags {
    /// Those that do not end so.
    fn without(mut self, ends: &[&str]) -> Self {
        self.0
            .retain(|flag| !ends.iter().any(|end| flag.ends_with(end)));
        self
    }

    /// For programs that say why they panic.
    fn with_panics(self) -> Self {
        self.without(&["-Cpanic=immediate-abort"])
    }

    /// Has them take the place of every other set of flags.
    pub fn apply(&self, cargo: &mut Command) {
        cargo.env("CARGO_ENCODED_RUSTFLAGS", self.0.join("\u{1f}"));
    }
}

/// The flags of `.cargo/config.toml`, which `cross` takes as they are, fitted to this build.
pub fn flags(target: &Target, linking: Linking, cpu: Option<&str>) -> Result<Flags> {
    let mut flags = configured("cfg(target_env = \"musl\")")?;
    flags.extend(processor_flags(target.triple)?);
    if linking == Linking::Dynamic {
        for flag in &mut flags {
            *flag = flag.replace("+crt-static", "-crt-static");
        }
        // Zig's driver links musl statically unless it is told.
        flags.push("-Clink-arg=-dynamic".to_owned());
    }
    flags.extend(cpu.map(|cpu| format!("-Ctarget-cpu={cpu}")));
    Ok(Flags(flags))
}

/// What the same file says for processors of a target, for builds whose own flags take its place.
pub fn processor_flags(triple: &str) -> Result<Vec<String>> {
    if triple.starts_with("x86_64-") {
        configured("cfg(target_arch = \"x86_64\")")
    } else if triple.starts_with("mips") {
        configured("cfg(target_arch = \"mips\")")
    } else {
        Ok(Vec::new())
    }
}

fn configured(targets: &str) -> Result<Vec<String>> {
    let file = process::root().join(".cargo/config.toml");
    let config: toml::Table = fs::read_to_string(&file)?.parse()?;
    let flags = config
        .get("target")
        .and_then(|target| target.get(targets)?.get("rustflags")?.as_array())
        .with_context(|| format!("no flags for {targets} in {}", file.display()))?;
    let flags = flags.iter().filter_map(|flag| flag.as_str());
    Ok(flags.map(str::to_owned).collect())
}

fn is_library(folder: &Path) -> bool {
    folder.join("Cargo.lock").is_file()
}

/// `1.95.0`
fn compiler_version() -> Result<String> {
    let line = output(command("rustc").arg("--version"))?;
    line.split_whitespace()
        .nth(1)
        .map(str::to_owned)
        .context("rustc did not say its version")
}

fn fetch(version: &str, folder: &Path) -> Result<()> {
    let suite = Suite::open(&tools().join("apt"), SUITE)?;
    let package = suite.download(
        "rust-src",
        &suite.version("rust-src", &format!("{version}+"))?,
    )?;
    // Unpacked beside its place and then renamed, so that an interrupted run leaves nothing that looks whole.
    let partial = tools().join("rust-src.partial");
    let _ = fs::remove_dir_all(&partial);
    fs::create_dir_all(&partial)?;
    let archive = partial.join("package.tar");
    let status = command("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(&package)
        .stdout(fs::File::create(&archive)?)
        .status()?;
    if !status.success() {
        bail!("dpkg-deb cannot read {}", package.display());
    }
    let member = format!("./usr/src/rustc-{version}/library");
    run(command("tar")
        .arg("-xf")
        .arg(&archive)
        .arg("-C")
        .arg(&partial)
        .arg("--strip-components=4")
        .arg(member))?;
    fs::remove_file(archive)?;
    fs::remove_file(package)?;
    let _ = fs::remove_dir_all(folder);
    fs::rename(partial, folder)?;
    Ok(())
}

/// The linker: `cargo zigbuild` in a Python environment of its own.
pub struct Zig {
    environment: PathBuf,
}

impl Zig {
    /// Makes the environment if it is absent or holds other versions.
    pub fn ensure() -> Result<Self> {
        setup::install(&[Purpose::RouterBuilds])?;
        let environment = python::environment("zig", &ZIG_PACKAGES)?;
        Ok(Self { environment })
    }

    /// `cargo zigbuild <subcommand>`, its caches under `target/`.
    pub fn cargo(&self, subcommand: &str) -> Command {
        let bin = self.environment.join("bin");
        let cache = tools().join("cache");
        let mut cargo = command(bin.join("cargo-zigbuild"));
        cargo
            .arg(subcommand)
            .env("CARGO_ZIGBUILD_PYTHON_PATH", bin.join("python3"))
            .env("CARGO_ZIGBUILD_CACHE_DIR", cache.join("zigbuild"))
            .env("ZIG_GLOBAL_CACHE_DIR", cache.join("zig"))
            .env("ZIG_LOCAL_CACHE_DIR", cache.join("zig"));
        cargo
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets;

    /// What this made wrong was `core::fmt::write`, in some builds only (docs/building.md).
    #[test]
    fn mips_merges_equal_ends_only_with_fixed_addresses_and_no_copies_dropped_as_dead() {
        let mips = targets::named("mips-unknown-linux-musl").unwrap();
        let flags = flags(mips, Linking::Static, None).unwrap().0;
        for wanted in [
            "-Cllvm-args=-enable-tail-merge",
            "-Cllvm-args=-disable-copyprop",
            "-Crelocation-model=static",
        ] {
            assert!(flags.iter().any(|flag| flag == wanted), "{wanted}");
        }
    }

    #[test]
    fn what_is_for_mips_no_other_processor_has() {
        let arm = targets::named("aarch64-unknown-linux-musl").unwrap();
        let flags = flags(arm, Linking::Static, None).unwrap().0;
        for mips in configured("cfg(target_arch = \"mips\")").unwrap() {
            assert!(!flags.contains(&mips), "{mips}");
        }
    }
}
