//! `cargo xtask log`: the log of a defmt build as lines of text. `burstmesh log` gives frames that name texts by numbers; the texts are
//! in the file with symbols of the same build, and `defmt-print` puts the two together.

use crate::board::Profile;
use crate::build::{self, Job, Log};
use crate::process::{self, command, output, run as run_command};
use crate::python::tools;
use crate::targets::{self, Target};
use anyhow::{Context, Result, ensure};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

/// The printer's version; it reads what `defmt` 1.x writes.
const PRINTER: &str = "1.2.0";
/// How a line is shown: seconds since the router's start, level, text.
const FORMAT: &str = "{t} {L} {s}";

/// Arguments of `log`.
#[derive(clap::Args)]
pub struct Args {
    /// The file with symbols of the very build that logged, from dist/
    #[arg(long)]
    elf: PathBuf,
    /// What `burstmesh log` gave; standard input otherwise
    frames: Option<PathBuf>,
}

/// `cargo xtask log`.
pub fn run(args: &Args) -> Result<()> {
    let frames = match &args.frames {
        Some(path) => File::open(path)
            .with_context(|| path.display().to_string())?
            .into(),
        None => Stdio::inherit(),
    };
    print!("{}", lines(&args.elf, frames)?);
    Ok(())
}

fn lines(elf: &Path, frames: Stdio) -> Result<String> {
    let elf = elf
        .canonicalize()
        .with_context(|| elf.display().to_string())?;
    let mut printer = command(printer()?);
    printer.arg("-e").arg(elf).args(["--log-format", FORMAT]);
    printer.arg("--show-skipped-frames").stdin(frames);
    Ok(output(&mut printer)? + "\n")
}

/// `defmt-print`, installed below `target/tools` where it is not there yet.
fn printer() -> Result<PathBuf> {
    let folder = tools().join(format!("defmt-print-{PRINTER}"));
    let program = folder.join("bin/defmt-print");
    if !program.is_file() {
        let mut cargo = process::cargo();
        cargo.args(["install", "defmt-print", "--locked", "--debug"]);
        cargo.args(["--version", PRINTER, "--root"]).arg(&folder);
        run_command(&mut cargo)?;
    }
    Ok(program)
}

/// A gateway without anything around it, in a network of its own.
const LONELY: &str = "config community 'community'
\toption name 'lonely'
\toption secret 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='
\toption key_file 'KEY'
config uplink 'wan'
\toption ifname 'wan'
config mesh 'mesh'
\toption ifname 'mesh0'
config client 'lan'
\toption ifname 'br0'
config exit 'exit'
\toption key 'CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='
\tlist address '192.0.2.1:4747'
";

/// The ring `defmt`: a big-endian agent of the defmt build runs under emulation, and the lines of what it does are read as text.
pub fn prove() -> Result<()> {
    let target = targets::STRICTEST;
    let job = Job {
        limits: Profile::Tiny,
        log: Log::Defmt,
        name: format!("{}-tiny-defmt", target.triple),
        ..Job::for_target(target)
    };
    let binary = build::make(&job)?.binary;
    let folder = tools().join("defmt-ring");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let agent = Agent::start(target, &binary, &folder)?;
    let id = agent.ask("status --json")?;
    let id: serde_json::Value = serde_json::from_str(&id)?;
    agent.ask("pause 5")?;
    agent.ask("resume")?;
    let frames = folder.join("frames");
    let mut log = agent.command("log");
    let status = log.stdout(File::create(&frames)?).status()?;
    ensure!(status.success(), "`burstmesh log` failed ({status})");
    drop(agent);
    let elf = binary.with_file_name("burstmesh.elf");
    let said = lines(&elf, File::open(&frames)?.into())?;
    print!("{said}");
    let node = id["node"].as_str().context("a status without a node")?;
    for line in [
        &format!("INFO  node {node}"),
        "INFO  paused",
        "INFO  the pause is over",
    ] {
        ensure!(
            said.lines().any(|said| said.ends_with(line)),
            "`{line}` is not among the lines"
        );
    }
    ensure!(said.contains("INFO  community lonely, tiny profile, "));
    println!("{} bytes of frames", fs::metadata(&frames)?.len());
    Ok(())
}

/// The emulated agent; ends with this.
struct Agent<'a> {
    target: &'a Target,
    binary: &'a Path,
    socket: PathBuf,
    running: Child,
}

impl<'a> Agent<'a> {
    fn start(target: &'a Target, binary: &'a Path, folder: &Path) -> Result<Self> {
        let config = folder.join("config");
        let key = folder.join("key").display().to_string();
        fs::write(&config, LONELY.replace("KEY", &key))?;
        // A Unix socket's name has a hundred bytes at most, so it is named from the folder that programs start in.
        let socket = folder.strip_prefix(process::root())?.join("socket");
        let mut agent = command("unshare");
        agent
            .args(["--net", target.emulator])
            .arg(binary)
            .arg("run");
        agent.arg("-c").arg(&config).arg("--socket").arg(&socket);
        let running = agent.spawn().context("cannot start the agent")?;
        let agent = Self {
            target,
            binary,
            socket,
            running,
        };
        for _ in 0..100 {
            if agent.ask("status").is_ok() {
                return Ok(agent);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        agent.ask("status").context("the agent does not start")?;
        Ok(agent)
    }

    fn command(&self, words: &str) -> std::process::Command {
        let mut command = command(self.target.emulator);
        command.arg(self.binary).args(words.split(' '));
        command.arg("--socket").arg(&self.socket);
        command
    }

    fn ask(&self, words: &str) -> Result<String> {
        output(&mut self.command(words))
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        let id = self.running.id().to_string();
        let _ = command("kill").args(["-TERM", &id]).status();
        let _ = self.running.wait();
    }
}
