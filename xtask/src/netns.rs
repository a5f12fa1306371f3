//! The ring of the namespace lab: a `cargo test` for each of its files.
//!
//! Bars on rates are judged on machines that others use, too. A file that fails is run once more, when nothing runs beside it any more,
//! and only what fails twice is a failure; what passed at the second try is named as flaky, with what the first one said.
//!
//! Files whose labs may all run beside others (`Lab::beside`) mostly wait: they come first, some at a time. The others hold rates
//! against bars: nothing but the virtual machines runs beside them, at idle priority (`meanwhile.rs`).

use crate::ring::Options;
use crate::test::ignored_too;
use crate::{build, process, targets};
use anyhow::{Context as _, Result, anyhow, ensure};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

const PACKAGE: &str = "burstmesh-netns";
/// More files than this do not fail by chance.
const FLAKY: usize = 2;
/// How many files run at once of those that may.
const AT_ONCE: usize = 2;

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
    let test = |file: &str| {
        let mut test = match file {
            "" => cargo(&["--lib", "--bins"]),
            _ => cargo(&["--test", file]),
        };
        ignored_too(&mut test, options);
        test
    };
    let (beside, mut alone) = files()?;
    // It closes the run: `cargo test` has the last word.
    let last = alone.pop();
    let mut failed = try_some_at_a_time(beside, |file| {
        // Its own tests in turn: the files keep the cores busy.
        try_first(test(file).env("RUST_TEST_THREADS", "1"))
    })?;
    // Together with those it would be too much for two cores.
    options.meanwhile.begin()?;
    for file in alone {
        if !try_first(&mut test(&file))? {
            failed.push(file);
        }
    }
    let meanwhile = options.meanwhile.end();
    ensure!(
        failed.len() <= FLAKY,
        "failed at the first try, which is too many: {}",
        failed.join(", ")
    );
    let mut twice = Vec::new();
    for file in failed {
        if !try_again(&mut test(&file))? {
            twice.push(file);
        }
    }
    if let Some(file) = last
        && !try_first(&mut test(&file))?
        && !try_again(&mut test(&file))?
    {
        twice.push(file);
    }
    meanwhile?;
    // What failed in one file must not hide what the others would say.
    ensure!(twice.is_empty(), "failed twice: {}", twice.join(", "));
    Ok(())
}

/// Tries files, [`AT_ONCE`] at a time; gives those that failed.
fn try_some_at_a_time(
    files: Vec<String>,
    passes: impl Fn(&str) -> Result<bool> + Sync,
) -> Result<Vec<String>> {
    let (files, tried) = (Mutex::new(files.into_iter()), Mutex::new(Vec::new()));
    let next = || files.lock().ok()?.next();
    let work = || {
        while let Some(file) = next() {
            let passed = passes(&file).map(|passed| (file, passed));
            if let Ok(mut tried) = tried.lock() {
                tried.push(passed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(work);
        }
    });
    let tried = tried
        .into_inner()
        .map_err(|_| anyhow!("who tried a file has panicked"))?;
    let tried: Vec<(String, bool)> = tried.into_iter().collect::<Result<_>>()?;
    let failed = tried.into_iter().filter(|(_, passed)| !passed);
    Ok(failed.map(|(file, _)| file).collect())
}

/// Whether a test passes at once.
fn try_first(test: &mut Command) -> Result<bool> {
    let (passed, said) = run(test)?;
    if passed {
        println!("{said}");
        return Ok(true);
    }
    for line in said.lines() {
        println!("first try | {line}");
    }
    println!("!!! `{}` failed: once more at the end", process::line(test));
    Ok(false)
}

/// Whether a test that has failed passes when nothing runs beside it.
fn try_again(test: &mut Command) -> Result<bool> {
    let (passed, said) = run(test)?;
    if passed {
        let test = process::line(test);
        println!("!!! FLAKY: `{test}` passed when it was repeated");
    }
    println!("{said}");
    Ok(passed)
}

/// Whether a test passes, and what it says.
fn run(test: &mut Command) -> Result<(bool, String)> {
    println!("$ {}", process::line(test));
    let output = test.output().context("cannot start cargo")?;
    // Others may have begun meanwhile: what it said comes under its command once more.
    let mut said = format!("ended: {}\n", process::line(test));
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    said.push_str(&String::from_utf8_lossy(&output.stdout));
    said.truncate(said.trim_end().len());
    Ok((output.status.success(), said))
}

/// The lab's files of tests: what may run beside others, the longest texts first, since they take longest as a rule, and what
/// may not. The latter begins with the lab's own tests (`""`) and with what measures it.
fn files() -> Result<(Vec<String>, Vec<String>)> {
    let folder = process::root().join("tests/netns/tests");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).context("tests/netns/tests")? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "rs")
            && let Some(name) = path.file_stem()
        {
            let text = std::fs::read_to_string(&path)?;
            files.push((name.to_string_lossy().into_owned(), text));
        }
    }
    ensure!(!files.is_empty(), "{}: no tests", folder.display());
    let is_alone = |(_, text): &(String, String)| text.contains("Lab::up(");
    let (mut alone, mut beside): (Vec<_>, Vec<_>) = files.into_iter().partition(is_alone);
    beside.sort_by_key(|(_, text)| std::cmp::Reverse(text.len()));
    alone.sort_by_key(|(name, _)| (name != "calibration", name.clone()));
    let names = |files: Vec<(String, String)>| files.into_iter().map(|(name, _)| name);
    let own = std::iter::once(String::new());
    Ok((names(beside).collect(), own.chain(names(alone)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_measures_the_lab_comes_before_what_is_measured_in_it() {
        let (beside, alone) = files().unwrap();
        assert_eq!(alone[..2], ["", "calibration"]);
        let has = |files: &[String], name: &str| files.iter().any(|file| file == name);
        assert!(has(&alone, "pooling") && !has(&beside, "pooling"));
        assert!(has(&beside, "failover") && !has(&alone, "failover"));
    }

    #[test]
    fn a_second_try_may_pass_where_the_first_one_failed() {
        let script = |text: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", text]);
            command
        };
        assert!(try_first(&mut script("true")).unwrap());
        assert!(!try_first(&mut script("false")).unwrap());
        assert!(!try_again(&mut script("false")).unwrap());
        let seen = std::env::temp_dir().join(format!("burstmesh-{}-seen", std::process::id()));
        let path = seen.display();
        let text = format!("test -e {path} || {{ touch {path}; false; }}");
        assert!(!try_first(&mut script(&text)).unwrap());
        let again = try_again(&mut script(&text)).unwrap();
        std::fs::remove_file(&seen).unwrap();
        assert!(again);
    }

    #[test]
    fn of_files_that_are_tried_together_those_that_failed_are_given() {
        let files = ["a", "b", "c"].map(str::to_owned);
        let mut failed = try_some_at_a_time(files.into(), |file| Ok(file == "b")).unwrap();
        failed.sort();
        assert_eq!(failed, ["a", "c"]);
        let broken = try_some_at_a_time(vec!["a".into()], |_| anyhow::bail!("no cargo"));
        assert!(broken.is_err());
    }
}
