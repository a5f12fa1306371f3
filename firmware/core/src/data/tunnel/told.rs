//! Headers that do not travel, over links that lose and between ends that forget.

use super::tests::{Link, Pair};
use super::*;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    IpProtocol, Ipv4Address, Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber,
    TcpTimestampRepr,
};
use std::vec;
use std::vec::Vec;

const PAYLOAD: usize = 1370;

/// The `n`th segment of a download as a kernel writes it, on a clock of milliseconds; every 16th ends what was written, and every
/// 100th has a selective acknowledgement.
fn segment(n: u32, ms: u32) -> Vec<u8> {
    let (src, dst) = (
        Ipv4Address::new(203, 0, 113, 9),
        Ipv4Address::new(10, 0, 0, 1),
    );
    let payload = vec![n as u8; PAYLOAD - if n % 100 == 99 { 12 } else { 0 }];
    let tcp = TcpRepr {
        src_port: 443,
        dst_port: 40_000,
        control: if n % 16 == 15 {
            TcpControl::Psh
        } else {
            TcpControl::None
        },
        seq_number: TcpSeqNumber(n.wrapping_mul(PAYLOAD as u32) as i32),
        ack_number: Some(TcpSeqNumber(77)),
        window_len: 501,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [(n % 100 == 99).then_some((5, 9)), None, None],
        timestamp: Some(TcpTimestampRepr::new(ms, ms.wrapping_sub(30))),
        payload: &payload,
    };
    let ip = Ipv4Repr {
        src_addr: src,
        dst_addr: dst,
        next_header: IpProtocol::Tcp,
        payload_len: tcp.buffer_len(),
        hop_limit: 57,
    };
    let mut out = vec![0u8; 20 + tcp.buffer_len()];
    let mut p = TcpPacket::new_unchecked(&mut out[20..]);
    let checksums = ChecksumCapabilities::default();
    tcp.emit(&mut p, &src.into(), &dst.into(), &checksums);
    // Kernels write the timestamps behind two NOPs, smoltcp before two ends.
    if p.header_len() == 32 {
        p.options_mut().rotate_right(2);
        p.options_mut()[..2].fill(1);
        p.fill_checksum(&src.into(), &dst.into());
    }
    let mut p = Ipv4Packet::new_unchecked(&mut out[..]);
    ip.emit(&mut p, &checksums);
    p.set_ident(n as u16);
    p.fill_checksum();
    out
}

/// Feeds `a` for so long, so that something always waits, and looks at what comes out at `b`: all of it, byte for byte, in
/// order. Returns how many bytes of paths' datagrams a packet took.
fn download(pair: &mut Pair, from_ms: u64, to_ms: u64) -> f64 {
    let carried = |pair: &Pair| {
        let all = pair.a.paths().map(|(_, p)| p.counters().tx_bytes);
        all.sum::<u64>()
    };
    let mut sent = Vec::new();
    pair.at_b.kept = Some(Vec::new());
    pair.run(from_ms, |_, _| {});
    let before = carried(pair);
    pair.run(to_ms, |pair, now| {
        for _ in pair.a.backlog()..40 {
            let ms = now.as_micros32() / 1000;
            let mut packet = segment(sent.len() as u32, ms);
            sent.push(packet.clone());
            pair.a.handle_inner(now, &mut packet).unwrap();
        }
    });
    let spent = carried(pair) - before;
    pair.run(to_ms + 2_000, |_, _| {});
    let came = pair.at_b.kept.take().unwrap();
    let (_, queue, _) = pair.a.counters();
    assert_eq!((queue.aqm_drops, queue.overflow), (0, 0));
    assert_eq!(came.len(), sent.len());
    let wrong = came.iter().zip(&sent).position(|(a, b)| a != b);
    assert_eq!(wrong, None, "the first that is not as it was sent");
    spent as f64 / came.len() as f64
}

fn lossy() -> [Link; 3] {
    let mut links = [Link::mbit(20, 10), Link::mbit(20, 10), Link::mbit(10, 40)];
    links[1].loss_permille = 10;
    links
}

/// What a packet takes when its header travels: outer headers, frame, record, itself.
const WHOLE: f64 = 28.0 + 30.0 + 52.0 + PAYLOAD as f64;

#[test]
fn over_lines_that_lose_and_delay_headers_stay_away_and_packets_are_as_they_were() {
    let mut pair = Pair::new(&lossy(), Capabilities::OURS);
    let each = download(&mut pair, 3_000, 13_000);
    println!("{each:.1} bytes for each of {PAYLOAD}");
    // 39 less for each, but for the first round trip and every hundredth; a third of a hundredth is sent again.
    assert!(each < WHOLE - 30.0, "{each:.1}");
    assert_eq!(pair.unread, 0);
}

#[test]
fn without_the_capability_every_header_travels() {
    let without = Capabilities(Capabilities::OURS.0 & !Capabilities::COMPRESS.0);
    let mut pair = Pair::new(&lossy(), without);
    let each = download(&mut pair, 3_000, 8_000);
    assert!(each > WHOLE - 1.0, "{each:.1}");
}

#[test]
fn a_path_that_carries_only_what_is_told_is_measured_anew() {
    let mut links = [Link::mbit(20, 10), Link::mbit(20, 10)];
    links[1].mtu = (4_000_000, 1450);
    let mut pair = Pair::new(&links, Capabilities::OURS);
    pair.run(3_000, |_, _| {});
    let mut next = 0;
    pair.run(20_000, |pair, now| {
        for _ in pair.a.backlog()..40 {
            let ms = now.as_micros32() / 1000;
            let _ = pair.a.handle_inner(now, &mut segment(next, ms));
            next += 1;
        }
    });
    let mtus: Vec<u16> = pair.a.paths().map(|(_, p)| p.mtu()).collect();
    assert_eq!(mtus, [1472, 1435]);
}

#[test]
fn a_receiver_that_forgets_gets_everything_again_and_remembers_anew() {
    let mut pair = Pair::new(&lossy(), Capabilities::OURS);
    pair.run(3_000, |_, _| {});
    let mut next = 0;
    for round in 0..5u64 {
        pair.at_b.kept = Some(Vec::new());
        let first = next;
        let began = 3_000 + round * 1_000;
        let mut forgotten = false;
        pair.run(began + 700, |pair, now| {
            for _ in pair.a.backlog()..20 {
                let ms = now.as_micros32() / 1000;
                pair.a.handle_inner(now, &mut segment(next, ms)).unwrap();
                next += 1;
            }
            if !forgotten && pair.at_b.kept.as_ref().is_some_and(|k| k.len() >= 400) {
                pair.b.resequencer.forget_headers();
                forgotten = true;
            }
        });
        pair.run(began + 1_000, |_, _| {});
        let came = pair.at_b.kept.take().unwrap();
        let numbers: Vec<u32> = came
            .iter()
            .map(|p| u32::from_be_bytes(p[24..28].try_into().unwrap()) / PAYLOAD as u32)
            .collect();
        assert_eq!(numbers, (first..next).collect::<Vec<_>>(), "round {round}");
    }
    assert!(pair.unread > 0);
    let each = download(&mut pair, 9_000, 14_000);
    assert!(each < WHOLE - 30.0, "{each:.1}");
}

#[test]
fn a_receiver_without_room_for_flows_soon_gets_whole_packets() {
    let mut pair = Pair::new(&lossy(), Capabilities::OURS);
    pair.b.resequencer = Resequencer::new(&mut []);
    pair.run(3_000, |_, _| {});
    let mut next = 0;
    pair.run(8_000, |pair, now| {
        for _ in pair.a.backlog()..40 {
            let ms = now.as_micros32() / 1000;
            pair.a.handle_inner(now, &mut segment(next, ms)).unwrap();
            next += 1;
        }
    });
    let unread = pair.unread;
    assert!(unread > 0);
    pair.run(12_000, |pair, now| {
        let ms = now.as_micros32() / 1000;
        pair.a.handle_inner(now, &mut segment(next, ms)).unwrap();
    });
    assert_eq!(pair.unread, unread, "it is asked again and again");
}
