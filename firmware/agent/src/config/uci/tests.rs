use super::*;
use proptest::prelude::*;

/// Every statement of a text in a form that is easy to compare.
fn read(text: impl AsRef<[u8]>) -> std::vec::Vec<(u32, Result<String, Syntax>)> {
    let mut reader = Reader::new(text.as_ref());
    let mut all = std::vec::Vec::new();
    while let Some((line, statement)) = reader.next_statement() {
        let shown = statement.map(|statement| match statement {
            Statement::Package => "package".into(),
            Statement::Section { kind, name } => format!("{kind}/{}", name.unwrap_or("-")),
            Statement::Option { name, value } => format!("{name}={value}"),
            Statement::List { name, value } => format!("{name}+={value}"),
        });
        all.push((line, shown));
    }
    all
}

fn values(text: &str) -> std::vec::Vec<String> {
    let text = format!("config s\n{text}");
    read(text)
        .into_iter()
        .skip(1)
        .map(|(_, s)| s.unwrap())
        .collect()
}

fn error(text: &str) -> Option<Syntax> {
    let text = format!("config s\n{text}");
    read(text).into_iter().find_map(|(_, s)| s.err())
}

#[test]
fn a_plain_file_gives_its_statements_with_line_numbers() {
    let text = "package burstmesh\n\n# words\nconfig mesh\n\toption ifname 'mesh0'\nconfig exit 'one'\n\tlist address \"a\"\n";
    let ok = |line, s: &str| (line, Ok(s.to_owned()));
    assert_eq!(
        read(text),
        [
            ok(1, "package"),
            ok(4, "mesh/-"),
            ok(5, "ifname=mesh0"),
            ok(6, "exit/one"),
            ok(7, "address+=a")
        ]
    );
}

#[test]
fn the_first_letter_of_a_keyword_is_enough() {
    assert_eq!(values("o a 1\nl b 2"), ["a=1", "b+=2"]);
}

#[test]
fn quoted_parts_of_a_word_are_joined() {
    assert_eq!(values("option a 'x y'\"z\"w"), ["a=x yzw"]);
    // What `uci export` makes of a single quote.
    assert_eq!(values(r"option a 'it'\''s'"), ["a=it's"]);
    assert_eq!(values(r#"option 'a' "say \"hi\" \\""#), [r#"a=say "hi" \"#]);
    assert_eq!(values(r"option a 'no \escape'"), [r"a=no \escape"]);
}

#[test]
fn a_hash_outside_quotes_starts_a_comment_even_inside_a_word() {
    assert_eq!(values("option a x#y\noption b '#1' # two"), ["a=x", "b=#1"]);
}

#[test]
fn a_semicolon_after_a_space_or_a_quote_separates_statements() {
    assert_eq!(
        values("option a 1 ; option b '2';option c 3"),
        ["a=1", "b=2", "c=3"]
    );
    assert_eq!(error("option a 1;option b 2"), Some(Syntax::Semicolon));
}

#[test]
fn a_backslash_or_a_quote_carries_on_to_the_next_line() {
    assert_eq!(
        values("option a one\\\ntwo\noption b 'x\ny'"),
        ["a=onetwo", "b=x\ny"]
    );
    assert_eq!(values("option a one\\\r\ntwo\r\n"), ["a=onetwo"]);
}

#[test]
fn an_absent_and_an_empty_value_are_the_same() {
    assert_eq!(values("option a\noption a ''"), ["a=", "a="]);
}

#[test]
fn windows_line_ends_do_not_matter() {
    assert_eq!(values("option a 1\r\noption b '2'\r\n"), ["a=1", "b=2"]);
}

#[test]
fn each_mistake_has_its_own_error() {
    for (text, wanted) in [
        ("optoin a 1", Syntax::UnknownKeyword),
        ("'option' a 1", Syntax::UnknownKeyword),
        ("option", Syntax::MissingName),
        ("config", Syntax::MissingName),
        ("option a 1 2", Syntax::TooManyWords),
        ("option a 1 '' ", Syntax::TooManyWords),
        ("option a-b 1", Syntax::BadName),
        ("config s a-b", Syntax::BadName),
        ("config 'a b'", Syntax::BadName),
        ("option a 'x", Syntax::OpenQuote),
        ("option a \"x'", Syntax::OpenQuote),
        ("option a \0", Syntax::NotText),
    ] {
        assert_eq!(error(text), Some(wanted), "{text:?}");
    }
    assert_eq!(
        error(&format!("option a {}", "x".repeat(STATEMENT_BYTES))),
        Some(Syntax::TooLong)
    );
    assert_eq!(read("option a 1"), [(1, Err(Syntax::OutsideSection))]);
    assert_eq!(
        read(b"config s\noption a '\xff'")[1],
        (2, Err(Syntax::NotText))
    );
}

#[test]
fn lines_below_an_open_quote_are_read_all_the_same() {
    let all = read("config s\noption a 'x\noption b '1'\noption c '2'\n");
    let ok = |line, s: &str| (line, Ok(s.to_owned()));
    assert_eq!(
        all,
        [
            ok(1, "s/-"),
            (2, Err(Syntax::OpenQuote)),
            ok(3, "b=1"),
            ok(4, "c=2")
        ]
    );
}

#[test]
fn an_error_ends_with_its_line() {
    let all = read("config s\nwhat is this\noption a 1\n");
    assert_eq!(all[1], (2, Err(Syntax::UnknownKeyword)));
    assert_eq!(all[2], (3, Ok("a=1".into())));
}

/// Writes a value as `uci export` does.
fn exported(value: &str) -> String {
    format!("option v '{}'", value.replace('\'', r"'\''"))
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic_or_hang(bytes: std::vec::Vec<u8>) {
        let lines = bytes.iter().filter(|b| **b == b'\n').count() as u32 + 1;
        for (line, _) in read(&bytes) {
            prop_assert!((1..=lines).contains(&line));
        }
    }

    #[test]
    fn no_almost_uci_text_makes_the_reader_panic_or_hang(
        parts in proptest::collection::vec("config|option|list|package|[ \t\r\n;#'\"\\\\]|[a-z]{1,3}", 0..60)
    ) {
        let text = parts.concat();
        prop_assert!(read(&text).len() <= text.len());
    }

    #[test]
    fn every_value_that_uci_exports_is_read_back(value in "[^\0]{1,200}") {
        prop_assert_eq!(values(&exported(&value)), [format!("v={value}")]);
    }
}
