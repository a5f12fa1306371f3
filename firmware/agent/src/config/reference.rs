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
            "\nconfig {}{name}   (up to {})\n  {}",
            section.kind, section.limit, section.doc
        )?;
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
            writeln!(out, "      {}", option.doc)?;
        }
    }
    Ok(())
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
