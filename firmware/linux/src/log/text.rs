//! The log as text.

use super::{Level, enabled, recent};
use core::fmt::{self, Write};

/// A line, with what stands in front; longer ones are cut.
const LINE: usize = 512;

/// Writes a message; what the macros call.
pub fn write(level: Level, message: fmt::Arguments<'_>) {
    if !enabled(level) {
        return;
    }
    let mut line = Line {
        bytes: [0; LINE],
        used: 0,
    };
    let _ = line.write_str(level.in_front());
    let _ = line.write_fmt(message);
    let text = line.text_with_newline();
    recent::keep(text);
    // Not retried: a log that nobody reads must not stop the packets.
    // SAFETY: the text is readable for its length.
    unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
}

struct Line {
    bytes: [u8; LINE],
    used: usize,
}

impl Line {
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
            let name = "wan\nerror: forged";
            let text = captured(|| {
                crate::info!("uplink {} is back", name);
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
