//! What a tunnel costs in processor time: ours and others in the same lab, one after the other, over one path that is as
//! fast as the machine. `cargo xtask cpu-bench` builds and runs it; the first argument is the file the table goes to; words
//! behind it choose tunnels by their names.
//!
//! `peers` raises the tunnels, `measure` loads them, `table` writes down what came of it.

mod measure;
mod peers;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

use anyhow::{Context as _, Result};
use burstmesh_netns::{Lab, Topology, root};

use measure::Row;
use peers::Tunnel;

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
    let path = env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("docs/cpu.md"), PathBuf::from);
    root::check()?;
    let mut rows: Vec<Row> = Vec::new();
    let wanted: Vec<String> = env::args().skip(2).collect();
    let chosen = |t: &Tunnel| wanted.is_empty() || wanted.iter().any(|w| t.name().contains(w));
    for tunnel in Tunnel::ALL.into_iter().filter(chosen) {
        if let Some(program) = tunnel.missing() {
            println!("SKIPPED {}: {program} is not installed", tunnel.name());
            continue;
        }
        // A lab of its own each: nothing of one is in the way of the next.
        let lab = Lab::up(&Topology::builtin("unshaped")?)?;
        let row = tunnel
            .raise(&lab)
            .and_then(|mut ends| measure::measure(&lab, tunnel, &mut ends))
            .with_context(|| tunnel.name());
        let row = row?;
        println!("{}", table::line(&row));
        rows.push(row);
    }
    let text = table::render(&rows);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    println!("\nthe table is {}", path.display());
    Ok(())
}
