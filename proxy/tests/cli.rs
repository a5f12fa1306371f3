//! The commands as a person types them, on a state directory of their own.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::fs;

use burstmesh_core::identity::PublicKey;
use burstmesh_core::wire::invitation::Invitation;
use burstmesh_core::wire::text::{key_from_text, key_to_text};
use common::home::Home;

#[test]
fn a_community_is_added_listed_and_removed() {
    let home = Home::new();
    assert!(
        home.must(&["community", "add", "Elm Street"])
            .contains("10.77.0.0/24")
    );
    home.must(&["community", "add", "other"]);
    let listed = home.must(&["community", "list"]);
    assert!(
        listed.contains("Elm Street")
            && listed.contains("10.77.1.0/24")
            && listed.contains("0 of 253"),
        "{listed}"
    );
    let (code, said) = home.fails(&["community", "add", "other"]);
    assert!(code == 1 && said.contains("already"), "{said}");
    home.must(&["community", "set", "other", "--members", "7"]);
    home.must(&["community", "add", "third", "--members", "3"]);
    let listed = home.must(&["community", "list"]);
    assert!(
        listed.contains("0 of 7") && listed.contains("0 of 3"),
        "{listed}"
    );
    home.must(&["community", "set", "other", "--members", "any"]);
    assert!(!home.must(&["community", "list"]).contains("0 of 7"));
    home.must(&["community", "set", "other", "--down", "20mbit"]);
    home.must(&["community", "set", "other", "--up", "512kbit"]);
    let listed = home.must(&["community", "list"]);
    assert!(
        listed.contains("20 Mbit/s  512 kbit/s") && listed.contains("any        any"),
        "{listed}"
    );
    home.must(&["community", "set", "other", "--down", "any", "--up", "any"]);
    assert!(!home.must(&["community", "list"]).contains("bit/s"));
    for (wrong, right) in [
        (&["--down", "20"][..], "such as 20mbit"),
        (&["--up", "1kbit"], "64 kbit"),
        (&[], "--down"),
    ] {
        let (code, said) = home.fails(&[&["community", "set", "other"], wrong].concat());
        assert!(code == 2 && said.contains(right), "{said}");
    }
    home.must(&["community", "remove", "other"]);
    assert!(!home.must(&["community", "list"]).contains("other"));
    let (code, said) = home.fails(&["community", "remove", "other"]);
    assert!(code == 1 && said.contains("community list"), "{said}");
}

#[test]
fn an_invitation_carries_the_exits_key_address_and_the_communitys_secret() {
    let home = Home::new();
    home.must(&["community", "add", "home"]);
    let key = home.must(&["key"]);
    let text = home.must(&[
        "invite",
        "home",
        "--expires",
        "1h",
        "--address",
        "203.0.113.7",
        "--address",
        "[2001:db8::7]:9",
    ]);
    let invitation = Invitation::decode(&text).unwrap();
    assert_eq!(invitation.name, "home");
    assert!(!invitation.secret.looks_invented());
    assert!(invitation.expires.is_some());
    let exit = &invitation.exits[0];
    assert_eq!(exit.key, PublicKey(key_from_text(&key).unwrap()));
    let addresses: Vec<_> = exit.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["203.0.113.7:4500", "[2001:db8::7]:9"]);
    // The key stays, and a second invitation has the same secret.
    let again = Invitation::decode(&home.must(&[
        "invite",
        "home",
        "--expires",
        "never",
        "--address",
        "203.0.113.7",
        // The drawing goes elsewhere: the invitation alone can be piped on.
        "--qr",
    ]))
    .unwrap();
    assert!(
        again.secret == invitation.secret
            && again.exits[0].key == exit.key
            && again.expires.is_none()
    );

    // A second exit serves the community with nothing but an invitation, and has its own key.
    let second = Home::new();
    assert!(
        second
            .hears(&["community", "join", "-"], &text)
            .status
            .success()
    );
    let theirs =
        Invitation::decode(&second.must(&["invite", "home", "--address", "203.0.113.8"])).unwrap();
    assert!(theirs.secret == invitation.secret && theirs.exits[0].key != exit.key);
}

/// As `burstmesh keygen --secret` prints one.
fn generated() -> String {
    let bytes = std::array::from_fn(|i| (i * 37 % 251) as u8);
    key_to_text(&bytes).as_str().to_owned() + "\n"
}

#[test]
fn a_community_by_hand_takes_its_secret_from_a_file_or_standard_input() {
    let home = Home::new();
    let file = home.dir.path().join("secret");
    fs::write(&file, generated()).unwrap();
    let file = file.to_str().unwrap();
    let said = home.must(&["community", "add", "by-hand", "--secret-file", file]);
    assert!(said.contains("10.77.0.0/24") && !said.contains(generated().trim()));
    let from_input = ["community", "add", "other", "--secret-file", "-"];
    assert!(home.hears(&from_input, &generated()).status.success());
    for name in ["by-hand", "other"] {
        let text = home.must(&["invite", name, "--address", "203.0.113.7"]);
        let secret = Invitation::decode(&text).unwrap().secret;
        assert_eq!(key_to_text(secret.bytes()).as_str(), generated().trim());
        // The one of now and the standing one: whoever knows the secret is let in without any.
        assert!(home.must(&["invite", name, "--end"]).starts_with('2'));
    }
}

#[test]
fn a_secret_that_is_none_or_was_invented_founds_no_community() {
    let home = Home::new();
    let add = ["community", "add", "home", "--secret-file", "-"];
    let invented = key_to_text(b"correct horse battery staple 123");
    for (input, why) in [
        ("correct horse\n", "keygen --secret"),
        ("", "keygen --secret"),
        (invented.as_str(), "invented"),
    ] {
        let output = home.hears(&add, input);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{input:?}: {said}");
        assert!(said.contains(why), "{input:?}: {said}");
    }
    let (code, said) = home.fails(&["community", "add", "home", "--secret-file", "/nowhere"]);
    assert!(code == 1 && said.contains("/nowhere"), "{said}");
    assert!(!home.must(&["community", "list"]).contains("home"));
}

#[test]
fn a_secret_is_shown_by_invite_alone() {
    let home = Home::new();
    home.must(&["community", "add", "home"]);
    let invitation =
        Invitation::decode(&home.must(&["invite", "home", "--address", "203.0.113.7"])).unwrap();
    let secret = key_to_text(invitation.secret.bytes());
    for command in [
        ["community", "list"].as_slice(),
        &["member", "list", "home"],
        &["key"],
        &["check"],
    ] {
        assert!(!home.must(command).contains(secret.as_str()), "{command:?}");
    }
    assert!(home.must(&["invite", "home", "--end"]).starts_with('1'));
}

#[test]
fn members_are_entered_renamed_removed_and_forgotten() {
    let home = Home::new();
    home.must(&["community", "add", "home"]);
    let key = key_to_text(&[7; 32]);
    assert!(
        home.must(&["member", "add", "home", &key, "--name", "attic"])
            .contains("10.77.0.2")
    );
    home.must(&["member", "rename", "home", "attic", "cellar"]);
    home.must(&["member", "remove", "home", "cellar"]);
    assert!(home.must(&["member", "list", "home"]).contains("removed"));
    home.must(&["member", "restore", "home", &key[..8]]);
    let listed = home.must(&["member", "list", "home"]);
    assert!(
        listed.contains("cellar") && !listed.contains("removed") && listed.contains("never"),
        "{listed}"
    );
    let (code, said) = home.fails(&["community", "remove", "home"]);
    assert!(code == 1 && said.contains("--force"), "{said}");
    let lately = home.must(&["member", "prune", "home", "--unseen", "90d"]);
    assert!(lately.contains("none is forgotten"), "{lately}");
    let (code, said) = home.fails(&["member", "prune", "home", "--unseen", "90"]);
    assert!(code == 2 && said.contains("write 30m, 12h or 7d"), "{said}");
    home.must(&["member", "forget", "home", "cellar"]);
    assert_eq!(home.must(&["member", "list", "home"]).lines().count(), 1);
    let (code, said) = home.fails(&["member", "add", "home", "short"]);
    assert!(code == 1 && said.contains("44 characters"), "{said}");
}

#[test]
fn without_a_daemon_status_and_reload_end_with_3() {
    let home = Home::new();
    for command in ["status", "reload"] {
        let (code, said) = home.fails(&[command]);
        assert!(code == 3 && said.contains("not running"), "{said}");
    }
}

#[test]
fn a_bad_configuration_ends_with_2_and_leaves_nothing_half_set_up() {
    let home = Home::new();
    fs::write(home.config(), "[nat]\nuplink = \"lo\"\nnat4 = true\n").unwrap();
    for command in ["check", "run", "status"] {
        let (code, said) = home.fails(&[command]);
        assert!(
            code == 2
                && said.contains("config.toml:3:1: unknown option `nat4`; did you mean `nat44`?"),
            "{said}"
        );
    }
    fs::write(
        home.config(),
        format!(
            "state_dir = \"{}/state\"\n[nat]\nuplink = \"nosuch0\"\n",
            home.dir.path().display()
        ),
    )
    .unwrap();
    for command in ["check", "run"] {
        let (code, said) = home.fails(&[command]);
        assert!(
            code == 2 && said.contains("config.toml:3:10: ") && said.contains("nosuch0"),
            "{said}"
        );
    }
    assert!(!home.dir.path().join("state").exists());
    assert_eq!(home.output(&["frobnicate"]).status.code(), Some(2));
}

#[test]
fn every_command_and_argument_of_members_and_communities_is_explained() {
    let home = Home::new();
    for group in ["community", "member", "admin"] {
        let help = home.must(&[group, "--help"]);
        let commands = help.split("Commands:\n").nth(1).unwrap();
        let commands = commands.lines().take_while(|l| !l.trim().is_empty());
        // What goes on from the line before stands further in.
        let names: Vec<_> = commands
            .filter(|l| !l.starts_with("   "))
            .filter_map(|l| l.split_whitespace().next())
            .collect();
        assert!(
            names.len() > 3 && help.contains("burstmesh-proxy"),
            "{help}"
        );
        for name in names.iter().filter(|n| **n != "help") {
            let help = home.must(&[group, name, "--help"]);
            let lines: Vec<_> = help.lines().collect();
            for pair in lines
                .windows(2)
                .filter(|p| p[0].trim_start().starts_with('<'))
            {
                // Beside it, or in the long form below it.
                let explained = pair[0].trim().contains("  ") || pair[1].starts_with("     ");
                assert!(explained, "{group} {name}: {pair:?}");
            }
        }
    }
}

#[test]
fn help_says_what_the_exit_codes_mean() {
    let home = Home::new();
    let help = home.must(&["--help"]);
    let words: Vec<_> = help.split_whitespace().collect();
    assert!(words.join(" ").contains("3 the daemon is not running"));
    assert!(help.lines().all(|l| l.len() <= 80), "{help}");
    assert_eq!(
        home.must(&["--version"]).trim(),
        concat!("burstmesh-proxy ", env!("CARGO_PKG_VERSION"))
    );
}
