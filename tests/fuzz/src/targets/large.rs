//! Large segments: cut as the kernel hands them over, glued on the way back to it.

use burstmesh_core::data::coalesce::{Coalescer, Takes};
use burstmesh_core::data::inner::Inner;
use burstmesh_core::data::segment::{Cut, Kind, Large, Offload, Partial, complete};
use burstmesh_core::wire::checksum::Sum;

/// Bytes that make one packet of a stream.
const STEP: usize = 6;

/// The first byte chooses: a large segment of any bytes is cut, or a stream of packets of four flows, changed as the
/// bytes say, is glued.
pub fn large(data: &[u8]) {
    match data.split_first() {
        Some((choice, rest)) if choice % 2 == 0 => cut(rest),
        Some((_, rest)) => glue(rest),
        None => {}
    }
}

/// What comes out has sound lengths, and the payload is that of the segment.
fn cut(data: &[u8]) {
    let Some((head, rest)) = data.split_first_chunk::<6>() else {
        return;
    };
    let [kind, s0, s1, start, offset, fix] = *head;
    let mut packet = rest.to_vec();
    if fix & 1 == 1 {
        // Lengths as a kernel would have written them.
        let len = packet.len() as u16;
        let (at, value) = match packet.first().map(|b| b >> 4) {
            Some(6) => (4, len.saturating_sub(40)),
            _ => (2, len),
        };
        if let Some(room) = packet.get_mut(at..at + 2) {
            room.copy_from_slice(&value.to_be_bytes());
        }
    }
    let partial = Partial {
        start: start.into(),
        offset: offset.into(),
    };
    complete(&mut packet.clone(), partial);
    let whole = packet.clone();
    let kind = [Kind::Tcp4, Kind::Tcp6, Kind::Udp][usize::from(kind % 3)];
    let large = Large {
        kind,
        size: u16::from_be_bytes([s0, s1]),
        headers: 0,
    };
    let sound = Inner::parse(&packet, &[0; 16]).is_some();
    let Some(mut cut) = Cut::new(&mut packet, large, partial) else {
        return;
    };
    let longest = cut.longest();
    let mut packets = Vec::new();
    while let Some(packet) = cut.next() {
        assert!(packet.len() <= longest);
        assert!(!sound || Inner::parse(packet, &[0; 16]).is_some());
        packets.push(packet.to_vec());
    }
    if packets.len() == 1 {
        return assert_eq!(longest, whole.len());
    }
    let headers = longest - usize::from(large.size);
    let payload: Vec<u8> = packets.iter().flat_map(|p| p[headers..].to_vec()).collect();
    assert_eq!(Some(&payload[..]), whole.get(headers..));
}

/// Every flow gets exactly its packets, in its order, when the pieces are cut again.
fn glue(data: &[u8]) {
    let packets = stream(data);
    let mut glue = Box::new(Coalescer::<2, 2048>::new());
    glue.set_takes(Takes {
        tcp: true,
        udp: true,
    });
    let mut all = Vec::new();
    let mut out = |offload: Offload, piece: &[u8]| expand(offload, piece, &mut all);
    for packet in &packets {
        glue.push(packet, &mut out);
    }
    glue.flush(&mut out);
    assert_eq!(all.len(), packets.len());
    for packet in &packets {
        let flow = flow_of(packet);
        let of = |packets: &[Vec<u8>]| -> Vec<Vec<u8>> {
            let same = packets.iter().filter(|p| flow_of(p) == flow);
            same.map(|p| without_number(p)).collect()
        };
        assert_eq!(of(&all), of(&packets));
    }
}

fn expand(offload: Offload, piece: &[u8], all: &mut Vec<Vec<u8>>) {
    let mut bytes = piece.to_vec();
    let Some((large, partial)) = offload.large.zip(offload.checksum) else {
        assert_eq!(offload, Offload::default());
        return all.push(bytes);
    };
    let mut cut = Cut::new(&mut bytes, large, partial).expect("our own segment can be cut");
    while let Some(packet) = cut.next() {
        all.push(packet.to_vec());
    }
}

fn flow_of(packet: &[u8]) -> Option<u64> {
    Inner::parse(packet, &[0; 16]).map(|inner| inner.hash)
}

/// The number of an IPv4 packet that must not be fragmented means nothing (RFC 6864), and changes.
fn without_number(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    if packet.first() == Some(&0x45) && packet.get(6).is_some_and(|b| b & 0x40 != 0) {
        packet[4..6].fill(0);
        packet[10..12].fill(0);
    }
    packet
}

/// Packets of four flows: consecutive, but for what each step changes.
fn stream(data: &[u8]) -> Vec<Vec<u8>> {
    let mut sequences = [1u32; 4];
    let mut numbers = [0u16; 4];
    let steps = data.as_chunks::<STEP>().0;
    steps
        .iter()
        .take(64)
        .map(|[flow, size, at, value, flags, fix]| {
            let flow = usize::from(flow % 4);
            let payload = usize::from(*size) * 2;
            let mut packet = packet(flow, sequences[flow], numbers[flow], *flags, payload);
            sequences[flow] = sequences[flow].wrapping_add(payload as u32);
            numbers[flow] = numbers[flow].wrapping_add(1);
            if fix & 1 == 1 {
                let at = usize::from(*at) % packet.len();
                packet[at] = *value;
                if fix & 2 == 2 {
                    seal(&mut packet, flow);
                }
            }
            packet
        })
        .collect()
}

fn packet(flow: usize, sequence: u32, number: u16, flags: u8, payload: usize) -> Vec<u8> {
    let (v6, tcp) = (flow & 1 == 1, flow & 2 == 0);
    let transport = if tcp { 20 } else { 8 } + payload;
    let mut p = if v6 {
        let mut p = vec![0x60, 0, 0, 0];
        p.extend((transport as u16).to_be_bytes());
        p.extend([if tcp { 6 } else { 17 }, 64]);
        p.extend([0xfd; 32]);
        p
    } else {
        let mut p = vec![0x45, 0];
        p.extend((20 + transport as u16).to_be_bytes());
        p.extend(number.to_be_bytes());
        p.extend([0x40, 0, 64, if tcp { 6 } else { 17 }, 0, 0]);
        p.extend([10, 0, 0, 1, 10, 0, 0, 2]);
        p
    };
    p.extend([0x0f, 0xa0, 0, 80]);
    if tcp {
        p.extend(sequence.to_be_bytes());
        p.extend([0, 0, 0, 9, 0x50, 0x10 | (flags & 0x09), 1, 0, 0, 0, 0, 0]);
    } else {
        p.extend((transport as u16).to_be_bytes());
        p.extend([0, 0]);
    }
    p.extend((0..payload).map(|n| n as u8));
    seal(&mut p, flow);
    p
}

/// Writes the checksums that belong to what stands there.
fn seal(p: &mut [u8], flow: usize) {
    let (v6, tcp) = (flow & 1 == 1, flow & 2 == 0);
    let (start, from) = if v6 { (40, 8) } else { (20, 12) };
    if !v6 {
        p[10..12].fill(0);
        let sum = !Sum::of(&p[..20]).folded();
        p[10..12].copy_from_slice(&sum.to_be_bytes());
    }
    let field = start + if tcp { 16 } else { 6 };
    p[field..field + 2].fill(0);
    let sum = Sum::of(&p[from..])
        .plus(if tcp { 6 } else { 17 })
        .plus((p.len() - start) as u16);
    p[field..field + 2].copy_from_slice(&sum.field().to_be_bytes());
}
