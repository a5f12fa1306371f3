//! What the UCI reader reads in files, for a second opinion (`tests/packaging/test_uci.py`): a line of JSON per file, `null` for
//! one that is not UCI.

use burstmesh_agent::config::uci::{Reader, Statement};

fn main() -> std::io::Result<()> {
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path)?;
        match statements(&bytes) {
            Some(all) => println!("[{}]", all.join(",")),
            None => println!("null"),
        }
    }
    Ok(())
}

fn statements(bytes: &[u8]) -> Option<Vec<String>> {
    let (mut reader, mut all) = (Reader::new(bytes), Vec::new());
    while let Some((_, statement)) = reader.next_statement() {
        let words = match statement.ok()? {
            Statement::Package => continue,
            Statement::Section { kind, name } => ["config", kind, name.unwrap_or_default()],
            Statement::Option { name, value } => ["option", name, value],
            Statement::List { name, value } => ["list", name, value],
        };
        all.push(format!("[{}]", words.map(quoted).join(",")));
    }
    Some(all)
}

fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c < ' ' => format!("\\u{:04x}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}
