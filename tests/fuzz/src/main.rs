//! `cargo xtask fuzz` starts this: a longer run, one input again, or the seeds written anew.

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use burstmesh_fuzz::{ALL, Target, named, runner, seeds};

const USAGE: &str = "usage: burstmesh-fuzz [TARGET] [--seconds N] [--seed N] | TARGET --replay FILE | --write-seeds";

#[derive(Default)]
struct Wanted {
    target: Option<&'static Target>,
    seconds: Option<u64>,
    seed: Option<u64>,
    replay: Option<String>,
    write_seeds: bool,
}

fn wanted() -> Result<Wanted, String> {
    let mut out = Wanted::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value\n{USAGE}"));
        let number = |text: String| text.parse().map_err(|_| format!("{text} is no number"));
        match word.as_str() {
            "--seconds" => out.seconds = Some(number(value()?)?),
            "--seed" => out.seed = Some(number(value()?)?),
            "--replay" => out.replay = Some(value()?),
            "--write-seeds" => out.write_seeds = true,
            name => {
                let all = ALL.map(|target| target.name).join(", ");
                out.target = Some(named(name).ok_or(format!("no target {name}; there are {all}"))?);
            }
        }
    }
    Ok(out)
}

fn run() -> Result<(), String> {
    let wanted = wanted()?;
    if wanted.write_seeds {
        return seeds::write().map_err(|error| error.to_string());
    }
    runner::keep_crashes();
    if let Some(file) = wanted.replay {
        let target = wanted.target.ok_or(USAGE)?;
        let data = std::fs::read(&file).map_err(|error| format!("{file}: {error}"))?;
        runner::run(target, &data);
        println!("{}: {file} passes", target.name);
        return Ok(());
    }
    let chosen: Vec<&Target> = match wanted.target {
        Some(target) => vec![target],
        None => ALL.iter().collect(),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = wanted
        .seed
        .or(now.ok().map(|since| since.as_secs()))
        .unwrap_or(1);
    // The time is for all of them together.
    let each = Duration::from_secs(wanted.seconds.unwrap_or(60)) / chosen.len() as u32;
    for target in chosen {
        let runs = runner::fuzz(target, seed, each);
        println!(
            "{:<16} {runs:>9} inputs, seed {seed}: nothing found",
            target.name
        );
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
