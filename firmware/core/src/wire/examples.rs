//! Reads the byte examples of the normative document, so that text and code cannot part ways.

const DOCUMENT: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docs/wire-format.md"
));

/// The bytes of the fenced block that opens with ```` ```hex name ````. In a block, `#` starts a comment.
pub(crate) fn bytes(name: &str) -> Vec<u8> {
    let opening = format!("```hex {name}\n");
    let (_, after) = DOCUMENT
        .split_once(&opening)
        .unwrap_or_else(|| panic!("docs/wire-format.md has no block `hex {name}`"));
    let (block, _) = after.split_once("```").unwrap();
    let digits: String = block
        .lines()
        .flat_map(|line| line.split('#').next().unwrap().split_whitespace())
        .collect();
    assert!(
        digits.is_ascii() && digits.len().is_multiple_of(2),
        "{name}: {digits}"
    );
    (0..digits.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap())
        .collect()
}

/// Fails with the bytes in the document's own form, ready to be pasted after the change was judged.
pub(crate) fn check(name: &str, actual: &[u8]) {
    let hex: Vec<String> = actual.iter().map(|b| format!("{b:02x}")).collect();
    let lines: Vec<String> = hex.chunks(16).map(|line| line.join(" ")).collect();
    assert!(
        bytes(name) == actual,
        "example `{name}` differs; the code gives\n{}\n",
        lines.join("\n")
    );
}
