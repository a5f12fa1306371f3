//! The end of a client's TCP connection, told in the name of its far end, so that it connects anew at once.
//!
//! Only the client knows for certain which byte it takes next, and it obeys no RST with another number (RFC 5961, 3.2). So it is
//! asked: a segment with SYN is answered with an acknowledgement by whoever has a connection (RFC 5961, 4.2), and connection
//! tracking lets one with SYN and ACK pass, be its numbers what they may. That answer, and whatever else the client sends, is
//! answered as by a closed port, with a RST that carries the very number (RFC 9293, 3.10.7.1).

use super::inner::Inner;
use crate::wire::checksum::Sum;

/// IPv6 and TCP headers.
pub const LONGEST: usize = 60;
const TCP: u8 = 6;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;
const HOPS: u8 = 64;

/// A client's addresses in the tunnel; zeros: none of this family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Near {
    /// IPv4.
    pub v4: [u8; 4],
    /// IPv6.
    pub v6: [u8; 16],
}

impl Near {
    /// None of either family.
    pub const NONE: Self = Self {
        v4: [0; 4],
        v6: [0; 16],
    };

    /// Whether the packet comes from here.
    pub fn sends(&self, packet: &[u8]) -> bool {
        self.stands_in(packet, 12, 8)
    }

    /// Whether the packet goes here.
    pub fn receives(&self, packet: &[u8]) -> bool {
        self.stands_in(packet, 16, 24)
    }

    /// Whether it is this address.
    pub fn is(&self, v6: bool, address: &[u8; 16]) -> bool {
        if v6 {
            self.v6 == *address
        } else {
            address.ends_with(&self.v4)
        }
    }

    fn stands_in(&self, packet: &[u8], v4: usize, v6: usize) -> bool {
        match packet.first().map(|b| b >> 4) {
            Some(4) => packet.get(v4..v4 + 4) == Some(&self.v4[..]),
            Some(6) => packet.get(v6..v6 + 16) == Some(&self.v6[..]),
            _ => false,
        }
    }
}

/// One way between the two ends of a connection. Addresses of IPv4 stand in the last four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// IPv6 rather than IPv4.
    pub v6: bool,
    /// Whence.
    pub from: [u8; 16],
    /// Whither.
    pub to: [u8; 16],
    /// The ports of both.
    pub ports: (u16, u16),
}

/// Writes what a client answers with the number that it waits for, and gives its length.
pub fn ask(way: &Way, out: &mut [u8; LONGEST]) -> Option<usize> {
    write(way, 0, SYN | ACK, out)
}

/// Writes the end of the connection that a client's segment belongs to, and gives its length. `None` for what is no such segment,
/// and for the first and the last of a connection: nothing is to end there.
pub fn answer(segment: &[u8], out: &mut [u8; LONGEST]) -> Option<usize> {
    let inner = Inner::parse(segment, &[0; 16])?;
    let flags = segment.get(usize::from(inner.transport) + 13)?;
    if inner.protocol != TCP || inner.transport == 0 || flags & (SYN | RST | ACK) != ACK {
        return None;
    }
    let back = Way {
        v6: inner.v6,
        from: inner.dst,
        to: inner.src,
        ports: (inner.dst_port, inner.src_port),
    };
    write(&back, inner.ack, RST, out)
}

fn write(way: &Way, number: u32, flags: u8, out: &mut [u8; LONGEST]) -> Option<usize> {
    *out = [0; LONGEST];
    let start = if way.v6 { 40 } else { 20 };
    let (ip, rest) = out.split_at_mut_checked(start)?;
    // The pseudo-header's addresses (RFC 9293, 3.1), then its length and protocol.
    let addresses = if way.v6 {
        let header: &mut [u8; 40] = ip.first_chunk_mut()?;
        header[0] = 0x60;
        (header[5], header[6], header[7]) = (20, TCP, HOPS);
        header[8..24].copy_from_slice(&way.from);
        header[24..40].copy_from_slice(&way.to);
        Sum::of(&header[8..])
    } else {
        let header: &mut [u8; 20] = ip.first_chunk_mut()?;
        (header[0], header[3], header[8], header[9]) = (0x45, 40, HOPS, TCP);
        header[12..16].copy_from_slice(&way.from[12..]);
        header[16..20].copy_from_slice(&way.to[12..]);
        let sum = Sum::of(&header[..]).field();
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        Sum::of(&header[12..])
    };
    let tcp: &mut [u8; 20] = rest.first_chunk_mut()?;
    tcp[0..2].copy_from_slice(&way.ports.0.to_be_bytes());
    tcp[2..4].copy_from_slice(&way.ports.1.to_be_bytes());
    tcp[4..8].copy_from_slice(&number.to_be_bytes());
    (tcp[12], tcp[13]) = (5 << 4, flags);
    let sum = addresses
        .plus(20)
        .plus(u16::from(TCP))
        .and(Sum::of(&tcp[..]));
    tcp[16..18].copy_from_slice(&sum.field().to_be_bytes());
    Some(start + 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::wire::{IpAddress, Ipv4Packet, Ipv6Packet, TcpPacket, TcpSeqNumber};

    const NUMBER: i32 = i32::MIN + 1;

    fn ways() -> [Way; 2] {
        let [mut from, mut to] = [[0; 16]; 2];
        from[12..].copy_from_slice(&[203, 0, 113, 9]);
        to[12..].copy_from_slice(&[10, 77, 0, 2]);
        let v4 = Way {
            v6: false,
            from,
            to,
            ports: (443, 50_000),
        };
        let v6 = Way {
            v6: true,
            from: [0x20; 16],
            to: [0xfd; 16],
            ..v4
        };
        [v4, v6]
    }

    /// What smoltcp reads: the way, and the segment.
    fn read(packet: &mut [u8]) -> (Way, TcpPacket<&mut [u8]>) {
        let inner = Inner::parse(packet, &[0; 16]).unwrap();
        let way = Way {
            v6: inner.v6,
            from: inner.src,
            to: inner.dst,
            ports: (inner.src_port, inner.dst_port),
        };
        let (from, to): (IpAddress, IpAddress) = if inner.v6 {
            let ip = Ipv6Packet::new_checked(&packet[..]).unwrap();
            (ip.src_addr().into(), ip.dst_addr().into())
        } else {
            let ip = Ipv4Packet::new_checked(&packet[..]).unwrap();
            assert!(ip.verify_checksum());
            (ip.src_addr().into(), ip.dst_addr().into())
        };
        let start = usize::from(inner.transport);
        let tcp = TcpPacket::new_checked(&mut packet[start..]).unwrap();
        assert!(tcp.verify_checksum(&from, &to));
        (way, tcp)
    }

    #[test]
    fn a_client_is_asked_and_its_answer_brings_the_end_with_its_own_number_in_both_families() {
        for way in ways() {
            let (mut asked, mut end) = ([0xff; LONGEST], [0xff; LONGEST]);
            let n = ask(&way, &mut asked).unwrap();
            let (to, tcp) = read(&mut asked[..n]);
            assert!(tcp.syn() && tcp.ack() && !tcp.rst() && to == way);
            // Asking is no segment of a client's, nor is what ends.
            assert_eq!(answer(&asked[..n], &mut end), None);

            let back = Way {
                from: way.to,
                to: way.from,
                ports: (way.ports.1, way.ports.0),
                ..way
            };
            let n = write(&back, 7, ACK, &mut asked).unwrap();
            read(&mut asked[..n]).1.set_ack_number(TcpSeqNumber(NUMBER));
            let n = answer(&asked[..n], &mut end).unwrap();
            let (to, tcp) = read(&mut end[..n]);
            assert!(tcp.rst() && !tcp.ack() && to == way);
            assert_eq!(tcp.seq_number(), TcpSeqNumber(NUMBER));
            assert_eq!(answer(&end[..n], &mut asked), None);
        }
    }

    #[test]
    fn what_is_no_segment_of_a_connection_is_not_answered() {
        let mut out = [0; LONGEST];
        let [v4, v6] = ways();
        for way in [v4, v6] {
            for flags in [SYN, RST, RST | ACK, 0] {
                let mut segment = [0; LONGEST];
                let n = write(&way, 1, flags, &mut segment).unwrap();
                assert_eq!(answer(&segment[..n], &mut out), None, "{flags}");
            }
        }
        let mut datagram = [0; LONGEST];
        let n = write(&v4, 1, ACK, &mut datagram).unwrap();
        datagram[9] = 17;
        assert_eq!(answer(&datagram[..n], &mut out), None);
        assert_eq!(answer(&datagram[..30], &mut out), None);
        assert_eq!(answer(&[], &mut out), None);
    }
}
