//! Attributes of ubus messages: a length, a number, bytes, padded to four (OpenWrt's libubox, `blob.h` and `blobmsg.h`).

/// The kinds of value that have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Null = 0,
    Array = 1,
    Table = 2,
    Text = 3,
    Wide = 4,
    Number = 5,
    Bool = 7,
}

/// Marks an attribute whose bytes begin with its name.
const NAMED: u32 = 1 << 31;
/// The length has 24 bits, and counts the four bytes that it lies in.
const LONGEST: usize = (1 << 24) - 1;
/// Bytes before those of an attribute.
pub const HEAD: usize = 4;

/// Writes attributes one behind the other. What does not fit is left out, and [`Writer::done`] says so.
#[derive(Debug)]
pub struct Writer<'a> {
    bytes: &'a mut [u8],
    used: usize,
    full: bool,
}

/// An attribute that is being written: where it begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open(usize);

impl<'a> Writer<'a> {
    /// Behind the first `skip` bytes of `bytes`.
    pub fn new(bytes: &'a mut [u8], skip: usize) -> Self {
        let full = bytes.len() < skip;
        Self {
            bytes,
            used: skip,
            full,
        }
    }

    /// Adds bytes to the attribute that is open.
    pub fn put(&mut self, bytes: &[u8]) {
        let end = self.used + bytes.len();
        match self.bytes.get_mut(self.used..end) {
            Some(room) if !self.full => {
                room.copy_from_slice(bytes);
                self.used = end;
            }
            _ => self.full = true,
        }
    }

    fn pad(&mut self) {
        let missing = self.used.wrapping_neg() % 4;
        self.put([0; 3].get(..missing).unwrap_or_default());
    }

    /// Begins an attribute with a number.
    pub fn open(&mut self, number: u8) -> Open {
        let at = Open(self.used);
        self.put(&(u32::from(number) << 24).to_be_bytes());
        at
    }

    /// Begins a value with a name; in an array the name is empty.
    pub fn open_named(&mut self, kind: Kind, name: &str) -> Open {
        let at = Open(self.used);
        self.put(&(NAMED | u32::from(kind as u8) << 24).to_be_bytes());
        self.put(&(name.len() as u16).to_be_bytes());
        self.put(name.as_bytes());
        self.put(&[0]);
        self.pad();
        at
    }

    /// Ends it: its length is known now.
    pub fn close(&mut self, at: Open) {
        let length = self.used.saturating_sub(at.0);
        if length > LONGEST {
            self.full = true;
        }
        if let Some(head) = self.bytes.get_mut(at.0..at.0 + HEAD).filter(|_| !self.full)
            && let Some((_, low)) = head.split_first_mut()
        {
            low.copy_from_slice(&(length as u32).to_be_bytes()[1..]);
        }
        self.pad();
    }

    /// A whole attribute.
    pub fn attribute(&mut self, number: u8, bytes: &[u8]) {
        let at = self.open(number);
        self.put(bytes);
        self.close(at);
    }

    /// A text ends with a zero.
    pub fn text(&mut self, number: u8, text: &str) {
        let at = self.open(number);
        self.put(text.as_bytes());
        self.put(&[0]);
        self.close(at);
    }

    /// A whole value with a name.
    pub fn named(&mut self, kind: Kind, name: &str, bytes: &[u8]) {
        let at = self.open_named(kind, name);
        self.put(bytes);
        self.close(at);
    }

    /// All that was written, what was skipped included; `None` if it did not fit.
    pub fn done(self) -> Option<&'a mut [u8]> {
        if self.full {
            return None;
        }
        self.bytes.get_mut(..self.used)
    }
}

/// One attribute that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    pub number: u8,
    /// The name where it has one.
    pub name: Option<&'a str>,
    pub bytes: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// A number of four bytes.
    pub fn number(&self) -> Option<u32> {
        Some(u32::from_be_bytes(*self.bytes.first_chunk()?))
    }

    /// A text without its zero.
    pub fn text(&self) -> Option<&'a str> {
        let (_, text) = self.bytes.split_last()?;
        core::str::from_utf8(text).ok()
    }
}

/// The attributes in these bytes; ends where they are no longer such.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = Attribute<'_>> {
    core::iter::from_fn(move || {
        let head = u32::from_be_bytes(*bytes.first_chunk()?);
        let length = (head & LONGEST as u32) as usize;
        let mut body = bytes.get(HEAD..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        let mut name = None;
        if head & NAMED != 0 {
            let length = usize::from(u16::from_be_bytes(*body.first_chunk()?));
            name = core::str::from_utf8(body.get(2..2 + length)?).ok();
            body = body.get((2 + length + 1).next_multiple_of(4)..)?;
        }
        Some(Attribute {
            number: (head >> 24) as u8 & 0x7f,
            name,
            bytes: body,
        })
    })
}
