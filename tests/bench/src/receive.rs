//! What a client of a download notices: how long nothing came.
//!
//! `receive ADDRESS:PORT PATH SECONDS` prints the bytes that came in so many seconds, the longest time in ms between two reads, and how
//! many whole 300 ms had none. It ends earlier with the file.

use std::error::Error;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const BIN: Duration = Duration::from_millis(300);

/// Downloads and tells.
pub fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [from, path, seconds] = arguments else {
        return Err("receive ADDRESS:PORT PATH SECONDS".into());
    };
    let mut stream = TcpStream::connect(from)?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
    stream.set_read_timeout(Some(BIN))?;
    let limit = Duration::from_secs(seconds.parse()?);
    let mut buffer = vec![0; 1 << 16];
    let (begun, mut bytes) = (Instant::now(), 0);
    let (mut last, mut longest, mut empty) = (begun, Duration::ZERO, 0);
    while begun.elapsed() < limit {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                let now = Instant::now();
                bytes += n;
                empty += empty_bins(last - begun, now - begun);
                longest = longest.max(now - last);
                last = now;
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(e) => return Err(e.into()),
        }
    }
    println!("{bytes} {} {empty}", longest.as_millis());
    Ok(())
}

/// Whole bins between two reads: those that neither of them is in.
fn empty_bins(last: Duration, now: Duration) -> u128 {
    let bin = |time: Duration| time.as_millis() / BIN.as_millis();
    (bin(now) - bin(last)).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bins_without_any_read_are_empty() {
        let bins = |a, b| empty_bins(Duration::from_millis(a), Duration::from_millis(b));
        assert_eq!([bins(10, 290), bins(290, 310), bins(10, 590)], [0, 0, 0]);
        assert_eq!([bins(299, 600), bins(0, 1500)], [1, 4]);
    }
}
