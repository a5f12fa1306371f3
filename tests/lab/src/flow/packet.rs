//! The packets of the flows, as they would be on the wire: IPv4 with TCP (timestamps, SACK) or UDP. Their own checksums are left
//! out: nothing in between looks at them.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    IpAddress, IpProtocol, Ipv4Address, Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr,
    TcpSeqNumber, TcpTimestampRepr, UdpPacket, UdpRepr,
};

/// The server's port of every flow.
const SERVICE: u16 = 443;

/// From where to where.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    pub home: [u8; 4],
    pub far: [u8; 4],
    /// The client's port: the flow's name.
    pub port: u16,
    /// Towards the client.
    pub down: bool,
}

impl Way {
    fn ends(self) -> (Ipv4Address, Ipv4Address, u16, u16) {
        let (home, far) = (Ipv4Address::from(self.home), Ipv4Address::from(self.far));
        if self.down {
            (far, home, SERVICE, self.port)
        } else {
            (home, far, self.port, SERVICE)
        }
    }

    fn ip(self, protocol: IpProtocol, len: usize) -> Vec<u8> {
        let (src, dst, _, _) = self.ends();
        let repr = Ipv4Repr {
            src_addr: src,
            dst_addr: dst,
            next_header: protocol,
            payload_len: len,
            hop_limit: 64,
        };
        let mut out = vec![0; 20 + len];
        repr.emit(
            &mut Ipv4Packet::new_unchecked(&mut out[..]),
            &ChecksumCapabilities::default(),
        );
        out
    }

    /// A TCP segment: `payload` bytes at `seq`, or an acknowledgement of everything below `ack` and of these blocks.
    pub fn tcp(
        self,
        now: u64,
        seq: u32,
        ack: u32,
        blocks: &[(u32, u32)],
        payload: &[u8],
    ) -> Vec<u8> {
        let (src, dst, src_port, dst_port) = self.ends();
        let mut sack_ranges = [None; 3];
        for (place, block) in sack_ranges.iter_mut().zip(blocks) {
            *place = Some(*block);
        }
        let repr = TcpRepr {
            src_port,
            dst_port,
            control: TcpControl::None,
            seq_number: TcpSeqNumber(seq as i32),
            ack_number: Some(TcpSeqNumber(ack as i32)),
            window_len: u16::MAX,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges,
            timestamp: Some(TcpTimestampRepr {
                tsval: (now / 1_000) as u32,
                tsecr: 1,
            }),
            payload,
        };
        let mut out = self.ip(IpProtocol::Tcp, repr.buffer_len());
        let (src, dst) = (IpAddress::from(src), IpAddress::from(dst));
        repr.emit(
            &mut TcpPacket::new_unchecked(&mut out[20..]),
            &src,
            &dst,
            &ChecksumCapabilities::ignored(),
        );
        if blocks.is_empty() {
            // Kernels write two NOPs, then the timestamps; smoltcp these first.
            out[40..52].rotate_right(2);
            out[40..42].fill(1);
        }
        out
    }

    /// A UDP datagram of `len` bytes of IP in all, with these numbers in front.
    pub fn udp(self, numbers: &[u64], len: usize) -> Vec<u8> {
        let (src, dst, src_port, dst_port) = self.ends();
        let payload = (len - 28).max(numbers.len() * 8);
        let mut out = self.ip(IpProtocol::Udp, 8 + payload);
        let repr = UdpRepr { src_port, dst_port };
        let fill = |body: &mut [u8]| {
            for (place, n) in body.chunks_exact_mut(8).zip(numbers) {
                place.copy_from_slice(&n.to_be_bytes());
            }
        };
        repr.emit(
            &mut UdpPacket::new_unchecked(&mut out[20..]),
            &IpAddress::from(src),
            &IpAddress::from(dst),
            payload,
            fill,
            &ChecksumCapabilities::ignored(),
        );
        out
    }
}

/// The client's port of a packet.
pub fn port_of(packet: &[u8], down: bool) -> Option<u16> {
    let at = if down { 22 } else { 20 };
    let bytes = packet.get(at..at + 2)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// The numbers in front of a UDP datagram.
pub fn numbers(packet: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let body = packet.get(28..).unwrap_or_default();
    body.chunks_exact(8)
        .map(|b| u64::from_be_bytes(b.try_into().unwrap()))
}
