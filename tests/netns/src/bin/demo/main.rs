//! The demonstration that `cargo xtask demo` builds and runs: three homes, alone and pooled, and a page about it.
//!
//! `scenario` is what happens, `recorder` what is written down meanwhile, `live` what the terminal shows, `report` the
//! page. The one argument is the file the page goes to.

mod live;
mod recorder;
mod report;
mod scenario;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::{env, fs};

use anyhow::{Context as _, Result, ensure};
use burstmesh_netns::{Lab, Topology, root};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

fn main() -> ExitCode {
    let interrupted = Arc::new(AtomicBool::new(false));
    match run(&interrupted) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if interrupted.load(Relaxed) => {
            eprintln!("interrupted; the lab is taken down");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(interrupted: &Arc<AtomicBool>) -> Result<()> {
    let page = env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("report/demo.html"), PathBuf::from);
    root::check()?;
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // The first asks for an orderly end, a second one ends at once; the next lab removes what that leaves.
        flag::register_conditional_shutdown(signal, 130, Arc::clone(interrupted))?;
        flag::register(signal, Arc::clone(interrupted))?;
    }
    println!(
        "raising the lab: three homes, a mesh, an exit, a web server (waits while another lab runs here)"
    );
    let lab = Lab::up(&Topology::builtin("three-homes")?)?;
    let recording = scenario::run(&lab, interrupted)?;
    drop(lab);
    write(&page, &report::render(&recording))?;
    for step in &recording.steps {
        let Some(transfer) = &step.transfer else {
            continue;
        };
        ensure!(
            transfer.complete && transfer.intact,
            "{}: the file did not arrive whole: {}",
            step.title,
            transfer.said
        );
    }
    Ok(())
}

fn write(page: &Path, text: &str) -> Result<()> {
    if let Some(folder) = page.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(page, text).with_context(|| format!("cannot write {}", page.display()))?;
    println!("\nthe report is {}", page.display());
    Ok(())
}
