//! A router to try things on: boots it with programs (our own as NAME=PATH, Debian's as NAME: iperf3, wg) and runs the
//! lines of standard input in it.
//!
//! `cargo run -p burstmesh-qemu --example shell -- burstmesh=dist/mipsel-unknown-linux-musl/burstmesh`; with `ICOUNT=1` in the
//! environment its time passes by instructions, of 2 ns each.

use anyhow::Result;
use burstmesh_qemu::{Boot, Clock, Image, Machine, Platform};
use std::io::BufRead as _;
use std::path::Path;
use std::time::{Duration, Instant};

fn main() -> Result<()> {
    let mut image = Image::new(Platform::Mipsel)?;
    for argument in std::env::args().skip(1) {
        match argument.split_once('=') {
            Some((name, path)) => image.program(name, Path::new(path))?,
            None => image.tool(&argument)?,
        }
    }
    let shift = std::env::var("ICOUNT").ok().and_then(|s| s.parse().ok());
    let boot = Boot {
        name: "shell",
        memory: 128,
        clock: shift.map_or(Clock::Real, |shift| Clock::Instructions { shift }),
        limit: Duration::from_secs(3600),
    };
    let mut router = Machine::boot(&boot, image)?;
    eprintln!("ready; the console is in {}", router.console().display());
    for line in std::io::stdin().lock().lines() {
        let begun = Instant::now();
        let (status, said) = router.outcome(&line?, Duration::from_secs(1200))?;
        println!("{said}\n[{status}, {:.1} s]", begun.elapsed().as_secs_f64());
    }
    Ok(())
}
