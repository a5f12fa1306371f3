//! A virtual machine: QEMU, bounded in time, its console kept.

use crate::image::{Image, Platform};
use crate::shell::Shell;
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How the machine's time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// As ours. What the processor can do depends on how busy the host is.
    Real,
    /// By instructions: each takes 2^shift nanoseconds, idle time passes at once. What is measured depends on instructions alone.
    Instructions {
        /// 0: 1000 MIPS, 1: 500 MIPS, a router's.
        shift: u8,
    },
}

/// What to boot, and how.
pub struct Boot {
    /// For files and messages.
    pub name: &'static str,
    /// Memory in MiB.
    pub memory: u32,
    /// How time passes.
    pub clock: Clock,
    /// After this the machine is ended, whatever it does.
    pub limit: Duration,
}

/// A running machine; dropping it ends it.
pub struct Machine {
    child: Child,
    shell: Shell,
    console: PathBuf,
}

impl Machine {
    /// Boots an image and waits for its shell.
    pub fn boot(boot: &Boot, image: Image) -> Result<Self> {
        let folder = folder();
        fs::create_dir_all(&folder)?;
        let console = folder.join(format!("{}.console.log", boot.name));
        let archive = folder.join(format!("{}.cpio", boot.name));
        let (platform, kernel) = (image.platform(), image.kernel()?);
        fs::write(&archive, image.finish())?;
        let archive = pack(&archive)?;
        let complaints = fs::File::create(folder.join(format!("{}.qemu.log", boot.name)))?;
        let mut child = qemu(boot, platform, &kernel, &archive, &console)
            .stderr(complaints)
            .spawn()
            .context("cannot start the virtual machine")?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let shell = Shell::new(input.context("no input")?, output.context("no output")?);
        let mut machine = Self {
            child,
            shell,
            console,
        };
        machine
            .shell
            .wait_ready(boot.limit)
            .map_err(|error| machine.explain(error))?;
        Ok(machine)
    }

    /// Runs one command line in the machine; what it printed. Fails when it does, or does not end in `limit` of our time.
    pub fn run(&mut self, command: &str, limit: Duration) -> Result<String> {
        let (status, said) = self.outcome(command, limit)?;
        if status != 0 {
            return Err(self.explain(anyhow::anyhow!("`{command}` ended with {status}: {said}")));
        }
        Ok(said)
    }

    /// Runs one command line; its exit status and what it printed.
    pub fn outcome(&mut self, command: &str, limit: Duration) -> Result<(i32, String)> {
        let outcome = self.shell.run(command, limit);
        outcome.map_err(|error| self.explain(error))
    }

    /// Where the kernel's messages and the machine's own are kept.
    pub fn console(&self) -> &Path {
        &self.console
    }

    fn explain(&mut self, error: anyhow::Error) -> anyhow::Error {
        let how = match self.child.try_wait() {
            Ok(Some(status)) => format!("the machine ended with {status}; "),
            _ => String::new(),
        };
        error.context(format!("{how}the console is in {}", self.console.display()))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // `timeout` passes the signal on to the machine; the shell's end of input would not end it.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").arg(&pid).status();
        let _ = self.child.wait();
    }
}

/// Packed, because memory holds it beside what is unpacked from it.
fn pack(archive: &Path) -> Result<PathBuf> {
    let status = Command::new("gzip")
        .args(["--force", "-1"])
        .arg(archive)
        .status()
        .context("cannot start gzip")?;
    if !status.success() {
        bail!("gzip cannot pack {}", archive.display());
    }
    Ok(archive.with_extension("cpio.gz"))
}

/// Archives and consoles of the machines.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/machines/runs")
}

/// Ends with us, even where we are killed, and bounded by `timeout` besides.
fn qemu(boot: &Boot, platform: Platform, kernel: &Path, archive: &Path, console: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "timeout"]);
    command.args(["--kill-after=5", &boot.limit.as_secs().to_string()]);
    let (program, board, serial): (_, &[&str], _) = match platform {
        // Debian's programs there use the floating point unit, which the 24Kc has not.
        Platform::Mipsel => (
            "qemu-system-mipsel",
            &["-M", "malta", "-cpu", "24Kf"],
            "ttyS0",
        ),
        Platform::Armhf => (
            "qemu-system-arm",
            &["-M", "virt", "-cpu", "cortex-a7"],
            "ttyAMA0",
        ),
    };
    command
        .arg(program)
        .args(board)
        .args(["-m", &boot.memory.to_string()])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(archive)
        // A file system without a limit of its own: tmpfs would take half of the memory and no more, which 64 MB are too few for.
        .arg("-append")
        .arg(format!("console={serial} panic=-1 quiet rootfstype=ramfs"))
        .args(["-display", "none", "-monitor", "none", "-no-reboot"])
        .args(["-nic", "none", "-vga", "none"])
        .arg("-serial")
        .arg(format!("file:{}", console.display()))
        .args(["-serial", "stdio"]);
    if let Clock::Instructions { shift } = boot.clock {
        // A clock of the host's, however slow it is asked, would let the machine wait for us in its own time.
        command
            .arg("-icount")
            .arg(format!("shift={shift},sleep=off"))
            .args(["-rtc", "clock=vm"]);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// The program that a variable names, or what `cargo xtask` leaves in `dist/`.
pub fn built(variable: &str, target: &str, name: &str) -> Result<PathBuf> {
    let path = std::env::var_os(variable).map_or_else(
        || {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../../dist")
                .join(target)
                .join(name)
        },
        PathBuf::from,
    );
    if !path.is_file() {
        bail!(
            "there is no {}: cargo xtask build --target {target}",
            path.display()
        );
    }
    Ok(path)
}
