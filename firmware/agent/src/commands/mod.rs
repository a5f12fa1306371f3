//! What the commands of the command line do.

mod check;
mod keygen;
mod limits;
mod status;

use crate::cli::{self, Command, Exit};
use crate::daemon;
use burstmesh_linux::process::{Args, Output};
use core::fmt::Write;
use heapless::Vec;

pub(crate) use check::{Loaded, load, own_key};

/// Runs the command line; returns the exit code.
pub fn run(args: Args) -> i32 {
    let mut words: Vec<&str, 24> = Vec::new();
    for arg in args.skip(1) {
        let fits = arg.to_str().ok().map(|a| words.push(a));
        if !matches!(fits, Some(Ok(()))) {
            let _ = writeln!(
                Output::Error,
                "burstmesh: too many arguments, or one that is no text; see burstmesh --help"
            );
            return Exit::Usage as i32;
        }
    }
    let exit = match cli::parse(&words) {
        Ok(command) => execute(&command),
        Err(error) => {
            let _ = writeln!(Output::Error, "burstmesh: {error}");
            Exit::Usage
        }
    };
    exit as i32
}

fn execute(command: &Command<'_>) -> Exit {
    match *command {
        Command::Run {
            config,
            socket,
            ubus,
        } => daemon::run(config, socket, ubus),
        Command::Status {
            socket,
            json,
            community,
        } => {
            let question = match (community, json) {
                (false, false) => "status",
                (false, true) => "status json",
                (true, false) => "community",
                (true, true) => "community json",
            };
            status::ask(socket, question)
        }
        Command::Log { socket, member } => status::ask(socket, &status::log_question(member)),
        Command::Pause { socket, minutes } => status::ask(socket, &status::pause_question(minutes)),
        Command::Resume { socket } => status::ask(socket, "resume"),
        Command::Refuse {
            socket,
            refused,
            node,
            minutes,
        } => status::ask(socket, &status::refusal(refused, node, minutes)),
        Command::Ledger {
            socket,
            form,
            forget,
            compare,
        } => status::ask(socket, &status::ledger_question(form, forget, compare)),
        Command::Check { config, json } => check::run(config, json),
        Command::Keygen { what, output } => keygen::generate(what, output),
        Command::Pubkey { file, config } => keygen::show_public(file, config),
        Command::Limits { json } => limits::run(json),
        Command::Version => {
            let _ = writeln!(Output::Standard, "{}", cli::VERSION);
            Exit::Success
        }
        Command::Help(topic) => {
            let _ = cli::write_help(topic, &mut Output::Standard);
            Exit::Success
        }
    }
}

/// Says that something failed, and what.
pub(crate) fn fail(what: core::fmt::Arguments<'_>) -> Exit {
    let _ = writeln!(Output::Error, "burstmesh: {what}");
    Exit::Failure
}
