//! The log: one line per message, on standard output, or on standard error for what is not as it should be. The service hands both
//! to the system's log, and OpenWrt's procd takes all of standard error for errors.
//!
//! ```ignore
//! burstmesh_linux::info!("uplink {} is back", name);
//! ```
//!
//! With the feature `defmt` the same lines are frames in memory that name their text by a number ([`frames`]). For it the arguments
//! stand behind the text, not in it. What must be read although the process ends is said by [`write`], which is text in both.

use crate::error::Error;
use core::fmt;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

#[cfg(feature = "defmt")]
pub mod frames;
mod recent;
#[cfg(not(feature = "defmt"))]
mod text;

#[cfg(feature = "defmt")]
pub use frames::write;
pub use recent::{KEPT, recent, recent_from};
#[cfg(not(feature = "defmt"))]
pub use text::write;

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

impl Level {
    /// What stands in front of the text.
    const fn in_front(self) -> &'static str {
        match self {
            Self::Error => "error: ",
            Self::Warn => "warning: ",
            Self::Info => "",
            Self::Debug => "debug: ",
        }
    }
}

/// Messages above this level are not even formatted.
static LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);

/// Changes the least level.
pub fn set_level(level: Level) {
    LEVEL.store(level as u8, Relaxed);
}

/// Would a message of this level be written?
pub fn enabled(level: Level) -> bool {
    level as u8 <= LEVEL.load(Relaxed)
}

/// Logs what a person has to act on.
#[macro_export]
macro_rules! error {
    ($($line:tt)*) => { $crate::log_line!(Error, error, $($line)*) };
}

/// Logs what is not as it should be.
#[macro_export]
macro_rules! warn {
    ($($line:tt)*) => { $crate::log_line!(Warn, warn, $($line)*) };
}

/// Logs what is worth knowing.
#[macro_export]
macro_rules! info {
    ($($line:tt)*) => { $crate::log_line!(Info, info, $($line)*) };
}

/// Logs what helps to find a mistake.
#[macro_export]
macro_rules! debug {
    ($($line:tt)*) => { $crate::log_line!(Debug, debug, $($line)*) };
}

/// A line as text: a text with `{}` for each of the arguments behind it.
#[cfg(not(feature = "defmt"))]
#[doc(hidden)]
#[macro_export]
macro_rules! log_line {
    ($level:ident, $defmt:ident, $text:literal $(, $argument:expr)* $(,)?) => {
        $crate::log::write($crate::log::Level::$level, ::core::format_args!($text $(, $argument)*))
    };
}

/// The same line as a frame.
#[cfg(feature = "defmt")]
#[doc(hidden)]
#[macro_export]
macro_rules! log_line {
    ($level:ident, $defmt:ident, $text:literal $(, $argument:expr)* $(,)?) => {
        if $crate::log::frames::begin($crate::log::Level::$level) {
            use $crate::log::frames::{defmt, shown};
            defmt::$defmt!($text $(, shown(&($argument)))*);
        }
    };
}

/// The error of a message that could not be built.
impl From<fmt::Error> for Error {
    fn from(_: fmt::Error) -> Self {
        Self::new("format a message", libc::ENOBUFS)
    }
}
