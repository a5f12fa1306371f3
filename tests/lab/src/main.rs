//! `burstmesh-lab PROFILE.. | all | community [--load NAME] [--homes N] [--seed N] [--long] [--report DIR] [--bless]`.
//!
//! A profile is measured in a process of its own, as many at a time as there are processors: nodes keep their packet
//! memory for life, and a process gives it back.

// A tool for developers: what it cannot do ends it with a message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burstmesh_lab::cell::Window;
use burstmesh_lab::community::page::Page as CommunityPage;
use burstmesh_lab::community::{air, table as table_of};
use burstmesh_lab::parallel;
use burstmesh_lab::profile::{PROFILES, Profile};
use burstmesh_lab::report::Page;
use burstmesh_lab::table;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

struct Args {
    profiles: Vec<&'static Profile>,
    long: bool,
    report: Option<PathBuf>,
    /// In this process, and without the head of the table.
    raw: bool,
    bless: bool,
    /// The community simulation.
    community: bool,
    /// Another seed than the committed tables', or the first of other seeds.
    seed: Option<u64>,
    homes: Option<usize>,
    /// Of each profile only this row.
    load: Option<String>,
}

fn arguments() -> Result<Args, String> {
    let mut args = Args {
        profiles: Vec::new(),
        long: false,
        report: None,
        raw: false,
        bless: false,
        community: false,
        seed: None,
        homes: None,
        load: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--long" => args.long = true,
            "--raw" => args.raw = true,
            "--bless" => args.bless = true,
            "--load" => args.load = Some(words.next().ok_or("--load NAME")?),
            "--report" => args.report = Some(words.next().ok_or("--report DIR")?.into()),
            "--seed" => {
                let seed = words.next().and_then(|n| n.parse().ok());
                args.seed = Some(seed.ok_or("--seed N")?);
            }
            "--homes" => {
                let homes = words.next().and_then(|n| n.parse().ok());
                args.homes = Some(homes.ok_or("--homes N")?);
            }
            "community" => args.community = true,
            "all" => args.profiles.extend(&PROFILES),
            name => args.profiles.push(Profile::named(name).ok_or_else(|| {
                let names: Vec<&str> = PROFILES.iter().map(|p| p.name).collect();
                format!(
                    "no profile `{name}`; there are {}, all, and community",
                    names.join(", ")
                )
            })?),
        }
    }
    if args.profiles.is_empty() && !args.community {
        return Err("which profile? e.g. P3, or all".into());
    }
    if args.bless && (args.homes.is_some() || args.seed.is_some() || args.load.is_some()) {
        return Err("--bless writes the whole table: leave --homes, --load and --seed out".into());
    }
    if args.community && streets(&args).is_empty() {
        let mut sizes: Vec<usize> = all_streets(args.long).iter().map(|c| c.homes).collect();
        sizes.dedup();
        let more = if args.long { "" } else { "; more with --long" };
        return Err(format!(
            "no street of so many homes; there are {sizes:?}{more}"
        ));
    }
    Ok(args)
}

fn all_streets(long: bool) -> &'static [table_of::Case] {
    if long {
        &table_of::LONG
    } else {
        &table_of::SHORT
    }
}

/// The streets that were asked for.
fn streets(args: &Args) -> Vec<&'static table_of::Case> {
    let only = |case: &&table_of::Case| args.homes.is_none_or(|homes| case.homes == homes);
    all_streets(args.long).iter().filter(only).collect()
}

fn main() {
    let args = match arguments() {
        Ok(args) => args,
        Err(why) => {
            eprintln!("error: {why}");
            std::process::exit(2);
        }
    };
    if args.community {
        return community(&args);
    }
    if args.raw {
        return args.profiles.iter().for_each(|p| one(p, &args));
    }
    let csv = format!("{}\n{}", table::head(), everything(&args));
    print!("{csv}");
    if let Some(dir) = &args.report {
        std::fs::write(dir.join("lab.csv"), &csv).expect("the report's folder");
        eprintln!("{}", dir.display());
    }
    if args.bless {
        let file = snapshot(args.long);
        std::fs::write(&file, csv).expect("the snapshot");
        eprintln!("{}", file.display());
    }
}

/// The community simulation: its table, and a page.
fn community(args: &Args) {
    let file = if args.long {
        "community-long.csv"
    } else {
        "community.csv"
    };
    let (mut csv, mut page) = (table_of::head(), CommunityPage::default());
    eprintln!("{}", table_of::legend());
    for case in streets(args) {
        let trials = table_of::trials(case, args.seed);
        let rows = table_of::rows(case, &trials);
        for row in &rows {
            eprintln!("{}", table_of::show(row));
            csv = format!("{csv}\n{}", table_of::csv(row));
        }
        page.add(case, &trials, &rows);
    }
    let air = air::measure();
    eprintln!("{air}");
    println!("{csv}");
    if let Some(dir) = &args.report {
        std::fs::create_dir_all(dir).expect("the report's folder");
        std::fs::write(dir.join("community.csv"), format!("{csv}\n")).expect("the report's folder");
        std::fs::write(dir.join("community.html"), page.finish(&air)).expect("the report's page");
        eprintln!("{}", dir.display());
    }
    if args.bless {
        std::fs::write(snapshot_file(file), format!("{csv}\n")).expect("the snapshot");
    }
}

fn snapshot_file(name: &str) -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.join("snapshot").join(name)
}

fn snapshot(long: bool) -> PathBuf {
    snapshot_file(if long { "long.csv" } else { "short.csv" })
}

/// One profile, here: CSV on standard output, the table on standard error.
fn one(profile: &'static Profile, args: &Args) {
    let window = if args.long {
        Window::FULL
    } else {
        Window::SHORT
    };
    let seed = args.seed.unwrap_or(table::SEED);
    let mut page = Page::new(profile);
    let rows = table::rows(profile, window, seed, args.load.as_deref(), |row, lab| {
        if args.report.is_some() {
            page.add(row, lab);
        }
    });
    if let Some(dir) = &args.report {
        std::fs::create_dir_all(dir).expect("the report's folder");
        let file = dir.join(format!("lab-{}.html", profile.name));
        std::fs::write(file, page.finish(&rows)).expect("the report's page");
    }
    for row in &rows {
        println!("{}", table::csv(row));
        eprintln!("{}", table::show(row));
    }
}

/// All profiles, each in a process; their lines in the profiles' order.
fn everything(args: &Args) -> String {
    eprintln!("{}", table::legend());
    let lines = parallel::each(args.profiles.len(), |n| child(args.profiles[n], args));
    lines.concat()
}

fn child(profile: &Profile, args: &Args) -> String {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command.args([profile.name, "--raw"]);
    if args.long {
        command.arg("--long");
    }
    if let Some(load) = &args.load {
        command.args(["--load", load]);
    }
    if let Some(seed) = args.seed {
        command.args(["--seed", &seed.to_string()]);
    }
    if let Some(dir) = &args.report {
        command.arg("--report").arg(dir);
    }
    let out = command
        .stderr(Stdio::inherit())
        .output()
        .expect("this program");
    assert!(out.status.success(), "{} failed", profile.name);
    String::from_utf8(out.stdout).expect("CSV")
}
