//! The answer to a client's packet that no path carries in one piece: ICMP "fragmentation needed" (RFC 1191) and ICMPv6 "packet too
//! big" (RFC 4443, 3.2). Written by hand: smoltcp's writer brings all of ICMPv6 with it, 5 KB on a router.

use crate::wire::checksum::Sum;

/// Most of an IPv6 packet that is quoted: the answer stays far below IPv6's minimum MTU.
const QUOTED_V6: usize = 480;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const HOPS: u8 = 64;

/// Writes the answer, from the packet's destination to its source, and gives its length. `None` for what must not be answered:
/// fragments that are not the first, and what is no IP packet. IPv4 packets that may be fragmented are answered all the same
/// (we do not fragment).
pub fn too_big(packet: &[u8], mtu: u16, out: &mut [u8]) -> Option<usize> {
    match packet.first()? >> 4 {
        4 => too_big_v4(packet, mtu, out),
        6 => too_big_v6(packet, mtu, out),
        _ => None,
    }
}

fn too_big_v4(packet: &[u8], mtu: u16, out: &mut [u8]) -> Option<usize> {
    let header: &[u8; 20] = packet.first_chunk()?;
    let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x1fff;
    let options_end = usize::from(header[0] & 15) * 4;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if fragment != 0 || options_end < 20 || length < options_end || length != packet.len() {
        return None;
    }
    let quoted = options_end + 8;
    let quoted = packet.get(..quoted.min(packet.len()))?;
    let total = 28 + quoted.len();
    let (ip, icmp) = out.get_mut(..total)?.split_first_chunk_mut::<20>()?;
    *ip = [0; 20];
    ip[0] = 0x45;
    ip[2..4].copy_from_slice(&(total as u16).to_be_bytes());
    (ip[8], ip[9]) = (HOPS, ICMP);
    ip[12..16].copy_from_slice(&header[16..20]);
    ip[16..20].copy_from_slice(&header[12..16]);
    let sum = Sum::of(&ip[..]).field();
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    message([3, 4], u32::from(mtu), quoted, Sum::default(), icmp)?;
    Some(total)
}

fn too_big_v6(packet: &[u8], mtu: u16, out: &mut [u8]) -> Option<usize> {
    let header: &[u8; 40] = packet.first_chunk()?;
    if usize::from(u16::from_be_bytes([header[4], header[5]])) + 40 != packet.len() {
        return None;
    }
    let quoted = packet.get(..QUOTED_V6).unwrap_or(packet);
    let length = (8 + quoted.len()) as u16;
    let total = 48 + quoted.len();
    let (ip, icmp) = out.get_mut(..total)?.split_first_chunk_mut::<40>()?;
    *ip = [0; 40];
    ip[0] = 0x60;
    ip[4..6].copy_from_slice(&length.to_be_bytes());
    (ip[6], ip[7]) = (ICMPV6, HOPS);
    ip[8..24].copy_from_slice(&header[24..40]);
    ip[24..40].copy_from_slice(&header[8..24]);
    // RFC 8200, 8.1: the checksum covers a pseudo-header as well.
    let pseudo = Sum::of(&ip[8..]).plus(length).plus(u16::from(ICMPV6));
    message([2, 0], u32::from(mtu), quoted, pseudo, icmp)?;
    Some(total)
}

/// Type and code, checksum, MTU, and the beginning of the packet that it is about.
fn message(kind: [u8; 2], mtu: u32, quoted: &[u8], pseudo: Sum, out: &mut [u8]) -> Option<()> {
    let (head, rest) = out.split_first_chunk_mut::<8>()?;
    let [a, b, c, d] = mtu.to_be_bytes();
    *head = [kind[0], kind[1], 0, 0, a, b, c, d];
    rest.get_mut(..quoted.len())?.copy_from_slice(quoted);
    let sum = pseudo.and(Sum::of(out)).field();
    out.get_mut(2..4)?.copy_from_slice(&sum.to_be_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{
        Icmpv4Packet, Icmpv6Packet, Icmpv6Repr, IpProtocol, Ipv4Address, Ipv4Packet, Ipv4Repr,
        Ipv6Address, Ipv6Packet, Ipv6Repr,
    };

    const MTU: u16 = 1337;

    #[test]
    fn the_answer_to_an_ipv6_packet_is_what_smoltcp_reads_as_packet_too_big() {
        let (from, to) = (
            Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
            Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2),
        );
        for length in [0, 1, 7, 460, 1400] {
            let mut packet = vec![0x5a; 40 + length];
            let header = Ipv6Repr {
                src_addr: from,
                dst_addr: to,
                next_header: IpProtocol::Udp,
                payload_len: length,
                hop_limit: 3,
            };
            header.emit(&mut Ipv6Packet::new_unchecked(&mut packet[..]));
            let mut out = [0; 576];
            let n = too_big(&packet, MTU, &mut out).unwrap();
            let ip = Ipv6Packet::new_checked(&out[..n]).unwrap();
            assert_eq!((ip.src_addr(), ip.dst_addr()), (to, from));
            let icmp = Icmpv6Packet::new_checked(ip.payload()).unwrap();
            let read = Icmpv6Repr::parse(&to, &from, &icmp, &ChecksumCapabilities::default());
            let Ok(Icmpv6Repr::PktTooBig { mtu, header: h, .. }) = read else {
                panic!("{read:?}");
            };
            assert_eq!((mtu, h), (u32::from(MTU), header));
        }
    }

    #[test]
    fn the_answer_to_an_ipv4_packet_is_fragmentation_needed_and_later_fragments_get_none() {
        let (from, to) = (Ipv4Address::new(10, 0, 0, 1), Ipv4Address::new(10, 0, 0, 2));
        let mut packet = vec![0x5a; 1500];
        let header = Ipv4Repr {
            src_addr: from,
            dst_addr: to,
            next_header: IpProtocol::Udp,
            payload_len: 1480,
            hop_limit: 3,
        };
        let caps = ChecksumCapabilities::default();
        header.emit(&mut Ipv4Packet::new_unchecked(&mut packet[..]), &caps);
        let mut out = [0; 576];
        let n = too_big(&packet, MTU, &mut out).unwrap();
        let ip = Ipv4Packet::new_checked(&out[..n]).unwrap();
        assert!(ip.verify_checksum());
        assert_eq!((ip.src_addr(), ip.dst_addr()), (to, from));
        let icmp = Icmpv4Packet::new_checked(ip.payload()).unwrap();
        assert!(icmp.verify_checksum());
        assert_eq!(ip.payload()[..2], [3, 4]);
        assert_eq!(ip.payload()[6..8], MTU.to_be_bytes());
        assert_eq!(ip.payload()[8..], packet[..28]);
        packet[7] = 1;
        assert_eq!(too_big(&packet, MTU, &mut out), None);
        assert_eq!(too_big(&packet[..12], MTU, &mut out), None);
    }
}
