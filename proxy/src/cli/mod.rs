//! The commands. Those that change communities or members work on the store whether the daemon runs or not, and
//! tell a running one.

mod admin;
mod community;
mod invite;
mod member;
mod qr;
mod rate;
mod show;
mod table;
mod time;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Error, Result, bail};
use burstmesh_core::wire::text::key_to_text;
use burstmesh_linux::signal;
use clap::{Parser, Subcommand};

use crate::config::{self, Config, ConfigError, Http};
use crate::control::{self, AskError};
use crate::store::Store;
use crate::{daemon, dashboard, key};

const AFTER: &str =
    "Exit codes: 0 done; 1 failed; 2 wrong usage or configuration; 3 the daemon is not running.";

/// The exit of burstmesh communities: one address in front of many lines
#[derive(Parser)]
#[command(name = "burstmesh-proxy", version, after_help = AFTER, max_term_width = 80)]
struct Cli {
    /// The configuration file
    #[arg(long, short, global = true, default_value = config::DEFAULT_PATH, value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until told to stop (SIGTERM); read the configuration again on SIGHUP
    Run {
        /// Say more: debug, trace
        #[arg(long, default_value = "info", value_name = "LEVEL")]
        log: tracing::Level,
    },
    /// Show what the running exit does: communities, members, paths, refusals
    Status {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Print the link to the admin's page, which has its token in it: keep it to yourself
    Dashboard,
    /// Make the running exit read its configuration again
    Reload,
    /// Check the configuration and say what to mend
    Check,
    /// Print the exit's public key (made on first use)
    Key,
    /// Add, list and remove communities: groups of neighbours who pool their lines
    ///
    /// A community is a name, a secret that only its invitations carry, and a range of tunnel addresses. One exit serves
    /// several; their members do not see each other. Changes take effect at once, whether the exit runs or not.
    #[command(subcommand, after_help = community::AFTER)]
    Community(community::Command),
    /// List, name, shut out and forget members: the routers of a community
    ///
    /// A router becomes a member by itself when it first connects with a standing invitation. From then on its key is
    /// known, it needs no invitation any more, and it always gets the same tunnel address. Changes take effect at once,
    /// whether the exit runs or not.
    #[command(subcommand, after_help = member::AFTER)]
    Member(member::Command),
    /// Make an admin's key, sign certificates, remove members: on any computer, without an exit
    ///
    /// A community with an admin takes for members only those whose certificate the admin has signed, and removes one by a
    /// signed list that goes from router to router. These commands need neither an exit nor its configuration.
    #[command(subcommand, after_help = admin::AFTER)]
    Admin(admin::Command),
    /// Print an invitation to a community: hand it on as you would a password
    Invite(invite::Args),
}

/// Where the page is, and how to come there from elsewhere.
fn show_dashboard(config: &Config) -> Result<()> {
    let Http::On(address) = config.dashboard.0 else {
        bail!("the page is switched off: dashboard = \"off\"");
    };
    println!("http://{address}/#{}", dashboard::token(&config.state_dir)?);
    if address.ip().is_loopback() {
        let port = address.port();
        eprintln!(
            "From another computer: ssh -L {port}:{address} this-server, then the same link there."
        );
    }
    Ok(())
}

/// Runs the command of the process' arguments.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if !matches!(cli.command, Command::Run { .. }) {
        signal::end_with_the_reader();
    }
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("burstmesh-proxy: {error:#}");
            ExitCode::from(code(&error))
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    // An admin's laptop has no configuration of an exit.
    if let Command::Admin(command) = &cli.command {
        return admin::run(command);
    }
    let config = Config::load(&cli.config)?;
    let context = Context { config };
    match &cli.command {
        Command::Run { log } => {
            start_log(*log);
            context.config.check_machine(&cli.config)?;
            daemon::run(&cli.config, &context.config)
        }
        Command::Status { json } => show::run(&context.ask("status")?, *json),
        Command::Dashboard => show_dashboard(&context.config),
        Command::Reload => {
            let said = context.ask("reload")?;
            if !said.is_empty() {
                println!("{said}");
            }
            Ok(())
        }
        Command::Check => {
            context.config.check_machine(&cli.config)?;
            println!("{}: good", cli.config.display());
            for said in daemon::settle(&mut context.config.clone()) {
                println!("{said}");
            }
            Ok(())
        }
        Command::Key => {
            let identity = key::load_or_create(&context.config.state_dir)?;
            println!("{}", key_to_text(identity.public().as_bytes()));
            Ok(())
        }
        Command::Community(command) => community::run(&context, command),
        Command::Member(command) => member::run(&context, command),
        Command::Invite(args) => invite::run(&context, args),
        Command::Admin(command) => admin::run(command),
    }
}

/// What every command has at hand.
struct Context {
    config: Config,
}

impl Context {
    fn store(&self) -> Result<Store> {
        Ok(Store::open(
            &self.config.state_dir,
            self.config.leases.get_ref(),
        )?)
    }

    fn ask(&self, command: &str) -> Result<String> {
        Ok(control::ask(&self.config.control, command)?)
    }

    /// Tells a running daemon that the store changed. Without one there is nobody to tell.
    fn refresh(&self) {
        match control::ask(&self.config.control, "refresh") {
            Ok(_) | Err(AskError::NotRunning(_)) => {}
            Err(error) => {
                eprintln!("burstmesh-proxy: done, but the running exit does not know yet: {error}")
            }
        }
    }
}

fn code(error: &Error) -> u8 {
    if error.is::<ConfigError>() {
        2
    } else if matches!(error.downcast_ref(), Some(AskError::NotRunning(_))) {
        3
    } else {
        1
    }
}

fn start_log(level: tracing::Level) {
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(false);
    // The journal writes the time itself.
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        log.without_time().init();
    } else {
        log.init();
    }
}
