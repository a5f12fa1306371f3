//! Packet memory: one byte pool that the caller owns, in small blocks, and lists of packets in it.
//!
//! A packet takes as many 256-byte blocks as it needs, so an ACK costs one block and not a full frame's room. A
//! packet keeps its place from the moment it is queued until it is acknowledged, and only its list changes; lists
//! are links between packet slots, so moving a packet never copies it.

use super::runs::Part;
use crate::time::Instant;
use crate::wire::record::{FlowId, Order};

/// Bytes in a block.
pub const BLOCK: usize = 256;

/// A link to nothing. Links count from 1, so that free memory is all zero: a static table of it takes no room in the
/// router's binary.
const NONE: u32 = 0;

/// Where a link leads in its table; [`NONE`] leads out of every table.
fn place(link: u32) -> usize {
    (link as usize).wrapping_sub(1)
}

/// A packet held in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketId(u32);

/// What is known of a packet beside its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meta {
    /// Its flow's slot in the sender's or receiver's table.
    pub slot: u16,
    /// Its flow on the wire.
    pub flow: FlowId,
    /// Its place in the flow (set when it is numbered).
    pub order: Order,
    /// Carried without waiting for earlier packets.
    pub pinned: bool,
    /// How often it has been sent again.
    pub repairs: u8,
    /// When it was queued, sent or received, whichever was last.
    pub at: Instant,
    /// Packet number on its path, once sent.
    pub counter: u64,
}

/// Room for one packet's description.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    next: u32,
    first_block: u32,
    len: u16,
    /// Bytes that it was sent shorter.
    saved: u8,
    part: Part,
    meta: Meta,
}

impl Slot {
    /// A free slot.
    pub const FREE: Self = Self {
        next: NONE,
        first_block: NONE,
        len: 0,
        saved: 0,
        part: Part::First,
        meta: Meta {
            slot: 0,
            flow: FlowId(0),
            order: Order(0),
            pinned: false,
            repairs: 0,
            at: Instant::ZERO,
            counter: 0,
        },
    };
}

/// One block of bytes and the link to the next block of the packet.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    next: u32,
    bytes: [u8; BLOCK],
}

impl Block {
    /// A free block.
    pub const FREE: Self = Self {
        next: NONE,
        bytes: [0; BLOCK],
    };
}

/// A first-in first-out list of packets in a [`Pool`].
#[derive(Clone, Copy, Debug)]
pub struct List {
    head: u32,
    tail: u32,
    packets: u32,
    bytes: u32,
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

impl List {
    /// An empty list.
    pub const fn new() -> Self {
        Self {
            head: NONE,
            tail: NONE,
            packets: 0,
            bytes: 0,
        }
    }
    /// No packet in it.
    pub fn is_empty(&self) -> bool {
        self.packets == 0
    }
    /// How many packets it holds.
    pub fn packets(&self) -> u32 {
        self.packets
    }
    /// How many bytes of packets it holds.
    pub fn bytes(&self) -> u32 {
        self.bytes
    }
    /// The last packet.
    pub fn back(&self) -> Option<PacketId> {
        (self.tail != NONE).then_some(PacketId(self.tail))
    }
    /// The first packet.
    pub fn front(&self) -> Option<PacketId> {
        (self.head != NONE).then_some(PacketId(self.head))
    }
}

/// The memory, and which of it is free.
#[derive(Debug)]
pub struct Pool<'m> {
    slots: &'m mut [Slot],
    blocks: &'m mut [Block],
    free_slot: u32,
    free_block: u32,
    free_blocks: u32,
}

impl<'m> Pool<'m> {
    /// Takes the caller's memory; whatever was in it is forgotten.
    pub fn new(slots: &'m mut [Slot], blocks: &'m mut [Block]) -> Self {
        for (i, slot) in slots.iter_mut().enumerate() {
            *slot = Slot {
                next: i as u32 + 2,
                ..Slot::FREE
            };
        }
        if let Some(last) = slots.last_mut() {
            last.next = NONE;
        }
        for (i, block) in blocks.iter_mut().enumerate() {
            block.next = i as u32 + 2;
        }
        if let Some(last) = blocks.last_mut() {
            last.next = NONE;
        }
        let (free_slot, free_block) = (head_of(slots.len()), head_of(blocks.len()));
        let free_blocks = blocks.len() as u32;
        Self {
            slots,
            blocks,
            free_slot,
            free_block,
            free_blocks,
        }
    }

    /// Blocks not in use.
    pub fn free_blocks(&self) -> u32 {
        self.free_blocks
    }

    /// Blocks in all.
    pub fn capacity(&self) -> u32 {
        self.blocks.len() as u32
    }

    /// Copies a packet in. `None` when slots or blocks run out.
    pub fn store(&mut self, bytes: &[u8], meta: Meta) -> Option<PacketId> {
        let needed = bytes.len().div_ceil(BLOCK).max(1) as u32;
        let id = self.free_slot;
        if needed > self.free_blocks || id == NONE {
            return None;
        }
        let first = self.take_blocks(bytes)?;
        let slot = self.slots.get_mut(place(id))?;
        self.free_slot = slot.next;
        *slot = Slot {
            next: NONE,
            first_block: first,
            len: bytes.len() as u16,
            saved: 0,
            part: Part::First,
            meta,
        };
        self.free_blocks -= needed;
        Some(PacketId(id))
    }

    fn take_blocks(&mut self, bytes: &[u8]) -> Option<u32> {
        let first = self.free_block;
        let mut last = first;
        let mut at = first;
        for chunk in bytes.chunks(BLOCK) {
            let block = self.blocks.get_mut(place(at))?;
            block.bytes.get_mut(..chunk.len())?.copy_from_slice(chunk);
            last = at;
            at = block.next;
        }
        let tail = self.blocks.get_mut(place(last))?;
        self.free_block = tail.next;
        tail.next = NONE;
        Some(first)
    }

    /// Length of a packet in bytes.
    pub fn len_of(&self, id: PacketId) -> usize {
        self.slots
            .get(place(id.0))
            .map_or(0, |s| usize::from(s.len))
    }

    /// By how many bytes a packet was shorter when it was sent last.
    pub fn saved(&self, id: PacketId) -> u8 {
        self.slots.get(place(id.0)).map_or(0, |s| s.saved)
    }

    /// What is known of a packet.
    pub fn meta(&self, id: PacketId) -> Meta {
        self.slots
            .get(place(id.0))
            .map_or(Meta::default(), |s| s.meta)
    }

    /// The same, to change.
    pub fn meta_mut(&mut self, id: PacketId) -> Option<&mut Meta> {
        self.slots.get_mut(place(id.0)).map(|s| &mut s.meta)
    }

    /// Copies a packet's bytes to the front of `out`; returns its length, or `None` if it does not fit.
    pub fn copy_out(&self, id: PacketId, out: &mut [u8]) -> Option<usize> {
        self.copy_rest(id, 0, out)
    }

    /// The same without the packet's first `skip` bytes, at most a block.
    pub fn copy_rest(&self, id: PacketId, skip: usize, out: &mut [u8]) -> Option<usize> {
        let slot = self.slots.get(place(id.0))?;
        let out = out.get_mut(..usize::from(slot.len).checked_sub(skip)?)?;
        let len = out.len();
        let block = self.blocks.get(place(slot.first_block))?;
        let (first, rest) = out.split_at_mut(len.min(BLOCK.checked_sub(skip)?));
        first.copy_from_slice(block.bytes.get(skip..skip + first.len())?);
        let mut at = block.next;
        for chunk in rest.chunks_mut(BLOCK) {
            let block = self.blocks.get(place(at))?;
            chunk.copy_from_slice(block.bytes.get(..chunk.len())?);
            at = block.next;
        }
        Some(len)
    }

    /// How a packet was sent last.
    pub fn part(&self, id: PacketId) -> Part {
        self.slots.get(place(id.0)).map_or(Part::First, |s| s.part)
    }

    /// Notes how a packet is sent.
    pub fn set_part(&mut self, id: PacketId, part: Part) {
        if let Some(slot) = self.slots.get_mut(place(id.0)) {
            slot.part = part;
        }
    }

    /// Notes that a packet is sent by so many bytes shorter.
    pub fn set_saved(&mut self, id: PacketId, saved: u8) {
        if let Some(slot) = self.slots.get_mut(place(id.0)) {
            slot.saved = saved;
        }
    }

    /// Up to the first block of a packet.
    pub fn front_bytes(&self, id: PacketId) -> &[u8] {
        let slot = self.slots.get(place(id.0));
        let bytes = slot.and_then(|slot| {
            let block = self.blocks.get(place(slot.first_block))?;
            block.bytes.get(..usize::from(slot.len).min(BLOCK))
        });
        bytes.unwrap_or_default()
    }

    /// Changes up to the first block of a packet in place (ECN marks).
    pub fn front_bytes_mut(&mut self, id: PacketId) -> &mut [u8] {
        let Some(slot) = self.slots.get(place(id.0)) else {
            return &mut [];
        };
        let len = usize::from(slot.len).min(BLOCK);
        self.blocks
            .get_mut(place(slot.first_block))
            .and_then(|b| b.bytes.get_mut(..len))
            .unwrap_or_default()
    }

    /// Gives a packet's memory back. The packet must not be in a list.
    pub fn release(&mut self, id: PacketId) {
        let Some(slot) = self.slots.get_mut(place(id.0)) else {
            return;
        };
        let (mut at, count) = (
            slot.first_block,
            usize::from(slot.len).div_ceil(BLOCK).max(1) as u32,
        );
        let first = at;
        *slot = Slot {
            next: self.free_slot,
            ..Slot::FREE
        };
        self.free_slot = id.0;
        while let Some(block) = self.blocks.get_mut(place(at)) {
            if block.next == NONE {
                block.next = self.free_block;
                break;
            }
            at = block.next;
        }
        self.free_block = first;
        self.free_blocks += count;
    }

    /// Appends a packet to a list.
    pub fn push(&mut self, list: &mut List, id: PacketId) {
        let len = self.len_of(id) as u32;
        if let Some(slot) = self.slots.get_mut(place(id.0)) {
            slot.next = NONE;
        }
        match self.slots.get_mut(place(list.tail)) {
            Some(tail) => tail.next = id.0,
            None => list.head = id.0,
        }
        list.tail = id.0;
        list.packets += 1;
        list.bytes += len;
    }

    /// Takes the first packet off a list.
    pub fn pop(&mut self, list: &mut List) -> Option<PacketId> {
        let id = list.front()?;
        self.unlink(list, None, id);
        Some(id)
    }

    /// The packet after `id` in its list.
    pub fn after(&self, id: PacketId) -> Option<PacketId> {
        let next = self.slots.get(place(id.0))?.next;
        (next != NONE).then_some(PacketId(next))
    }

    /// Takes `id`, which follows `before` (or is first), out of a list.
    pub fn unlink(&mut self, list: &mut List, before: Option<PacketId>, id: PacketId) {
        let next = self.slots.get(place(id.0)).map_or(NONE, |s| s.next);
        match before.and_then(|b| self.slots.get_mut(place(b.0))) {
            Some(prev) => prev.next = next,
            None => list.head = next,
        }
        if list.tail == id.0 {
            list.tail = before.map_or(NONE, |b| b.0);
        }
        list.packets = list.packets.saturating_sub(1);
        list.bytes = list.bytes.saturating_sub(self.len_of(id) as u32);
    }

    /// Puts `id` behind `before` in a list (or first, if `before` is `None`).
    pub fn insert_after(&mut self, list: &mut List, before: Option<PacketId>, id: PacketId) {
        let len = self.len_of(id) as u32;
        let next = match before {
            Some(b) => self.slots.get(place(b.0)).map_or(NONE, |s| s.next),
            None => list.head,
        };
        if let Some(slot) = self.slots.get_mut(place(id.0)) {
            slot.next = next;
        }
        match before.and_then(|b| self.slots.get_mut(place(b.0))) {
            Some(prev) => prev.next = id.0,
            None => list.head = id.0,
        }
        if next == NONE {
            list.tail = id.0;
        }
        list.packets += 1;
        list.bytes += len;
    }

    /// Releases everything in a list.
    pub fn clear(&mut self, list: &mut List) {
        while let Some(id) = self.pop(list) {
            self.release(id);
        }
        *list = List::new();
    }
}

fn head_of(len: usize) -> u32 {
    if len == 0 { NONE } else { 1 }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Memory for as long as the test program runs.
    pub(crate) fn leak<T: Clone>(value: T, n: usize) -> &'static mut [T] {
        Box::leak(std::vec![value; n].into_boxed_slice())
    }

    #[test]
    fn a_full_pool_refuses_and_a_released_packet_makes_room() {
        let (mut slots, mut blocks) = ([Slot::FREE; 8], [Block::FREE; 6]);
        let mut pool = Pool::new(&mut slots, &mut blocks);
        let a = pool.store(&[1; 1400], Meta::default()).unwrap();
        assert!(pool.store(&[2; 20], Meta::default()).is_none());
        pool.release(a);
        assert_eq!(pool.free_blocks(), 6);
        assert!(pool.store(&[2; 20], Meta::default()).is_some());
    }

    proptest! {
        /// Against a plain queue of vectors: same packets, same order, all memory back at the end.
        #[test]
        fn lists_behave_like_queues_for_any_sequence(ops in proptest::collection::vec((0u8..4, 1usize..1500), 1..200)) {
            let (mut slots, mut blocks) = ([Slot::FREE; 32], [Block::FREE; 64]);
            let mut pool = Pool::new(&mut slots, &mut blocks);
            let mut list = List::new();
            let mut model = std::collections::VecDeque::new();
            for (i, (op, len)) in ops.into_iter().enumerate() {
                if op < 3 {
                    let bytes = vec![i as u8; len];
                    if let Some(id) = pool.store(&bytes, Meta::default()) {
                        if op == 2 {
                            pool.insert_after(&mut list, None, id);
                            model.push_front(bytes);
                        } else {
                            pool.push(&mut list, id);
                            model.push_back(bytes);
                        }
                    }
                } else if let Some(id) = pool.pop(&mut list) {
                    let mut out = [0u8; 1500];
                    let n = pool.copy_out(id, &mut out).unwrap();
                    let expected = model.pop_front().unwrap();
                    prop_assert_eq!(&out[..n], &expected[..]);
                    pool.release(id);
                }
                prop_assert_eq!(list.packets() as usize, model.len());
                prop_assert_eq!(list.bytes() as usize, model.iter().map(Vec::len).sum::<usize>());
            }
            pool.clear(&mut list);
            prop_assert_eq!(pool.free_blocks(), 64);
        }
    }
}
