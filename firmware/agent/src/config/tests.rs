mod direct;
mod no_exit;
mod refuse;

use super::schema::{Kind, SECTIONS};
use super::*;
use burstmesh_core::wire::invitation::{self, Invitation};
use burstmesh_core::wire::text::key_to_text;
use proptest::prelude::*;
use std::vec::Vec as StdVec;

/// A configuration by hand. Its secret and key are fixed for the tests; nobody uses them elsewhere.
pub(super) const GOOD: &str = "
config community
\toption name 'hillside'
\toption secret 'AwswVXqfxOkOM1h9osfsETZbgKXK7xQ5XoOozfIXPGE='

config mesh
\toption ifname 'mesh0'

config uplink 'wan'
\toption ifname 'wan'
\toption lend '1'
\toption lend_up '5Mbit'

config exit 'one'
\toption key '3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08='
\tlist address '203.0.113.7:4455'
\tlist address '[2001:db8::7]:4455'

config client 'lan'
\toption ifname 'br-lan'
\tlist bypass '198.51.100.0/24'
";

pub(super) fn good() -> Config {
    parse(GOOD).0.unwrap()
}

fn parse(text: &str) -> (Option<Config>, StdVec<Problem>) {
    let mut all = StdVec::new();
    let config = Config::parse(text.as_bytes(), &mut |problem| all.push(problem));
    (config, all)
}

/// All problems as `LINE: WHAT; HOW`.
pub(super) fn problems(text: &str) -> StdVec<String> {
    let (config, all) = parse(text);
    assert_eq!(
        config.is_none(),
        all.iter().any(Problem::is_fatal),
        "{all:?}"
    );
    all.iter()
        .map(|problem| format!("{}: {problem}", problem.line))
        .collect()
}

/// The one problem of the good configuration with `from` replaced by `to`.
fn problem(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    let all = problems(&GOOD.replacen(from, to, 1));
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].clone()
}

fn invitation_text(name: &str) -> std::string::String {
    let exit = |n: u8| invitation::Exit {
        key: PublicKey(core::array::from_fn(|i| i as u8 ^ n)),
        addresses: ["198.51.100.9:4455".parse().unwrap()].into_iter().collect(),
    };
    let invitation = Invitation {
        name: Name::try_from(name).unwrap(),
        secret: Secret::new(core::array::from_fn(|i| (i * 37 % 251) as u8)),
        exits: [exit(1), exit(2)].into_iter().collect(),
        expires: Some(1_800_000_000),
        admission: None,
        admin: None,
    };
    invitation.encode().unwrap().as_str().to_owned()
}

/// One paste, one tick.
fn invited() -> std::string::String {
    super::reference::EXAMPLE.replace("bm1...", &invitation_text("hillside"))
}

#[test]
fn a_configuration_by_hand_is_read() {
    let config = good();
    assert_eq!(config.community.name, "hillside");
    assert_eq!(config.community.key_file, "/etc/burstmesh/key");
    assert!(config.community.enabled);
    assert_eq!(
        (config.meshes[0].ifname.as_str(), config.meshes[0].port),
        ("mesh0", 4454)
    );
    let wan = config.default_uplink().unwrap();
    assert_eq!(
        (wan.name.as_str(), wan.lend, wan.lend_up, wan.lend_down),
        ("wan", true, Rate(5_000), Rate(0))
    );
    assert_eq!(config.exits[0].addresses.len(), 2);
    assert_eq!(
        config
            .bypasses_of(0)
            .map(|p| p.to_string())
            .collect::<StdVec<_>>(),
        ["198.51.100.0/24"]
    );
}

#[test]
fn one_paste_and_one_tick_are_a_configuration() {
    let (config, all) = parse(&invited());
    assert_eq!(all, []);
    let config = config.unwrap();
    assert_eq!(config.community.name, "hillside");
    let end = config.community.expires.map(|end| (end.at.0, end.line));
    assert_eq!(end, Some((1_800_000_000, 3)));
    assert_eq!(
        config
            .exits
            .iter()
            .map(|e| e.name.as_str())
            .collect::<StdVec<_>>(),
        ["invited1", "invited2"]
    );
}

#[test]
fn an_exit_by_hand_takes_the_place_of_the_invited_one_with_its_key() {
    let key = key_to_text(&core::array::from_fn(|i| i as u8 ^ 1));
    let text = invited()
        + &format!("config exit 'mine'\noption key '{key}'\nlist address '192.0.2.1:1'\n");
    let config = parse(&text).0.unwrap();
    assert_eq!(
        config
            .exits
            .iter()
            .map(|e| e.name.as_str())
            .collect::<StdVec<_>>(),
        ["mine", "invited2"]
    );
}

#[test]
fn the_secret_is_in_no_debug_output_and_in_no_message() {
    let shown = format!("{:?}", good());
    assert!(
        shown.contains("Secret(hidden)") && !shown.contains("AwswVX") && !shown.contains("48, 85"),
        "{shown}"
    );
    let found = problem(
        "AwswVXqfxOkOM1h9osfsETZbgKXK7xQ5XoOozfIXPGE=",
        "AwswVXqfxOkOM1h9osfsETZbgKXK7xQ5XoOozfIXPG",
    );
    assert!(
        !found.contains("Awsw") && found.contains("generated, never invented"),
        "{found}"
    );
}

/// What is exchanged in the good configuration, and the line, the fault and the remedy that are told then.
const MISTAKES: &[(&str, &str, u32, &str, &str)] = &[
    (
        "lend '1'",
        "lent '1'",
        11,
        "unknown option 'lent' in section 'uplink'",
        "did you mean 'lend'?",
    ),
    (
        "lend '1'",
        "bandwidth '1'",
        11,
        "unknown option 'bandwidth'",
        "known here: ifname, lend, share_address, lend_up",
    ),
    (
        "config mesh",
        "config msh",
        6,
        "unknown section 'msh'",
        "did you mean 'mesh'?",
    ),
    (
        "'5Mbit'",
        "'5MB'",
        12,
        "option 'lend_up': '5MB' has an unknown unit",
        "such as '20Mbit'",
    ),
    (
        "'5Mbit'",
        "'5'",
        12,
        "option 'lend_up': '5' has no unit",
        "such as '20Mbit'",
    ),
    ("'5Mbit'", "'5Tbit'", 12, "unknown unit", "such as '20Mbit'"),
    (
        "'5Mbit'",
        "'5000Gbit'",
        12,
        "is out of range",
        "write bits per second",
    ),
    (
        "lend '1'",
        "lend 'maybe'",
        11,
        "option 'lend': 'maybe' cannot be read",
        "write '1' for yes",
    ),
    (
        "\toption ifname 'wan'\n",
        "",
        9,
        "the uplink section has no 'ifname'",
        "add option ifname 'wan'",
    ),
    (
        "'203.0.113.7:4455'",
        "'exit.example.org:4455'",
        16,
        "is not a numeric address",
        "'203.0.113.7:4455'",
    ),
    (
        "'203.0.113.7:4455'",
        "'203.0.113.7'",
        16,
        "has no port",
        "'[2001:db8::7]:4455'",
    ),
    (
        "'3p7bfXt9",
        "'p7bfXt9",
        15,
        "has 43 characters instead of 44",
        "copy the 44 characters",
    ),
    (
        "'198.51.100.0/24'",
        "'198.51.100.1/24'",
        21,
        "did you mean 198.51.100.0/24?",
        "address range",
    ),
    (
        "list address",
        "option address",
        16,
        "'address' is a list",
        "write list address",
    ),
    (
        "option lend_up",
        "list lend_up",
        12,
        "takes one value",
        "write option lend_up",
    ),
    (
        "option lend_up '5Mbit'",
        "option lend '1'",
        12,
        "stands twice",
        "remove one",
    ),
    (
        "'br-lan'",
        "'wan'",
        19,
        "device 'wan' is already used on line 9",
        "a device of its own",
    ),
    (
        "'mesh0'",
        "'bm0'",
        7,
        "the agent's own tunnel bm0",
        "name a network device",
    ),
    (
        "exit 'one'",
        "exit 'wan'",
        14,
        "name 'wan' is already used on line 9",
        "rename one",
    ),
    (
        "exit 'one'",
        "exit",
        14,
        "the exit section has no name",
        "write config exit 'name'",
    ),
    (
        "\toption secret 'AwswVXqfxOkOM1h9osfsETZbgKXK7xQ5XoOozfIXPGE='\n",
        "",
        2,
        "no secret",
        "paste an invitation",
    ),
    (
        "\toption name 'hillside'\n",
        "",
        2,
        "a secret and no name",
        "add option name",
    ),
    (
        "\toption lend_up '5Mbit'\n",
        "\toption lend_up '5Mbit\n",
        12,
        "a quote is opened",
        "close the quote on the same line",
    ),
];

#[test]
fn each_mistake_is_told_with_its_line_and_how_to_mend_it() {
    for &(from, to, line, what, how) in MISTAKES {
        let found = problem(from, to);
        let (left, right) = found.split_once("; ").expect(&found);
        assert!(
            left.starts_with(&format!("{line}: ")) && left.contains(what),
            "{from} -> {to}: {found}"
        );
        assert!(right.contains(how), "{from} -> {to}: {found}");
    }
}

fn without(kind: &str) -> std::string::String {
    GOOD.split("\n\n")
        .filter(|part| !part.contains(&format!("config {kind}")))
        .collect::<StdVec<_>>()
        .join("\n\n")
}

#[test]
fn missing_sections_are_told() {
    for (kind, what) in [
        (
            "community",
            "the community has no secret; paste an invitation",
        ),
        ("uplink", "no uplink is configured; add config uplink 'wan'"),
        ("mesh", "nothing to pool; add config mesh"),
        ("exit", "no exit is configured; paste an invitation"),
    ] {
        let all = problems(&without(kind));
        assert_eq!(all.len(), 1, "{kind}: {all:?}");
        assert!(all[0].contains(what), "{kind}: {all:?}");
    }
    let all = problems(&without("client").replace("lend '1'", "lend '0'"));
    assert!(
        all.len() == 1 && all[0].contains("no client network is configured and nothing is lent"),
        "{all:?}"
    );
    assert_eq!(
        problems(&without("client")),
        StdVec::<String>::new(),
        "a gateway may only lend"
    );
}

#[test]
fn an_empty_file_says_everything_that_is_needed() {
    let all = problems("");
    assert_eq!(all.len(), 4, "{all:?}");
    assert!(all.iter().all(|p| p.starts_with("1: ")));
}

#[test]
fn a_gateway_without_a_line_of_its_own_says_so() {
    let text = without("uplink").replace(
        "config community",
        "config community\n\toption no_uplink '1'",
    );
    assert_eq!(problems(&text), StdVec::<String>::new());
    let found = problem(
        "config community",
        "config community\n\toption no_uplink '1'",
    );
    assert!(
        found.starts_with("10: option no_uplink '1' says that there is no uplink"),
        "{found}"
    );
}

#[test]
fn two_defaults_are_refused_and_without_a_mark_the_first_is_it() {
    let second = "\nconfig uplink 'lte'\n\toption ifname 'wwan0'\n";
    let config = parse(&(GOOD.to_owned() + second)).0.unwrap();
    assert_eq!(config.default_uplink().unwrap().name, "wan");
    let config = parse(&(GOOD.to_owned() + second + "\toption default '1'\n"))
        .0
        .unwrap();
    assert_eq!(config.default_uplink().unwrap().name, "lte");
    let both = GOOD.replace("lend '1'", "default '1'") + second + "\toption default '1'\n";
    let all = problems(&both);
    assert_eq!(
        all,
        [
            "23: two uplinks are marked as the default, the other one on line 9; leave option default '1' in one of them"
        ]
    );
}

#[test]
fn a_secret_that_contradicts_the_invitation_is_refused() {
    let with = |line: &str| GOOD.replace("config community", &format!("config community\n{line}"));
    let all = problems(&with(&format!(
        "option invitation '{}'",
        invitation_text("hillside")
    )));
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(
        all[0].starts_with(
            "5: option 'secret' and the invitation contradict each other; remove option 'secret'"
        ),
        "{all:?}"
    );
    let all = problems(&with(&format!(
        "option invitation '{}'",
        invitation_text("valley")
    )));
    assert_eq!(all.len(), 2, "{all:?}");
}

#[test]
fn a_mistyped_invitation_is_one_problem_and_not_three() {
    let all = problems(&invited().replacen("bm1CG", "bm1CH", 1));
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(
        all[0].contains("the invitation is mistyped or incomplete")
            && all[0].contains("; copy the whole invitation"),
        "{all:?}"
    );
}

#[test]
fn all_problems_are_reported_at_once() {
    let text = GOOD
        .replace("'5Mbit'", "'5'")
        .replace("'mesh0'", "'a/b'")
        .replace("lend '1'", "lend 'x'")
        .replace("config client", "config klient");
    assert_eq!(problems(&text).len(), 4);
}

#[test]
fn lanes_and_their_rules_are_read() {
    let text = GOOD.replacen(
        "config mesh",
        "\toption lane 'per_session'\n\nconfig mesh",
        1,
    ) + "config rule\n\toption lane 'auto'\n\toption destination '2001:db8::/32'\n\toption port '443'\n";
    let config = parse(&text).0.unwrap();
    assert_eq!(config.community.lane, Lane::PerSession);
    let [rule] = &config.rules[..] else {
        panic!("{:?}", config.rules)
    };
    assert_eq!((rule.lane, rule.port), (Some(Lane::Auto), Some(443)));
    assert!(rule.fits(true) && !rule.fits(false));
    assert_eq!(good().community.lane, Lane::Auto);
}

#[test]
fn a_rule_is_neither_about_all_nor_about_none() {
    let rule = |options: &str| problems(&(GOOD.to_owned() + "config rule\n" + options));
    let all = rule("\toption lane 'auto'\n");
    assert!(
        all.len() == 1 && all[0].starts_with("22: the rule is about no"),
        "{all:?}"
    );
    let all = rule(
        "\toption lane 'auto'\n\toption client '192.168.1.2'\n\toption destination '2001:db8::7'\n",
    );
    assert!(
        all.len() == 1 && all[0].contains("write two rules"),
        "{all:?}"
    );
    let all = rule("\toption lane 'session'\n\toption port '80'\n");
    assert!(
        all.len() == 1
            && all[0]
                .starts_with("23: option 'lane': 'session' cannot be read; write direct, auto"),
        "{all:?}"
    );
    let all = rule("\toption dscp '64'\n");
    assert!(
        all.iter()
            .any(|p| p.contains("'64' is out of range; write a number from 0 to 63")),
        "{all:?}"
    );
    assert!(
        all.iter()
            .any(|p| p.contains("the rule section has no 'lane'")),
        "{all:?}"
    );
}

#[test]
fn what_has_no_room_is_told() {
    let mut text = GOOD.to_owned();
    for i in 0..schema::MESHES {
        text += &format!("config mesh\n\toption ifname 'mesh1{i}'\n");
    }
    let all = problems(&text);
    assert!(
        all.len() == 1 && all[0].contains("more than 4 sections of type 'mesh'"),
        "{all:?}"
    );
    let text = GOOD.to_owned() + &"\tlist bypass '192.0.2.0/24'\n".repeat(schema::BYPASSES);
    let all = problems(&text);
    assert!(
        all.len() == 1 && all[0].contains("more than 32 values of list 'bypass'"),
        "{all:?}"
    );
    let all = problems(&(GOOD.to_owned() + "config community\n"));
    assert!(
        all.len() == 1 && all[0].contains("more than 1 section"),
        "{all:?}"
    );
}

#[test]
fn a_broken_section_line_does_not_blame_the_options_below_it() {
    let all = problems(&GOOD.replace("config uplink 'wan'", "config uplink 'wan"));
    assert_eq!(
        all,
        [
            "9: a quote is opened and not closed, or the line ends in a backslash; close the quote on the same line with the same sign, or remove the backslash"
        ]
    );
}

#[test]
fn every_example_of_the_schema_is_accepted() {
    for section in SECTIONS {
        for option in section.options {
            if matches!(
                option.kind,
                Kind::Secret | Kind::Invitation | Kind::Certificate
            ) {
                continue;
            }
            let (word, name) = (if option.list { "list" } else { "option" }, option.name);
            let text = format!(
                "config {} 'x'\n\t{word} {name} '{}'\n",
                section.kind, option.example
            );
            let of_value = |problem: &&Problem| {
                !matches!(
                    problem.kind,
                    ProblemKind::Missing { .. }
                        | ProblemKind::UplinkAgainstWord
                        | ProblemKind::NoSecret
                        | ProblemKind::NoCommunityName
                        | ProblemKind::NoAdmin
                        | ProblemKind::NoUplink
                        | ProblemKind::NoMesh
                        | ProblemKind::NoExit
                        | ProblemKind::NoClient
                        | ProblemKind::RuleForAll
                )
            };
            assert_eq!(parse(&text).1.iter().find(of_value), None);
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes: StdVec<u8>) {
        let _ = Config::parse(&bytes, &mut |problem| { let _ = problem.to_string(); });
    }

    #[test]
    fn no_mangled_configuration_makes_the_parser_panic(at: prop::sample::Index, length in 0usize..40, with in "\\PC{0,6}|['\"\\\\\n#;]{0,3}") {
        let mut text = GOOD.as_bytes().to_vec();
        let start = at.index(text.len());
        let end = (start + length).min(text.len());
        text.splice(start..end, with.into_bytes());
        let lines = text.iter().filter(|b| **b == b'\n').count() as u32 + 1;
        let mut fatal = false;
        let config = Config::parse(&text, &mut |problem| {
            fatal |= problem.is_fatal();
            assert!((1..=lines).contains(&problem.line));
            let text = problem.to_string();
            assert!(text.contains("; ") && !text.contains('\n'), "{text}");
        });
        prop_assert_eq!(config.is_none(), fatal);
    }
}
