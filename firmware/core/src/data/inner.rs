//! What the data road reads and changes in the clients' own packets: which flow, which kind, ECN, MSS.
//!
//! IP, TCP and UDP headers are read by smoltcp's checked views (RFC 791, 8200, 9293, 768).

use crate::crypto;
use smoltcp::wire::{IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket};

/// A client's packet, as far as the road cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inner {
    /// Keyed hash of addresses, ports and protocol: the flow's name in the table.
    pub hash: u64,
    /// IPv6 rather than IPv4.
    pub v6: bool,
    /// The source address, IPv4 in the last four bytes.
    pub src: [u8; 16],
    /// The destination address, IPv4 in the last four bytes.
    pub dst: [u8; 16],
    /// The transport protocol's number (6 TCP, 17 UDP, 1 or 58 ICMP).
    pub protocol: u8,
    /// Source port, 0 where there is none.
    pub src_port: u16,
    /// Destination port, 0 where there is none.
    pub dst_port: u16,
    /// What a TCP segment acknowledges: the next byte that its sender takes. 0 in all others.
    pub ack: u32,
    /// Byte offset of the transport header.
    pub transport: u16,
    /// A TCP segment with SYN: the MSS option may need clamping.
    pub syn: bool,
    /// A TCP segment without data, SYN, FIN or RST: order does not matter to anybody.
    pub pure_ack: bool,
    /// One that says nothing but how far it has come: a later one says it as well.
    pub plain_ack: bool,
    /// The sender understands ECN marks (RFC 3168).
    pub ect: bool,
    /// Differentiated services code point (RFC 2474).
    pub code_point: u8,
}

const TCP: u8 = 6;
const UDP: u8 = 17;

impl Inner {
    /// Reads a packet; `None` if it is no well-formed IPv4 or IPv6 packet. `key` makes flow names unguessable.
    pub fn parse(packet: &[u8], key: &[u8; 16]) -> Option<Self> {
        Self::read(packet, key, false)
    }

    /// The same with the name of the flow that goes the other way.
    pub fn parse_back(packet: &[u8], key: &[u8; 16]) -> Option<Self> {
        Self::read(packet, key, true)
    }

    fn read(packet: &[u8], key: &[u8; 16], back: bool) -> Option<Self> {
        let mut inner = match packet.first()? >> 4 {
            4 => parse_v4(packet)?,
            6 => parse_v6(packet)?,
            _ => return None,
        };
        let mut ports = inner.read_transport(packet);
        if back {
            ports.rotate_left(2);
        }
        let mut name = [0; 37];
        let (addresses, rest) = name.split_at_mut(32);
        let (mut src, mut dst) = addresses.split_at_mut(16);
        if back {
            core::mem::swap(&mut src, &mut dst);
        }
        src.copy_from_slice(&inner.src);
        dst.copy_from_slice(&inner.dst);
        let [protocol, p @ ..] = rest else {
            return None;
        };
        *protocol = inner.protocol;
        p.copy_from_slice(&ports);
        inner.hash = crypto::sip13(key, &name);
        Some(inner)
    }

    /// Fills what the transport header says; returns the port bytes.
    fn read_transport(&mut self, packet: &[u8]) -> [u8; 4] {
        let mut ports = [0u8; 4];
        let start = usize::from(self.transport);
        let Some(segment) = packet.get(start..) else {
            return ports;
        };
        if start == 0 || (self.protocol != TCP && self.protocol != UDP) {
            return ports;
        }
        if let Some(p) = segment.get(..4) {
            ports.copy_from_slice(p);
            let [a, b, c, d] = ports;
            (self.src_port, self.dst_port) =
                (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        }
        if self.protocol == TCP
            && let Ok(tcp) = TcpPacket::new_checked(segment)
        {
            self.syn = tcp.syn();
            if tcp.ack() {
                self.ack = tcp.ack_number().0 as u32;
            }
            let no_data = segment.len() == usize::from(tcp.header_len());
            self.pure_ack = no_data && tcp.ack() && !tcp.syn() && !tcp.fin() && !tcp.rst();
            self.plain_ack = self.pure_ack && is_plain(segment);
        }
        ports
    }
}

/// No flag but ACK, and no option but a timestamp: what `sch_cake` lets its filter drop. Marks of congestion are flags, and what
/// was received behind a gap is an option.
fn is_plain(segment: &[u8]) -> bool {
    const ACK: u8 = 0x10;
    // The header's length in words, flags, window, checksum, urgent pointer, options.
    matches!(
        segment.get(12..),
        Some(
            [0x50, ACK, ..]
                | [0x80, ACK, _, _, _, _, _, _, 8, ..]
                | [0x80, ACK, _, _, _, _, _, _, 1, 1, 8, ..]
        )
    )
}

fn parse_v4(packet: &[u8]) -> Option<Inner> {
    let ip = Ipv4Packet::new_checked(packet).ok()?;
    // smoltcp lets header lengths pass that would put the transport header inside the IP header.
    if usize::from(ip.total_len()) != packet.len() || ip.header_len() < 20 {
        return None;
    }
    // Only the first fragment has ports; all fragments of a datagram share one flow without them.
    let fragment = ip.more_frags() || ip.frag_offset() != 0;
    let (mut src, mut dst) = ([0; 16], [0; 16]);
    src.get_mut(12..)?.copy_from_slice(&ip.src_addr().octets());
    dst.get_mut(12..)?.copy_from_slice(&ip.dst_addr().octets());
    Some(Inner {
        hash: 0,
        v6: false,
        src,
        dst,
        protocol: u8::from(ip.next_header()),
        src_port: 0,
        dst_port: 0,
        ack: 0,
        transport: if fragment {
            0
        } else {
            u16::from(ip.header_len())
        },
        syn: false,
        pure_ack: false,
        plain_ack: false,
        ect: ip.ecn() & 3 != 0,
        code_point: ip.dscp(),
    })
}

fn parse_v6(packet: &[u8]) -> Option<Inner> {
    let ip = Ipv6Packet::new_checked(packet).ok()?;
    if ip.total_len() != packet.len() {
        return None;
    }
    let next = ip.next_header();
    let direct = matches!(next, IpProtocol::Tcp | IpProtocol::Udp | IpProtocol::Icmpv6);
    Some(Inner {
        hash: 0,
        v6: true,
        src: ip.src_addr().octets(),
        dst: ip.dst_addr().octets(),
        protocol: u8::from(next),
        src_port: 0,
        dst_port: 0,
        ack: 0,
        transport: if direct { 40 } else { 0 },
        syn: false,
        pure_ack: false,
        plain_ack: false,
        ect: ip.traffic_class() & 3 != 0,
        code_point: ip.traffic_class() >> 2,
    })
}

/// Marks a packet "congestion experienced" (RFC 3168, 5); `packet` needs to hold only the IP header.
pub fn mark_congested(packet: &mut [u8]) {
    set_class(packet, |class| class | 3);
}

/// Takes a packet's code point away.
pub fn clear_code_point(packet: &mut [u8]) {
    set_class(packet, |class| class & 3);
}

/// Changes the byte with code point and ECN.
fn set_class(packet: &mut [u8], change: fn(u8) -> u8) {
    let &mut [a, b, ..] = packet else { return };
    match a >> 4 {
        4 => {
            let new = change(b);
            set_byte(packet, 1, new);
            adjust_checksum(packet, 10, u16::from(b), u16::from(new));
        }
        6 => {
            let new = change((a << 4) | (b >> 4));
            set_byte(packet, 0, (a & 0xf0) | (new >> 4));
            set_byte(packet, 1, (new << 4) | (b & 0xf));
        }
        _ => {}
    }
}

/// Lowers the MSS option of a SYN so that a full segment fits `mtu` bytes (RFC 9293, 3.7.1; RFC 6691).
pub fn clamp_mss(packet: &mut [u8], inner: &Inner, mtu: u16) {
    let most = mtu.saturating_sub(if inner.v6 { 60 } else { 40 });
    let start = usize::from(inner.transport);
    let Some(option) = mss_option(packet, start) else {
        return;
    };
    let (Some(a), Some(b)) = (packet.get(option).copied(), packet.get(option + 1).copied()) else {
        return;
    };
    let old = u16::from_be_bytes([a, b]);
    if old > most {
        let [hi, lo] = most.to_be_bytes();
        set_byte(packet, option, hi);
        set_byte(packet, option + 1, lo);
        // An option at an odd offset spans two checksum words: the swapped pair gives the same sum.
        if (option - start) % 2 == 0 {
            adjust_checksum(packet, start + 16, old, most);
        } else {
            adjust_checksum(packet, start + 16, old.swap_bytes(), most.swap_bytes());
        }
    }
}

/// Offset of the MSS value in the packet.
fn mss_option(packet: &[u8], start: usize) -> Option<usize> {
    let end = start + usize::from(packet.get(start + 12)? >> 4) * 4;
    let mut at = start + 20;
    while at < end {
        match packet.get(at)? {
            0 => return None,
            1 => at += 1,
            2 => return (at + 4 <= end).then_some(at + 2),
            _ => at += usize::from(*packet.get(at + 1)?).max(2),
        }
    }
    None
}

/// Incremental update of an Internet checksum (RFC 1624, equation 3).
fn adjust_checksum(packet: &mut [u8], at: usize, old: u16, new: u16) {
    let (Some(a), Some(b)) = (packet.get(at).copied(), packet.get(at + 1).copied()) else {
        return;
    };
    let mut sum = u32::from(!u16::from_be_bytes([a, b])) + u32::from(!old) + u32::from(new);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    let [hi, lo] = (!(sum as u16)).to_be_bytes();
    set_byte(packet, at, hi);
    set_byte(packet, at + 1, lo);
}

fn set_byte(packet: &mut [u8], at: usize, value: u8) {
    if let Some(b) = packet.get_mut(at) {
        *b = value;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{
        IpAddress, Ipv4Address, Ipv4Repr, TcpControl, TcpRepr, TcpSeqNumber, UdpRepr,
    };

    pub(crate) fn udp_packet(src_port: u16, len: usize) -> Vec<u8> {
        let (src, dst) = (
            Ipv4Address::new(10, 0, 0, 1),
            Ipv4Address::new(203, 0, 113, 9),
        );
        let udp = UdpRepr {
            src_port,
            dst_port: 9,
        };
        let ip = Ipv4Repr {
            src_addr: src,
            dst_addr: dst,
            next_header: IpProtocol::Udp,
            payload_len: 8 + len,
            hop_limit: 64,
        };
        let mut out = vec![0u8; 28 + len];
        ip.emit(
            &mut Ipv4Packet::new_unchecked(&mut out[..]),
            &ChecksumCapabilities::default(),
        );
        let mut p = smoltcp::wire::UdpPacket::new_unchecked(&mut out[20..]);
        udp.emit(
            &mut p,
            &src.into(),
            &dst.into(),
            len,
            |b| b.fill(7),
            &ChecksumCapabilities::default(),
        );
        out
    }

    pub(crate) fn tcp_packet(control: TcpControl, mss: Option<u16>, payload: &[u8]) -> Vec<u8> {
        let (src, dst) = (
            Ipv4Address::new(10, 0, 0, 1),
            Ipv4Address::new(203, 0, 113, 9),
        );
        let tcp = TcpRepr {
            src_port: 4000,
            dst_port: 80,
            control,
            seq_number: TcpSeqNumber(1),
            ack_number: Some(TcpSeqNumber(2)),
            window_len: 1000,
            window_scale: None,
            max_seg_size: mss,
            sack_permitted: mss.is_some(),
            sack_ranges: [None; 3],
            timestamp: None,
            payload,
        };
        let ip = Ipv4Repr {
            src_addr: src,
            dst_addr: dst,
            next_header: IpProtocol::Tcp,
            payload_len: tcp.buffer_len(),
            hop_limit: 64,
        };
        let mut out = vec![0u8; 20 + tcp.buffer_len()];
        ip.emit(
            &mut Ipv4Packet::new_unchecked(&mut out[..]),
            &ChecksumCapabilities::default(),
        );
        let mut p = TcpPacket::new_unchecked(&mut out[20..]);
        tcp.emit(
            &mut p,
            &src.into(),
            &dst.into(),
            &ChecksumCapabilities::default(),
        );
        out
    }

    fn checksums_hold(packet: &[u8]) -> bool {
        let ip = Ipv4Packet::new_checked(packet).unwrap();
        let tcp = TcpPacket::new_checked(ip.payload()).unwrap();
        let (s, d): (IpAddress, IpAddress) = (ip.src_addr().into(), ip.dst_addr().into());
        ip.verify_checksum() && tcp.verify_checksum(&s, &d)
    }

    #[test]
    fn both_packets_of_a_flow_have_one_name_and_another_port_has_another() {
        let key = [1; 16];
        let a = Inner::parse(&udp_packet(1, 10), &key).unwrap();
        assert_eq!(a.hash, Inner::parse(&udp_packet(1, 99), &key).unwrap().hash);
        assert_ne!(a.hash, Inner::parse(&udp_packet(2, 10), &key).unwrap().hash);
    }

    #[test]
    fn what_comes_back_is_known_by_the_name_of_what_went() {
        let key = [1; 16];
        let there = udp_packet(5_000, 10);
        let mut back = there.clone();
        back[12..16].copy_from_slice(&there[16..20]);
        back[16..20].copy_from_slice(&there[12..16]);
        back[20..22].copy_from_slice(&there[22..24]);
        back[22..24].copy_from_slice(&there[20..22]);
        let there = Inner::parse(&there, &key).unwrap();
        assert_eq!(Inner::parse_back(&back, &key).unwrap().hash, there.hash);
        assert_ne!(Inner::parse(&back, &key).unwrap().hash, there.hash);
    }

    #[test]
    fn a_syn_is_clamped_and_its_checksum_stays_right() {
        let mut p = tcp_packet(TcpControl::Syn, Some(1460), &[]);
        let inner = Inner::parse(&p, &[0; 16]).unwrap();
        assert!(inner.syn);
        clamp_mss(&mut p, &inner, 1400);
        assert!(checksums_hold(&p));
        let ip = Ipv4Packet::new_checked(&p[..]).unwrap();
        let tcp = TcpPacket::new_checked(ip.payload()).unwrap();
        assert_eq!(&tcp.options()[..4], &[2, 4, 5, 80]);
    }

    #[test]
    fn a_congestion_mark_keeps_the_checksum_right() {
        let mut p = tcp_packet(TcpControl::None, None, b"data");
        mark_congested(&mut p);
        assert!(checksums_hold(&p));
        assert!(Inner::parse(&p, &[0; 16]).unwrap().ect);
    }

    #[test]
    fn a_code_point_that_is_taken_away_leaves_the_rest_as_it_was() {
        let mut p = tcp_packet(TcpControl::None, None, b"data");
        let before = p.clone();
        set_class(&mut p, |ecn| ecn | 0x2e << 2);
        mark_congested(&mut p);
        assert_eq!(Inner::parse(&p, &[0; 16]).unwrap().code_point, 0x2e);
        clear_code_point(&mut p);
        assert!(checksums_hold(&p));
        set_class(&mut p, |_| 0);
        assert_eq!(p, before);
        let mut v6 = [0x61, 0x23, 0x45, 0x67];
        clear_code_point(&mut v6);
        assert_eq!(v6, [0x60, 0x23, 0x45, 0x67]);
    }

    #[test]
    fn only_a_segment_without_data_and_flags_is_a_pure_ack() {
        let pure = |p: Vec<u8>| Inner::parse(&p, &[0; 16]).unwrap().pure_ack;
        assert!(pure(tcp_packet(TcpControl::None, None, &[])));
        assert!(!pure(tcp_packet(TcpControl::None, None, b"x")));
        assert!(!pure(tcp_packet(TcpControl::Fin, None, &[])));
    }

    /// An acknowledgement of everything below `ack` with these flags beside ACK, and 12 bytes of options or none.
    pub(crate) fn acknowledgement(ack: u32, flags: u8, options: &[u8]) -> Vec<u8> {
        let mut p = tcp_packet(TcpControl::None, None, &[]);
        p.extend(options);
        let len = p.len() as u16;
        p[2..4].copy_from_slice(&len.to_be_bytes());
        p[28..32].copy_from_slice(&ack.to_be_bytes());
        p[32] = (5 + options.len() as u8 / 4) << 4;
        p[33] |= flags;
        p
    }

    #[test]
    fn an_acknowledgement_is_plain_when_it_says_nothing_but_how_far_it_has_come() {
        const TIMES: [u8; 12] = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
        const TIMES_FIRST: [u8; 12] = [8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0];
        const SELECTIVE: [u8; 12] = [1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2];
        let plain = |flags, options: &[u8]| {
            let p = acknowledgement(9, flags, options);
            let inner = Inner::parse(&p, &[0; 16]).unwrap();
            assert_eq!((inner.pure_ack, inner.ack), (true, 9));
            inner.plain_ack
        };
        assert!(plain(0, &[]) && plain(0, &TIMES) && plain(0, &TIMES_FIRST));
        assert!(!plain(0, &SELECTIVE));
        assert!(!plain(0, &[&TIMES[..], &SELECTIVE].concat()));
        // Congestion was seen (ECE), the window was cut (CWR), a push, an urgent pointer.
        assert!([0x40, 0x80, 0x08, 0x20].iter().all(|f| !plain(*f, &TIMES)));
        let data = Inner::parse(&tcp_packet(TcpControl::None, None, b"x"), &[0; 16]).unwrap();
        assert!(!data.plain_ack);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_changed_without_a_panic(mut p in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Some(inner) = Inner::parse(&p, &[0; 16]) {
                clamp_mss(&mut p, &inner, 1300);
            }
            mark_congested(&mut p);
        }
    }
}
