//! The daemon's side.

use super::{MAX_REQUEST, address, send};
use crate::error::{Error, Result, check};
use crate::fd::{Fd, set_option, socket};
use crate::file;
use crate::path::Path;
use crate::poll::{Events, Interest, Poll};
use burstmesh_core::time::Duration;
use core::fmt;
use heapless::Vec;

/// Connections at once; one more replaces the oldest.
const CLIENTS: usize = 4;
const LISTENER: u32 = u32::MAX;
/// An answer is written without waiting: what does not fit into this much of the kernel's memory is cut off.
const ANSWER_ROOM: libc::c_int = 256 * 1024;

/// What is written in small pieces is gathered into so much: the kernel takes near a KB of that memory for each piece that it is
/// given, however small.
const GATHERED: usize = 1024;

/// For the owner and the group.
const MODE: libc::mode_t = 0o660;

/// Listens on a Unix socket. The socket's file goes when this is dropped.
pub struct Server {
    listener: Fd,
    /// Holds the listener and all clients, so that the owner waits on one descriptor.
    poll: Poll,
    path: Path,
    clients: [Option<Client>; CLIENTS],
    next_slot: usize,
}

struct Client {
    fd: Fd,
    line: [u8; MAX_REQUEST],
    used: usize,
    /// Its answer comes later ([`Response::hold`]).
    held: bool,
}

/// The answer being written.
#[derive(Debug)]
pub struct Response<'a> {
    fd: &'a Fd,
    gathered: Vec<u8, GATHERED>,
    broken: bool,
    held: bool,
}

impl<'a> Response<'a> {
    fn new(fd: &'a Fd) -> Self {
        Self {
            fd,
            gathered: Vec::new(),
            broken: false,
            held: false,
        }
    }

    /// Adds a piece. A reader that does not keep up, or is gone, loses the rest.
    pub fn write(&mut self, bytes: &[u8]) {
        if self.gathered.extend_from_slice(bytes).is_err() {
            self.flush();
            if self.gathered.extend_from_slice(bytes).is_err() {
                self.send(bytes);
            }
        }
    }

    /// The connection stays: the rest of the answer comes later, by [`Server::tell_held`].
    pub fn hold(&mut self) {
        self.held = true;
    }

    fn flush(&mut self) {
        let gathered = core::mem::take(&mut self.gathered);
        self.send(&gathered);
    }

    fn send(&mut self, mut bytes: &[u8]) {
        while !self.broken && !bytes.is_empty() {
            match send(self.fd, bytes) {
                Ok(Some(written)) if written > 0 => bytes = bytes.get(written..).unwrap_or(&[]),
                _ => self.broken = true,
            }
        }
    }

    /// Did the reader lose something?
    pub fn broken(&self) -> bool {
        self.broken
    }
}

impl fmt::Write for Response<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        if self.broken { Err(fmt::Error) } else { Ok(()) }
    }
}

impl Server {
    /// Listens at `path`, for its owner and group. A file left by a daemon that died is replaced; where a living one
    /// answers, the error is `EADDRINUSE`.
    pub fn open(path: &str) -> Result<Self> {
        let listener = socket(
            "open the control socket",
            libc::AF_UNIX,
            libc::SOCK_STREAM,
            0,
        )?;
        if let Err(error) = bind(&listener, path) {
            if error.errno != libc::EADDRINUSE || answers(path)? {
                return Err(error);
            }
            file::remove(path)?;
            bind(&listener, path)?;
        }
        let poll = Poll::new()?;
        poll.add(&listener, LISTENER, Interest::Read)?;
        // SAFETY: a listening socket.
        check("open the control socket", unsafe {
            libc::listen(listener.raw(), CLIENTS as libc::c_int)
        })?;
        Ok(Self {
            listener,
            poll,
            path: Path::new(path)?,
            clients: [const { None }; CLIENTS],
            next_slot: 0,
        })
    }

    /// To wait on: readable when [`Self::serve`] has something to do.
    pub fn fd(&self) -> &Fd {
        self.poll.fd()
    }

    /// Does what can be done without waiting: takes new connections, and has `answer` answer complete lines (without
    /// their line end).
    pub fn serve(&mut self, mut answer: impl FnMut(&str, &mut Response<'_>)) -> Result<()> {
        let mut events = Events::<8>::new();
        self.poll.wait(&mut events, Some(Duration::ZERO))?;
        for event in events.iter() {
            if event.token == LISTENER {
                self.accept()?;
            } else if let Some(slot) = self.clients.get_mut(event.token as usize)
                && slot
                    .as_mut()
                    .is_some_and(|client| client.advance(&mut answer))
            {
                *slot = None;
            }
        }
        Ok(())
    }

    /// Goes on with the answer that is held; false when nobody waits for it any more.
    pub fn tell_held(&mut self, tell: impl FnOnce(&mut Response<'_>)) -> bool {
        let mut clients = self.clients.iter().flatten();
        let Some(client) = clients.find(|client| client.held) else {
            return false;
        };
        let mut response = Response::new(&client.fd);
        tell(&mut response);
        response.flush();
        !response.broken
    }

    /// The answer that was held is over.
    pub fn end_held(&mut self) {
        for place in &mut self.clients {
            place.take_if(|client| client.held);
        }
    }

    fn accept(&mut self) -> Result<()> {
        let none = core::ptr::null_mut();
        let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: the peer's address is not asked for.
        let raw = unsafe { libc::accept4(self.listener.raw(), none, none.cast(), flags) };
        // A client that left before it was taken is none.
        let Ok(fd) = Fd::from_call("take a control connection", raw) else {
            return Ok(());
        };
        set_option(
            "size a control connection",
            &fd,
            libc::SOL_SOCKET,
            libc::SO_SNDBUF,
            &ANSWER_ROOM,
        )?;
        let free = self.clients.iter().position(Option::is_none);
        let slot = free.unwrap_or(self.next_slot);
        self.next_slot = (slot + 1) % CLIENTS;
        if let Some(place) = self.clients.get_mut(slot) {
            *place = None;
            self.poll.add(&fd, slot as u32, Interest::Read)?;
            *place = Some(Client {
                fd,
                line: [0; MAX_REQUEST],
                used: 0,
                held: false,
            });
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = file::remove(self.path.as_str());
    }
}

impl Client {
    /// Reads on; true when the connection is over: answered, ended, or not worth more.
    fn advance(&mut self, answer: &mut impl FnMut(&str, &mut Response<'_>)) -> bool {
        if self.held {
            // Nothing more is asked: it is read to learn of its end.
            return !matches!(self.fd.read(&mut self.line), Ok(None));
        }
        let Some(rest) = self
            .line
            .get_mut(self.used..)
            .filter(|rest| !rest.is_empty())
        else {
            return true;
        };
        match self.fd.read(rest) {
            Ok(None) => return false,
            Ok(Some(0)) | Err(_) => return true,
            Ok(Some(more)) => self.used += more,
        }
        let Some(end) = self
            .line
            .iter()
            .take(self.used)
            .position(|&byte| byte == b'\n')
        else {
            return self.used == MAX_REQUEST;
        };
        if let Some(line) = self
            .line
            .get(..end)
            .and_then(|line| core::str::from_utf8(line).ok())
        {
            let mut response = Response::new(&self.fd);
            answer(line.trim_ascii_end(), &mut response);
            response.flush();
            self.held = response.held && !response.broken;
        }
        !self.held
    }
}

fn bind(listener: &Fd, path: &str) -> Result<()> {
    let ((addr, length), name) = (address(path)?, Path::new(path)?);
    // The mode before binding, so that there is no moment in which everybody may connect; and again after it,
    // because the umask took away from it.
    // SAFETY: an address of that length, a path that ends in zero.
    unsafe {
        check(
            "open the control socket",
            libc::fchmod(listener.raw(), MODE),
        )?;
        check(
            "open the control socket",
            libc::bind(listener.raw(), (&raw const addr).cast(), length),
        )?;
        check("open the control socket", libc::chmod(name.as_ptr(), MODE)).map(drop)
    }
}

/// Does a living daemon listen at `path`?
fn answers(path: &str) -> Result<bool> {
    match super::client::connect(path) {
        Ok(_) => Ok(true),
        Err(Error {
            errno: libc::ECONNREFUSED | libc::ENOENT,
            ..
        }) => Ok(false),
        // Its queue is full: alive, if not well.
        Err(Error {
            errno: libc::EAGAIN,
            ..
        }) => Ok(true),
        Err(error) => Err(error),
    }
}
