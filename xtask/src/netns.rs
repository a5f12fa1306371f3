//! The ring of the namespace lab: a `cargo test` for each of its files.
//!
//! Bars on rates are judged on machines that others use, too. A file that fails is run once more, and only what fails twice is a
//! failure; what passed at the second try is named as flaky, with what the first one said.

use crate::ring::Options;
use crate::test::ignored_too;
use crate::{build, process, targets};
use anyhow::{Context as _, Result, bail, ensure};
use std::path::Path;
use std::process::Command;

const PACKAGE: &str = "burstmesh-netns";
/// More files than this do not fail by chance.
const FLAKY: usize = 2;

/// Runs all files, with the daemons of the folder `release`.
///
/// # Errors
/// When some file has failed twice, or too many have failed once.
pub fn ring(release: &Path, options: &Options) -> Result<()> {
    let mips = build::for_target(targets::STRICTEST)?;
    let cargo = |what: &[&str]| {
        let mut cargo = process::cargo();
        cargo.args(["test", "--package", PACKAGE, "--locked"]);
        cargo.args(what);
        cargo.env("BURSTMESH_BIN_DIR", release);
        let previous = process::root().join("target/previous-minor/release");
        cargo.env("BURSTMESH_PREVIOUS_AGENT", previous.join("burstmesh"));
        cargo.env("BURSTMESH_MIPS_AGENT", &mips);
        cargo.env("BURSTMESH_REQUIRE_MIPS", "1");
        // We have just looked: from here on, a test that cannot run is a failure and not a silent skip.
        cargo.env("BURSTMESH_REQUIRE_ROOT", "1");
        cargo
    };
    process::run(&mut cargo(&["--tests", "--no-run"]))?;
    let (mut flaky, mut failed) = (Vec::new(), Vec::new());
    for file in files()? {
        let mut test = match file.as_str() {
            "" => cargo(&["--lib", "--bins"]),
            _ => cargo(&["--test", &file]),
        };
        ignored_too(&mut test, options);
        match judge(&mut test)? {
            Verdict::Passed => {}
            Verdict::Flaky => flaky.push(file),
            Verdict::Failed => failed.push(file),
        }
    }
    // What failed in one file must not hide what the others would say.
    ensure!(failed.is_empty(), "failed twice: {}", failed.join(", "));
    ensure!(
        flaky.len() <= FLAKY,
        "failed at the first try, which is too many: {}",
        flaky.join(", ")
    );
    Ok(())
}

/// What came of a file.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Passed,
    /// At the second try.
    Flaky,
    Failed,
}

fn judge(test: &mut Command) -> Result<Verdict> {
    let Err(said) = try_once(test)? else {
        return Ok(Verdict::Passed);
    };
    for line in said.lines() {
        println!("first try | {line}");
    }
    println!("!!! `{}` failed: once more", process::line(test));
    if let Err(said) = try_once(test)? {
        println!("{said}");
        return Ok(Verdict::Failed);
    }
    println!(
        "!!! FLAKY: `{}` passed when it was repeated",
        process::line(test)
    );
    Ok(Verdict::Flaky)
}

/// Prints what a test that passes says, and gives back what a failed one does.
fn try_once(test: &mut Command) -> Result<Result<(), String>> {
    println!("$ {}", process::line(test));
    let output = test.output().context("cannot start cargo")?;
    let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stdout));
    if !output.status.success() {
        return Ok(Err(said));
    }
    println!("{}", said.trim_end());
    Ok(Ok(()))
}

/// The lab's files of tests, after its own tests (`""`). What measures the lab itself comes first.
fn files() -> Result<Vec<String>> {
    let folder = process::root().join("tests/netns/tests");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).context("tests/netns/tests")? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "rs")
            && let Some(name) = path.file_stem()
        {
            files.push(name.to_string_lossy().into_owned());
        }
    }
    files.sort_by_key(|name| (name != "calibration", name.clone()));
    if files.is_empty() {
        bail!("{}: no tests", folder.display());
    }
    files.insert(0, String::new());
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_measures_the_lab_comes_before_what_is_measured_in_it() {
        let files = files().unwrap();
        assert_eq!(files[..2], ["", "calibration"]);
        assert!(files.iter().any(|f| f == "pooling"));
    }

    #[test]
    fn only_what_fails_twice_has_failed() {
        let script = |text: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", text]);
            judge(&mut command).unwrap()
        };
        let seen = std::env::temp_dir().join(format!("burstmesh-{}-seen", std::process::id()));
        assert_eq!(script("true"), Verdict::Passed);
        assert_eq!(script("false"), Verdict::Failed);
        let path = seen.display();
        let second = script(&format!("test -e {path} || {{ touch {path}; false; }}"));
        std::fs::remove_file(&seen).unwrap();
        assert_eq!(second, Verdict::Flaky);
    }
}
