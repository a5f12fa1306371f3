//! Feedback on one path: what arrived there, when, and what is missing.
//!
//! It reports state, not events: ranges are cumulative over the receiver's window, so a lost report costs nothing
//! but time. Times are the receiver's own clock; the sender uses differences only.

use super::bytes::{Reader, Writer};
use crate::error::Refusal;
use heapless::Vec;

/// Most ranges of received packet numbers in one report.
pub const MAX_RANGES: usize = 16;
/// Most arrival samples in one report beside the newest packet's.
pub const MAX_SAMPLES: usize = 4;
/// Largest encoded report in bytes.
pub const MAX_LEN: usize = 22 + 4 * MAX_RANGES + 4 * MAX_SAMPLES;
/// Unit of the short time fields, in microseconds.
pub const TICK_US: u32 = 16;

/// A run of received packet numbers, going down from the run before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Packet numbers missing between this run and the one above it (0 for the first run).
    pub gap: u16,
    /// Packet numbers received in this run.
    pub len: u16,
}

/// Arrival of one earlier packet: gives the sender more than one delay per report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// How many packet numbers before `largest`.
    pub back: u16,
    /// How long before `arrival`, in ticks of 16 us.
    pub earlier: u16,
}

/// One report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feedback {
    /// The path it is about (path IDs are the session's, given by the gateway).
    pub path: u16,
    /// Low 32 bits of the highest packet number received.
    pub largest: u32,
    /// When that arrived, receiver's clock in us, wrapping.
    pub arrival: u32,
    /// From that arrival to this report, in ticks of 16 us (saturated).
    pub delay: u16,
    /// Bytes of datagrams received on the path since it opened, wrapping.
    pub bytes: u32,
    /// Packets that arrived with the outer ECN mark CE since the path opened, wrapping.
    pub congested: u16,
    /// How long the *receiver of data sent by the author of this report* should let a hole wait, in ms: the
    /// author knows its paths' spread and its repair time, the other end does not.
    pub hold: u16,
    /// Received runs, newest first.
    pub ranges: Vec<Range, MAX_RANGES>,
    /// Arrivals of earlier packets.
    pub samples: Vec<Sample, MAX_SAMPLES>,
}

impl Feedback {
    /// Reads a report; trailing bytes are left for later versions.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let mut r = Reader::new(body);
        let mut out = Self {
            path: r.u16()?,
            largest: r.u32()?,
            arrival: r.u32()?,
            delay: r.u16()?,
            bytes: r.u32()?,
            congested: r.u16()?,
            hold: r.u16()?,
            ..Self::default()
        };
        let (ranges, samples) = (r.u8()?, r.u8()?);
        for _ in 0..ranges {
            let range = Range {
                gap: r.u16()?,
                len: r.u16()?,
            };
            out.ranges.push(range).map_err(|_| Refusal::Malformed)?;
        }
        for _ in 0..samples {
            let sample = Sample {
                back: r.u16()?,
                earlier: r.u16()?,
            };
            out.samples.push(sample).map_err(|_| Refusal::Malformed)?;
        }
        Ok(out)
    }

    /// Writes the report; returns its length.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, Refusal> {
        let mut w = Writer::new(out);
        w.u16(self.path)?;
        w.u32(self.largest)?;
        w.u32(self.arrival)?;
        w.u16(self.delay)?;
        w.u32(self.bytes)?;
        w.u16(self.congested)?;
        w.u16(self.hold)?;
        w.u8(self.ranges.len() as u8)?;
        w.u8(self.samples.len() as u8)?;
        for r in &self.ranges {
            w.u16(r.gap)?;
            w.u16(r.len)?;
        }
        for s in &self.samples {
            w.u16(s.back)?;
            w.u16(s.earlier)?;
        }
        Ok(w.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::examples;
    use proptest::prelude::*;

    #[test]
    fn the_documents_example_is_what_is_written_and_read() {
        let report = Feedback {
            path: 5,
            largest: 0x0102_0304,
            arrival: 2_000_000,
            delay: 625,
            bytes: 1_500_000,
            congested: 0,
            hold: 180,
            ranges: Vec::from_slice(&[Range { gap: 0, len: 40 }, Range { gap: 1, len: 983 }])
                .unwrap(),
            samples: Vec::from_slice(&[Sample {
                back: 8,
                earlier: 300,
            }])
            .unwrap(),
        };
        let mut out = [0; MAX_LEN];
        let len = report.emit(&mut out).unwrap();
        examples::check("feedback", &out[..len]);
        assert_eq!(
            Feedback::parse(&examples::bytes("feedback")),
            Ok(report.clone())
        );
        let later = [examples::bytes("feedback"), vec![1, 2, 3]].concat();
        assert_eq!(Feedback::parse(&later), Ok(report));
    }

    proptest! {
        #[test]
        fn what_parses_is_written_back_identically(body in proptest::collection::vec(any::<u8>(), 0..120)) {
            if let Ok(f) = Feedback::parse(&body) {
                let mut out = [0u8; MAX_LEN];
                let n = f.emit(&mut out).unwrap();
                prop_assert_eq!(&out[..n], &body[..n]);
            }
        }
    }

    #[test]
    fn a_report_with_too_many_ranges_is_malformed() {
        let mut body = [0u8; 200];
        body[20] = MAX_RANGES as u8 + 1;
        assert_eq!(Feedback::parse(&body), Err(Refusal::Malformed));
    }
}
