//! An object of our own on OpenWrt's bus: other programs call its methods, and the daemon answers without a process for each call.
//!
//! Messages are a head of eight bytes (version 0, kind, sequence, peer) and one attribute that holds the others (OpenWrt's ubus,
//! `ubusmsg.h`). Nothing here waits: what the bus does not take at once is a broken bus, which is looked for again later.

mod blob;
mod json;
#[cfg(test)]
mod tests;

pub use blob::{Attribute, Kind, Writer, attributes};
pub use json::Converter;

use crate::control::{address, send};
use crate::error::{Error, Result, check};
use crate::fd::{Fd, socket};
use crate::path::Path;
use crate::poll::{Interest, Poll};
use burstmesh_core::time::{Duration, Instant};

/// The bus of an OpenWrt router.
pub const SOCKET: &str = "/var/run/ubus/ubus.sock";

/// Kinds of message.
mod message {
    pub const HELLO: u8 = 0;
    pub const STATUS: u8 = 1;
    pub const DATA: u8 = 2;
    pub const INVOKE: u8 = 5;
    pub const ADD_OBJECT: u8 = 6;
}

/// Numbers of attributes.
mod attribute {
    pub const STATUS: u8 = 1;
    pub const PATH: u8 = 2;
    pub const OBJECT: u8 = 3;
    pub const METHOD: u8 = 4;
    pub const SIGNATURE: u8 = 6;
    pub const DATA: u8 = 7;
    pub const NO_REPLY: u8 = 10;
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    Ok = 0,
    InvalidArgument = 2,
    MethodNotFound = 3,
    UnknownError = 9,
}

/// A method that others may call.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    pub name: &'static str,
    /// Name of its argument, a number; empty if it takes none.
    pub argument: &'static str,
    /// Name of another one, a text; empty if it takes none.
    pub text: &'static str,
}

/// A call that waits for its answer.
#[derive(Debug)]
pub struct Call<'a> {
    pub method: &'a str,
    /// Of the method's argument, if it was given.
    pub argument: Option<u32>,
    pub text: Option<&'a str>,
}

/// Kind, sequence and peer before the attributes.
const HEAD: usize = 8;
/// With the attribute that holds the others.
const PRELUDE: usize = HEAD + blob::HEAD;
/// The longest message that is read: a call with one argument is far shorter. Of longer ones the rest is skipped.
const LONGEST: usize = 512;
/// The bus is looked for this often: it may start after the daemon, or anew.
const PATIENCE: Duration = Duration::from_secs(5);

/// The daemon's place on the bus.
pub struct Ubus {
    path: Path,
    name: &'static str,
    methods: &'static [Method],
    token: u32,
    link: Option<Fd>,
    try_at: Instant,
    /// The object's number once the bus knows it.
    object: Option<u32>,
    received: [u8; LONGEST],
    used: usize,
    /// Bytes of a message that was too long.
    skip: usize,
}

impl Ubus {
    /// An object of this name with these methods, on the bus at `path`; events carry `token`.
    pub fn new(
        now: Instant,
        path: &str,
        name: &'static str,
        methods: &'static [Method],
        token: u32,
    ) -> Result<Self> {
        Ok(Self {
            path: Path::new(path)?,
            name,
            methods,
            token,
            link: None,
            try_at: now,
            object: None,
            received: [0; LONGEST],
            used: 0,
            skip: 0,
        })
    }

    /// Can others call it?
    pub fn is_published(&self) -> bool {
        self.object.is_some()
    }

    /// When to call [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Instant {
        match self.link {
            Some(_) => Instant::FAR,
            None => self.try_at,
        }
    }

    /// Looks for the bus. Where there is none, and on other systems there never is, that is no error.
    pub fn handle_timeout(&mut self, now: Instant, poll: &Poll) {
        if self.link.is_some() || now < self.try_at {
            return;
        }
        self.try_at = now + PATIENCE;
        if let Ok(link) = connect(self.path.as_str())
            && poll.add(&link, self.token, Interest::Read).is_ok()
        {
            (self.used, self.skip) = (0, 0);
            self.link = Some(link);
        }
    }

    /// Reads what came, and has `answer` answer calls. An answer is written into `room`: one that does not fit is an error for who
    /// asked. The error is that the bus is gone; it is looked for again.
    pub fn handle_readable(
        &mut self,
        room: &mut [u8],
        mut answer: impl FnMut(&Call<'_>, &mut Converter<'_, '_>) -> Status,
    ) -> Result<()> {
        let outcome = self.read(room, &mut answer);
        if outcome.is_err() {
            self.link = None;
            self.object = None;
        }
        outcome
    }

    fn read(
        &mut self,
        room: &mut [u8],
        answer: &mut dyn FnMut(&Call<'_>, &mut Converter<'_, '_>) -> Status,
    ) -> Result<()> {
        let gone = Error::new("read from ubus", libc::EPIPE);
        while let Some(link) = &self.link {
            let rest = self.received.get_mut(self.used..).ok_or(gone)?;
            match link.read(rest)? {
                None => return Ok(()),
                Some(0) => return Err(gone),
                Some(more) => self.used += more,
            }
            while let Some(length) = self.next()? {
                self.handle_message(length, room, answer)?;
                self.forget(length);
            }
        }
        Ok(())
    }

    /// Length of the message that is complete.
    fn next(&mut self) -> Result<Option<usize>> {
        let skipped = self.skip.min(self.used);
        self.forget(skipped);
        self.skip -= skipped;
        let Some(prelude) = self.received.get(..PRELUDE.min(self.used)) else {
            return Ok(None);
        };
        let Some(length) = prelude
            .last_chunk::<4>()
            .filter(|_| prelude.len() == PRELUDE)
        else {
            return Ok(None);
        };
        let [version, ..] = *prelude else {
            return Ok(None);
        };
        let length = HEAD + (u32::from_be_bytes(*length) & 0x00ff_ffff) as usize;
        if version != 0 || length < PRELUDE {
            return Err(Error::new("understand ubus", libc::EPROTO));
        }
        if length > LONGEST {
            // Nobody who knows our methods sends this; he waits in vain.
            self.skip = length;
            return self.next();
        }
        Ok((self.used >= length).then_some(length))
    }

    fn forget(&mut self, length: usize) {
        self.received.copy_within(length..self.used, 0);
        self.used -= length;
    }

    fn handle_message(
        &mut self,
        length: usize,
        room: &mut [u8],
        answer: &mut dyn FnMut(&Call<'_>, &mut Converter<'_, '_>) -> Status,
    ) -> Result<()> {
        let received = self.received;
        let head = received.first_chunk::<HEAD>();
        let head = head.ok_or(Error::new("understand ubus", libc::EPROTO))?;
        let body = received.get(PRELUDE..length).unwrap_or_default();
        let find = |number| attributes(body).find(|a| a.number == number);
        match head[1] {
            message::HELLO => self.publish(room),
            // The only answer that is waited for.
            message::DATA => {
                self.object = find(attribute::OBJECT).and_then(|a| a.number());
                Ok(())
            }
            message::STATUS if self.object.is_none() => {
                // Permission denied, most likely: no list of rights names the daemon's user.
                Err(Error::new("publish the object on ubus", libc::EACCES))
            }
            message::INVOKE => {
                let silent = find(attribute::NO_REPLY).is_some_and(|a| a.bytes.first() == Some(&1));
                let method = find(attribute::METHOD).and_then(|a| a.text());
                let arguments = find(attribute::DATA).map_or(&[][..], |a| a.bytes);
                self.invoke(
                    head,
                    method.unwrap_or_default(),
                    arguments,
                    silent,
                    room,
                    answer,
                )
            }
            _ => Ok(()),
        }
    }

    fn invoke(
        &mut self,
        head: &[u8; HEAD],
        name: &str,
        arguments: &[u8],
        silent: bool,
        room: &mut [u8],
        answer: &mut dyn FnMut(&Call<'_>, &mut Converter<'_, '_>) -> Status,
    ) -> Result<()> {
        let object = self.object.unwrap_or_default().to_be_bytes();
        let known = self.methods.iter().find(|method| method.name == name);
        let mut status = Status::MethodNotFound;
        if let Some(method) = known {
            let named = |name: &str| {
                attributes(arguments).find(|a| a.name == Some(name) && !name.is_empty())
            };
            let call = Call {
                method: method.name,
                argument: named(method.argument).and_then(|a| a.number()),
                text: named(method.text).and_then(|a| a.text()),
            };
            let mut data = Writer::new(room, PRELUDE);
            data.attribute(attribute::OBJECT, &object);
            let at = data.open(attribute::DATA);
            let mut values = Converter::new(&mut data);
            status = answer(&call, &mut values);
            let whole = values.is_whole();
            data.close(at);
            if status == Status::Ok && !silent {
                match data.done().filter(|_| whole) {
                    Some(bytes) => self.send(message::DATA, head, bytes)?,
                    None => status = Status::UnknownError,
                }
            }
        }
        if silent {
            return Ok(());
        }
        let mut end = Writer::new(room, PRELUDE);
        end.attribute(attribute::STATUS, &u32::from(status as u8).to_be_bytes());
        end.attribute(attribute::OBJECT, &object);
        let bytes = end.done().ok_or(Error::new("answer ubus", libc::ENOBUFS))?;
        self.send(message::STATUS, head, bytes)
    }

    /// Tells the bus of the object and its methods.
    fn publish(&self, room: &mut [u8]) -> Result<()> {
        let mut object = Writer::new(room, PRELUDE);
        object.text(attribute::PATH, self.name);
        let signature = object.open(attribute::SIGNATURE);
        for method in self.methods {
            let table = object.open_named(Kind::Table, method.name);
            for (name, kind) in [(method.text, Kind::Text), (method.argument, Kind::Number)] {
                if !name.is_empty() {
                    let value = u32::from(kind as u8).to_be_bytes();
                    object.named(Kind::Number, name, &value);
                }
            }
            object.close(table);
        }
        object.close(signature);
        let bytes = object
            .done()
            .ok_or(Error::new("publish on ubus", libc::ENOBUFS))?;
        self.send(message::ADD_OBJECT, &[0; HEAD], bytes)
    }

    /// Sends `bytes`, whose first [`PRELUDE`] are filled in here, as `kind` and otherwise under the head of what it answers.
    fn send(&self, kind: u8, head: &[u8; HEAD], bytes: &mut [u8]) -> Result<()> {
        let broken = Error::new("write to ubus", libc::EPIPE);
        let length = bytes.len().saturating_sub(HEAD) as u32;
        if let Some((place, rest)) = bytes.split_first_chunk_mut::<HEAD>()
            && let Some(outer) = rest.first_chunk_mut::<4>()
        {
            *place = *head;
            [place[0], place[1]] = [0, kind];
            *outer = length.to_be_bytes();
        }
        let link = self.link.as_ref().ok_or(broken)?;
        match send(link, bytes)? {
            Some(sent) if sent == bytes.len() => Ok(()),
            _ => Err(broken),
        }
    }
}

/// A connection that never waits.
fn connect(path: &str) -> Result<Fd> {
    let fd = socket(
        "open a socket",
        libc::AF_UNIX,
        libc::SOCK_STREAM | libc::SOCK_NONBLOCK,
        0,
    )?;
    let (addr, length) = address(path)?;
    // SAFETY: an address of that length.
    check("connect to ubus", unsafe {
        libc::connect(fd.raw(), (&raw const addr).cast(), length)
    })?;
    Ok(fd)
}
