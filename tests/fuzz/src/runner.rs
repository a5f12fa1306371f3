//! The corpus on disk, and a mutation loop over it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::mutate::{Random, mutated};
use crate::targets::Target;

/// What is running: the panic hook writes it down, also where a panic ends the process.
static CURRENT: Mutex<(&str, Vec<u8>)> = Mutex::new(("", Vec::new()));

/// This crate's folder.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The committed inputs of a target with their file names, by name.
pub fn corpus(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = folder().join("corpus").join(target.name);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some((name, fs::read(entry.path()).ok()?))
        })
        .collect();
    files.sort();
    files
}

/// Runs a target, remembering the input for the case that it panics.
pub fn run(target: &Target, data: &[u8]) {
    if let Ok(mut current) = CURRENT.lock() {
        current.0 = target.name;
        current.1.clear();
        current.1.extend_from_slice(data);
    }
    (target.run)(data);
}

/// From now on a panic leaves its input in `crashes/` and says how to run it again.
pub fn keep_crashes() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        let Ok(current) = CURRENT.lock() else { return };
        let (target, data) = (current.0, &current.1);
        match write_crash(target, data) {
            Ok(file) => eprintln!(
                "{target}: crash with {} bytes; again with\n  cargo xtask fuzz {target} --replay {}",
                data.len(),
                file.display()
            ),
            Err(error) => eprintln!("{target}: crash, but its input cannot be kept: {error}"),
        }
    }));
}

fn write_crash(target: &str, data: &[u8]) -> std::io::Result<PathBuf> {
    let folder = folder().join("crashes");
    fs::create_dir_all(&folder)?;
    // FNV-1a: the same input has the same name.
    let hash = data.iter().fold(0xcbf2_9ce4_8422_2325u64, |h, b| {
        (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
    });
    let file = folder.join(format!("{target}-{hash:016x}"));
    fs::write(&file, data)?;
    let shown = file.strip_prefix(folder.ancestors().nth(3).unwrap_or(Path::new("")));
    Ok(shown.map(Path::to_path_buf).unwrap_or(file))
}

/// Runs the corpus of a target and then mutations of it for as long as said; returns how many inputs ran.
pub fn fuzz(target: &Target, seed: u64, time: Duration) -> u64 {
    let corpus: Vec<Vec<u8>> = corpus(target).into_iter().map(|(_, data)| data).collect();
    for data in &corpus {
        run(target, data);
    }
    let (mut random, begun, mut runs) = (Random::new(seed), Instant::now(), 0);
    while begun.elapsed() < time {
        run(target, &mutated(&mut random, &corpus));
        runs += 1;
    }
    runs + corpus.len() as u64
}
