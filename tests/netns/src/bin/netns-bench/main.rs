//! The simulator's profiles with kernel TCP: ours in real namespaces over emulated lines, beside the kernel's multipath TCP on
//! the same lines, the best line alone through the same agent, and what the simulator says of the same cell.
//! `cargo xtask netns-bench` builds and runs it. Arguments: the page, the file that keeps figures between runs, profiles.
//!
//! `cell` says what is measured, `measure` does it, `figures` keeps what came of it, `table` writes the page.

mod cell;
mod figures;
mod measure;
mod table;

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use anyhow::{Context as _, Result};
use burstmesh_lab::profile::Profile;
use burstmesh_netns::root;

use cell::{PROFILES, Road};
use figures::Figures;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let (page, kept, chosen) = match words.as_slice() {
        [page, kept, chosen @ ..] => (Path::new(page), Path::new(kept), chosen),
        _ => anyhow::bail!("usage: netns-bench PAGE FIGURES [PROFILE..]"),
    };
    root::check()?;
    let names: Vec<&str> = match chosen {
        [] => PROFILES.to_vec(),
        some => some.iter().map(String::as_str).collect(),
    };
    let mut figures = Figures::read(kept)?;
    for name in names {
        let profile = Profile::named(name).with_context(|| format!("no profile {name}"))?;
        for road in Road::ALL {
            println!("{}, {}: {}", profile.name, profile.what, road.name());
            measure::measure(profile, road, &mut figures)
                .with_context(|| format!("{}, {}", profile.name, road.name()))?;
            // What was measured stays, whatever becomes of the rest.
            figures.write(kept)?;
            fs::write(page, table::render(&figures))
                .with_context(|| format!("cannot write {}", page.display()))?;
        }
    }
    println!("\nthe table is {}", page.display());
    Ok(())
}
