use super::*;
use crate::config::schema::KEY_FILE;
use proptest::prelude::*;

fn read(line: &str) -> Result<Command<'_>, std::string::String> {
    let args: std::vec::Vec<&str> = line.split_whitespace().collect();
    parse(&args).map_err(|error| error.to_string())
}

fn help_of(topic: Topic) -> std::string::String {
    let mut text = std::string::String::new();
    write_help(topic, &mut text).unwrap();
    text
}

#[test]
fn every_command_has_its_defaults() {
    assert_eq!(
        read("run"),
        Ok(Command::Run {
            config: CONFIG_FILE,
            socket: SOCKET,
            ubus: ubus::SOCKET
        })
    );
    assert_eq!(
        read("status"),
        Ok(Command::Status {
            socket: SOCKET,
            json: false,
            community: false
        })
    );
    assert_eq!(
        read("check"),
        Ok(Command::Check {
            config: CONFIG_FILE,
            json: false
        })
    );
    assert_eq!(
        read("keygen"),
        Ok(Command::Keygen {
            what: Made::Key,
            output: None
        })
    );
    assert_eq!(
        read("pubkey"),
        Ok(Command::Pubkey {
            file: None,
            config: CONFIG_FILE
        })
    );
    assert_eq!(read("limits"), Ok(Command::Limits { json: false }));
}

#[test]
fn members_are_asked_for_status_log_and_ledger() {
    let log = |member| {
        Ok(Command::Log {
            socket: SOCKET,
            member,
        })
    };
    assert_eq!(read("log"), log(None));
    assert_eq!(
        read("log --member a0a1a2a3a4a5a6a7"),
        log(Some("a0a1a2a3a4a5a6a7"))
    );
    assert_eq!(
        read("status --community --json"),
        Ok(Command::Status {
            socket: SOCKET,
            json: true,
            community: true
        })
    );
    assert_eq!(
        read("ledger --compare"),
        Ok(Command::Ledger {
            socket: SOCKET,
            form: Form::Table,
            forget: None,
            compare: true
        })
    );
}

#[test]
fn a_ledger_is_shown_in_three_forms_and_forgotten_up_to_a_day() {
    let ledger = |form, forget| {
        Ok(Command::Ledger {
            socket: SOCKET,
            form,
            forget,
            compare: false,
        })
    };
    assert_eq!(read("ledger"), ledger(Form::Table, None));
    assert_eq!(read("ledger -j"), ledger(Form::Json, None));
    assert_eq!(read("ledger --csv"), ledger(Form::Csv, None));
    let day = Day::parse("2026-11-25");
    assert_eq!(read("ledger --forget 2026-11-25"), ledger(Form::Table, day));
    let wrong = read("ledger --forget yesterday").unwrap_err();
    assert!(wrong.contains("'yesterday' is no day") && wrong.contains("burstmesh ledger --help"));
}

#[test]
fn a_pause_lasts_an_hour_or_what_is_said() {
    let pause = |minutes| {
        Ok(Command::Pause {
            socket: SOCKET,
            minutes,
        })
    };
    assert_eq!(read("pause"), pause(60));
    assert_eq!(read("pause 5"), pause(5));
    assert_eq!(read("resume"), Ok(Command::Resume { socket: SOCKET }));
    for wrong in ["pause 0", "pause 1441", "pause long"] {
        assert!(read(wrong).unwrap_err().contains("no number of minutes"));
    }
    assert!(read("pause 5 6").is_err());
}

#[test]
fn a_member_is_refused_for_good_or_for_minutes_and_accepted_by_its_name() {
    let node = values::node("a0a1a2a3a4a5a6a7").unwrap();
    let refuse = |minutes| {
        Ok(Command::Refuse {
            socket: SOCKET,
            refused: true,
            node,
            minutes,
        })
    };
    assert_eq!(read("refuse a0a1a2a3a4a5a6a7"), refuse(None));
    assert_eq!(read("refuse a0a1a2a3a4a5a6a7 5"), refuse(Some(5)));
    let accept = Command::Refuse {
        socket: SOCKET,
        refused: false,
        node,
        minutes: None,
    };
    assert_eq!(read("accept a0a1a2a3a4a5a6a7"), Ok(accept));
    for (wrong, says) in [
        ("refuse", "burstmesh refuse --help"),
        (
            "refuse miller",
            "'miller' is no neighbour's name of 16 digits",
        ),
        ("accept a0a1a2a3a4a5a6a7 5", "unexpected argument '5'"),
        (
            "refuse a0a1a2a3a4a5a6a7 0",
            "no number of minutes from 1 to 1440; see 'burstmesh refuse",
        ),
    ] {
        assert!(read(wrong).unwrap_err().contains(says), "{wrong}");
    }
}

#[test]
fn options_are_read_in_every_form() {
    let run = Command::Run {
        config: "a",
        socket: "b",
        ubus: "c",
    };
    assert_eq!(read("run -c a --socket b --ubus c"), Ok(run));
    assert_eq!(read("run --config=a -s b --ubus=c"), Ok(run));
    assert_eq!(read("run --ubus c --socket=b --config a"), Ok(run));
    assert_eq!(
        read("status --json"),
        Ok(Command::Status {
            socket: SOCKET,
            json: true,
            community: false
        })
    );
    assert_eq!(
        read("keygen --secret --output x"),
        Ok(Command::Keygen {
            what: Made::Secret,
            output: Some("x")
        })
    );
    assert_eq!(
        read("keygen --invitation=Elm"),
        Ok(Command::Keygen {
            what: Made::Invitation("Elm"),
            output: None
        })
    );
    assert_eq!(
        read("pubkey x"),
        Ok(Command::Pubkey {
            file: Some("x"),
            config: CONFIG_FILE
        })
    );
}

#[test]
fn version_and_help_win() {
    assert_eq!(read("--version"), Ok(Command::Version));
    assert_eq!(read("-V"), Ok(Command::Version));
    assert_eq!(read("--help"), Ok(Command::Help(Topic::All)));
    assert_eq!(read("run -c x --help"), Ok(Command::Help(Topic::Run)));
    assert_eq!(read("help status"), Ok(Command::Help(Topic::Status)));
    assert_eq!(read("help config"), Ok(Command::Help(Topic::Config)));
}

#[test]
fn wrong_usage_says_where_to_look() {
    for (line, message) in [
        (
            "",
            "no command given; try 'burstmesh status', or 'burstmesh --help' for all commands",
        ),
        ("stauts", "unknown command 'stauts'; did you mean 'status'?"),
        (
            "frobnicate",
            "unknown command 'frobnicate'; see 'burstmesh --help'",
        ),
        (
            "config",
            "unknown command 'config'; see 'burstmesh help config'",
        ),
        (
            "run --json",
            "unknown option '--json'; see 'burstmesh run --help'",
        ),
        (
            "run --config",
            "option '--config' needs a value; see 'burstmesh run --help'",
        ),
        (
            "run --config=",
            "option '--config=' needs a value; see 'burstmesh run --help'",
        ),
        (
            "status --json=yes",
            "option '--json=yes' takes no value; see 'burstmesh status --help'",
        ),
        (
            "check file",
            "unexpected argument 'file'; see 'burstmesh check --help'",
        ),
        (
            "pubkey a b",
            "unexpected argument 'b'; see 'burstmesh pubkey --help'",
        ),
        (
            "help run now",
            "unexpected argument 'now'; see 'burstmesh --help'",
        ),
    ] {
        assert_eq!(read(line), Err(message.to_owned()), "{line}");
    }
}

#[test]
fn every_command_has_help_with_usage_and_an_example() {
    for (name, topic) in Topic::NAMED {
        let text = help_of(topic);
        let wide = text.lines().find(|line| line.chars().count() > 80);
        assert_eq!(wide, None, "{name}");
        if topic == Topic::Config {
            assert!(text.contains("option invitation"));
            continue;
        }
        assert!(
            text.contains(&format!("Usage: burstmesh {name}")) && text.contains("Example"),
            "{name}"
        );
        assert!(
            help_of(Topic::All).contains(&format!("\n  {name}")),
            "{name}"
        );
    }
}

#[test]
fn the_help_tells_the_real_defaults_and_exit_codes() {
    assert!(help::RUN.contains(CONFIG_FILE) && help::RUN.contains(SOCKET));
    assert!(help::CHECK.contains(CONFIG_FILE) && help::STATUS.contains(SOCKET));
    assert!(help::PUBKEY.contains(KEY_FILE));
    let codes =
        [Exit::Success, Exit::Failure, Exit::Usage, Exit::NotRunning].map(|exit| exit as u8);
    assert_eq!(codes, [0, 1, 2, 3]);
}

#[test]
fn the_version_is_the_packages() {
    assert_eq!(VERSION, env!("CARGO_PKG_VERSION"));
}

proptest! {
    #[test]
    fn no_arguments_make_the_parser_panic(args in proptest::collection::vec("(run|status|keygen|pubkey|help|-c|--json|--config=)?\\PC{0,8}", 0..8)) {
        let args: std::vec::Vec<&str> = args.iter().map(String::as_str).collect();
        if let Err(error) = parse(&args) {
            prop_assert!(error.to_string().contains("; ") );
        }
    }
}
