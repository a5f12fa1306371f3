//! From the daemon's own JSON to the values of ubus, piece by piece as it is written: an answer is described once.

use super::blob::{Kind, Open, Writer};
use core::fmt;
use heapless::{String, Vec};

/// Tables and arrays within each other.
const DEPTH: usize = 8;
/// The longest name, number or word, in bytes.
const WORD: usize = 40;

/// Takes JSON by `fmt::Write`. Only what the daemon writes: no fractions, and characters by their number up to `\u007f`. The
/// outermost value is a table, whose members become those of the answer.
#[derive(Debug)]
pub struct Converter<'w, 'a> {
    out: &'w mut Writer<'a>,
    levels: Vec<Level, DEPTH>,
    /// Of the value that comes next; empty in an array.
    name: String<WORD>,
    /// The name is complete: what comes next is its value.
    named: bool,
    word: String<WORD>,
    place: Place,
    broken: bool,
}

/// A table or array that is not complete. The outermost has no attribute of its own.
#[derive(Debug)]
struct Level {
    table: bool,
    at: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Between,
    Name,
    Text(Open),
    /// Behind a backslash.
    Escape(Open),
    /// In the number of a character: digits that are missing, and what they say so far.
    Code(Open, u8, u32),
    /// In a number, `true`, `false` or `null`.
    Word,
}

impl<'w, 'a> Converter<'w, 'a> {
    /// Writes to `out`.
    pub fn new(out: &'w mut Writer<'a>) -> Self {
        Self {
            out,
            levels: Vec::new(),
            name: String::new(),
            named: false,
            word: String::new(),
            place: Place::Between,
            broken: false,
        }
    }

    /// Was all of it such JSON, and has it come to its end?
    pub fn is_whole(&self) -> bool {
        !self.broken && self.levels.is_empty() && matches!(self.place, Place::Between)
    }

    fn take(&mut self, byte: u8) {
        match self.place {
            Place::Between => self.between(byte),
            Place::Name if byte == b'"' => self.place = Place::Between,
            Place::Name => self.broken |= self.name.push(byte.into()).is_err(),
            Place::Text(at) => self.text(at, byte),
            Place::Escape(at) if byte == b'u' => self.place = Place::Code(at, 4, 0),
            Place::Escape(at) => self.character(at, if byte == b'n' { b'\n' } else { byte }),
            Place::Code(at, missing, code) => self.code(at, missing, code, byte),
            Place::Word if matches!(byte, b',' | b'}' | b']' | b' ' | b'\n') => {
                self.word_is_over();
                self.between(byte);
            }
            Place::Word => self.broken |= self.word.push(byte.into()).is_err(),
        }
    }

    fn between(&mut self, byte: u8) {
        let in_table = self.levels.last().is_some_and(|level| level.table);
        match byte {
            b'{' | b'[' => self.enter(byte == b'{'),
            b'}' | b']' => self.leave(),
            b'"' if in_table && !self.named => self.place = Place::Name,
            b'"' => self.place = Place::Text(self.out.open_named(Kind::Text, &self.name)),
            b':' => self.named = true,
            b',' | b' ' | b'\n' => {}
            _ => {
                self.word.clear();
                self.place = Place::Word;
                self.take(byte);
            }
        }
    }

    fn enter(&mut self, table: bool) {
        let kind = if table { Kind::Table } else { Kind::Array };
        let outermost = self.levels.is_empty();
        self.broken |= outermost && !table;
        let at = (!outermost).then(|| self.out.open_named(kind, &self.name));
        self.broken |= self.levels.push(Level { table, at }).is_err();
        self.value_is_over();
    }

    fn leave(&mut self) {
        match self.levels.pop() {
            Some(Level { at: Some(at), .. }) => self.out.close(at),
            Some(_) => {}
            None => self.broken = true,
        }
    }

    fn text(&mut self, at: Open, byte: u8) {
        match byte {
            b'"' => {
                self.out.put(&[0]);
                self.out.close(at);
                self.value_is_over();
            }
            b'\\' => self.place = Place::Escape(at),
            _ => self.out.put(&[byte]),
        }
    }

    fn character(&mut self, at: Open, byte: u8) {
        self.out.put(&[byte]);
        self.place = Place::Text(at);
    }

    fn code(&mut self, at: Open, missing: u8, code: u32, byte: u8) {
        let digit = (byte as char).to_digit(16);
        self.broken |= digit.is_none();
        let code = code << 4 | digit.unwrap_or(0);
        match missing {
            // A zero would end the text.
            1 => self.character(
                at,
                if matches!(code, 1..0x80) {
                    code as u8
                } else {
                    b'?'
                },
            ),
            _ => self.place = Place::Code(at, missing - 1, code),
        }
    }

    fn word_is_over(&mut self) {
        let (out, name) = (&mut *self.out, self.name.as_str());
        match self.word.as_str() {
            "null" => out.named(Kind::Null, name, &[]),
            "true" => out.named(Kind::Bool, name, &[1]),
            "false" => out.named(Kind::Bool, name, &[0]),
            number => match number.parse::<i64>() {
                Ok(wide) => match i32::try_from(wide) {
                    Ok(number) => out.named(Kind::Number, name, &number.to_be_bytes()),
                    Err(_) => out.named(Kind::Wide, name, &wide.to_be_bytes()),
                },
                Err(_) => self.broken = true,
            },
        }
        self.value_is_over();
    }

    fn value_is_over(&mut self) {
        self.name.clear();
        self.named = false;
        self.place = Place::Between;
    }
}

impl fmt::Write for Converter<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.take(byte);
        }
        if self.broken { Err(fmt::Error) } else { Ok(()) }
    }
}
