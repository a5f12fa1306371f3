//! Large segments from the kernel, cut into packets that travel, and checksums that the kernel left to us.
//!
//! A TUN with a virtio-net header (virtio 1.2, 5.1.6.1) hands over up to 64 KB of one TCP or UDP flow behind one set
//! of headers, with the sum of the pseudo header in the checksum field. Cutting works inside the caller's buffer: the
//! headers of each packet are written in front of its payload, over payload that has been taken already. So every
//! byte is read once, for its checksum, and copied only by whoever keeps the packet.

use super::inner::{self, Inner};
use crate::wire::checksum::Sum;

/// What stands before a packet that crosses the TUN: what of its making was left to the other side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    /// It is several packets in one.
    pub large: Option<Large>,
    /// Its checksum is to be completed.
    pub checksum: Option<Partial>,
}

impl Offload {
    /// How many packets are in `len` bytes of it.
    pub fn packets(&self, len: usize) -> usize {
        self.large.map_or(1, |large| {
            let payload = len.saturating_sub(usize::from(large.headers)) as u32;
            payload.div_ceil(u32::from(large.size.max(1))) as usize
        })
    }
}

/// Several packets in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Large {
    /// Of which protocol.
    pub kind: Kind,
    /// Payload bytes of each packet; the last may have less.
    pub size: u16,
    /// Bytes of all headers.
    pub headers: u16,
}

/// Protocols that can be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// TCP over IPv4.
    Tcp4,
    /// TCP over IPv6.
    Tcp6,
    /// UDP over either.
    Udp,
}

/// A checksum to be completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    /// Where the sum begins.
    pub start: u16,
    /// Where, from there, the field is. It holds the sum of the pseudo header.
    pub offset: u16,
}

/// Why an inner packet was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// Neither IPv4 nor IPv6, or lengths that do not fit.
    Malformed,
    /// Longer than the paths carry; the number is the MTU to report (RFC 1191, RFC 8201).
    TooBig(u16),
}

/// Longest headers that are cut: an IPv6 header with some extensions, and TCP with all options.
const MOST_HEADERS: usize = 128;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// Hands out the packets in what the kernel gave, one by one: a packet with its checksum completed and its MSS clamped, or those
/// of a large segment. Nothing is handed out of what has a packet longer than `mtu`. Changes the buffer.
pub fn each_packet(
    packet: &mut [u8],
    inner: &Inner,
    offload: Offload,
    mtu: Option<u16>,
    mut each: impl FnMut(&[u8]),
) -> Result<(), NotTaken> {
    let too_big = |len| mtu.filter(|mtu| len > usize::from(*mtu));
    let Some(large) = offload.large else {
        if let Some(partial) = offload.checksum
            && !complete(packet, partial)
        {
            return Err(NotTaken::Malformed);
        }
        if let Some(mtu) = too_big(packet.len()) {
            return Err(NotTaken::TooBig(mtu));
        }
        if let Some(mtu) = mtu.filter(|_| inner.syn) {
            inner::clamp_mss(packet, inner, mtu);
        }
        each(packet);
        return Ok(());
    };
    let mut cut = offload
        .checksum
        .and_then(|partial| Cut::new(packet, large, partial))
        .ok_or(NotTaken::Malformed)?;
    if let Some(mtu) = too_big(cut.longest()) {
        return Err(NotTaken::TooBig(mtu));
    }
    while let Some(packet) = cut.next() {
        each(packet);
    }
    Ok(())
}

/// Completes a checksum; false if the place is not inside the packet.
pub fn complete(packet: &mut [u8], partial: Partial) -> bool {
    let start = usize::from(partial.start);
    let Some(covered) = packet.get(start..) else {
        return false;
    };
    let field = Sum::of(covered).field();
    put(packet, start + usize::from(partial.offset), field)
}

/// A large segment being cut. Packets come in order; each must be taken before the next is asked for.
#[derive(Debug)]
pub struct Cut<'a> {
    buffer: &'a mut [u8],
    headers: [u8; MOST_HEADERS],
    /// Bytes of headers, and of those before the transport's.
    head: usize,
    transport: usize,
    size: usize,
    tcp: bool,
    /// The pseudo header's sum without the length.
    pseudo: Sum,
    sequence: u32,
    identification: u16,
    /// Payload bytes taken.
    done: usize,
}

impl<'a> Cut<'a> {
    /// Begins. `None`: the headers contradict themselves or what was said about them.
    pub fn new(packet: &'a mut [u8], large: Large, partial: Partial) -> Option<Self> {
        let transport = usize::from(partial.start);
        let v6 = match packet.first()? >> 4 {
            4 => false,
            6 => true,
            _ => return None,
        };
        let tcp = large.kind != Kind::Udp;
        let fits = match large.kind {
            Kind::Tcp4 => !v6,
            Kind::Tcp6 => v6,
            Kind::Udp => true,
        };
        let ip = if v6 {
            transport.max(40)
        } else {
            usize::from(packet.first()? & 0xf) * 4
        };
        let (least, field) = if tcp { (20, 16) } else { (8, 6) };
        let length = if tcp {
            usize::from(packet.get(transport + 12)? >> 4) * 4
        } else {
            8
        };
        let head = transport + length;
        let sound = fits
            && ip == transport
            && transport >= 20
            && length >= least
            && usize::from(partial.offset) == field
            && head < packet.len()
            && packet.len() <= usize::from(u16::MAX)
            && large.size > 0;
        let mut headers = [0; MOST_HEADERS];
        if !sound {
            return None;
        }
        headers
            .get_mut(..head)?
            .copy_from_slice(packet.get(..head)?);
        let whole = (packet.len() - transport) as u16;
        let pseudo = Sum::default().plus(get(&headers, transport + field)?);
        Some(Self {
            head,
            transport,
            size: usize::from(large.size),
            tcp,
            pseudo: pseudo.minus(whole),
            sequence: u32::from_be_bytes(*headers.get(transport + 4..)?.first_chunk()?),
            identification: get(&headers, 4)?,
            done: 0,
            headers,
            buffer: packet,
        })
    }

    /// Bytes of the longest packet.
    pub fn longest(&self) -> usize {
        self.head + self.size.min(self.buffer.len() - self.head)
    }

    /// The next packet, complete; `None` after the last.
    #[allow(clippy::should_implement_trait)] // the packets lie over each other: an iterator's could be kept
    pub fn next(&mut self) -> Option<&mut [u8]> {
        let payload = self.buffer.len() - self.head;
        if self.done >= payload {
            return None;
        }
        let (first, begin) = (self.done == 0, self.done);
        let len = self.size.min(payload - begin);
        self.done += len;
        let last = self.done == payload;
        let packet = self.buffer.get_mut(begin..begin + self.head + len)?;
        packet
            .get_mut(..self.head)?
            .copy_from_slice(self.headers.get(..self.head)?);
        network_length(packet, self.identification);
        self.identification = self.identification.wrapping_add(1);
        let covered = packet.get_mut(self.transport..)?;
        let length = covered.len() as u16;
        let field = if self.tcp {
            let sequence = self.sequence.wrapping_add(begin as u32);
            covered
                .get_mut(4..8)?
                .copy_from_slice(&sequence.to_be_bytes());
            let flags = covered.get_mut(13)?;
            // What ends the data belongs to its end; CWR answers once (RFC 3168, 6.1.2).
            *flags &= if last { !0 } else { !(FIN | PSH) };
            *flags &= if first { !0 } else { !CWR };
            16
        } else {
            put(covered, 4, length);
            6
        };
        put(covered, field, self.pseudo.plus(length).folded());
        let sum = Sum::of(covered).field();
        put(covered, field, sum);
        Some(packet)
    }
}

/// Length, and what of the IP header hangs on it. Each IPv4 packet has a number of its own (RFC 6864).
fn network_length(packet: &mut [u8], identification: u16) {
    if packet.first().is_some_and(|b| b >> 4 == 6) {
        put(packet, 4, (packet.len() - 40) as u16);
        return;
    }
    put(packet, 2, packet.len() as u16);
    put(packet, 4, identification);
    put(packet, 10, 0);
    let header = usize::from(packet.first().copied().unwrap_or(0) & 0xf) * 4;
    let sum = Sum::of(packet.get(..header).unwrap_or_default());
    put(packet, 10, !sum.folded());
}

/// Reads a 16-bit field.
pub(super) fn get(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|b| u16::from_be_bytes(*b))
}

/// Writes a 16-bit field; false if there is no room.
pub(super) fn put(bytes: &mut [u8], at: usize, value: u16) -> bool {
    let room = bytes.get_mut(at..).and_then(|b| b.first_chunk_mut());
    room.map(|room| *room = value.to_be_bytes()).is_some()
}
