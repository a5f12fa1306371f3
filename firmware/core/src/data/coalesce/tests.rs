use super::super::inner::Inner;
use super::super::segment::{Cut, complete};
use super::*;
use proptest::prelude::*;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr, Ipv6Packet, Ipv6Repr, TcpControl, TcpPacket,
    TcpRepr, TcpSeqNumber, TcpTimestampRepr, UdpPacket, UdpRepr,
};

/// A packet to build.
#[derive(Clone, Debug)]
struct Plan {
    v6: bool,
    tcp: bool,
    port: u16,
    sequence: u32,
    identification: u16,
    stamp: Option<u32>,
    control: TcpControl,
    payload: Vec<u8>,
}

const PLAN: Plan = Plan {
    v6: false,
    tcp: true,
    port: 4000,
    sequence: 1,
    identification: 0,
    stamp: None,
    control: TcpControl::None,
    payload: Vec::new(),
};

fn endpoints(v6: bool) -> (IpAddress, IpAddress) {
    if v6 {
        (
            IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, 1),
            IpAddress::v6(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9),
        )
    } else {
        (IpAddress::v4(10, 0, 0, 1), IpAddress::v4(203, 0, 113, 9))
    }
}

/// What stands behind the IP header, by smoltcp.
fn transport(plan: &Plan) -> Vec<u8> {
    let caps = ChecksumCapabilities::default();
    let (src, dst) = endpoints(plan.v6);
    if plan.tcp {
        let tcp = TcpRepr {
            src_port: plan.port,
            dst_port: 80,
            control: plan.control,
            seq_number: TcpSeqNumber(plan.sequence as i32),
            ack_number: Some(TcpSeqNumber(77)),
            window_len: 1000,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: plan.stamp.map(|s| TcpTimestampRepr::new(s, 5)),
            payload: &plan.payload,
        };
        let mut out = vec![0; tcp.buffer_len()];
        tcp.emit(&mut TcpPacket::new_unchecked(&mut out), &src, &dst, &caps);
        out
    } else {
        let udp = UdpRepr {
            src_port: plan.port,
            dst_port: 443,
        };
        let mut out = vec![0; 8 + plan.payload.len()];
        let fill = |b: &mut [u8]| b.copy_from_slice(&plan.payload);
        udp.emit(
            &mut UdpPacket::new_unchecked(&mut out),
            &src,
            &dst,
            plan.payload.len(),
            fill,
            &caps,
        );
        out
    }
}

/// The packet, checksums and all.
fn build(plan: &Plan) -> Vec<u8> {
    let caps = ChecksumCapabilities::default();
    let (src, dst) = endpoints(plan.v6);
    let mut transport = transport(plan);
    if plan.tcp && transport[16..18] == [0, 0] {
        // A checksum of 0 and this one are the same number in ones' complement; cutting writes this one.
        transport[16..18].copy_from_slice(&[0xff, 0xff]);
    }
    let next = if plan.tcp {
        IpProtocol::Tcp
    } else {
        IpProtocol::Udp
    };
    let mut out = vec![0; if plan.v6 { 40 } else { 20 }];
    match (src, dst) {
        (IpAddress::Ipv4(src_addr), IpAddress::Ipv4(dst_addr)) => {
            let ip = Ipv4Repr {
                src_addr,
                dst_addr,
                next_header: next,
                payload_len: transport.len(),
                hop_limit: 64,
            };
            out.extend(&transport);
            let mut p = Ipv4Packet::new_unchecked(&mut out);
            ip.emit(&mut p, &caps);
            p.set_ident(plan.identification);
            p.fill_checksum();
        }
        (IpAddress::Ipv6(src_addr), IpAddress::Ipv6(dst_addr)) => {
            let ip = Ipv6Repr {
                src_addr,
                dst_addr,
                next_header: next,
                payload_len: transport.len(),
                hop_limit: 64,
            };
            ip.emit(&mut Ipv6Packet::new_unchecked(&mut out));
            out.extend(&transport);
        }
        _ => unreachable!(),
    }
    out
}

/// Are IP header and transport as they must be, by smoltcp?
fn sound(packet: &[u8]) -> bool {
    let (payload, ip, protocol, src, dst) = if packet[0] >> 4 == 4 {
        let ip = Ipv4Packet::new_checked(packet).unwrap();
        let (s, d): (IpAddress, IpAddress) = (ip.src_addr().into(), ip.dst_addr().into());
        let whole = usize::from(ip.total_len()) == packet.len();
        (
            &packet[usize::from(ip.header_len())..],
            ip.verify_checksum() && whole,
            ip.next_header(),
            s,
            d,
        )
    } else {
        let ip = Ipv6Packet::new_checked(packet).unwrap();
        let whole = ip.total_len() == packet.len();
        (
            &packet[40..],
            whole,
            ip.next_header(),
            ip.src_addr().into(),
            ip.dst_addr().into(),
        )
    };
    ip && match protocol {
        IpProtocol::Tcp => TcpPacket::new_checked(payload)
            .unwrap()
            .verify_checksum(&src, &dst),
        IpProtocol::Udp => {
            let udp = UdpPacket::new_checked(payload).unwrap();
            usize::from(udp.len()) == payload.len() && udp.verify_checksum(&src, &dst)
        }
        _ => false,
    }
}

/// What a kernel makes of a piece.
fn expand(offload: Offload, piece: &[u8]) -> Vec<Vec<u8>> {
    let mut bytes = piece.to_vec();
    match (offload.large, offload.checksum) {
        (Some(large), Some(partial)) => {
            let head = usize::from(large.headers);
            let mut cut = Cut::new(&mut bytes, large, partial).unwrap();
            let mut all = Vec::new();
            while let Some(packet) = cut.next() {
                assert!(packet.len() <= head + usize::from(large.size));
                all.push(packet.to_vec());
            }
            all
        }
        (None, Some(partial)) => {
            assert!(complete(&mut bytes, partial));
            vec![bytes]
        }
        _ => vec![bytes],
    }
}

const BOTH: Takes = Takes {
    tcp: true,
    udp: true,
};

/// Glues, and gives the pieces.
fn glue<const BYTES: usize>(packets: &[Vec<u8>]) -> Vec<(Offload, Vec<u8>)> {
    let mut glue = Box::new(Coalescer::<3, BYTES>::new());
    glue.set_takes(BOTH);
    let mut pieces = Vec::new();
    let mut out = |o: Offload, p: &[u8]| pieces.push((o, p.to_vec()));
    for packet in packets {
        glue.push(packet, &mut out);
    }
    glue.flush(&mut out);
    let counters = glue.counters();
    assert_eq!(counters.packets as usize, packets.len());
    assert_eq!(counters.pieces as usize, pieces.len());
    pieces
}

/// A run of consecutive packets of one flow; `sizes` are their payloads.
fn run(base: &Plan, sizes: &[usize]) -> Vec<Vec<u8>> {
    let mut plan = base.clone();
    sizes
        .iter()
        .map(|n| {
            plan.payload = (0..*n).map(|i| (i * 7 + n) as u8).collect();
            let packet = build(&plan);
            plan.sequence = plan.sequence.wrapping_add(*n as u32);
            plan.identification = plan.identification.wrapping_add(1);
            packet
        })
        .collect()
}

fn forms() -> impl Iterator<Item = Plan> {
    [(false, true), (true, true), (false, false), (true, false)]
        .into_iter()
        .flat_map(|(v6, tcp)| {
            [None, Some(9)].map(|stamp| Plan {
                v6,
                tcp,
                stamp,
                ..PLAN
            })
        })
}

#[test]
fn a_run_of_one_flow_becomes_one_piece_and_that_the_run_again() {
    for base in forms() {
        let packets = run(&base, &[1000, 1000, 1000, 999]);
        let pieces = glue::<65536>(&packets);
        assert_eq!(pieces.len(), 1, "{base:?}");
        let (offload, piece) = &pieces[0];
        assert_eq!(offload.large.unwrap().size, 1000);
        assert_eq!(expand(*offload, piece), packets, "{base:?}");
    }
}

#[test]
fn a_packet_that_differs_in_anything_is_not_glued() {
    let base = run(&PLAN, &[100, 100]);
    let differ = |change: &dyn Fn(&mut Plan)| {
        let mut plan = Plan {
            sequence: 101,
            identification: 1,
            payload: vec![3; 100],
            ..PLAN
        };
        change(&mut plan);
        let packets = vec![base[0].clone(), build(&plan)];
        let pieces = glue::<65536>(&packets);
        let all: Vec<_> = pieces.iter().flat_map(|(o, p)| expand(*o, p)).collect();
        assert_eq!(all, packets);
        pieces.len()
    };
    assert_eq!(differ(&|_| {}), 1);
    assert_eq!(differ(&|p| p.control = TcpControl::Psh), 1);
    assert_eq!(differ(&|p| p.control = TcpControl::Fin), 1);
    assert_eq!(differ(&|p| p.control = TcpControl::Rst), 2);
    assert_eq!(differ(&|p| p.sequence = 102), 2);
    assert_eq!(differ(&|p| p.identification = 2), 2);
    assert_eq!(differ(&|p| p.stamp = Some(1)), 2);
    assert_eq!(differ(&|p| p.port = 4001), 2);
    assert_eq!(differ(&|p| p.payload = vec![3; 101]), 2);
    assert_eq!(differ(&|p| p.payload.clear()), 2);
}

#[test]
fn nothing_follows_what_ends_a_segment() {
    let mut packets = run(&PLAN, &[100, 100, 60, 100, 100]);
    assert_eq!(glue::<65536>(&packets).len(), 2, "after a shorter one");
    packets = run(&PLAN, &[100; 4]);
    packets[1] = build(&Plan {
        sequence: 101,
        identification: 1,
        control: TcpControl::Psh,
        payload: vec![1; 100],
        ..PLAN
    });
    assert_eq!(glue::<65536>(&packets).len(), 2, "after PSH");
}

#[test]
fn what_is_broken_stays_as_broken_as_it_was() {
    for base in forms() {
        let mut packets = run(&base, &[500, 500, 500]);
        let last = packets[1].len() - 1;
        packets[1][last] ^= 1;
        let pieces = glue::<65536>(&packets);
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces[1], (Offload::default(), packets[1].clone()));
        assert!(!sound(&pieces[1].1));
    }
}

#[test]
fn packets_that_must_not_be_fragmented_may_all_have_one_number() {
    let mut packets = run(&PLAN, &[100, 100, 100]);
    for packet in &mut packets {
        let mut ip = Ipv4Packet::new_unchecked(packet);
        ip.set_ident(0);
        ip.set_dont_frag(true);
        ip.fill_checksum();
    }
    assert_eq!(glue::<65536>(&packets).len(), 1);
    let mut fragmentable = packets.clone();
    for packet in &mut fragmentable {
        let mut ip = Ipv4Packet::new_unchecked(packet);
        ip.set_dont_frag(false);
        ip.fill_checksum();
    }
    assert_eq!(glue::<65536>(&fragmentable).len(), 3);
}

#[test]
fn flows_are_glued_beside_each_other_and_a_full_table_lets_the_oldest_go() {
    let flows: Vec<_> = (0..4)
        .map(|n| run(&Plan { port: n, ..PLAN }, &[100; 6]))
        .collect();
    let mix = |n: usize| -> Vec<_> {
        (0..6)
            .flat_map(|i| flows[..n].iter().map(move |f| f[i].clone()))
            .collect()
    };
    assert_eq!(glue::<65536>(&mix(3)).len(), 3);
    assert_eq!(
        glue::<65536>(&mix(4)).len(),
        24,
        "four flows in three places"
    );
}

#[test]
fn without_leave_of_the_kernel_nothing_is_glued() {
    let packets = run(&PLAN, &[100; 4]);
    let mut glue = Box::new(Coalescer::<3, 4096>::new());
    let mut pieces = 0;
    for packet in &packets {
        glue.push(packet, &mut |_, _| pieces += 1);
    }
    assert_eq!(pieces, 4);
}

#[test]
fn only_the_first_packet_answers_congestion_and_only_the_last_ends() {
    let mut packets = run(&PLAN, &[100, 100, 100]);
    let (offload, mut piece) = glue::<65536>(&packets).remove(0);
    piece[33] |= 0x80 | PSH | FIN;
    packets = expand(offload, &piece);
    let flags: Vec<_> = packets.iter().map(|p| p[33]).collect();
    assert_eq!(flags, [ACK | 0x80, ACK, ACK | PSH | FIN]);
    assert!(packets.iter().all(|p| sound(p)));
}

fn flow_of(packet: &[u8]) -> Option<u64> {
    Inner::parse(packet, &[1; 16]).map(|i| i.hash)
}

proptest! {
    #[test]
    fn any_large_segment_is_cut_into_sound_packets_with_the_same_bytes(
        form in 0usize..8,
        size in 1u16..1500,
        payload in proptest::collection::vec(any::<u8>(), 1..20_000),
    ) {
        let plan = forms().nth(form).unwrap();
        let plan = Plan { payload: payload.clone(), sequence: u32::MAX - 700, identification: u16::MAX, ..plan };
        let mut bytes = build(&plan);
        let transport = if plan.v6 { 40 } else { 20 };
        let head = bytes.len() - payload.len();
        let field = if plan.tcp { 16 } else { 6 };
        let look = Look { v6: plan.v6, tcp: plan.tcp, transport, head, payload: payload.len() };
        let pseudo = pseudo_header(&look, &bytes, (bytes.len() - transport) as u16);
        put(&mut bytes, transport + field, pseudo.folded());
        let kind = match (plan.tcp, plan.v6) { (true, false) => Kind::Tcp4, (true, true) => Kind::Tcp6, _ => Kind::Udp };
        let large = Large { kind, size, headers: head as u16 };
        let partial = Partial { start: transport as u16, offset: field as u16 };
        let cut = expand(Offload { large: Some(large), checksum: Some(partial) }, &bytes);
        prop_assert!(cut.iter().all(|p| sound(p)));
        prop_assert_eq!(cut.len(), payload.len().div_ceil(usize::from(size)));
        let joined: Vec<u8> = cut.iter().flat_map(|p| p[head..].to_vec()).collect();
        prop_assert_eq!(&joined, &payload);
        if cut.len() > 1 {
            let again = glue::<65536>(&cut);
            prop_assert_eq!(again.len(), 1);
            prop_assert_eq!(&again[0].1, &bytes);
        }
    }

    /// Several flows, packets changed at random: every flow gets exactly its packets, in its order.
    #[test]
    fn whatever_comes_every_flow_gets_its_own_packets_in_order(
        steps in proptest::collection::vec((0usize..4, 1usize..600, any::<bool>(), 0u8..12, any::<u8>(), 0usize..70), 1..60),
    ) {
        let mut plans: Vec<_> = forms().step_by(2).enumerate().map(|(n, p)| Plan { port: n as u16, ..p }).collect();
        let mut packets = Vec::new();
        for (flow, size, same, change, value, at) in steps {
            let plan = &mut plans[flow];
            plan.payload = vec![value; if same { 200 } else { size }];
            plan.control = if change == 1 { TcpControl::Psh } else { TcpControl::None };
            let mut packet = build(plan);
            plan.sequence = plan.sequence.wrapping_add(plan.payload.len() as u32);
            plan.identification = plan.identification.wrapping_add(1);
            if change == 0 {
                let at = at % packet.len();
                packet[at] = value;
            }
            packets.push(packet);
        }
        let pieces = glue::<4096>(&packets);
        let all: Vec<_> = pieces.iter().flat_map(|(o, p)| expand(*o, p)).collect();
        prop_assert_eq!(all.len(), packets.len());
        let of = |packets: &[Vec<u8>], flow: Option<u64>| -> Vec<Vec<u8>> {
            packets.iter().filter(|p| flow_of(p) == flow).cloned().collect()
        };
        for packet in &packets {
            let flow = flow_of(packet);
            prop_assert_eq!(of(&all, flow), of(&packets, flow));
        }
    }

    #[test]
    fn any_bytes_are_taken_and_cut_without_a_panic(
        packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..20),
        kind in 0u8..3, size in any::<u16>(), start in 0u16..80, offset in 0u16..20,
    ) {
        let pieces = glue::<256>(&packets);
        let all: Vec<_> = pieces.iter().flat_map(|(o, p)| expand(*o, p)).collect();
        prop_assert_eq!(all.len(), packets.len());
        for mut packet in packets {
            let large = Large { kind: [Kind::Tcp4, Kind::Tcp6, Kind::Udp][usize::from(kind)], size, headers: 0 };
            let partial = Partial { start, offset };
            complete(&mut packet.clone(), partial);
            if let Some(mut cut) = Cut::new(&mut packet, large, partial) {
                while cut.next().is_some() {}
            }
        }
    }
}
