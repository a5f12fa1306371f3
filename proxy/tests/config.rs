//! Mistakes in the exit's configuration name their line and how to mend them.
#![allow(clippy::unwrap_used)]

use std::net::Ipv4Addr;

use burstmesh_proxy::config::{Config, Http, Ipv6Mode, Setting};
use proptest::prelude::*;

fn error(text: &str) -> String {
    Config::parse("config.toml", text).unwrap_err().to_string()
}

#[test]
fn an_uplink_is_all_that_a_configuration_needs() {
    let config = Config::parse("config.toml", "[nat]\nuplink = \"eth0\"\n").unwrap();
    let leases = config.leases.get_ref();
    assert_eq!(config.listen.get_ref().len(), 2);
    assert_eq!(leases.exit_v4(), Ipv4Addr::new(10, 77, 0, 1));
    assert_eq!(leases.exit_v6().to_string(), "fd77:6275:7273::1");
    assert_eq!(config.tun.name.get_ref(), "bmx0");
    assert_eq!(config.nat.block_ports, [25]);
    assert_eq!(*config.nat.ipv6.get_ref(), Ipv6Mode::Auto);
    assert_eq!(config.metrics, Http::On("127.0.0.1:9477".parse().unwrap()));
    assert!(!config.resolver_here());
}

#[test]
fn the_example_that_is_shipped_is_valid_and_says_the_defaults() {
    let text = include_str!("../../packaging/config.toml");
    let shipped = Config::parse("config.toml", text).unwrap();
    // With every option uncommented the meaning stays the same: the comments are the defaults.
    let uncommented: String = text
        .lines()
        .map(|l| match l.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest,
            _ => l,
        })
        .flat_map(|l| [l, "\n"])
        .collect();
    let spelt = Config::parse("config.toml", &uncommented).unwrap();
    assert_eq!(shipped.listen.get_ref(), spelt.listen.get_ref());
    assert_eq!(shipped.leases.get_ref(), spelt.leases.get_ref());
    assert_eq!(
        (shipped.state_dir, shipped.control),
        (spelt.state_dir, spelt.control)
    );
    assert_eq!(shipped.metrics, spelt.metrics);
    assert_eq!(shipped.nat.block_ports, spelt.nat.block_ports);
    assert_eq!(shipped.nat.neighbours, spelt.nat.neighbours);
    assert_eq!(shipped.dns, spelt.dns);
    assert_eq!(shipped.limits.get_ref(), spelt.limits.get_ref());
    assert_eq!(shipped.nat.ipv6.get_ref(), spelt.nat.ipv6.get_ref());
    for option in [
        "listen",
        "state_dir",
        "control",
        "metrics",
        "name",
        "v4",
        "v6",
        "community_v4",
        "community_v6",
        "nat44",
        "ipv6",
        "block_ports",
        "deny",
        "neighbours",
        "memory",
        "members",
    ] {
        assert!(
            uncommented
                .lines()
                .any(|l| l.starts_with(&format!("{option} = "))),
            "{option} is not in the example"
        );
    }
}

#[test]
fn an_unknown_option_is_named_with_its_line_and_the_nearest_known_one() {
    let said = error("[nat]\nuplink = \"eth0\"\nblock_port = [25]\n");
    assert!(
        said.starts_with(
            "config.toml:3:1: unknown option `block_port`; did you mean `block_ports`?"
        ),
        "{said}"
    );
    let said = error("colour = \"red\"\n[nat]\nuplink = \"eth0\"\n");
    assert!(
        said.starts_with("config.toml:1:1: unknown option `colour`") && said.contains("state_dir"),
        "{said}"
    );
}

#[test]
fn a_missing_uplink_is_said_with_what_to_write() {
    assert!(error("").contains("[nat] uplink = \"eth0\""));
    let said = error("\n[nat]\nnat44 = true\n");
    assert!(
        said.starts_with("config.toml:2:") && said.contains("missing `uplink`"),
        "{said}"
    );
}

#[test]
fn bad_values_are_named_with_their_line() {
    let tail = "\n[nat]\nuplink = \"eth0\"\n";
    let cases = [
        ("listen = [\"0.0.0.0\"]", "config.toml:1:", "socket address"),
        ("listen = []", "config.toml:1:", "nobody could reach"),
        ("listen = [\"0.0.0.0:0\"]", "config.toml:1:", "port 0"),
        (
            "listen = [\"0.0.0.0:1\", \"0.0.0.0:1\"]",
            "config.toml:1:",
            "twice",
        ),
        ("metrics = \"9477\"", "config.toml:1:", "\"off\""),
        ("[leases]\nv4 = \"10.77.0.0\"", "config.toml:2:", ""),
        (
            "[leases]\nv4 = \"10.77.0.5/16\"",
            "config.toml:1:",
            "10.77.0.0/16",
        ),
        (
            "[leases]\nv6 = \"fd77::5/48\"",
            "config.toml:1:",
            "fd77::/48",
        ),
        (
            "[leases]\ncommunity_v4 = 12",
            "config.toml:1:",
            "between 16",
        ),
        ("[leases]\ncommunity_v6 = 127", "config.toml:1:", "125"),
        (
            "[tun]\nname = \"a-name-far-too-long\"",
            "config.toml:2:",
            "1 to 15",
        ),
        ("[tun]\nname = \"b\\\"; drop\"", "config.toml:2:", "letters"),
    ];
    for (text, place, what) in cases {
        let said = error(&format!("{text}{tail}"));
        assert!(
            said.starts_with(place) && said.contains(what),
            "{text}: {said}"
        );
    }
}

#[test]
fn nat_options_are_checked_too() {
    let said = error("[nat]\nuplink = \"eth0\"\nipv6 = \"routed\"\n");
    assert!(
        said.starts_with("config.toml:3:8: ") && said.contains("public prefix"),
        "{said}"
    );
    let said = error("[nat]\nuplink = \"eth0\"\nipv6 = \"nat64\"\n");
    assert!(
        said.starts_with("config.toml:3:8: ") && said.contains("nat66"),
        "{said}"
    );
    let said = error("[nat]\nuplink = \"eth0\"\nblock_ports = [70000]\n");
    assert!(said.starts_with("config.toml:3:"), "{said}");
    let said = error("[nat]\nuplink = \"eth0\"\ndeny = [\"10.0.0.0/33\"]\n");
    assert!(said.starts_with("config.toml:3:"), "{said}");
    let said = error("[nat]\nuplink = \"eth0\"\nnat44 = yes\n");
    assert!(said.starts_with("config.toml:3:"), "{said}");
}

#[test]
fn an_uplink_that_this_machine_lacks_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    std::fs::write(&path, "[nat]\nuplink = \"nosuch0\"\n").unwrap();
    let config = Config::load(&path).unwrap();
    let said = config.check_machine(&path).unwrap_err().to_string();
    assert!(
        said.contains(":2:10: ") && said.contains("nosuch0") && said.contains("lo"),
        "{said}"
    );
}

#[test]
fn an_interface_of_our_own_that_is_somebody_elses_is_refused() {
    for name in ["eth0", "lo"] {
        let said = error(&format!(
            "[nat]\nuplink = \"eth0\"\n[tun]\nname = \"{name}\"\n"
        ));
        assert!(
            said.starts_with("config.toml:4:8: ") && said.contains("tun.name"),
            "{said}"
        );
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
        let _ = Config::parse("config.toml", &text);
    }

    #[test]
    fn no_mangled_configuration_makes_the_parser_panic(cut in 0usize..2000, with in "\\PC{0,8}") {
        let mut text = include_str!("../../packaging/config.toml").to_owned();
        let cut = (0..=cut.min(text.len())).rev().find(|c| text.is_char_boundary(*c)).unwrap_or(0);
        text.insert_str(cut, &with);
        let _ = Config::parse("config.toml", &text);
    }
}

#[test]
fn what_is_found_on_the_machine_is_auto_or_told() {
    let config = |text: &str| {
        let text = format!("[nat]\nuplink = \"eth0\"\n{text}");
        Config::parse("config.toml", &text)
    };
    let told = config("[limits]\nmemory = 64\nmembers = \"auto\"\n[dns]\nv4 = [\"1.1.1.1\"]\n");
    let told = told.unwrap();
    assert_eq!(told.limits.get_ref().memory, Setting::Told(64));
    assert_eq!(told.limits.get_ref().members, Setting::Auto);
    assert_eq!(told.dns.v4.list(), [Ipv4Addr::new(1, 1, 1, 1)]);
    assert_eq!(told.dns.v6, Setting::Auto);
    for (bad, what) in [
        ("[limits]\nmembers = 0\n", "between 1 and 4096"),
        ("[limits]\nmembers = 5000\n", "between 1 and 4096"),
        ("[limits]\nmemory = 0\n", "no room"),
        ("[limits]\nmemory = \"64M\"\n", "is not \"auto\""),
        ("[dns]\nv4 = \"1.1.1.1\"\n", "is not \"auto\""),
        ("[dns]\nv4 = [\"::1\"]\n", "IPv4"),
    ] {
        let said = config(bad).unwrap_err().to_string();
        assert!(
            said.starts_with("config.toml:") && said.contains(what),
            "{bad}: {said}"
        );
    }
}

#[test]
fn a_reload_takes_over_rules_alone_and_names_the_rest() {
    let old = Config::parse("test", "[nat]\nuplink = \"eth0\"\n").unwrap();
    let text = "[nat]\nuplink = \"eth1\"\nnat44 = false\nblock_ports = [26]\ndeny = [\"88.0.0.0/8\"]\nneighbours = true\nipv6 = \"off\"\n\
                [leases]\nv4 = \"10.99.0.0/16\"\n[tun]\nname = \"bmx9\"\n";
    let new = Config::parse("test", text).unwrap();
    let taken = old.taking_over(&new);
    assert_eq!(taken.nat.uplink.get_ref(), "eth1");
    assert_eq!((taken.nat.nat44, taken.nat.deny.len()), (false, 1));
    assert!(taken.nat.neighbours);
    assert_eq!(taken.nat.block_ports, [26]);
    assert_eq!(taken.leases.get_ref(), old.leases.get_ref());
    assert_eq!(taken.tun.name.get_ref(), "bmx0");
    assert_eq!(taken.nat.ipv6.get_ref(), old.nat.ipv6.get_ref());
    assert_eq!(
        old.needs_restart(&new),
        ["[tun]", "[leases]", "ipv6 of [nat]"]
    );
    // The same options at other places of the file are no change.
    let moved = Config::parse("test", "\n\n# moved\n[nat]\nuplink = \"eth0\"\n").unwrap();
    assert!(old.needs_restart(&moved).is_empty());
}
