//! Text as JSON has it.

use core::fmt::{self, Write};

/// A text in quotes (RFC 8259, section 7).
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => {
                    f.write_char('\\')?;
                    f.write_char(c)?;
                }
                '\0'..='\x1f' => write!(f, "\\u{:04x}", u32::from(c))?,
                _ => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_backslashes_and_control_characters_are_escaped_and_nothing_else() {
        let text = "a\"b\\c\n\u{1b}\u{7f}ü";
        assert_eq!(
            Quoted(text).to_string(),
            "\"a\\\"b\\\\c\\u000a\\u001b\u{7f}ü\""
        );
    }
}
