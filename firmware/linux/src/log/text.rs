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
    let to = if level <= Level::Warn { 2 } else { 1 };
    // SAFETY: the text is readable for its length.
    unsafe { libc::write(to, text.as_ptr().cast(), text.len()) };
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

    /// What the child writes to this descriptor while `act` runs.
    fn captured(descriptor: i32, act: impl FnOnce()) -> String {
        let (read, write) = crate::fd::socket_pair().unwrap();
        // SAFETY: descriptors of this child only.
        let before = unsafe { libc::dup(descriptor) };
        unsafe { libc::dup2(write.raw(), descriptor) };
        act();
        unsafe { libc::dup2(before, descriptor) };
        let mut buf = [0; 4096];
        let length = read.read(&mut buf).unwrap().unwrap_or(0);
        String::from_utf8(buf[..length].to_vec()).unwrap()
    }

    fn say() {
        let name = "wan\nerror: forged";
        crate::info!("uplink {} is back", name);
        crate::debug!("not this");
        crate::warn!("{}", 7);
    }

    #[test]
    fn messages_below_the_level_are_left_out_and_control_characters_are_blanked() {
        in_child(|| {
            assert_eq!(captured(1, say), "uplink wan error: forged is back\n");
        });
    }

    #[test]
    fn what_is_not_as_it_should_be_goes_to_standard_error_and_nothing_else() {
        in_child(|| assert_eq!(captured(2, say), "warning: 7\n"));
    }

    #[test]
    fn a_long_message_is_cut_and_still_ends_its_line() {
        in_child(|| {
            let text = captured(2, || crate::error!("{}", "x".repeat(2000)));
            assert_eq!((text.len(), text.ends_with("x\n")), (LINE, true));
        });
    }
}
