//! `cargo xtask package`: what a router installs, without OpenWrt's SDK. The feed's own Makefiles lay out the files, so that a
//! package made here and one made by the SDK hold the same; for one commit and compiler the same bytes every time.

mod apk;
mod feed;
mod ipk;
mod lmo;

use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::board::{self, Board, Profile};
use crate::build::{self, Job};
use crate::package::epoch;
use crate::process::root;
use crate::targets;
use feed::Source;

/// How each script of a package begins: nothing to do in a root without OpenWrt's functions.
const FUNCTIONS: &str =
    "[ -s ${IPKG_INSTROOT}/lib/functions.sh ] || exit 0\n. ${IPKG_INSTROOT}/lib/functions.sh\n";

/// What the command line says.
#[derive(clap::Args)]
pub struct Args {
    /// A router model, as its file in board-configs/ is called
    #[arg(long)]
    board: String,
    /// Pack this agent instead of building one
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// Pack the exit as well, for a router that serves as one
    #[arg(long)]
    exit: bool,
    /// Pack this exit instead of building one
    #[arg(long, value_name = "FILE", requires = "exit")]
    exit_binary: Option<PathBuf>,
    /// Where the packages go; dist/BOARD without it
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// The exit's package and program.
const EXIT: &str = "burstmesh-proxy";

/// `cargo xtask package`.
pub fn run(args: &Args) -> Result<()> {
    let board = board::load(&args.board)?;
    let out = match &args.out {
        Some(folder) => root().join(folder),
        None => root().join("dist").join(&board.file),
    };
    pack(&board, args.agent.as_deref(), &out)?;
    if args.exit {
        let exit = match &args.exit_binary {
            Some(file) => file.clone(),
            None => build::std_program(EXIT, targets::named(&board.rust.target)?)?,
        };
        packed(&[(EXIT, EXIT)], &board, (&exit, EXIT), &out)?;
    }
    Ok(())
}

/// Packs a board's agent, this one or one that is built, and its pages and their translations into `out`.
pub fn pack(board: &Board, agent: Option<&Path>, out: &Path) -> Result<()> {
    let agent = match agent {
        Some(file) => file.to_owned(),
        None => build::make(&job(board)?)?.binary,
    };
    let packages = [
        ("burstmesh", agents(board)),
        ("luci-app-burstmesh", "luci-app-burstmesh"),
        ("luci-app-burstmesh", "luci-i18n-burstmesh-de"),
        ("luci-app-burstmesh", "luci-i18n-burstmesh-es"),
    ];
    packed(&packages, board, (&agent, "burstmesh"), out)
}

/// Packs these packages, each named by its folder in the feed and its name, with this program and its name there.
fn packed(
    packages: &[(&'static str, &'static str)],
    board: &Board,
    (program, called): (&Path, &str),
    out: &Path,
) -> Result<()> {
    ensure!(program.is_file(), "no program at {}", program.display());
    let stage = out.join("stage");
    clear(&stage)?;
    // Where cargo would have installed it.
    let built = stage.join("built");
    fs::create_dir_all(built.join("bin"))?;
    fs::copy(program, built.join("bin").join(called))?;
    let apk = apk::program();
    if apk.is_none() {
        println!("no apk of version 3 here: packages for OpenWrt 24.10 (.ipk) only");
    }
    for &(folder, name) in packages {
        let source = Source {
            folder,
            name,
            architecture: &board.openwrt.package_arch,
            built: built.clone(),
        };
        let package = feed::read(&source, &stage.join(name))?;
        println!("{}", ipk::build(&package, out, &epoch())?.display());
        if let Some(apk) = &apk {
            println!("{}", apk::build(apk, &package, out, &epoch())?.display());
        }
    }
    fs::remove_dir_all(&stage)?;
    Ok(())
}

/// The agent as the feed builds it.
fn job(board: &Board) -> Result<Job> {
    let job = Job::for_board(board)?.dynamic();
    Ok(match board.limits {
        Profile::Tiny => job.defmt(),
        Profile::Small | Profile::Large => job,
    })
}

/// The package of the agent that fits the board's memory.
pub fn agents(board: &Board) -> &'static str {
    match board.limits {
        Profile::Tiny => "burstmesh-tiny",
        Profile::Small | Profile::Large => "burstmesh",
    }
}

/// Makes it anew, of a mode that does not hang on the caller's umask: the folder itself is in the package.
fn clear(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(fs::set_permissions(
        folder,
        PermissionsExt::from_mode(0o755),
    )?)
}
