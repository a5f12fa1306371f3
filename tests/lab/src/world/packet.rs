//! Inner packets whose every byte is known from flow, number and length, and who counts them.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{IpProtocol, Ipv4Address, Ipv4Packet, Ipv4Repr, UdpPacket, UdpRepr};

/// Somewhere in the Internet.
pub const FAR: [u8; 4] = [198, 18, 0, 1];

/// The address that the exits lease to a gateway.
pub fn leased(gateway: usize) -> [u8; 4] {
    [10, 77, 0, gateway as u8 + 1]
}

/// A UDP packet of `flow` with number `id`, `len` bytes of IPv4 in all (at least 40).
pub fn packet(src: [u8; 4], dst: [u8; 4], flow: u16, id: u32, len: usize) -> Vec<u8> {
    let (src, dst) = (Ipv4Address::from(src), Ipv4Address::from(dst));
    let payload = len - 28;
    let ip = Ipv4Repr {
        src_addr: src,
        dst_addr: dst,
        next_header: IpProtocol::Udp,
        payload_len: 8 + payload,
        hop_limit: 64,
    };
    let mut out = vec![0u8; len];
    let caps = ChecksumCapabilities::default();
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut out[..]), &caps);
    let udp = UdpRepr {
        src_port: flow,
        dst_port: 9,
    };
    let fill = |body: &mut [u8]| {
        for (i, b) in body.iter_mut().enumerate() {
            *b = (i as u32).wrapping_mul(31).wrapping_add(id) as u8;
        }
        body[..4].copy_from_slice(&id.to_be_bytes());
    };
    let mut view = UdpPacket::new_unchecked(&mut out[20..]);
    udp.emit(&mut view, &src.into(), &dst.into(), payload, fill, &caps);
    out
}

/// What came out somewhere.
#[derive(Default)]
pub struct Receiver {
    pub bytes: u64,
    /// Flow, number and arrival in us.
    pub packets: Vec<(u16, u32, u64)>,
    /// Neither what was sent nor an ICMP message.
    pub corrupt: u32,
    /// Packets are kept here for somebody who reads them himself, instead of being compared with what was sent.
    pub inbox: Option<Vec<Vec<u8>>>,
    /// Packets of the control network.
    pub inside: Vec<Vec<u8>>,
}

impl Receiver {
    pub fn take(&mut self, now_us: u64, p: &[u8]) {
        if let Some(inbox) = &mut self.inbox {
            return inbox.push(p.to_vec());
        }
        let address = |at: usize| <[u8; 4]>::try_from(&p[at..at + 4]).unwrap();
        if p.len() < 40 || p[9] != 17 {
            self.corrupt += u32::from(p.get(9) != Some(&1));
            return;
        }
        let flow = u16::from_be_bytes([p[20], p[21]]);
        let id = u32::from_be_bytes([p[28], p[29], p[30], p[31]]);
        if packet(address(12), address(16), flow, id, p.len()) != p {
            self.corrupt += 1;
        }
        self.bytes += p.len() as u64;
        self.packets.push((flow, id, now_us));
    }

    /// The numbers of one flow as they came.
    pub fn flow(&self, flow: u16) -> Vec<u32> {
        let of = self.packets.iter().filter(|p| p.0 == flow);
        of.map(|p| p.1).collect()
    }

    pub fn in_order(&self, flow: u16) -> bool {
        self.flow(flow).windows(2).all(|w| w[0] < w[1])
    }

    /// The longest time between two arrivals since `from_us`, in ms.
    pub fn longest_gap_ms(&self, from_us: u64) -> u64 {
        let times: Vec<u64> = self.packets.iter().map(|p| p.2).collect();
        let since = times.windows(2).filter(|w| w[1] > from_us);
        since.map(|w| w[1] - w[0]).max().unwrap_or(u64::MAX) / 1000
    }
}
