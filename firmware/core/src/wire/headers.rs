//! Inner headers that need not travel. What a flow's packets have in common (addresses, ports, hop limit, options) is taken
//! from one packet that travels whole; later ones are told by how they differ from *that* one, never from each other, so
//! that each can be read whatever else was lost or came late.
//!
//! Whatever a packet's header is, it is written back byte for byte: what is written is read at once, and where that does
//! not give the very same header, the packet travels whole.

#[cfg(test)]
mod tests;

use super::bytes::Reader;
use super::checksum::Sum;
use super::record::Order;
use crate::error::Refusal;
use core::ops::Range;
use heapless::Vec;

/// Longest header that is remembered: IPv6, TCP, timestamps.
pub const LONGEST: usize = 72;
/// Packets so many places after the remembered one, or more, are not told by it.
pub const REACH: i16 = 16_384;
/// The most that takes a header's place.
pub const MOST: usize = 19;

/// In what takes a header's place.
pub type Prefix = Vec<u8, MOST>;

/// How a packet is told: the byte before what is told of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct How(pub u8);

impl How {
    /// The packet is whole but for its length, and is to be remembered.
    pub const WHOLE: Self = Self(0x80);
    /// The second of a flow's two remembered headers is meant.
    pub const SECOND: Self = Self(0x40);
    /// Not to wait for earlier packets.
    pub const PINNED: Self = Self(0x20);
    /// Its flow keeps to one path.
    pub const LEADS: Self = Self(0x10);
    /// TCP's PSH.
    pub const PUSH: Self = Self(0x08);
    /// TCP's acknowledgement and window follow.
    pub const ACK: Self = Self(0x04);
    /// IPv4's identification follows.
    pub const IDENT: Self = Self(0x02);
    /// What TCP's timestamps have moved on by follows.
    pub const TIMES: Self = Self(0x01);
    /// What may be told although it has not changed, so that packets of one length stay so.
    pub const CHANGING: Self = Self(0x07);

    /// All of `bits` are in it.
    pub fn has(self, bits: Self) -> bool {
        self.0 & bits.0 == bits.0
    }
    /// With `bits` if `when`.
    pub fn with(self, bits: Self, when: bool) -> Self {
        Self(if when { self.0 | bits.0 } else { self.0 })
    }
    /// Which of the flow's two remembered headers.
    pub fn place(self) -> usize {
        usize::from(self.has(Self::SECOND))
    }
}

/// A remembered header.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    order: Order,
    /// 0: nothing is remembered.
    len: u8,
    bytes: [u8; LONGEST],
}

const TCP: u8 = 6;
const UDP: u8 = 17;
/// Two times NOP, and the timestamp option's kind and length (RFC 7323): how all write it.
const TIMESTAMPS: [u8; 4] = [1, 1, 8, 10];

impl Context {
    /// Nothing remembered.
    pub const NONE: Self = Self {
        order: Order(0),
        len: 0,
        bytes: [0; LONGEST],
    };

    /// The header of the packet at this place of its flow, of `total` bytes that begin with `front`. `None` if it is none
    /// that others can be told by: fragments, options but TCP's timestamps, flags but ACK and PSH, what contradicts itself.
    pub fn of(order: Order, front: &[u8], total: usize) -> Option<Self> {
        let (ip, protocol) = match front.first()? {
            0x45 if front.get(6)? & 0x3f == 0 && *front.get(7)? == 0 => (20, *front.get(9)?),
            0x60..=0x6f => (40, *front.get(6)?),
            _ => return None,
        };
        let transport = match (protocol, front.get(ip + 12)) {
            (UDP, _) => 8,
            (TCP, Some(0x50)) => 20,
            (TCP, Some(0x80)) if front.get(ip + 20..ip + 24)? == TIMESTAMPS => 32,
            _ => return None,
        };
        let mut it = Self {
            order,
            len: (ip + transport) as u8,
            bytes: [0; LONGEST],
        };
        let header = it.bytes.get_mut(..ip + transport)?;
        header.copy_from_slice(front.get(..ip + transport)?);
        it.tell(How::default(), front, total)
            .is_some()
            .then_some(it)
    }

    /// The place of the packet whose header this is; `None` if nothing is remembered.
    pub fn order(&self) -> Option<Order> {
        (self.len != 0).then_some(self.order)
    }
    /// A packet at this place may be told by it.
    pub fn reaches(&self, order: Order) -> bool {
        self.len != 0 && (1..REACH).contains(&order.ahead_of(self.order))
    }
    /// Bytes of the header.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }
    /// Nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What stands for the header of a packet of `total` bytes that begin with `front`, `how` among it; what may change
    /// and is in `how` is told in any case. `None` if the packet cannot be told by this one.
    #[inline(never)]
    pub fn tell(&self, how: How, front: &[u8], total: usize) -> Option<Prefix> {
        let header = front.get(..self.len())?;
        let (ip, tcp) = (self.ip(), self.is_tcp());
        let differs = |part: Range<usize>| header.get(part.clone()) != self.bytes.get(part);
        let how = how
            .with(How::IDENT, ip == 20 && differs(4..6))
            .with(How::ACK, tcp && differs(ip + 8..ip + 12))
            .with(How::ACK, tcp && differs(ip + 14..ip + 16))
            .with(How::PUSH, tcp && header.get(ip + 13)? & PSH != 0)
            .with(How::TIMES, self.has_times() && differs(ip + 24..ip + 32));
        let mut out = Prefix::new();
        out.push(how.0).ok()?;
        for part in self.parts(how) {
            out.extend_from_slice(header.get(part)?).ok()?;
        }
        for at in self.times(how) {
            let past = word(header, at)?.wrapping_sub(word(&self.bytes, at)?);
            let past = u16::try_from(past).ok()?;
            out.extend_from_slice(&past.to_be_bytes()).ok()?;
        }
        let payload = total.checked_sub(self.len())?;
        let told = self.header(how, &mut Reader::new(out.get(1..)?), payload);
        (told.ok()?.get(..self.len()) == Some(header)).then_some(out)
    }

    /// Writes the packet that `told`, the bytes behind `how`, tells to the front of `out`; returns its length.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] if that is no packet, or longer than `out`.
    pub fn restore(&self, how: How, told: &[u8], out: &mut [u8]) -> Result<usize, Refusal> {
        let mut r = Reader::new(told);
        let header = self.header(how, &mut r, 0)?;
        let (to, rest) = out
            .split_at_mut_checked(self.len())
            .ok_or(Refusal::Malformed)?;
        to.copy_from_slice(header.get(..to.len()).ok_or(Refusal::Malformed)?);
        rest.get_mut(..r.rest().len())
            .ok_or(Refusal::Malformed)?
            .copy_from_slice(r.rest());
        Ok(self.len() + r.rest().len())
    }

    /// The header of which `r` reads what is told; behind it are what `r` has then, and so many bytes more.
    #[inline(never)]
    fn header(&self, how: How, r: &mut Reader<'_>, more: usize) -> Result<[u8; LONGEST], Refusal> {
        let (mut header, ip) = (self.bytes, self.ip());
        for part in self.parts(how) {
            let told = r.take(part.len())?;
            put(&mut header, part.start, told)?;
        }
        for at in self.times(how) {
            let past = u32::from(r.u16()?);
            let now = word(&self.bytes, at).ok_or(Refusal::Malformed)?;
            put(&mut header, at, &now.wrapping_add(past).to_be_bytes())?;
        }
        let total = self.len() + r.rest().len() + more;
        let total = u16::try_from(total).map_err(|_| Refusal::Malformed)?;
        let behind = total.wrapping_sub(ip as u16).to_be_bytes();
        if self.is_tcp() {
            let flags = if how.has(How::PUSH) { ACK | PSH } else { ACK };
            put(&mut header, ip + 13, &[flags])?;
        } else {
            put(&mut header, ip + 4, &behind)?;
        }
        if ip == 40 {
            put(&mut header, 4, &behind)?;
        } else {
            put(&mut header, 2, &total.to_be_bytes())?;
            put(&mut header, 10, &[0, 0])?;
            // As kernels write it, 0 for 0: it is not UDP's.
            let sum = !Sum::of(header.get(..20).unwrap_or_default()).folded();
            put(&mut header, 10, &sum.to_be_bytes())?;
        }
        Ok(header)
    }

    /// What of a header is told as it is, in this order.
    #[inline(never)]
    fn parts(&self, how: How) -> [Range<usize>; 5] {
        let (ip, tcp) = (self.ip(), self.is_tcp());
        let part = |at, len, is_told| if is_told { at..at + len } else { 0..0 };
        let acknowledges = tcp && how.has(How::ACK);
        [
            part(ip + 4, 4, tcp),
            part(if tcp { ip + 16 } else { ip + 6 }, 2, true),
            part(ip + 8, 4, acknowledges),
            part(ip + 14, 2, acknowledges),
            part(4, 2, ip == 20 && how.has(How::IDENT)),
        ]
    }

    /// Where timestamps stand that are told.
    fn times(&self, how: How) -> impl Iterator<Item = usize> + use<> {
        let first = self.ip() + 24;
        let told = self.has_times() && how.has(How::TIMES);
        [first, first + 4].into_iter().filter(move |_| told)
    }

    /// Bytes of the IP header.
    fn ip(&self) -> usize {
        if matches!(self.bytes, [0x40..=0x4f, ..]) {
            20
        } else {
            40
        }
    }
    fn is_tcp(&self) -> bool {
        self.len() > self.ip() + 8
    }
    fn has_times(&self) -> bool {
        self.len() > self.ip() + 20
    }
}

const ACK: u8 = 0x10;
const PSH: u8 = 0x08;

/// Where the length stands in a packet that begins with `first`: the two bytes that a packet to be remembered does without.
pub fn length_at(first: u8) -> Option<usize> {
    match first >> 4 {
        4 => Some(2),
        6 => Some(4),
        _ => None,
    }
}

/// Writes the packet of which `told` is all but its length to the front of `out`; returns its length.
///
/// # Errors
/// [`Refusal::Malformed`] if that is no packet, or longer than `out`.
pub fn restore_whole(told: &[u8], out: &mut [u8]) -> Result<usize, Refusal> {
    let at = told.first().and_then(|first| length_at(*first));
    let at = at.ok_or(Refusal::Malformed)?;
    let total = told.len() + 2;
    let length = if at == 2 {
        Some(total)
    } else {
        total.checked_sub(40)
    };
    let length = length.and_then(|n| u16::try_from(n).ok());
    let length = length.ok_or(Refusal::Malformed)?;
    let (before, behind) = told.split_at_checked(at).ok_or(Refusal::Malformed)?;
    put(out, 0, before)?;
    put(out, at, &length.to_be_bytes())?;
    put(out, at + 2, behind)?;
    Ok(total)
}

#[inline(never)]
fn put(out: &mut [u8], at: usize, bytes: &[u8]) -> Result<(), Refusal> {
    let place = out.get_mut(at..at + bytes.len());
    place.ok_or(Refusal::Malformed)?.copy_from_slice(bytes);
    Ok(())
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*four))
}
