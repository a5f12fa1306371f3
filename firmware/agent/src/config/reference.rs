//! The schema as text: for people at a terminal here, for `docs/uci.md` in the tests.

use core::fmt::{self, Write};

use super::schema::SECTIONS;

/// Writes the option reference that `burstmesh help config` prints.
///
/// # Errors
/// Only those of `out`.
pub fn write_text(out: &mut dyn Write) -> fmt::Result {
    out.write_str("The configuration, /etc/config/burstmesh. Example of a complete one:\n")?;
    out.write_str(EXAMPLE)?;
    for section in SECTIONS {
        let name = if section.named { " NAME" } else { "" };
        writeln!(
            out,
            "\nconfig {}{name}   (up to {})",
            section.kind, section.limit
        )?;
        wrap(out, 2, section.doc)?;
        for option in section.options {
            let word = if option.list { "list" } else { "option" };
            write!(out, "  {word} {} <{}>", option.name, option.kind.word())?;
            out.write_str(match option.default {
                None if option.required => " (required)\n",
                None => "\n",
                Some(_) => "",
            })?;
            if let Some(default) = option.default {
                writeln!(out, " (default {default})")?;
            }
            wrap(out, 6, option.doc)?;
        }
    }
    Ok(())
}

/// A terminal's width.
const COLUMNS: usize = 80;

/// Writes a text in lines that begin `indent` columns in and fit a terminal.
fn wrap(out: &mut dyn Write, indent: usize, text: &str) -> fmt::Result {
    let mut column = 0;
    for word in text.split(' ') {
        let width = word.chars().count();
        if column > 0 && column + 1 + width <= COLUMNS {
            write!(out, " {word}")?;
            column += 1 + width;
        } else {
            out.write_str(if column > 0 { "\n" } else { "" })?;
            write!(out, "{:indent$}{word}", "")?;
            column = indent + width;
        }
    }
    out.write_str("\n")
}

/// A complete configuration: one paste, one tick.
pub const EXAMPLE: &str = "
    config community
        option invitation 'bm1...'

    config uplink 'wan'
        option ifname 'wan'
        option lend '1'

    config client 'lan'
        option ifname 'br-lan'

    config mesh
        option ifname 'mesh0'
";

#[cfg(test)]
mod tests;
