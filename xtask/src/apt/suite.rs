//! Packages of another suite or architecture than the machine's own.

use crate::process::{self, output, run};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An apt of our own for one further suite: its lists and cache live in a folder of ours, so the machine's configuration
/// stays as it is, nothing can be upgraded by accident, and root is not needed.
pub struct Suite {
    folder: PathBuf,
    name: String,
    /// Of the packages, where it is not the machine's.
    architecture: Option<&'static str>,
}

impl Suite {
    /// Opens `suite`, with the mirror and keys that the machine's own sources name.
    pub fn open(folder: &Path, suite: &str) -> Result<Self> {
        let (codename, sources) = machine()?;
        let line = of_machine(&sources, &codename, suite)?;
        Self::with(folder, suite, None, &line)
    }

    /// Opens Debian's release `name` for another architecture, with the mirror and keys of the machine's own. No package counts as installed there: what is asked for comes
    /// with all that it depends on.
    pub fn foreign(folder: &Path, name: &str, architecture: &'static str) -> Result<Self> {
        let (codename, sources) = machine()?;
        let line = of_machine(&sources, &codename, name)?;
        Self::with(folder, name, Some(architecture), &any_architecture(&line))
    }

    /// Opens the backports of the machine's release beside the release itself, on which they rest.
    pub fn backports(folder: &Path) -> Result<Self> {
        let (codename, sources) = machine()?;
        let suite = format!("{codename}-backports");
        let lines = [&codename, &suite].map(|name| of_machine(&sources, &codename, name));
        let [release, backports] = lines;
        Self::with(folder, &suite, None, &(release? + &backports?))
    }

    fn with(
        folder: &Path,
        suite: &str,
        architecture: Option<&'static str>,
        sources: &str,
    ) -> Result<Self> {
        fs::create_dir_all(folder.join("lists/partial"))?;
        fs::create_dir_all(folder.join("cache/archives/partial"))?;
        fs::write(folder.join("suite.list"), sources)?;
        fs::write(folder.join("nothing-installed"), "")?;
        let suite = Self {
            folder: folder.to_path_buf(),
            name: suite.to_owned(),
            architecture,
        };
        run(suite.tool("apt-get").args(["--quiet", "update"]))?;
        Ok(suite)
    }

    /// Its name, for example `bookworm-backports`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Newest version of `package` that starts with `prefix`.
    pub fn version(&self, package: &str, prefix: &str) -> Result<String> {
        let listing = output(self.tool("apt-cache").args(["madison", package]))?;
        let found = listing
            .lines()
            .filter_map(|line| line.split('|').nth(1))
            .map(str::trim)
            .find(|v| v.starts_with(prefix));
        match found {
            Some(version) => Ok(version.to_owned()),
            None => bail!("no version {prefix}* of {package} is offered:\n{listing}"),
        }
    }

    /// Fetches one package; returns the file.
    pub fn download(&self, package: &str, version: &str) -> Result<PathBuf> {
        run(self.tool("apt-get").current_dir(&self.folder).args([
            "--quiet",
            "download",
            &format!("{package}={version}"),
        ]))?;
        fs::read_dir(&self.folder)?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .find(|path| {
                path.extension().is_some_and(|e| e == "deb")
                    && name(path).starts_with(&format!("{package}_"))
            })
            .with_context(|| format!("apt-get left no file of {package}"))
    }

    /// What the newest package depends on whose name is that of the metapackage `package`: a kernel's image behind its name.
    pub fn behind(&self, package: &str) -> Result<String> {
        let listing = output(self.tool("apt-cache").args(["depends", package]))?;
        let found = listing
            .lines()
            .find_map(|line| line.trim().strip_prefix("Depends: "));
        found
            .map(str::to_owned)
            .with_context(|| format!("{package} depends on nothing:\n{listing}"))
    }

    /// Fetches one package in its newest version, without what it depends on; returns the file.
    pub fn download_newest(&self, package: &str) -> Result<PathBuf> {
        let version = self.version(package, "")?;
        self.download(package, &version)
    }

    /// Fetches packages with all that they depend on; returns the files.
    pub fn download_all(&self, packages: &[&str]) -> Result<Vec<PathBuf>> {
        let archives = self.folder.join("cache/archives");
        run(self
            .tool("apt-get")
            .args([
                "--quiet",
                "install",
                "--download-only",
                "--yes",
                "--no-install-recommends",
            ])
            .args(packages))?;
        let mut files: Vec<PathBuf> = fs::read_dir(&archives)?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "deb"))
            .collect();
        files.sort();
        ensure!(
            !files.is_empty(),
            "apt-get left no package in {}",
            archives.display()
        );
        Ok(files)
    }

    /// `apt-get` or `apt-cache` with our lists.
    pub fn tool(&self, program: &str) -> Command {
        let mut command = process::command(program);
        let at = |part: &str| self.folder.join(part).display().to_string();
        let mut options = vec![
            ("Dir::Etc::sourcelist", at("suite.list")),
            ("Dir::Etc::sourceparts", "/dev/null".to_owned()),
            ("Dir::State::lists", at("lists")),
            ("Dir::Cache", at("cache")),
            // Our folder may be closed to apt's own unprivileged user.
            ("APT::Sandbox::User", "root".to_owned()),
        ];
        if let Some(architecture) = self.architecture {
            options.extend([
                ("APT::Architecture", architecture.to_owned()),
                ("APT::Architectures", architecture.to_owned()),
                ("Dir::State::status", at("nothing-installed")),
            ]);
        }
        for (key, value) in options {
            command.arg("-o").arg(format!("{key}={value}"));
        }
        command
    }
}

/// The machine's release and all its sources.
fn machine() -> Result<(String, String)> {
    let release =
        fs::read_to_string("/etc/os-release").context("cannot read the distribution's name")?;
    let codename = codename(&release).context("this is not Debian, whose package is wanted")?;
    Ok((codename.to_owned(), machine_sources()?))
}

fn of_machine(sources: &str, codename: &str, suite: &str) -> Result<String> {
    derive(sources, codename, suite)
        .with_context(|| format!("no apt source of this machine names the suite {codename}"))
}

/// The line without a limit to the machine's architectures.
fn any_architecture(line: &str) -> String {
    let Some((before, rest)) = line.split_once('[') else {
        return line.to_owned();
    };
    let Some((options, after)) = rest.split_once(']') else {
        return line.to_owned();
    };
    let kept: Vec<&str> = options
        .split_whitespace()
        .filter(|option| !option.starts_with("arch"))
        .collect();
    if kept.is_empty() {
        return before.to_owned() + after.trim_start();
    }
    format!("{before}[{}]{after}", kept.join(" "))
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn codename(os_release: &str) -> Option<&str> {
    let field = |key: &str| {
        os_release
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .map(|value| value.trim_matches('"'))
    };
    (field("ID=") == Some("debian"))
        .then(|| field("VERSION_CODENAME="))
        .flatten()
}

/// All apt sources of the machine, one after another, with an empty line between files.
fn machine_sources() -> Result<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        let wanted = |path: &PathBuf| {
            path.extension()
                .is_some_and(|e| e == "list" || e == "sources")
        };
        files.extend(
            entries
                .filter_map(Result::ok)
                .map(|entry| entry.path())
                .filter(wanted),
        );
    }
    files.sort();
    let texts: Vec<String> = files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .collect();
    Ok(texts.join("\n\n"))
}

/// The source of `suite`, as one line, from the first source that offers the machine's own release.
fn derive(sources: &str, codename: &str, suite: &str) -> Option<String> {
    let one_line = sources
        .lines()
        .find_map(|line| derive_line(line, codename, suite));
    one_line.or_else(|| {
        sources
            .split("\n\n")
            .find_map(|stanza| derive_stanza(stanza, codename, suite))
    })
}

/// `deb [options] address codename components`
fn derive_line(line: &str, codename: &str, suite: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if words.first() != Some(&"deb") || !words.contains(&codename) {
        return None;
    }
    let swapped: Vec<&str> = words
        .iter()
        .map(|word| if *word == codename { suite } else { word })
        .collect();
    Some(swapped.join(" ") + "\n")
}

/// `URIs: address`, `Suites: codename …`, `Signed-By: file`
fn derive_stanza(stanza: &str, codename: &str, suite: &str) -> Option<String> {
    let field = |key: &str| {
        let rest = stanza.lines().find_map(|line| line.strip_prefix(key))?;
        Some(rest.trim()).filter(|value| !value.is_empty())
    };
    if !field("Suites:")?
        .split_whitespace()
        .any(|word| word == codename)
    {
        return None;
    }
    let address = field("URIs:")?.split_whitespace().next()?;
    let options = field("Signed-By:")
        .map(|file| format!("[signed-by={file}] "))
        .unwrap_or_default();
    Some(format!("deb {options}{address} {suite} main\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stanza_gives_the_mirror_and_the_key_of_the_release_itself() {
        let sources = "Types: deb\nURIs: http://mirror.example/security\nSuites: bookworm-security\n\n\
                       Types: deb\n# a comment\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n\
                       Components: main\nSigned-By: /usr/share/keyrings/archive.gpg\n";
        assert_eq!(
            derive(sources, "bookworm", "trixie-backports").unwrap(),
            "deb [signed-by=/usr/share/keyrings/archive.gpg] http://mirror.example/debian trixie-backports main\n"
        );
    }

    #[test]
    fn a_one_line_source_keeps_its_options() {
        let sources = "# deb http://old.example/ bookworm main\ndeb [arch=amd64] http://mirror.example/debian bookworm main contrib\n";
        assert_eq!(
            derive(sources, "bookworm", "x").unwrap(),
            "deb [arch=amd64] http://mirror.example/debian x main contrib\n"
        );
    }

    #[test]
    fn a_machine_without_the_release_gives_nothing() {
        assert_eq!(
            derive(
                "deb http://mirror.example/debian sid main\n",
                "bookworm",
                "x"
            ),
            None
        );
    }

    #[test]
    fn a_foreign_architecture_is_not_kept_out_by_the_machines_own() {
        assert_eq!(
            any_architecture(
                "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian x main\n"
            ),
            "deb [signed-by=/k.gpg] http://mirror.example/debian x main\n"
        );
        assert_eq!(
            any_architecture("deb [arch=amd64] http://mirror.example/debian x main\n"),
            "deb http://mirror.example/debian x main\n"
        );
    }

    #[test]
    fn only_debian_has_a_codename_for_us() {
        assert_eq!(
            codename("ID=debian\nVERSION_CODENAME=bookworm\n"),
            Some("bookworm")
        );
        assert_eq!(codename("ID=ubuntu\nVERSION_CODENAME=noble\n"), None);
    }
}
