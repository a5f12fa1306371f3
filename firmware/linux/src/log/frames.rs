//! The log of the defmt build: frames in the ring of [`super::recent`], which `defmt-print` turns into lines with the help of the
//! binary's symbols.

pub use defmt;

use super::{Level, enabled, recent};
use crate::process::Output;
use core::cell::UnsafeCell;
use core::fmt::{self, Write as _};

/// An argument, whatever its type was: so there is one copy of the code that writes it.
pub fn shown<'a>(
    argument: &'a dyn fmt::Display,
) -> defmt::Display2Format<'a, dyn fmt::Display + 'a> {
    defmt::Display2Format(argument)
}

/// Takes the ring for a frame, whose end gives it back. `false` where lines of this level are not wanted, or the other thread logs at
/// the very moment.
#[inline(never)]
pub fn begin(level: Level) -> bool {
    enabled(level) && recent::take()
}

/// Writes a message as text to standard error: for what is said when the process ends, and the log with it.
pub fn write(level: Level, message: fmt::Arguments<'_>) {
    if enabled(level) {
        let _ = writeln!(Output::Error, "{}{message}", level.in_front());
    }
}

struct Encoder(UnsafeCell<defmt::Encoder>);

// SAFETY: it is used by whoever has the ring.
unsafe impl Sync for Encoder {}

static ENCODER: Encoder = Encoder(UnsafeCell::new(defmt::Encoder::new()));

impl Encoder {
    fn with(&self, act: impl FnOnce(&mut defmt::Encoder, fn(&[u8]))) {
        // SAFETY: only `log_line!` makes frames, each behind a `begin`.
        unsafe { act(&mut *self.0.get(), |bytes| recent::push(bytes)) }
    }
}

#[defmt::global_logger]
struct Logger;

// SAFETY: `begin` lets one frame at a time be written.
unsafe impl defmt::Logger for Logger {
    fn acquire() {
        ENCODER.with(|encoder, push| encoder.start_frame(push));
    }

    unsafe fn flush() {}

    unsafe fn release() {
        ENCODER.with(|encoder, push| encoder.end_frame(push));
        // SAFETY: `begin` took it.
        unsafe { recent::give_back() };
    }

    unsafe fn write(bytes: &[u8]) {
        ENCODER.with(|encoder, push| encoder.write(bytes, push));
    }
}

defmt::timestamp!("{=u64:us}", crate::clock::now().as_micros());
