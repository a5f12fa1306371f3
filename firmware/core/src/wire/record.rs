//! Records: what a data frame carries once it is opened.
//!
//! Each record starts with a big-endian u16: kind in the top 4 bits, body length in the low 12. A packet record has
//! flow ID and order (u16 each) between that word and its body, which makes the 14 bytes of header that a full
//! frame costs (8 of frame, 6 of record). Where the far end remembers the flow's header, a packet record is shorter than the
//! packet ([`super::headers`]). Records of a kind this version does not know are skipped by their length; a word of zero ends the
//! frame (padding).

use super::bytes::{Reader, Writer};
use super::headers::How;
use crate::error::Refusal;

/// Bytes before the packet in a packet record.
pub const PACKET_HEADER: usize = 6;
/// Bytes before the body of any other record.
pub const RECORD_HEADER: usize = 2;
/// Largest body of a record.
pub const MAX_BODY: usize = 0xfff;

/// A flow within one direction of a session: low 12 bits are the sender's table slot, high 4 bits a generation, so
/// that a reused slot is not mistaken for the flow that had it before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FlowId(pub u16);

/// A packet's place in its flow; wraps, compared by [`Order::ahead_of`] (serial numbers, RFC 1982).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Order(pub u16);

impl Order {
    /// How many places `self` is ahead of `other`; negative if it is behind.
    pub fn ahead_of(self, other: Self) -> i16 {
        self.0.wrapping_sub(other.0) as i16
    }
    /// The next place.
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
    /// `n` places on.
    pub fn plus(self, n: u16) -> Self {
        Self(self.0.wrapping_add(n))
    }
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// An inner IP packet.
    Packet {
        /// Its flow.
        flow: FlowId,
        /// Its place in the flow.
        order: Order,
        /// Deliver at once, never wait for earlier packets.
        pinned: bool,
        /// The flow keeps to one path, and this is it: what goes back follows.
        leads: bool,
        /// The packet, from its IP header.
        bytes: &'a [u8],
    },
    /// Feedback on one path ([`super::feedback`]).
    Feedback(&'a [u8]),
    /// A control message ([`super::control`]).
    Control(&'a [u8]),
    /// An inner IP packet that belongs to no order: of a guest, or for one.
    Loose(&'a [u8]),
    /// A packet of the control network ([`super::inside`]).
    Inside(&'a [u8]),
    /// An inner IP packet told by a remembered header, or to be remembered ([`super::headers`]).
    Told {
        /// Its flow.
        flow: FlowId,
        /// Its place in the flow.
        order: Order,
        /// How it is told.
        how: How,
        /// What is told.
        told: &'a [u8],
    },
}

const SPREAD: u16 = 1;
const PINNED: u16 = 2;
const FEEDBACK: u16 = 3;
const CONTROL: u16 = 4;
/// [`SPREAD`] and [`PINNED`] of a flow that keeps to one path.
const SPREAD_LEADS: u16 = 5;
const PINNED_LEADS: u16 = 6;
const LOOSE: u16 = 7;
const INSIDE: u16 = 8;
const TOLD: u16 = 9;

impl Record<'_> {
    /// Bytes that the record takes in a frame.
    pub fn wire_len(&self) -> usize {
        match self {
            Self::Packet { bytes, .. } => PACKET_HEADER + bytes.len(),
            Self::Told { told, .. } => PACKET_HEADER + 1 + told.len(),
            Self::Feedback(b) | Self::Control(b) | Self::Loose(b) | Self::Inside(b) => {
                RECORD_HEADER + b.len()
            }
        }
    }

    /// Appends the record.
    pub fn emit(&self, w: &mut Writer<'_>) -> Result<(), Refusal> {
        match *self {
            Self::Packet {
                flow,
                order,
                pinned,
                leads,
                bytes,
            } => {
                emit_packet_header(w, flow, order, (pinned, leads), bytes.len())?;
                w.put(bytes)
            }
            Self::Feedback(b) => emit_body(w, FEEDBACK, b),
            Self::Control(b) => emit_body(w, CONTROL, b),
            Self::Loose(b) => emit_body(w, LOOSE, b),
            Self::Inside(b) => emit_body(w, INSIDE, b),
            Self::Told {
                flow,
                order,
                how,
                told,
            } => {
                emit_told_header(w, flow, order, 1 + told.len())?;
                w.u8(how.0)?;
                w.put(told)
            }
        }
    }
}

/// Appends the header of a packet record whose `len` bytes of packet the caller writes next; it is pinned, and leads, or
/// not.
pub fn emit_packet_header(
    w: &mut Writer<'_>,
    flow: FlowId,
    order: Order,
    (pinned, leads): (bool, bool),
    len: usize,
) -> Result<(), Refusal> {
    let kind = match (pinned, leads) {
        (false, false) => SPREAD,
        (true, false) => PINNED,
        (false, true) => SPREAD_LEADS,
        (true, true) => PINNED_LEADS,
    };
    emit_header(w, kind, flow, order, len)
}

/// Appends the header of a packet that is told: the caller writes the `len` bytes of how and what next.
pub fn emit_told_header(
    w: &mut Writer<'_>,
    flow: FlowId,
    order: Order,
    len: usize,
) -> Result<(), Refusal> {
    emit_header(w, TOLD, flow, order, len)
}

#[inline(never)]
fn emit_header(
    w: &mut Writer<'_>,
    kind: u16,
    flow: FlowId,
    order: Order,
    len: usize,
) -> Result<(), Refusal> {
    w.u16(word(kind, len)?)?;
    w.u16(flow.0)?;
    w.u16(order.0)
}

fn emit_body(w: &mut Writer<'_>, kind: u16, body: &[u8]) -> Result<(), Refusal> {
    w.u16(word(kind, body.len())?)?;
    w.put(body)
}

fn word(kind: u16, len: usize) -> Result<u16, Refusal> {
    match u16::try_from(len) {
        Ok(len) if usize::from(len) <= MAX_BODY => Ok((kind << 12) | len),
        _ => Err(Refusal::Full),
    }
}

/// The records of an opened frame, in order. Stops at padding, at the end, and after the first malformed record.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    reader: Reader<'a>,
}

impl<'a> Records<'a> {
    /// Over the opened body of a frame.
    pub fn new(body: &'a [u8]) -> Self {
        Self {
            reader: Reader::new(body),
        }
    }

    // Three callers for each frame.
    #[inline(never)]
    fn read(&mut self) -> Result<Option<Record<'a>>, Refusal> {
        while !self.reader.rest().is_empty() {
            let word = self.reader.u16()?;
            let (kind, len) = (word >> 12, usize::from(word & 0xfff));
            match kind {
                0 => break,
                SPREAD | PINNED | SPREAD_LEADS | PINNED_LEADS => {
                    let (flow, order) = (FlowId(self.reader.u16()?), Order(self.reader.u16()?));
                    let bytes = self.reader.take(len)?;
                    return Ok(Some(Record::Packet {
                        flow,
                        order,
                        pinned: matches!(kind, PINNED | PINNED_LEADS),
                        leads: kind >= SPREAD_LEADS,
                        bytes,
                    }));
                }
                FEEDBACK => return Ok(Some(Record::Feedback(self.reader.take(len)?))),
                CONTROL => return Ok(Some(Record::Control(self.reader.take(len)?))),
                LOOSE => return Ok(Some(Record::Loose(self.reader.take(len)?))),
                INSIDE => return Ok(Some(Record::Inside(self.reader.take(len)?))),
                TOLD => {
                    let (flow, order) = (FlowId(self.reader.u16()?), Order(self.reader.u16()?));
                    let mut body = Reader::new(self.reader.take(len)?);
                    return Ok(Some(Record::Told {
                        flow,
                        order,
                        how: How(body.u8()?),
                        told: body.rest(),
                    }));
                }
                _ => {
                    self.reader.take(len)?;
                }
            }
        }
        self.reader = Reader::new(&[]);
        Ok(None)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.read().transpose();
        if matches!(item, Some(Err(_))) {
            self.reader = Reader::new(&[]);
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::examples;
    use proptest::prelude::*;

    /// The two packets of the document's examples.
    fn packets(leads: bool) -> [Record<'static>; 2] {
        let packet = |flow, order, pinned| Record::Packet {
            flow: FlowId(flow),
            order: Order(order),
            pinned,
            leads,
            bytes: &[0x45, 0x00, 0x00, 0x04],
        };
        [packet(0x1002, 7, false), packet(0x0003, 0xffff, true)]
    }

    fn check(example: &str, expected: &[Record<'_>]) {
        let mut out = [0u8; 64];
        let mut w = Writer::new(&mut out);
        for record in expected {
            record.emit(&mut w).unwrap();
        }
        let len = w.len();
        examples::check(example, &out[..len]);
        let body = examples::bytes(example);
        let read: Vec<_> = Records::new(&body).map(Result::unwrap).collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn the_documents_examples_are_what_is_written_and_read() {
        let [spread, pinned] = packets(false);
        check("records", &[spread, pinned, Record::Control(&[0x04])]);
        check("records-leading", &packets(true));
        check("records-loose", &[Record::Loose(&[0x45, 0x00, 0x00, 0x04])]);
        check(
            "records-inside",
            &[Record::Inside(&[0x60, 0x00, 0x00, 0x00])],
        );
    }

    #[test]
    fn several_small_records_share_a_frame_and_padding_ends_it() {
        let mut buf = [0u8; 64];
        let mut w = Writer::new(&mut buf);
        let a = Record::Packet {
            flow: FlowId(0x1002),
            order: Order(7),
            pinned: false,
            leads: true,
            bytes: b"abc",
        };
        let b = Record::Packet {
            flow: FlowId(3),
            order: Order(65535),
            pinned: true,
            leads: true,
            bytes: b"de",
        };
        for r in [a, b, Record::Feedback(b"f"), Record::Control(b"c")] {
            r.emit(&mut w).unwrap();
        }
        let all: Vec<_> = Records::new(&buf).map(Result::unwrap).collect();
        assert_eq!(all, [a, b, Record::Feedback(b"f"), Record::Control(b"c")]);
    }

    #[test]
    fn a_record_of_an_unknown_kind_is_skipped() {
        let body = [0xf0, 1, 99, 0x40, 1, 7];
        let all: Vec<_> = Records::new(&body).map(Result::unwrap).collect();
        assert_eq!(all, [Record::Control(&[7])]);
    }

    #[test]
    fn order_wraps_like_a_serial_number() {
        assert_eq!(Order(2).ahead_of(Order(65534)), 4);
        assert_eq!(Order(65534).ahead_of(Order(2)), -4);
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Records::new(&body).count() <= body.len());
        }
    }
}
