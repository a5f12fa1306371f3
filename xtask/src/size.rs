//! `cargo xtask size`: what the agent's binary is made of, by section and by crate. The table is committed as `docs/size.md`, and
//! `--check` (a ring of tests) compares it with a build and the binary with its budget.

use crate::board::Profile;
use crate::build::{self, Built, Job, Log};
use crate::elf::Named;
use crate::process;
use crate::targets;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

/// The most bytes that a stripped static MIPS binary of the small profile may have. The aim is 300 KB; this is where it stands, so that
/// what makes it larger is noticed.
const MOST: u64 = 588_000;
/// A row may be off by so many percent, or by [`SLACK`] bytes, before the report counts as stale.
const TOLERANCE: u64 = 3;
const SLACK: u64 = 1024;
/// Crates smaller than this in every build are left out.
const SMALL: u64 = 1024;

/// Arguments of `size`.
#[derive(clap::Args)]
pub struct Args {
    /// Compare with docs/size.md and the budget; change nothing
    #[arg(long)]
    check: bool,
}

/// The builds that are compared: one column each.
fn jobs() -> Vec<(&'static str, Job)> {
    let job = |limits, log, name: &str| Job {
        limits,
        log,
        name: format!("size-{name}"),
        ..Job::for_target(targets::STRICTEST)
    };
    vec![
        ("small", job(Profile::Small, Log::Text, "small")),
        ("tiny", job(Profile::Tiny, Log::Text, "tiny")),
        ("tiny, defmt", job(Profile::Tiny, Log::Defmt, "defmt")),
    ]
}

/// `cargo xtask size`.
pub fn run(args: &Args) -> Result<()> {
    if args.check {
        return check();
    }
    let path = path();
    fs::write(&path, report(&measure()?))?;
    println!("written: {}", path.display());
    Ok(())
}

fn path() -> PathBuf {
    process::root().join("docs/size.md")
}

fn measure() -> Result<Vec<(&'static str, Rows)>> {
    let mut columns = Vec::new();
    for (name, job) in jobs() {
        columns.push((name, Rows::of(&build::make(&job)?)));
    }
    Ok(columns)
}

/// The binary is within its size, and the committed report is true.
pub fn check() -> Result<()> {
    let columns = measure()?;
    let report = report(&columns);
    let (name, first) = columns.first().context("nothing was built")?;
    let size = first.get(FILE);
    ensure!(
        size <= MOST,
        "the {name} binary has {size} bytes, and {MOST} are allowed; `cargo xtask size` shows where they are"
    );
    let committed = fs::read_to_string(path()).context("docs/size.md")?;
    let stale = differences(&parse(&committed), &parse(&report));
    if !stale.is_empty() {
        bail!(
            "docs/size.md is stale; make it anew by `cargo xtask size`:\n{}",
            stale.join("\n")
        );
    }
    println!("{name}: {size} of {MOST} bytes; docs/size.md is true within {TOLERANCE} %");
    Ok(())
}

const FILE: &str = "file";
const MEMORY: &str = "static memory";

/// The figures of one build: row and bytes.
struct Rows(BTreeMap<String, u64>);

impl Rows {
    fn of(built: &Built) -> Self {
        let mut rows = BTreeMap::new();
        rows.insert(FILE.to_owned(), built.size);
        rows.insert(MEMORY.to_owned(), built.contents.static_memory());
        for (section, size) in &built.contents.sections {
            *rows.entry(format!("`{section}`")).or_default() += size;
        }
        for (krate, size) in by_crate(&built.contents.code) {
            rows.insert(krate, size);
        }
        Self(rows)
    }

    fn get(&self, row: &str) -> u64 {
        self.0.get(row).copied().unwrap_or(0)
    }
}

/// Code and constants by the crate whose name the symbol has; generic code counts for the crate that defines it.
fn by_crate(code: &[Named]) -> BTreeMap<String, u64> {
    let mut crates = BTreeMap::new();
    for (name, size) in code {
        *crates.entry(crate_of(name).to_owned()).or_default() += size;
    }
    crates
}

/// The first crate that a demangled name names; what has none comes from the C library.
fn crate_of(name: &str) -> &str {
    let path = name.trim_start_matches(['<', '&', '[', '(', '*']);
    let path = path.trim_start_matches("mut ").trim_start_matches("dyn ");
    match path.split_once("::") {
        Some((first, _)) if first.chars().all(|c| c.is_alphanumeric() || c == '_') => first,
        // Methods of `str` and slices, and closures of them.
        _ if name.contains("::") => "core",
        _ => "C library",
    }
}

fn report(columns: &[(&str, Rows)]) -> String {
    let mut out = String::from(
        "# Size of the agent\n\nBytes of the static binary for `mips-unknown-linux-musl`, by limits profile; with `defmt` the log's texts stay outside. Written by `cargo xtask size`; the ring `size`\nof `cargo xtask test` builds it anew and compares.\n",
    );
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let mut table = |title: &str, rows: &[String]| {
        let _ = writeln!(out, "\n| {title} | {} |", names.join(" | "));
        let _ = writeln!(out, "|---|{}", "--:|".repeat(names.len()));
        for row in rows {
            let cells: Vec<String> = columns
                .iter()
                .map(|(_, c)| c.get(row).to_string())
                .collect();
            let _ = writeln!(out, "| {row} | {} |", cells.join(" | "));
        }
    };
    table("whole", &[FILE.to_owned(), MEMORY.to_owned()]);
    let rows: Vec<String> = columns
        .iter()
        .flat_map(|(_, c)| c.0.keys().cloned())
        .collect();
    let mut sections: Vec<String> = rows
        .iter()
        .filter(|r| r.starts_with('`'))
        .cloned()
        .collect();
    sections.sort();
    sections.dedup();
    table("section", &sections);
    let most = |row: &String| columns.iter().map(|(_, c)| c.get(row)).max().unwrap_or(0);
    let mut crates: Vec<String> = rows
        .into_iter()
        .filter(|row| !row.starts_with('`') && row != FILE && row != MEMORY && most(row) >= SMALL)
        .collect();
    crates.sort_by_key(|row| (std::cmp::Reverse(most(row)), row.clone()));
    crates.dedup();
    table("crate: code and constants that have a name", &crates);
    out
}

/// Rows of the report: name and figures.
fn parse(report: &str) -> BTreeMap<String, Vec<u64>> {
    report
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
            let name = cells.next()?.to_owned();
            let figures: Option<Vec<u64>> = cells.map(|cell| cell.parse().ok()).collect();
            Some((name, figures?))
        })
        .collect()
}

/// What differs by more than the tolerance. A row that appears or goes counts from zero.
fn differences(old: &BTreeMap<String, Vec<u64>>, new: &BTreeMap<String, Vec<u64>>) -> Vec<String> {
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    let mut out = Vec::new();
    for name in names {
        let at = |rows: &BTreeMap<String, Vec<u64>>, i: usize| {
            rows.get(name)
                .and_then(|row| row.get(i))
                .copied()
                .unwrap_or(0)
        };
        for i in 0..jobs().len() {
            let (was, is) = (at(old, i), at(new, i));
            // A row near the least size may come and go.
            let allowed =
                SLACK
                    .max(was * TOLERANCE / 100)
                    .max(if was == 0 { SMALL + SLACK } else { 0 });
            if was.abs_diff(is) > allowed {
                out.push(format!("{name}: {was}, now {is}"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_belongs_to_the_first_crate_in_its_name() {
        for (name, owner) in [
            (
                "burstmesh_core::wire::text::key_from_text",
                "burstmesh_core",
            ),
            (
                "<&mut postcard::de::Deserializer as serde::Deserializer>::any",
                "postcard",
            ),
            (
                "<[u8; 32] as serde_core::de::Deserialize>::deserialize",
                "core",
            ),
            ("<str>::trim_matches::<<char>::is_whitespace>", "core"),
            ("pthread_create", "C library"),
            ("compiler_rt.memcpy", "C library"),
        ] {
            assert_eq!(crate_of(name), owner, "{name}");
        }
    }

    #[test]
    fn a_report_is_stale_beyond_the_tolerance_and_not_within() {
        let rows = |figure: u64| parse(&format!("| file | {figure} | {figure} |\n"));
        assert!(differences(&rows(100_000), &rows(102_900)).is_empty());
        assert_eq!(differences(&rows(100_000), &rows(103_100)).len(), 2);
        assert_eq!(differences(&parse(""), &rows(103_100)).len(), 2);
        assert_eq!(differences(&rows(103_100), &parse("")).len(), 2);
        assert!(differences(&rows(100), &rows(900)).is_empty());
    }

    #[test]
    fn the_committed_report_has_the_rows_that_are_checked() {
        let report = fs::read_to_string(process::root().join("docs/size.md")).unwrap();
        let rows = parse(&report);
        let file = rows.get(FILE).unwrap();
        assert_eq!(file.len(), jobs().len());
        assert!(file[0] <= MOST, "{} bytes", file[0]);
        assert!(rows.contains_key("`.text`") && rows.contains_key("burstmesh_core"));
    }
}
