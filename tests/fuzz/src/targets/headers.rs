//! Headers that do not travel.

use burstmesh_core::wire::checksum::Sum;
use burstmesh_core::wire::headers::{Context, How, LONGEST, restore_whole};
use burstmesh_core::wire::record::Order;

/// A packet to be remembered and a later one, behind how, whether IPv4's checksums are mended, and the first one's length. The
/// later one comes out byte for byte, or is not told; and whatever is told, by any bytes, is a packet or none.
pub fn headers(data: &[u8]) {
    let Some(([how, mend, hi, lo], packets)) = data.split_first_chunk::<4>() else {
        return;
    };
    let how = How(how & How::CHANGING.0);
    let cut = usize::from(u16::from_be_bytes([*hi, *lo])).min(packets.len());
    let (first, later) = packets.split_at(cut);
    let (mut first, mut later) = (first.to_vec(), later.to_vec());
    if mend & 1 != 0 {
        [&mut first, &mut later].into_iter().for_each(|p| mended(p));
    }
    whole(&first);
    let Some(context) = Context::of(Order(1), &first, first.len()) else {
        return;
    };
    for packet in [&first, &later] {
        if let Some(prefix) = context.tell(how, packet, packet.len()) {
            assert!(prefix.len() < context.len());
            let told = [&prefix[1..], &packet[context.len()..]].concat();
            let mut out = vec![0; packet.len()];
            let n = context.restore(How(prefix[0]), &told, &mut out);
            assert_eq!((n, &out), (Ok(packet.len()), packet));
        }
    }
    let mut out = vec![0; later.len() + LONGEST];
    for how in 0..=255 {
        if let Ok(n) = context.restore(How(how), &later, &mut out) {
            // What any bytes tell is told by no more of them again.
            let again = context.tell(How::default(), &out[..n], n);
            let least = n - context.len() + again.map_or(usize::MAX / 2, |p| p.len() - 1);
            assert!(least <= later.len(), "{how:#x}");
        }
    }
}

/// A packet without its length comes out with it.
fn whole(packet: &[u8]) {
    let at = match packet.first().map(|first| first >> 4) {
        Some(4) => 2,
        Some(6) => 4,
        _ => return,
    };
    let (Some(before), Some(behind)) = (packet.get(..at), packet.get(at + 2..)) else {
        return;
    };
    let mut out = vec![0; packet.len()];
    if let Ok(n) = restore_whole(&[before, behind].concat(), &mut out) {
        assert_eq!(n, packet.len());
        out[at..at + 2].copy_from_slice(&packet[at..at + 2]);
        assert_eq!(out, packet);
    }
}

fn mended(packet: &mut [u8]) {
    if let Some(header) = packet.get_mut(..20).filter(|h| h[0] == 0x45) {
        header[10..12].fill(0);
        let sum = Sum::of(header).field();
        header[10..12].copy_from_slice(&sum.to_be_bytes());
    }
}
