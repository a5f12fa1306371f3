//! The command line: arguments into a [`Command`], and the help.
//!
//! No allocation and no I/O: the arguments are borrowed, texts are written to a [`core::fmt::Write`].

use core::fmt::{self, Write};

use crate::config::{reference, values};
use crate::daemon::pause::{LONGEST, USUAL};
use burstmesh_core::calendar::Day;
use burstmesh_core::identity::NodeId;
use burstmesh_linux::ubus;

/// Where the configuration is.
pub const CONFIG_FILE: &str = "/etc/config/burstmesh";
/// Where the running agent listens for `status`.
pub const SOCKET: &str = "/var/run/burstmesh/control.sock";
/// What `--version` prints: exactly this and a line end.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Success = 0,
    /// Something failed at run time.
    Failure = 1,
    /// Bad usage or a bad configuration: trying again without a change is of no use.
    Usage = 2,
    /// The agent is not running.
    NotRunning = 3,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// Run the agent in the foreground.
    Run {
        /// The configuration file.
        config: &'a str,
        /// The control socket.
        socket: &'a str,
        /// The socket of OpenWrt's bus.
        ubus: &'a str,
    },
    /// Show what the running agent does.
    Status {
        /// The control socket.
        socket: &'a str,
        /// For programs rather than people.
        json: bool,
        /// Of all members, who are asked for it.
        community: bool,
    },
    /// Show the running agent's last lines of log.
    Log {
        /// The control socket.
        socket: &'a str,
        /// This member's instead.
        member: Option<&'a str>,
    },
    /// Show who used how much, by day.
    Ledger {
        /// The control socket.
        socket: &'a str,
        /// How to show it.
        form: Form,
        /// Forget this day and all before it instead.
        forget: Option<Day>,
        /// Beside what the members' ledgers say.
        compare: bool,
    },
    /// Stop lending and borrowing for a while.
    Pause {
        /// The control socket.
        socket: &'a str,
        /// For how long.
        minutes: u16,
    },
    /// End a pause.
    Resume {
        /// The control socket.
        socket: &'a str,
    },
    /// Use none of a member's lines and lend it none, or do again.
    Refuse {
        /// The control socket.
        socket: &'a str,
        /// From now on, or no more.
        refused: bool,
        /// Whom.
        node: NodeId,
        /// For how long; until it is accepted otherwise.
        minutes: Option<u16>,
    },
    /// Say what is wrong with a configuration.
    Check {
        /// The configuration file.
        config: &'a str,
        /// For programs rather than people.
        json: bool,
    },
    /// Make a gateway's private key, or what founds a community.
    Keygen {
        /// What to make.
        what: Made<'a>,
        /// A new file to write it to; standard output otherwise.
        output: Option<&'a str>,
    },
    /// Show the public key that belongs to a private one.
    Pubkey {
        /// The file of the private key; that of the configuration otherwise.
        file: Option<&'a str>,
        /// The configuration file.
        config: &'a str,
    },
    /// Show the capacities and the memory of this build.
    Limits {
        /// For programs rather than people.
        json: bool,
    },
    /// Show the version.
    Version,
    /// Show help.
    Help(Topic),
}

/// What is made of fresh entropy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made<'a> {
    /// A gateway's private key.
    Key,
    /// A community's secret.
    Secret,
    /// An invitation to a new community of this name.
    Invitation(&'a str),
}

/// For whom something is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what its name says")]
pub enum Form {
    Table,
    Json,
    Csv,
}

/// What the help is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is a command of the same name")]
pub enum Topic {
    /// The overview.
    All,
    Run,
    Status,
    Log,
    Ledger,
    Pause,
    Resume,
    Refuse,
    Accept,
    Check,
    Keygen,
    Pubkey,
    Limits,
    /// The options of the configuration file.
    Config,
}

/// What is wrong with the arguments. `Display` says how to mend it; the exit code is [`Exit::Usage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageError<'a> {
    /// Nothing was asked for.
    NoCommand,
    /// No such command.
    UnknownCommand(&'a str),
    /// The command has no such option.
    UnknownOption(Topic, &'a str),
    /// The option needs a value behind it.
    NoValue(Topic, &'a str),
    /// The option takes no value.
    UnwantedValue(Topic, &'a str),
    /// The value is no number of minutes.
    NoMinutes(Topic, &'a str),
    /// The value is no member's name.
    NoNode(Topic, &'a str),
    /// The value is no day.
    NoDay(&'a str),
    /// An argument too many.
    Unexpected(Topic, &'a str),
}

/// Reads the arguments, without the program's own name.
///
/// # Errors
/// [`UsageError`], of which `Display` is the message for standard error.
pub fn parse<'a>(args: &[&'a str]) -> Result<Command<'a>, UsageError<'a>> {
    let (&word, rest) = args.split_first().ok_or(UsageError::NoCommand)?;
    match word {
        "--version" | "-V" | "version" => return Ok(Command::Version),
        "--help" | "-h" => return Ok(Command::Help(Topic::All)),
        "help" => return help(rest),
        _ => {}
    }
    let topic = Topic::of(word).filter(|topic| *topic != Topic::Config);
    let topic = topic.ok_or(UsageError::UnknownCommand(word))?;
    let given = Given::read(topic, rest)?;
    if given.help {
        return Ok(Command::Help(topic));
    }
    given.command(topic)
}

fn help<'a>(rest: &[&'a str]) -> Result<Command<'a>, UsageError<'a>> {
    match rest {
        [] => Ok(Command::Help(Topic::All)),
        [word] => Topic::of(word)
            .map(Command::Help)
            .ok_or(UsageError::UnknownCommand(word)),
        [_, extra, ..] => Err(UsageError::Unexpected(Topic::All, extra)),
    }
}

/// The options that were given, whatever the command.
#[derive(Default)]
struct Given<'a> {
    config: Option<&'a str>,
    socket: Option<&'a str>,
    ubus: Option<&'a str>,
    invitation: Option<&'a str>,
    output: Option<&'a str>,
    file: Option<&'a str>,
    minutes: Option<&'a str>,
    forget: Option<&'a str>,
    member: Option<&'a str>,
    community: bool,
    compare: bool,
    json: bool,
    csv: bool,
    secret: bool,
    help: bool,
}

impl<'a> Given<'a> {
    fn read(topic: Topic, args: &[&'a str]) -> Result<Self, UsageError<'a>> {
        let mut given = Self::default();
        let mut args = args.iter().copied();
        while let Some(arg) = args.next() {
            let (name, inline) = match arg.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value)),
                _ => (arg, None),
            };
            let name = long(name);
            if let Some(flag) = given.flag(topic, name) {
                *flag = true;
                if inline.is_some() {
                    return Err(UsageError::UnwantedValue(topic, arg));
                }
            } else if let Some(place) = given.place(topic, name) {
                let value = inline
                    .or_else(|| args.next())
                    .filter(|value| !value.is_empty());
                *place = Some(value.ok_or(UsageError::NoValue(topic, arg))?);
            } else if arg.starts_with('-') {
                return Err(UsageError::UnknownOption(topic, arg));
            } else if topic == Topic::Pubkey && given.file.is_none() {
                given.file = Some(arg);
            } else if matches!(topic, Topic::Refuse | Topic::Accept) && given.member.is_none() {
                given.member = Some(arg);
            } else if matches!(topic, Topic::Pause | Topic::Refuse) && given.minutes.is_none() {
                given.minutes = Some(arg);
            } else {
                return Err(UsageError::Unexpected(topic, arg));
            }
        }
        Ok(given)
    }

    /// The options without a value that a command knows.
    fn flag(&mut self, topic: Topic, name: &str) -> Option<&mut bool> {
        match (name, topic) {
            ("--help", _) => Some(&mut self.help),
            ("--json", Topic::Status | Topic::Ledger | Topic::Check | Topic::Limits) => {
                Some(&mut self.json)
            }
            ("--community", Topic::Status) => Some(&mut self.community),
            ("--compare", Topic::Ledger) => Some(&mut self.compare),
            ("--csv", Topic::Ledger) => Some(&mut self.csv),
            ("--secret", Topic::Keygen) => Some(&mut self.secret),
            _ => None,
        }
    }

    /// The options with a value that a command knows.
    fn place(&mut self, topic: Topic, name: &str) -> Option<&mut Option<&'a str>> {
        match (name, topic) {
            ("--config", Topic::Run | Topic::Check | Topic::Pubkey) => Some(&mut self.config),
            (
                "--socket",
                Topic::Run
                | Topic::Status
                | Topic::Log
                | Topic::Ledger
                | Topic::Pause
                | Topic::Resume
                | Topic::Refuse
                | Topic::Accept,
            ) => Some(&mut self.socket),
            ("--ubus", Topic::Run) => Some(&mut self.ubus),
            ("--member", Topic::Log) => Some(&mut self.member),
            ("--forget", Topic::Ledger) => Some(&mut self.forget),
            ("--output", Topic::Keygen) => Some(&mut self.output),
            ("--invitation", Topic::Keygen) => Some(&mut self.invitation),
            _ => None,
        }
    }

    /// How long a pause or a refusal may last.
    fn minutes(&self, topic: Topic) -> Result<Option<u16>, UsageError<'a>> {
        let Some(text) = self.minutes else {
            return Ok(None);
        };
        let minutes = text.parse().ok().filter(|m| (1..=LONGEST).contains(m));
        minutes.map(Some).ok_or(UsageError::NoMinutes(topic, text))
    }

    fn node(&self, topic: Topic) -> Result<NodeId, UsageError<'a>> {
        let text = self.member.unwrap_or_default();
        values::node(text).map_err(|_| UsageError::NoNode(topic, text))
    }

    fn command(self, topic: Topic) -> Result<Command<'a>, UsageError<'a>> {
        let config = self.config.unwrap_or(CONFIG_FILE);
        let socket = self.socket.unwrap_or(SOCKET);
        Ok(match topic {
            Topic::Run => Command::Run {
                config,
                socket,
                ubus: self.ubus.unwrap_or(ubus::SOCKET),
            },
            Topic::Status => Command::Status {
                socket,
                json: self.json,
                community: self.community,
            },
            Topic::Log => Command::Log {
                socket,
                member: self.member,
            },
            Topic::Pause => Command::Pause {
                socket,
                minutes: self.minutes(topic)?.unwrap_or(USUAL),
            },
            Topic::Resume => Command::Resume { socket },
            Topic::Refuse | Topic::Accept => Command::Refuse {
                socket,
                refused: topic == Topic::Refuse,
                node: self.node(topic)?,
                minutes: self.minutes(topic)?,
            },
            Topic::Ledger => Command::Ledger {
                socket,
                form: match (self.json, self.csv) {
                    (true, _) => Form::Json,
                    (_, true) => Form::Csv,
                    _ => Form::Table,
                },
                forget: match self.forget {
                    Some(text) => Some(Day::parse(text).ok_or(UsageError::NoDay(text))?),
                    None => None,
                },
                compare: self.compare,
            },
            Topic::Check => Command::Check {
                config,
                json: self.json,
            },
            Topic::Keygen => Command::Keygen {
                what: match (self.invitation, self.secret) {
                    (Some(name), _) => Made::Invitation(name),
                    (None, true) => Made::Secret,
                    (None, false) => Made::Key,
                },
                output: self.output,
            },
            Topic::Pubkey => Command::Pubkey {
                file: self.file,
                config,
            },
            Topic::Limits => Command::Limits { json: self.json },
            Topic::All | Topic::Config => Command::Help(topic),
        })
    }
}

/// The long form of a short option.
fn long(name: &str) -> &str {
    match name {
        "-c" => "--config",
        "-s" => "--socket",
        "-o" => "--output",
        "-j" => "--json",
        "-h" => "--help",
        other => other,
    }
}

impl Topic {
    const NAMED: [(&'static str, Self); 13] = [
        ("run", Self::Run),
        ("status", Self::Status),
        ("log", Self::Log),
        ("ledger", Self::Ledger),
        ("pause", Self::Pause),
        ("resume", Self::Resume),
        ("refuse", Self::Refuse),
        ("accept", Self::Accept),
        ("check", Self::Check),
        ("keygen", Self::Keygen),
        ("pubkey", Self::Pubkey),
        ("limits", Self::Limits),
        ("config", Self::Config),
    ];

    fn of(word: &str) -> Option<Self> {
        Self::NAMED
            .iter()
            .find(|(name, _)| *name == word)
            .map(|&(_, topic)| topic)
    }

    /// The command's name behind `burstmesh`, with the space before it.
    fn suffix(self) -> &'static str {
        match self {
            Self::All | Self::Config => "",
            Self::Run => " run",
            Self::Status => " status",
            Self::Log => " log",
            Self::Ledger => " ledger",
            Self::Pause => " pause",
            Self::Resume => " resume",
            Self::Refuse => " refuse",
            Self::Accept => " accept",
            Self::Check => " check",
            Self::Keygen => " keygen",
            Self::Pubkey => " pubkey",
            Self::Limits => " limits",
        }
    }
}

impl fmt::Display for UsageError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = match *self {
            Self::NoCommand => {
                return f.write_str("no command given; try 'burstmesh status', or 'burstmesh --help' for all commands");
            }
            Self::UnknownCommand(word) => {
                write!(f, "unknown command '{word}'; ")?;
                if Topic::of(word) == Some(Topic::Config) {
                    return f.write_str("see 'burstmesh help config'");
                }
                let names = Topic::NAMED.iter().map(|(name, _)| *name);
                return match crate::config::nearest(word, names) {
                    Some(meant) => write!(f, "did you mean '{meant}'?"),
                    None => f.write_str("see 'burstmesh --help'"),
                };
            }
            Self::UnknownOption(topic, arg) => {
                write!(f, "unknown option '{arg}'")?;
                topic
            }
            Self::NoValue(topic, arg) => {
                write!(f, "option '{arg}' needs a value")?;
                topic
            }
            Self::UnwantedValue(topic, arg) => {
                write!(f, "option '{arg}' takes no value")?;
                topic
            }
            Self::NoMinutes(topic, text) => {
                write!(f, "'{text}' is no number of minutes from 1 to {LONGEST}")?;
                topic
            }
            Self::NoNode(topic, text) => {
                write!(f, "'{text}' is no neighbour's name of 16 digits")?;
                topic
            }
            Self::NoDay(text) => {
                write!(f, "'{text}' is no day; write it as 2026-11-25")?;
                Topic::Ledger
            }
            Self::Unexpected(topic, arg) => {
                write!(f, "unexpected argument '{arg}'")?;
                topic
            }
        };
        write!(f, "; see 'burstmesh{} --help'", topic.suffix())
    }
}

/// Writes the help about a topic.
///
/// # Errors
/// Only those of `out`.
pub fn write_help(topic: Topic, out: &mut dyn Write) -> fmt::Result {
    out.write_str(match topic {
        Topic::All => help::ALL,
        Topic::Run => help::RUN,
        Topic::Status => help::STATUS,
        Topic::Log => help::LOG,
        Topic::Ledger => help::LEDGER,
        Topic::Pause => help::PAUSE,
        Topic::Resume => help::RESUME,
        Topic::Refuse => help::REFUSE,
        Topic::Accept => help::ACCEPT,
        Topic::Check => help::CHECK,
        Topic::Keygen => help::KEYGEN,
        Topic::Pubkey => help::PUBKEY,
        Topic::Limits => help::LIMITS,
        Topic::Config => return reference::write_text(out),
    })
}

mod help;

#[cfg(test)]
mod tests;
