//! The log: one line per message, to standard error or to the system's log.
//!
//! ```ignore
//! burstmesh_linux::info!("uplink {name} is back");
//! ```

use crate::error::{Error, Result, check};
use crate::fd::socket;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicI32, AtomicU8, Ordering::Relaxed};

mod recent;

pub use recent::{KEPT, recent};

/// How much a message matters. The numbers are syslog's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Something does not work, and a person has to act.
    Error = 3,
    /// Something is not as it should be; burstmesh copes.
    Warn = 4,
    /// Worth knowing in daily life.
    Info = 6,
    /// For whoever looks for a mistake.
    Debug = 7,
}

/// Where messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    /// Standard error, with the level in front.
    Stderr,
    /// The system's log.
    Syslog,
}

/// Messages above this level are not even formatted.
static LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);
/// The socket of the system's log; -1: standard error.
static SYSLOG: AtomicI32 = AtomicI32::new(-1);

/// A line, with what stands in front; longer ones are cut.
const LINE: usize = 512;

/// Chooses the least level and where messages go. To be called at the start, before other threads log.
pub fn init(sink: Sink, level: Level) -> Result<()> {
    set_level(level);
    if sink == Sink::Syslog {
        let fd = connect()?;
        SYSLOG.store(fd.raw(), Relaxed);
        // It lives as long as the process.
        core::mem::forget(fd);
    }
    Ok(())
}

/// Changes the least level.
pub fn set_level(level: Level) {
    LEVEL.store(level as u8, Relaxed);
}

/// Would a message of this level be written?
pub fn enabled(level: Level) -> bool {
    level as u8 <= LEVEL.load(Relaxed)
}

/// Writes a message; what the macros call.
pub fn write(level: Level, message: fmt::Arguments<'_>) {
    if !enabled(level) {
        return;
    }
    let mut line = Line {
        bytes: [0; LINE],
        used: 0,
    };
    let syslog = SYSLOG.load(Relaxed);
    if syslog >= 0 {
        // Facility 3: daemons.
        // SAFETY: no pointers.
        let _ = write!(line, "<{}>burstmesh[{}]: ", 3 << 3 | level as u8, unsafe {
            libc::getpid()
        });
    } else {
        let _ = line.write_str(match level {
            Level::Error => "error: ",
            Level::Warn => "warning: ",
            Level::Info => "",
            Level::Debug => "debug: ",
        });
    }
    let before = if syslog >= 0 { line.used } else { 0 };
    let _ = line.write_fmt(message);
    recent::keep(line.text_with_newline().get(before..).unwrap_or(&[]));
    let (fd, text) = if syslog >= 0 {
        (syslog, line.text())
    } else {
        (2, line.text_with_newline())
    };
    // Not retried: a log that nobody reads must not stop the packets.
    // SAFETY: the text is readable for its length.
    unsafe { libc::write(fd, text.as_ptr().cast(), text.len()) };
}

fn connect() -> Result<crate::fd::Fd> {
    let fd = socket("open the system's log", libc::AF_UNIX, libc::SOCK_DGRAM, 0)?;
    let (addr, length) = crate::control::address("/dev/log")?;
    // SAFETY: an address of that length.
    check("open the system's log", unsafe {
        libc::connect(fd.raw(), (&raw const addr).cast(), length)
    })?;
    Ok(fd)
}

struct Line {
    bytes: [u8; LINE],
    used: usize,
}

impl Line {
    fn text(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or(&[])
    }

    /// One byte is always kept free for it.
    fn text_with_newline(&mut self) -> &[u8] {
        if let Some(end) = self.bytes.get_mut(self.used) {
            *end = b'\n';
        }
        self.bytes.get(..=self.used).unwrap_or(&[])
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            let Some(place) = self
                .bytes
                .get_mut(self.used)
                .filter(|_| self.used + 1 < LINE)
            else {
                return Err(fmt::Error);
            };
            // A message quotes what strangers sent: it must not forge a second line.
            *place = if byte.is_ascii_control() { b' ' } else { byte };
            self.used += 1;
        }
        Ok(())
    }
}

/// Logs what a person has to act on.
#[macro_export]
macro_rules! error {
    ($($message:tt)*) => { $crate::log::write($crate::log::Level::Error, ::core::format_args!($($message)*)) };
}

/// Logs what is not as it should be.
#[macro_export]
macro_rules! warn {
    ($($message:tt)*) => { $crate::log::write($crate::log::Level::Warn, ::core::format_args!($($message)*)) };
}

/// Logs what is worth knowing.
#[macro_export]
macro_rules! info {
    ($($message:tt)*) => { $crate::log::write($crate::log::Level::Info, ::core::format_args!($($message)*)) };
}

/// Logs what helps to find a mistake.
#[macro_export]
macro_rules! debug {
    ($($message:tt)*) => { $crate::log::write($crate::log::Level::Debug, ::core::format_args!($($message)*)) };
}

/// The error of a message that could not be built.
impl From<fmt::Error> for Error {
    fn from(_: fmt::Error) -> Self {
        Self::new("format a message", libc::ENOBUFS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::in_child;

    /// What the child writes to standard error while `act` runs.
    fn captured(act: impl FnOnce()) -> String {
        let (read, write) = crate::fd::socket_pair().unwrap();
        // SAFETY: descriptors of this child only.
        let before = unsafe { libc::dup(2) };
        unsafe { libc::dup2(write.raw(), 2) };
        act();
        unsafe { libc::dup2(before, 2) };
        let mut buf = [0; 4096];
        let length = read.read(&mut buf).unwrap().unwrap_or(0);
        String::from_utf8(buf[..length].to_vec()).unwrap()
    }

    #[test]
    fn messages_below_the_level_are_left_out_and_control_characters_are_blanked() {
        in_child(|| {
            init(Sink::Stderr, Level::Info).unwrap();
            let name = "wan\nerror: forged";
            let text = captured(|| {
                crate::info!("uplink {name} is back");
                crate::debug!("not this");
                crate::warn!("{}", 7);
            });
            assert_eq!(text, "uplink wan error: forged is back\nwarning: 7\n");
        });
    }

    #[test]
    fn a_long_message_is_cut_and_still_ends_its_line() {
        in_child(|| {
            let text = captured(|| crate::error!("{}", "x".repeat(2000)));
            assert_eq!((text.len(), text.ends_with("x\n")), (LINE, true));
        });
    }
}
