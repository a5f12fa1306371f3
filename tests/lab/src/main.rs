//! `burstmesh-lab PROFILE.. | all [--long] [--report DIR] [--csv] [--bless]`.
//!
//! A profile is measured in a process of its own, as many at a time as there are processors: nodes keep their packet
//! memory for life, and a process gives it back.

// A tool for developers: what it cannot do ends it with a message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burstmesh_lab::cell::Window;
use burstmesh_lab::profile::{PROFILES, Profile};
use burstmesh_lab::report::Page;
use burstmesh_lab::table;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Args {
    profiles: Vec<&'static Profile>,
    long: bool,
    report: Option<PathBuf>,
    /// In this process, and without the head of the table.
    raw: bool,
    bless: bool,
}

fn arguments() -> Result<Args, String> {
    let mut args = Args {
        profiles: Vec::new(),
        long: false,
        report: None,
        raw: false,
        bless: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--long" => args.long = true,
            "--raw" => args.raw = true,
            "--bless" => args.bless = true,
            "--report" => args.report = Some(words.next().ok_or("--report DIR")?.into()),
            "all" => args.profiles.extend(&PROFILES),
            name => args.profiles.push(Profile::named(name).ok_or_else(|| {
                let names: Vec<&str> = PROFILES.iter().map(|p| p.name).collect();
                format!(
                    "no profile `{name}`; there are {}, and all",
                    names.join(", ")
                )
            })?),
        }
    }
    if args.profiles.is_empty() {
        return Err("which profile? e.g. P3, or all".into());
    }
    Ok(args)
}

fn main() {
    let args = match arguments() {
        Ok(args) => args,
        Err(why) => {
            eprintln!("error: {why}");
            std::process::exit(2);
        }
    };
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

fn snapshot(long: bool) -> PathBuf {
    let name = if long { "long.csv" } else { "short.csv" };
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("snapshot")
        .join(name)
}

/// One profile, here: CSV on standard output, the table on standard error.
fn one(profile: &'static Profile, args: &Args) {
    let window = if args.long {
        Window::FULL
    } else {
        Window::SHORT
    };
    let mut page = Page::new(profile);
    let rows = table::rows(profile, window, |row, lab| {
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
    let (next, done) = (
        AtomicUsize::new(0),
        Mutex::new(vec![String::new(); args.profiles.len()]),
    );
    eprintln!("{}", table::legend());
    let work = || {
        while let Some(profile) = args.profiles.get(next.fetch_add(1, Ordering::Relaxed)) {
            let lines = child(profile, args);
            let at = args
                .profiles
                .iter()
                .position(|p| p.name == profile.name)
                .unwrap();
            done.lock().unwrap()[at] = lines;
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|s| {
        for _ in 0..workers {
            s.spawn(work);
        }
    });
    done.into_inner().unwrap().concat()
}

fn child(profile: &Profile, args: &Args) -> String {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command.args([profile.name, "--raw"]);
    if args.long {
        command.arg("--long");
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
