//! Netlink messages: built on the stack, read as slices. Everything is in host byte order.

use crate::error::{Error, Result};
use core::net::IpAddr;

const HEADER: usize = 16;
const ATTRIBUTE: usize = 4;
/// Without the two flags: holds other attributes, is in network order.
const TYPE_MASK: u16 = 0x3fff;

/// A request under construction.
pub(super) struct Message {
    bytes: [u8; 512],
    length: usize,
    overflow: bool,
}

impl Message {
    /// `kind` and `flags` as the kernel numbers them; `fixed` is the header of that kind of message.
    pub fn new(kind: u16, flags: i32, fixed: &[u8]) -> Self {
        let mut message = Self {
            bytes: [0; 512],
            length: HEADER,
            overflow: false,
        };
        message.write(4, &kind.to_ne_bytes());
        message.write(6, &(flags as u16).to_ne_bytes());
        message.append(fixed);
        message
    }

    /// Appends an attribute.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        self.append_header(kind, value.len());
        self.append(value);
        self
    }

    pub fn attribute_u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.attribute(kind, &value.to_ne_bytes())
    }

    pub fn attribute_ip(&mut self, kind: u16, value: IpAddr) -> &mut Self {
        match value {
            IpAddr::V4(ip) => self.attribute(kind, &ip.octets()),
            IpAddr::V6(ip) => self.attribute(kind, &ip.octets()),
        }
    }

    /// Completes the message under `sequence`.
    pub fn finish(&mut self, sequence: u32) -> Result<&[u8]> {
        self.write(0, &(self.length as u32).to_ne_bytes());
        self.write(8, &sequence.to_ne_bytes());
        let done = self.bytes.get(..self.length).filter(|_| !self.overflow);
        done.ok_or(Error::new("build a netlink message", libc::ENOBUFS))
    }

    fn append_header(&mut self, kind: u16, value: usize) {
        let length = (ATTRIBUTE + value) as u16;
        let [l0, l1] = length.to_ne_bytes();
        let [k0, k1] = kind.to_ne_bytes();
        self.append(&[l0, l1, k0, k1]);
    }

    fn append(&mut self, value: &[u8]) {
        self.write(self.length, value);
        self.length = align(self.length + value.len());
    }

    fn write(&mut self, at: usize, value: &[u8]) {
        match self.bytes.get_mut(at..at + value.len()) {
            Some(place) => place.copy_from_slice(value),
            None => self.overflow = true,
        }
    }
}

/// One message received.
#[derive(Clone, Copy)]
pub(super) struct Received<'a> {
    pub kind: u16,
    pub sequence: u32,
    pub payload: &'a [u8],
}

/// The messages in one datagram; ends at the first that is malformed.
pub(super) struct Messages<'a>(pub &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Received<'a>;

    fn next(&mut self) -> Option<Received<'a>> {
        let length = u32_at(self.0, 0)? as usize;
        let message = self.0.get(..length)?;
        let received = Received {
            kind: u16_at(message, 4)?,
            sequence: u32_at(message, 8)?,
            payload: message.get(HEADER..)?,
        };
        self.0 = self.0.get(align(length)..).unwrap_or(&[]);
        Some(received)
    }
}

/// The attributes in a message behind its fixed header, or in a nested attribute.
pub(super) struct Attributes<'a>(pub &'a [u8]);

impl<'a> Attributes<'a> {
    /// Those behind the first `fixed` bytes of `payload`.
    pub fn behind(payload: &'a [u8], fixed: usize) -> Self {
        Self(payload.get(fixed..).unwrap_or(&[]))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16_at(self.0, 0)?);
        let kind = u16_at(self.0, 2)? & TYPE_MASK;
        let value = self.0.get(ATTRIBUTE..length)?;
        self.0 = self.0.get(align(length)..).unwrap_or(&[]);
        Some((kind, value))
    }
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u16::from_ne_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u32::from_ne_bytes)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u64::from_ne_bytes)
}

const fn align(length: usize) -> usize {
    length.next_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_read_back() {
        let mut message = Message::new(18, 5, &[9; 16]);
        message
            .attribute(3, b"bm0\0")
            .attribute(4, b"x")
            .attribute_u32(0x8007, 0xdead_beef);
        let bytes = message.finish(77).unwrap();
        let received: Vec<_> = Messages(bytes).collect();
        assert_eq!(
            (received.len(), received[0].kind, received[0].sequence),
            (1, 18, 77)
        );
        let attributes: Vec<_> = Attributes::behind(received[0].payload, 16).collect();
        assert_eq!(
            attributes,
            [
                (3, &b"bm0\0"[..]),
                (4, b"x"),
                (7, &0xdead_beef_u32.to_ne_bytes())
            ]
        );
    }

    #[test]
    fn a_message_that_is_too_long_is_an_error_when_finished() {
        let mut message = Message::new(1, 0, &[]);
        message.attribute(1, &[0; 300]).attribute(1, &[0; 300]);
        assert_eq!(message.finish(1).unwrap_err().errno, libc::ENOBUFS);
    }

    #[test]
    fn malformed_lengths_end_the_walk() {
        for bytes in [&[0u8; 64][..], &[255; 64], &[1], &[3, 0, 1, 0], &[]] {
            assert_eq!(Messages(bytes).take(100).count(), 0);
            assert_eq!(Attributes(bytes).take(100).count(), 0);
        }
    }
}
