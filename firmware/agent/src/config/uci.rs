//! Reads the UCI text format, statement by statement, the way OpenWrt's libuci does (its `file.c`).
//!
//! A statement is `package NAME`, `config TYPE ['NAME']`, `option NAME VALUE` or `list NAME VALUE`; the first letter of the
//! keyword is enough. Words may be quoted in parts (`'a'"b"c` is `abc`); within `'…'` nothing is special, within `"…"` and
//! outside quotes a backslash takes the next character literally and joins lines; quoted text may span lines. `#` starts a
//! comment wherever it is not quoted, also in the middle of a word. ` ;` separates statements on one line.
//!
//! Where libuci gives up at the first error, this reader reports it and goes on with the next line, so that one look shows
//! every mistake. It is stricter than libuci in three places: text must be UTF-8; a `;` glued to an unquoted word is an
//! error, since libuci silently drops the rest of that line; and a backslash at the end of a line joins words, not
//! statements.

use core::fmt;

use heapless::Vec;

/// Bytes of one statement's words together: room for the longest invitation.
pub const STATEMENT_BYTES: usize = 1024;

/// One statement. An absent value and an empty one are the same thing to UCI: "not set".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement<'a> {
    /// `package NAME`: what `uci export` puts on top.
    Package,
    /// `config KIND ['NAME']`: a section begins.
    Section {
        /// Its type, printable ASCII.
        kind: &'a str,
        /// Its name, letters, digits and `_`; `None` for an anonymous section.
        name: Option<&'a str>,
    },
    /// `option NAME VALUE`.
    Option {
        /// Letters, digits and `_`.
        name: &'a str,
        /// Any text.
        value: &'a str,
    },
    /// `list NAME VALUE`: one more value for a list.
    List {
        /// Letters, digits and `_`.
        name: &'a str,
        /// Any text.
        value: &'a str,
    },
}

/// Why a line is not UCI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// The line begins with something else than a keyword.
    UnknownKeyword,
    /// `config`, `option` or `list` without a name behind it.
    MissingName,
    /// More words than the statement has.
    TooManyWords,
    /// A name with other characters than letters, digits and `_`.
    BadName,
    /// `option` or `list` before the first `config`.
    OutsideSection,
    /// A quote that opens on this line, or a backslash at its end, takes in lines below that do not fit.
    OpenQuote,
    /// A `;` directly behind an unquoted word, where libuci ignores the rest of the line, or at the end of a line, where it
    /// refuses the file.
    Semicolon,
    /// More than [`STATEMENT_BYTES`] of text.
    TooLong,
    /// A NUL byte, or bytes that are not UTF-8.
    NotText,
}

impl fmt::Display for Syntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownKeyword => {
                "the line begins with no UCI keyword; write config, option or list, or # for a comment"
            }
            Self::MissingName => {
                "a name is missing; write config TYPE 'name', option NAME 'value' or list NAME 'value'"
            }
            Self::TooManyWords => {
                "too many words on the line; put a value with spaces between quotes"
            }
            Self::BadName => {
                "a name holds a forbidden character; use letters, digits and _ only"
            }
            Self::OutsideSection => {
                "an option stands before the first section; put a config line above it"
            }
            Self::OpenQuote => {
                "a quote is opened and not closed, or the line ends in a backslash; close the quote on the same line with the same sign, or remove the backslash"
            }
            Self::Semicolon => {
                "a ';' stands where UCI cannot take it; remove it and begin a new line"
            }
            Self::TooLong => "the value is too long; shorten it to less than 1000 characters",
            Self::NotText => "the line is not text (UTF-8); write it anew in a text editor",
        })
    }
}

/// A reader over the bytes of one file.
#[derive(Debug)]
pub struct Reader<'f> {
    bytes: &'f [u8],
    at: usize,
    line: u32,
    in_section: bool,
    /// Whether the current statement began with `config`.
    opens_section: bool,
    /// The words of the current statement, one after the other, without quotes.
    words: Vec<u8, STATEMENT_BYTES>,
}

/// Where a word lies in [`Reader::words`].
type Span = core::ops::Range<usize>;

/// What a statement is, with its words still in the buffer.
enum Shape {
    Package,
    Section(Span, Span),
    Option(Span, Span),
    List(Span, Span),
}

impl<'f> Reader<'f> {
    /// Begins at the first line, which is number 1.
    #[must_use]
    pub const fn new(bytes: &'f [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            line: 1,
            in_section: false,
            opens_section: false,
            words: Vec::new(),
        }
    }

    /// The next statement, or what is wrong with it, and the line it begins on; `None` at the end of the file.
    pub fn next_statement(&mut self) -> Option<(u32, Result<Statement<'_>, Syntax>)> {
        self.skip_to_statement()?;
        let (start, line) = (self.at, self.line);
        self.words.clear();
        match self.shape() {
            Ok(shape) => Some((line, self.statement(&shape))),
            Err(error) => {
                // An unclosed quote swallows the lines below it, and may then fail for any reason: blame the quote, and
                // read those lines again.
                let spans_lines = self.line > line;
                self.at = start;
                self.line = line;
                self.skip_line();
                Some((
                    line,
                    Err(if spans_lines {
                        Syntax::OpenQuote
                    } else {
                        error
                    }),
                ))
            }
        }
    }

    /// Whether the statement given last was meant to open a section, also where it failed: the options that follow do not
    /// belong to the section before it.
    #[must_use]
    pub const fn opens_section(&self) -> bool {
        self.opens_section
    }

    fn shape(&mut self) -> Result<Shape, Syntax> {
        let keyword = self.keyword();
        self.opens_section = matches!(keyword, b"c" | b"config");
        let shape = match keyword {
            b"p" | b"package" => {
                self.required_word()?;
                Shape::Package
            }
            b"c" | b"config" => {
                let kind = self.required_word()?;
                if !self.text(&kind).iter().all(u8::is_ascii_graphic) {
                    return Err(Syntax::BadName);
                }
                let name = self.word()?;
                self.check_name(&name)?;
                self.in_section = true;
                Shape::Section(kind, name)
            }
            b"o" | b"option" | b"l" | b"list" => {
                let name = self.required_word()?;
                self.check_name(&name)?;
                let value = self.word()?;
                if !self.in_section {
                    return Err(Syntax::OutsideSection);
                }
                if keyword.first() == Some(&b'o') {
                    Shape::Option(name, value)
                } else {
                    Shape::List(name, value)
                }
            }
            _ => return Err(Syntax::UnknownKeyword),
        };
        self.end_of_statement()?;
        Ok(shape)
    }

    fn statement(&self, shape: &Shape) -> Result<Statement<'_>, Syntax> {
        let text = |span: &Span| core::str::from_utf8(self.text(span)).map_err(|_| Syntax::NotText);
        Ok(match shape {
            Shape::Package => Statement::Package,
            Shape::Section(kind, name) => Statement::Section {
                kind: text(kind)?,
                name: Some(text(name)?).filter(|name| !name.is_empty()),
            },
            Shape::Option(name, value) => Statement::Option {
                name: text(name)?,
                value: text(value)?,
            },
            Shape::List(name, value) => Statement::List {
                name: text(name)?,
                value: text(value)?,
            },
        })
    }

    /// Up to the next space or tab, as libuci splits it off: never quoted.
    fn keyword(&mut self) -> &'f [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|b| b.is_ascii_whitespace());
        let (keyword, _) = rest.split_at(end.unwrap_or(rest.len()));
        self.at += keyword.len();
        keyword
    }

    fn required_word(&mut self) -> Result<Span, Syntax> {
        let word = self.word()?;
        if word.is_empty() {
            Err(Syntax::MissingName)
        } else {
            Ok(word)
        }
    }

    /// The next word with its quotes taken off; empty at the end of the statement.
    fn word(&mut self) -> Result<Span, Syntax> {
        self.skip_blanks();
        let start = self.words.len();
        let mut literal = true;
        while let Some(byte) = self.peek() {
            match byte {
                b'\'' => self.single_quoted()?,
                b'"' => self.double_quoted()?,
                b'\\' => self.backslash()?,
                b';' if literal && self.words.len() > start => return Err(Syntax::Semicolon),
                b'#' | b';' => break,
                byte if is_space(byte) => break,
                _ => self.take()?,
            }
            literal &= !matches!(byte, b'\'' | b'"' | b'\\');
        }
        Ok(start..self.words.len())
    }

    fn single_quoted(&mut self) -> Result<(), Syntax> {
        self.advance();
        loop {
            match self.peek() {
                None => return Err(Syntax::OpenQuote),
                Some(b'\'') => break self.advance(),
                Some(_) => self.take()?,
            }
        }
        Ok(())
    }

    fn double_quoted(&mut self) -> Result<(), Syntax> {
        self.advance();
        loop {
            match self.peek() {
                None => return Err(Syntax::OpenQuote),
                Some(b'"') => break self.advance(),
                Some(b'\\') => self.backslash()?,
                Some(_) => self.take()?,
            }
        }
        Ok(())
    }

    /// Takes the character behind a backslash literally; a line end behind it joins the lines.
    fn backslash(&mut self) -> Result<(), Syntax> {
        self.advance();
        match (self.peek(), self.bytes.get(self.at + 1)) {
            (None, _) => Ok(()),
            (Some(b'\n'), _) => {
                self.advance();
                Ok(())
            }
            (Some(b'\r'), Some(b'\n')) => {
                self.advance();
                self.advance();
                Ok(())
            }
            _ => self.take(),
        }
    }

    fn end_of_statement(&mut self) -> Result<(), Syntax> {
        if !self.word()?.is_empty() {
            return Err(Syntax::TooManyWords);
        }
        match self.peek() {
            None | Some(b'\n') => Ok(()),
            Some(b'#') => {
                self.skip_line();
                Ok(())
            }
            Some(b';') => {
                self.advance();
                while matches!(self.peek(), Some(b' ' | b'\t')) {
                    self.advance();
                }
                match self.peek() {
                    Some(b'\n' | b'\r') => Err(Syntax::Semicolon),
                    _ => Ok(()),
                }
            }
            // An empty pair of quotes was the word.
            Some(_) => Err(Syntax::TooManyWords),
        }
    }

    fn check_name(&self, name: &Span) -> Result<(), Syntax> {
        let fine = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        if self.text(name).iter().all(fine) {
            Ok(())
        } else {
            Err(Syntax::BadName)
        }
    }

    fn text(&self, span: &Span) -> &[u8] {
        self.words.get(span.clone()).unwrap_or_default()
    }

    fn skip_to_statement(&mut self) -> Option<()> {
        loop {
            match self.peek()? {
                b'#' => self.skip_line(),
                byte if is_space(byte) => self.advance(),
                _ => return Some(()),
            }
        }
    }

    fn skip_blanks(&mut self) {
        while self
            .peek()
            .is_some_and(|byte| byte != b'\n' && is_space(byte))
        {
            self.advance();
        }
    }

    fn skip_line(&mut self) {
        while let Some(byte) = self.peek() {
            self.advance();
            if byte == b'\n' {
                break;
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn advance(&mut self) {
        if self.peek() == Some(b'\n') {
            self.line = self.line.saturating_add(1);
        }
        self.at += 1;
    }

    /// Moves one byte into the word.
    fn take(&mut self) -> Result<(), Syntax> {
        match self.peek() {
            Some(0) => Err(Syntax::NotText),
            Some(byte) => {
                self.advance();
                self.words.push(byte).map_err(|_| Syntax::TooLong)
            }
            None => Ok(()),
        }
    }
}

/// C's `isspace`.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

#[cfg(test)]
mod tests;
