//! `docs/uci.md` and the shipped file say what the schema says.

use super::super::schema::{Opt, SECTIONS, Section};
use super::super::tests::problems;
use super::super::uci::{Reader, Statement};
use super::*;

const DOCUMENT: &str = include_str!("../../../../../docs/uci.md");
const SHIPPED: &str =
    include_str!("../../../../../openwrt-feed/burstmesh/files/etc/config/burstmesh");

const BEGIN: &str = "<!-- options: generated from the schema; `BLESS=1 cargo test -p burstmesh reference` writes them anew -->\n";
const END: &str = "<!-- end of options -->\n";

/// What the reference document says about one option's default.
fn default_of(option: &Opt) -> &'static str {
    match option.default {
        Some(default) => default,
        None if option.required => "required",
        None => "not set",
    }
}

/// The part of the document that comes from the schema.
fn options() -> String {
    let mut out = String::new();
    for section in SECTIONS {
        let name = if section.named { " 'NAME'" } else { "" };
        let many = if section.limit == 1 {
            "exactly one".into()
        } else {
            format!("up to {}", section.limit)
        };
        writeln!(
            out,
            "## `config {}{name}`\n\n{} ({many})\n",
            section.kind, section.doc
        )
        .unwrap();
        writeln!(
            out,
            "| option | value | default | meaning |\n|---|---|---|---|"
        )
        .unwrap();
        for option in section.options {
            let word = if option.list { "list" } else { "option" };
            let unit = option
                .kind
                .unit()
                .map(|unit| format!(" ({unit})"))
                .unwrap_or_default();
            let (name, kind, default, doc) = (
                option.name,
                option.kind.word(),
                default_of(option),
                option.doc,
            );
            writeln!(
                out,
                "| `{word} {name}` | {kind}{unit} | {default} | {doc} Example: `{}` |",
                option.example
            )
            .unwrap();
        }
        out.push('\n');
    }
    out
}

#[test]
fn the_reference_document_has_every_option_of_the_schema() {
    let (head, rest) = DOCUMENT
        .split_once(BEGIN)
        .expect("the document lost its begin mark");
    let (_, tail) = rest
        .split_once(END)
        .expect("the document lost its end mark");
    let wanted = format!("{head}{BEGIN}\n{}{END}{tail}", options());
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/uci.md"),
            &wanted,
        )
        .unwrap();
    } else {
        assert!(
            wanted == DOCUMENT,
            "docs/uci.md differs from the schema; run: BLESS=1 cargo test -p burstmesh reference"
        );
    }
}

#[test]
fn the_help_text_names_every_option() {
    let mut text = String::new();
    write_text(&mut text).unwrap();
    for section in SECTIONS {
        assert!(text.contains(&format!("\nconfig {}", section.kind)));
        for option in section.options {
            assert!(
                text.contains(&format!(" {} <{}>", option.name, option.kind.word())),
                "{}",
                option.name
            );
        }
    }
}

/// The shipped file with everything that is switched off switched on.
fn uncommented() -> String {
    let words = ["option ", "list ", "config "];
    let on = |line: &str| {
        let bare = line.trim_start_matches(['\t', '#']);
        if words.iter().any(|word| bare.starts_with(word))
            && line.contains(['#', '\''])
            && !line.starts_with("# ")
        {
            format!("{bare}\n")
        } else {
            format!("{line}\n")
        }
    };
    SHIPPED.lines().map(on).collect()
}

fn shipped_options(section: &Section, text: &str) -> std::vec::Vec<(String, String)> {
    let mut reader = Reader::new(text.as_bytes());
    let (mut inside, mut all) = (false, std::vec::Vec::new());
    while let Some((_, statement)) = reader.next_statement() {
        match statement.unwrap() {
            Statement::Section { kind, .. } => inside = kind == section.kind,
            Statement::Option { name, value } | Statement::List { name, value } if inside => {
                all.push((name.into(), value.into()))
            }
            _ => {}
        }
    }
    all
}

#[test]
fn the_shipped_file_lacks_only_the_invitation() {
    let found = problems(SHIPPED);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("the community has no secret; paste an invitation"),
        "{found:?}"
    );
}

#[test]
fn the_shipped_file_explains_every_option_of_the_sections_it_has() {
    for section in SECTIONS {
        let there = shipped_options(section, &uncommented());
        for option in section.options {
            let found = there.iter().find(|(name, _)| name == option.name);
            let (_, value) = found.unwrap_or_else(|| {
                panic!(
                    "{} {} is not in the shipped file",
                    section.kind, option.name
                )
            });
            if let Some(default) = option.default {
                assert_eq!(
                    value, default,
                    "{} {}: not the default",
                    section.kind, option.name
                );
            }
        }
    }
}

#[test]
fn the_shipped_file_says_the_unit_and_the_default_of_every_option() {
    let lines: std::vec::Vec<&str> = SHIPPED.lines().collect();
    for section in SECTIONS {
        for option in section.options {
            let word = format!(
                "{} {} ",
                if option.list { "list" } else { "option" },
                option.name
            );
            let at = lines
                .iter()
                .position(|line| line.trim_start_matches(['\t', '#']).starts_with(&word))
                .unwrap();
            let comment: String = lines[..at]
                .iter()
                .rev()
                .take_while(|l| l.starts_with("\t# "))
                .fold(String::new(), |all, l| format!("{l}\n{all}"));
            assert!(!comment.is_empty(), "{word}has no comment");
            if option.default.is_some() {
                assert!(
                    comment.contains("Default:"),
                    "{word}does not tell its default"
                );
            }
            if let Some(unit) = option.kind.unit() {
                let units = unit.split([' ', ',']).filter(|u| comment.contains(u));
                assert!(units.count() > 1, "{word}does not tell its unit");
            }
        }
    }
}

const FIREWALL_SCRIPT: &str =
    include_str!("../../../../../openwrt-feed/burstmesh/files/usr/libexec/burstmesh/settings");
const FIREWALL_DOCUMENT: &str = include_str!("../../../../../docs/firewall.md");

/// What `uci` makes of the script, as the file would show it.
fn made_by_script() -> std::vec::Vec<String> {
    let mut made = std::vec::Vec::new();
    for line in FIREWALL_SCRIPT.lines() {
        let (word, rest) = line
            .trim_start()
            .split_once(" firewall.")
            .unwrap_or_default();
        let Some((place, value)) = rest.split_once('=') else {
            continue;
        };
        made.push(match (word, place.split_once('.')) {
            ("set", None) => format!("config {value} '{place}'"),
            ("set", Some((_, option))) => format!("\toption {option} {value}"),
            ("add_list", Some((_, list))) => format!("\tlist {list} {value}"),
            _ => continue,
        });
    }
    made
}

#[test]
fn the_firewall_document_shows_what_the_shipped_script_sets() {
    let shown = FIREWALL_DOCUMENT.split("```").nth(1).unwrap_or_default();
    let shown = shown
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert!(made_by_script().len() > 20);
    assert!(made_by_script().iter().eq(shown), "{:#?}", made_by_script());
}
