//! The exit's daemon and its commands.

use std::process::ExitCode;

fn main() -> ExitCode {
    burstmesh_proxy::cli::main()
}
