//! Debian packages: installed on the system, or only fetched and unpacked under `target/`.

use crate::process::{self, output, run};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Installs packages from the suites the machine already has. Services that come with them are not started.
pub fn install(packages: &[&str]) -> Result<()> {
    let _quiet = NoServices::hold()?;
    let attempt = || {
        run(apt_get()
            .args(["install", "--yes", "--no-install-recommends"])
            .args(packages))
    };
    // The index is fetched only where the one at hand is absent or too old to answer.
    if attempt().is_err() {
        run(apt_get().arg("update"))?;
        attempt()?;
    }
    Ok(())
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args([
        "--quiet",
        "-o",
        "DPkg::Lock::Timeout=300",
    ]);
    command
}

/// While it lives, package scripts start no service: a test machine must not be left with a web server on port 80.
struct NoServices {
    policy: Option<PathBuf>,
}

impl NoServices {
    fn hold() -> Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        let policy = PathBuf::from("/usr/sbin/policy-rc.d");
        if policy.exists() {
            return Ok(Self { policy: None });
        }
        fs::write(&policy, "#!/bin/sh\nexit 101\n")
            .context("cannot keep package services from starting")?;
        fs::set_permissions(&policy, fs::Permissions::from_mode(0o755))?;
        Ok(Self {
            policy: Some(policy),
        })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(policy) = &self.policy {
            let _ = fs::remove_file(policy);
        }
    }
}

/// An apt of our own for one further suite: its lists and cache live in a folder of ours, so the machine's configuration
/// stays as it is, nothing can be upgraded by accident, and root is not needed.
pub struct Suite {
    folder: PathBuf,
}

impl Suite {
    /// Opens `suite`, with the mirror and keys that the machine's own sources name.
    pub fn open(folder: &Path, suite: &str) -> Result<Self> {
        fs::create_dir_all(folder.join("lists/partial"))?;
        fs::create_dir_all(folder.join("cache/archives/partial"))?;
        let release =
            fs::read_to_string("/etc/os-release").context("cannot read the distribution's name")?;
        let codename = codename(&release).context("this is not Debian, whose package is wanted")?;
        let sources = machine_sources()?;
        let line = derive(&sources, codename, suite)
            .with_context(|| format!("no apt source of this machine names the suite {codename}"))?;
        fs::write(folder.join("suite.list"), line)?;
        let suite = Self {
            folder: folder.to_path_buf(),
        };
        run(suite.tool("apt-get").args(["--quiet", "update"]))?;
        Ok(suite)
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

    fn tool(&self, program: &str) -> Command {
        let mut command = process::command(program);
        let at = |part: &str| self.folder.join(part).display().to_string();
        for (key, value) in [
            ("Dir::Etc::sourcelist", at("suite.list")),
            ("Dir::Etc::sourceparts", "/dev/null".to_owned()),
            ("Dir::State::lists", at("lists")),
            ("Dir::Cache", at("cache")),
            // Our folder may be closed to apt's own unprivileged user.
            ("APT::Sandbox::User", "root".to_owned()),
        ] {
            command.arg("-o").arg(format!("{key}={value}"));
        }
        command
    }
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
    fn only_debian_has_a_codename_for_us() {
        assert_eq!(
            codename("ID=debian\nVERSION_CODENAME=bookworm\n"),
            Some("bookworm")
        );
        assert_eq!(codename("ID=ubuntu\nVERSION_CODENAME=noble\n"), None);
    }
}
