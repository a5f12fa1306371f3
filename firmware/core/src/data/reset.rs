//! The end of a client's TCP connection, told in the name of its far end: a segment with RST whose number is exactly the
//! next byte that the client takes (RFC 9293, 3.10.7.4; RFC 5961, 3.2), so that it connects anew at once.

use super::checksum::Sum;

/// IPv6 and TCP headers.
pub const LONGEST: usize = 60;
const TCP: u8 = 6;
const RST: u8 = 4;
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

    fn stands_in(&self, packet: &[u8], v4: usize, v6: usize) -> bool {
        match packet.first().map(|b| b >> 4) {
            Some(4) => packet.get(v4..v4 + 4) == Some(&self.v4[..]),
            Some(6) => packet.get(v6..v6 + 16) == Some(&self.v6[..]),
            _ => false,
        }
    }
}

/// Writes the segment from `far` (IPv4 in the last four bytes) to the client and gives its length. `ports`: the far end's,
/// the client's. `None` if the client has acknowledged nothing yet: it asks again by itself.
pub fn write(
    far: &[u8; 16],
    near: Near,
    ports: (u16, u16),
    next: u32,
    out: &mut [u8; LONGEST],
) -> Option<usize> {
    if next == 0 {
        return None;
    }
    *out = [0; LONGEST];
    let (far4, v6) = match far {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, v4 @ ..] => (*v4, false),
        _ => ([0; 4], true),
    };
    let start = if v6 { 40 } else { 20 };
    let (ip, rest) = out.split_at_mut_checked(start)?;
    // The pseudo-header's addresses (RFC 9293, 3.1), then its length and protocol.
    let addresses = if v6 {
        (near.v6 != [0; 16]).then_some(())?;
        let header: &mut [u8; 40] = ip.first_chunk_mut()?;
        header[0] = 0x60;
        (header[5], header[6], header[7]) = (20, TCP, HOPS);
        header[8..24].copy_from_slice(far);
        header[24..40].copy_from_slice(&near.v6);
        Sum::of(&header[8..])
    } else {
        (near.v4 != [0; 4]).then_some(())?;
        let header: &mut [u8; 20] = ip.first_chunk_mut()?;
        (header[0], header[3], header[8], header[9]) = (0x45, 40, HOPS, TCP);
        header[12..16].copy_from_slice(&far4);
        header[16..20].copy_from_slice(&near.v4);
        let sum = Sum::of(&header[..]).field();
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        Sum::of(&header[12..])
    };
    let tcp: &mut [u8; 20] = rest.first_chunk_mut()?;
    tcp[0..2].copy_from_slice(&ports.0.to_be_bytes());
    tcp[2..4].copy_from_slice(&ports.1.to_be_bytes());
    tcp[4..8].copy_from_slice(&next.to_be_bytes());
    (tcp[12], tcp[13]) = (5 << 4, RST);
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
    use smoltcp::wire::{IpAddress, Ipv4Address, Ipv4Packet, Ipv6Address, Ipv6Packet, TcpPacket};

    const NEAR: Near = Near {
        v4: [10, 77, 0, 2],
        v6: [0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
    };

    fn check(segment: &[u8], from: IpAddress, to: IpAddress) {
        let tcp = TcpPacket::new_checked(segment).unwrap();
        assert!(tcp.rst() && !tcp.ack() && tcp.verify_checksum(&from, &to));
        assert_eq!((tcp.src_port(), tcp.dst_port()), (443, 50_000));
        assert_eq!(tcp.seq_number().0 as u32, 0x8000_0001);
    }

    #[test]
    fn a_reset_is_what_smoltcp_reads_as_one_in_both_families() {
        let mut out = [0xff; LONGEST];
        let (ports, next) = ((443, 50_000), 0x8000_0001);
        let mut far = [0; 16];
        far[12..].copy_from_slice(&[203, 0, 113, 9]);
        let n = write(&far, NEAR, ports, next, &mut out).unwrap();
        let ip = Ipv4Packet::new_checked(&out[..n]).unwrap();
        assert!(ip.verify_checksum() && ip.payload().len() == 20);
        let (from, to) = (
            Ipv4Address::new(203, 0, 113, 9),
            Ipv4Address::new(10, 77, 0, 2),
        );
        assert_eq!((ip.src_addr(), ip.dst_addr()), (from, to));
        check(ip.payload(), from.into(), to.into());

        far = [0x20; 16];
        let n = write(&far, NEAR, ports, next, &mut out).unwrap();
        let ip = Ipv6Packet::new_checked(&out[..n]).unwrap();
        let (from, to) = (Ipv6Address::from(far), Ipv6Address::from(NEAR.v6));
        assert_eq!((ip.src_addr(), ip.dst_addr()), (from, to));
        check(ip.payload(), from.into(), to.into());
    }

    #[test]
    fn who_has_acknowledged_nothing_is_told_nothing() {
        let mut out = [0; LONGEST];
        assert_eq!(write(&[7; 16], NEAR, (1, 2), 0, &mut out), None);
        let none = Near {
            v6: [0; 16],
            ..NEAR
        };
        assert_eq!(write(&[7; 16], none, (1, 2), 3, &mut out), None);
    }
}
