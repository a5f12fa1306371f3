//! Packets of one flow glued together on their way to the kernel: one write to the TUN delivers many.
//!
//! The rules are those of the kernel's own GRO: only what cutting gives back as it was is glued. Same addresses, ports,
//! class (with ECN), hop limit, acknowledgement, window, flags and options (with timestamps), consecutive sequence
//! numbers, equal sizes but for a shorter last one, and checksums that hold. PSH and FIN end a segment. Whatever does not
//! fit passes as it is, after what its flow has waiting: a flow's packets never overtake each other.

use super::segment::{Kind, Large, Offload, Partial, get, put};
use crate::wire::checksum::Sum;

const TCP: u8 = 6;
const UDP: u8 = 17;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
const ECE: u8 = 0x40;
/// "Don't fragment" in the first byte of flags and offset.
const DF: u8 = 0x40;

/// What the kernel takes in large pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Takes {
    /// TCP.
    pub tcp: bool,
    /// UDP.
    pub udp: bool,
}

/// Glues packets; at most `FLOWS` flows wait at a time, with `BYTES` bytes each.
#[derive(Debug)]
pub struct Coalescer<const FLOWS: usize, const BYTES: usize> {
    slots: [Slot<BYTES>; FLOWS],
    takes: Takes,
    waiting: usize,
    turn: u32,
    /// Packets taken, and what they were handed on as.
    counters: Counters,
}

/// What was glued since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets that came.
    pub packets: u32,
    /// Pieces that left.
    pub pieces: u32,
}

/// A large segment in the making. Free while `len` is 0.
#[derive(Debug)]
struct Slot<const BYTES: usize> {
    look: Look,
    len: usize,
    packets: u32,
    sequence: u32,
    identification: u16,
    /// IPv4 packets that must not be fragmented may all have one number (RFC 6864).
    numbering: Numbering,
    since: u32,
    bytes: [u8; BYTES],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Numbering {
    Open,
    Counting,
    Fixed,
}

/// What a packet is, as far as gluing cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    v6: bool,
    tcp: bool,
    /// Bytes before the transport's header, and before the payload.
    transport: usize,
    head: usize,
    /// Payload bytes.
    payload: usize,
}

impl Look {
    const NONE: Self = Self {
        v6: false,
        tcp: false,
        transport: 0,
        head: 0,
        payload: 0,
    };
}

enum Class {
    /// May be glued.
    Gluable(Look),
    /// Not gluable itself, but of a flow that may be waiting.
    OfFlow(Look),
    /// TCP or UDP of a flow that cannot be read (a fragment).
    AnyFlow,
    /// Neither TCP nor UDP.
    Other,
}

impl<const FLOWS: usize, const BYTES: usize> Coalescer<FLOWS, BYTES> {
    /// Nothing waits, and nothing is glued until [`Self::set_takes`]. All zero, so that a static of it costs no space in
    /// the binary.
    pub const fn new() -> Self {
        Self {
            slots: [const { Slot::FREE }; FLOWS],
            takes: Takes {
                tcp: false,
                udp: false,
            },
            waiting: 0,
            turn: 0,
            counters: Counters {
                packets: 0,
                pieces: 0,
            },
        }
    }

    /// What the kernel takes in large pieces.
    pub fn set_takes(&mut self, takes: Takes) {
        self.takes = takes;
    }

    /// What was glued so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Takes a packet; hands on what is ready. Call [`Self::flush`] at the end of a batch.
    pub fn push(&mut self, packet: &[u8], out: &mut impl FnMut(Offload, &[u8])) {
        self.counters.packets = self.counters.packets.wrapping_add(1);
        let class = if self.takes == Takes::default() {
            Class::Other
        } else {
            classify(packet, self.takes)
        };
        match class {
            Class::Gluable(look) => {
                let at = self.slot_of(&look, packet);
                if let Some(at) = at
                    && let Some(slot) = self.slots.get_mut(at)
                {
                    if slot.continues(&look, packet) && intact(&look, packet) {
                        let ends = slot.append(&look, packet);
                        if ends {
                            self.release(at, out);
                        }
                        return;
                    }
                    self.release(at, out);
                }
                if ends(&look, packet) || packet.len() > BYTES || !intact(&look, packet) {
                    return self.pass(packet, out);
                }
                self.begin(look, packet, out);
            }
            Class::OfFlow(look) => {
                if let Some(at) = self.slot_of(&look, packet) {
                    self.release(at, out);
                }
                self.pass(packet, out);
            }
            Class::AnyFlow => {
                self.flush(out);
                self.pass(packet, out);
            }
            Class::Other => self.pass(packet, out),
        }
    }

    /// Hands on whatever waits.
    pub fn flush(&mut self, out: &mut impl FnMut(Offload, &[u8])) {
        for at in 0..FLOWS {
            if self.waiting == 0 {
                return;
            }
            self.release(at, out);
        }
    }

    fn pass(&mut self, packet: &[u8], out: &mut impl FnMut(Offload, &[u8])) {
        self.counters.pieces = self.counters.pieces.wrapping_add(1);
        out(Offload::default(), packet);
    }

    fn slot_of(&self, look: &Look, packet: &[u8]) -> Option<usize> {
        if self.waiting == 0 {
            return None;
        }
        self.slots.iter().position(|s| s.is_of(look, packet))
    }

    /// Puts the first packet of a segment into a free slot, or into the one that has waited longest.
    fn begin(&mut self, look: Look, packet: &[u8], out: &mut impl FnMut(Offload, &[u8])) {
        let turn = self.turn;
        let age = |s: &Slot<BYTES>| (s.len != 0, turn.wrapping_sub(s.since) ^ u32::MAX);
        let oldest = self.slots.iter().enumerate().min_by_key(|(_, s)| age(s));
        let Some(at) = oldest.map(|(at, _)| at) else {
            return self.pass(packet, out);
        };
        self.release(at, out);
        if let Some(slot) = self.slots.get_mut(at) {
            slot.begin(look, packet);
            slot.since = turn;
            self.waiting += 1;
            self.turn = turn.wrapping_add(1);
        }
    }

    fn release(&mut self, at: usize, out: &mut impl FnMut(Offload, &[u8])) {
        let Some(slot) = self.slots.get_mut(at).filter(|s| s.len > 0) else {
            return;
        };
        let offload = slot.finish();
        self.waiting -= 1;
        self.counters.pieces = self.counters.pieces.wrapping_add(1);
        let len = core::mem::take(&mut slot.len);
        out(offload, slot.bytes.get(..len).unwrap_or_default());
    }
}

impl<const FLOWS: usize, const BYTES: usize> Default for Coalescer<FLOWS, BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const BYTES: usize> Slot<BYTES> {
    const FREE: Self = Self {
        look: Look::NONE,
        len: 0,
        packets: 0,
        sequence: 0,
        identification: 0,
        numbering: Numbering::Open,
        since: 0,
        bytes: [0; BYTES],
    };

    fn is_of(&self, look: &Look, packet: &[u8]) -> bool {
        let range = addresses(look.v6);
        let ports = look.transport..look.transport + 4;
        self.len > 0
            && (self.look.v6, self.look.tcp) == (look.v6, look.tcp)
            && self.look.transport == look.transport
            && self.bytes.get(ports.clone()) == packet.get(ports)
            && self.bytes.get(range.clone()) == packet.get(range)
    }

    fn begin(&mut self, look: Look, packet: &[u8]) {
        if let Some(room) = self.bytes.get_mut(..packet.len()) {
            room.copy_from_slice(packet);
            (self.look, self.len, self.packets) = (look, packet.len(), 1);
            self.sequence = sequence(&look, packet).wrapping_add(look.payload as u32);
            self.identification = get(packet, 4).unwrap_or(0);
            self.numbering = Numbering::Open;
        }
    }

    /// Would cutting give this packet back, were it appended?
    fn continues(&self, look: &Look, packet: &[u8]) -> bool {
        let whole = self.len + look.payload;
        let same =
            |range: core::ops::Range<usize>| self.bytes.get(range.clone()) == packet.get(range);
        let t = look.transport;
        let network = if look.v6 {
            same(0..4) && same(6..8)
        } else {
            same(0..2) && same(6..10) && self.numbering_after(packet).is_some()
        };
        let transport = !look.tcp
            || (same(t + 8..t + 13)
                && self.flags() == flags(look, packet) & !(PSH | FIN)
                && same(t + 14..t + 16)
                && same(t + 18..look.head)
                && sequence(look, packet) == self.sequence);
        look.head == self.look.head
            && t == self.look.transport
            && look.payload <= self.look.payload
            && whole <= BYTES.min(usize::from(u16::MAX))
            && network
            && transport
    }

    fn flags(&self) -> u8 {
        flags(&self.look, &self.bytes)
    }

    /// How packets are numbered if this one follows; `None`: not as cutting would.
    fn numbering_after(&self, packet: &[u8]) -> Option<Numbering> {
        let (before, now) = (self.identification, get(packet, 4)?);
        let atomic = packet.get(6)? & DF != 0;
        if self.numbering != Numbering::Fixed && now == before.wrapping_add(1) {
            Some(Numbering::Counting)
        } else if self.numbering != Numbering::Counting && now == before && atomic {
            Some(Numbering::Fixed)
        } else {
            None
        }
    }

    /// Appends the payload; true if nothing may follow.
    fn append(&mut self, look: &Look, packet: &[u8]) -> bool {
        if let Some(numbering) = self.numbering_after(packet).filter(|_| !look.v6) {
            self.numbering = numbering;
            self.identification = get(packet, 4).unwrap_or(0);
        }
        let payload = packet.get(look.head..).unwrap_or_default();
        let end = self.len + payload.len();
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(payload);
            self.len = end;
            self.packets += 1;
        }
        self.sequence = self.sequence.wrapping_add(payload.len() as u32);
        if look.tcp
            && let Some(flags) = self.bytes.get_mut(look.transport + 13)
        {
            *flags |= packet.get(look.transport + 13).copied().unwrap_or(0) & (PSH | FIN);
        }
        look.payload < self.look.payload || ends(look, packet)
    }

    /// Writes lengths and the pseudo header's sum; what the kernel has to be told.
    fn finish(&mut self) -> Offload {
        if self.packets < 2 {
            return Offload::default();
        }
        let Look {
            v6,
            tcp,
            transport,
            head,
            payload,
        } = self.look;
        let length = (self.len - transport) as u16;
        let field = if tcp { 16 } else { 6 };
        let pseudo = pseudo_header(&self.look, &self.bytes, length);
        put(&mut self.bytes, transport + field, pseudo.folded());
        if !tcp {
            put(&mut self.bytes, transport + 4, length);
        }
        if v6 {
            put(&mut self.bytes, 4, length);
        } else {
            put(&mut self.bytes, 2, self.len as u16);
            put(&mut self.bytes, 10, 0);
            let sum = Sum::of(self.bytes.get(..transport).unwrap_or_default());
            put(&mut self.bytes, 10, !sum.folded());
        }
        Offload {
            large: Some(Large {
                kind: match (tcp, v6) {
                    (true, false) => Kind::Tcp4,
                    (true, true) => Kind::Tcp6,
                    (false, _) => Kind::Udp,
                },
                size: payload as u16,
                headers: head as u16,
            }),
            checksum: Some(Partial {
                start: transport as u16,
                offset: field as u16,
            }),
        }
    }
}

fn classify(packet: &[u8], takes: Takes) -> Class {
    read(packet, takes).unwrap_or(Class::AnyFlow)
}

/// `None`: cut short, or a fragment, or options or extensions stand before the transport header.
fn read(packet: &[u8], takes: Takes) -> Option<Class> {
    let first = *packet.first()?;
    let (v6, transport, protocol, whole) = match first {
        0x45 => {
            let fragment = get(packet, 6)? & 0x3fff != 0;
            let protocol = *packet.get(9)?;
            if fragment {
                return None;
            }
            (false, 20, protocol, usize::from(get(packet, 2)?))
        }
        0x60..0x70 => {
            let whole = usize::from(get(packet, 4)?) + 40;
            (true, 40, *packet.get(6)?, whole)
        }
        _ => return None,
    };
    if whole != packet.len() {
        return None;
    }
    let tcp = match protocol {
        TCP => true,
        UDP => false,
        1 | 58 => return Some(Class::Other),
        _ => return None,
    };
    let length = if tcp {
        usize::from(packet.get(transport + 12)? >> 4) * 4
    } else {
        8
    };
    let head = transport + length;
    let look = Look {
        v6,
        tcp,
        transport,
        head,
        payload: packet.len().checked_sub(head)?,
    };
    let sound = if tcp {
        let quiet = flags(&look, packet) & !(PSH | FIN | ECE) == ACK;
        takes.tcp && length >= 20 && quiet && packet.get(transport + 12)? & 0xf == 0
    } else {
        let whole = usize::from(get(packet, transport + 4)?) == packet.len() - transport;
        takes.udp && whole && get(packet, transport + 6)? != 0
    };
    Some(if sound && look.payload > 0 {
        Class::Gluable(look)
    } else {
        Class::OfFlow(look)
    })
}

/// Nothing may follow it.
fn ends(look: &Look, packet: &[u8]) -> bool {
    look.tcp && flags(look, packet) & (PSH | FIN) != 0
}

fn flags(look: &Look, packet: &[u8]) -> u8 {
    packet.get(look.transport + 13).copied().unwrap_or(0)
}

fn sequence(look: &Look, packet: &[u8]) -> u32 {
    packet
        .get(look.transport + 4..)
        .filter(|_| look.tcp)
        .and_then(|b| b.first_chunk())
        .map_or(0, |b| u32::from_be_bytes(*b))
}

/// Do the checksums hold? Gluing makes them anew, and must not make something broken look whole.
fn intact(look: &Look, packet: &[u8]) -> bool {
    let covered = packet.get(look.transport..).unwrap_or_default();
    let header = packet.get(..look.transport).unwrap_or_default();
    (look.v6 || Sum::of(header).holds())
        && pseudo_header(look, packet, covered.len() as u16)
            .and(Sum::of(covered))
            .holds()
}

/// RFC 9293, 3.1 and RFC 8200, 8.1.
fn pseudo_header(look: &Look, packet: &[u8], length: u16) -> Sum {
    let addresses = packet.get(addresses(look.v6)).unwrap_or_default();
    let protocol = if look.tcp { TCP } else { UDP };
    Sum::of(addresses).plus(u16::from(protocol)).plus(length)
}

fn addresses(v6: bool) -> core::ops::Range<usize> {
    if v6 { 8..40 } else { 12..20 }
}

#[cfg(test)]
mod tests;
