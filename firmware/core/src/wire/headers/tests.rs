use super::*;
use crate::wire::bytes::Writer;
use crate::wire::examples;
use crate::wire::record::{FlowId, Record, Records};
use proptest::prelude::*;
use std::vec::Vec;

/// What changes in a flow, as real packets have it.
#[derive(Clone, Copy, Debug, Default)]
struct Now {
    seq: u32,
    ack: u32,
    window: u16,
    checksum: u16,
    ident: u16,
    times: Option<[u32; 2]>,
    push: bool,
}

fn packet(v6: bool, protocol: u8, now: Now, payload: &[u8]) -> Vec<u8> {
    let mut transport = Vec::from([0x9c, 0x40, 0x01, 0xbb]);
    if protocol == TCP {
        transport.extend(now.seq.to_be_bytes());
        transport.extend(now.ack.to_be_bytes());
        let words = if now.times.is_some() { 8 } else { 5 };
        transport.extend([words << 4, if now.push { 0x18 } else { 0x10 }]);
        transport.extend(now.window.to_be_bytes());
        transport.extend(now.checksum.to_be_bytes());
        transport.extend([0, 0]);
        if let Some(times) = now.times {
            transport.extend(TIMESTAMPS);
            transport.extend(times.map(u32::to_be_bytes).as_flattened());
        }
    } else {
        transport.extend((payload.len() as u16 + 8).to_be_bytes());
        transport.extend(now.checksum.to_be_bytes());
    }
    transport.extend(payload);
    let mut out = if v6 {
        let mut ip = Vec::from([0x60, 1, 2, 3, 0, 0, protocol, 64]);
        ip[4..6].copy_from_slice(&(transport.len() as u16).to_be_bytes());
        ip.extend(0..32);
        ip
    } else {
        let mut ip = Vec::from([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0]);
        ip[2..4].copy_from_slice(&(transport.len() as u16 + 20).to_be_bytes());
        ip[4..6].copy_from_slice(&now.ident.to_be_bytes());
        ip.extend([10, 0, 0, 2, 203, 0, 113, 9]);
        let sum = !Sum::of(&ip).folded();
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        ip
    };
    out.extend(transport);
    out
}

fn context(packet: &[u8]) -> Option<Context> {
    Context::of(Order(5), packet, packet.len())
}

/// A packet told by a context and read again; `None` if it travels whole. The payload does not matter to either.
fn through(context: &Context, packet: &[u8], how: How) -> Option<(usize, Vec<u8>)> {
    let prefix = context.tell(how, packet, packet.len())?;
    let told = [&prefix[1..], &packet[context.len()..]].concat();
    let mut out = [0; 2048];
    let n = context.restore(How(prefix[0]), &told, &mut out).unwrap();
    Some((prefix.len(), out[..n].to_vec()))
}

/// A download's first packet and a later one, with everything that kernels change in between.
fn download() -> [Vec<u8>; 2] {
    let first = Now {
        seq: 1_000_000,
        ack: 77,
        window: 501,
        checksum: 0x1234,
        ident: 9,
        times: Some([70_000, 4_000]),
        push: false,
    };
    let later = Now {
        seq: 0xfff0_0000,
        checksum: 0xbeef,
        ident: 700,
        times: Some([70_900, 4_850]),
        push: true,
        ..first
    };
    [first, later].map(|now| packet(false, TCP, now, b"payload"))
}

#[test]
fn a_download_s_header_of_52_bytes_becomes_13() {
    let [first, later] = download();
    let context = context(&first).unwrap();
    assert_eq!(context.len(), 52);
    let (len, read) = through(&context, &later, How::default()).unwrap();
    assert_eq!((len, read), (13, later));
}

#[test]
fn the_documents_examples_are_what_is_written_and_read() {
    let [first, later] = download();
    let at = length_at(first[0]).unwrap();
    let whole = [&first[..at], &first[at + 2..]].concat();
    let context = context(&first).unwrap();
    let prefix = context.tell(How::default(), &later, later.len()).unwrap();
    let told = [&prefix[1..], &later[context.len()..]].concat();
    let record = |order, how, told| Record::Told {
        flow: FlowId(0x1002),
        order: Order(order),
        how,
        told,
    };
    let records = [
        record(5, How::WHOLE, &whole),
        record(700, How(prefix[0]), &told),
    ];
    let mut out = [0; 256];
    let mut w = Writer::new(&mut out);
    records.iter().for_each(|r| r.emit(&mut w).unwrap());
    let len = w.len();
    examples::check("records-told", &out[..len]);

    let body = examples::bytes("records-told");
    let read: Vec<_> = Records::new(&body).map(Result::unwrap).collect();
    assert_eq!(read, records);
    let mut packet = [0; 64];
    assert_eq!(restore_whole(&whole, &mut packet), Ok(first.len()));
    assert_eq!(packet[..first.len()], first);
    assert_eq!(
        context.restore(How(prefix[0]), &told, &mut packet),
        Ok(later.len())
    );
    assert_eq!(packet[..later.len()], later);
}

#[test]
fn a_header_reaches_places_behind_its_own_and_not_for_ever() {
    let context = context(&download()[0]).unwrap();
    let reaches = |order| context.reaches(Order(order));
    assert!(reaches(6) && reaches(5 + 16_383));
    assert!(!reaches(5) && !reaches(4) && !reaches(5 + 16_384) && !reaches(65_535));
    assert!(!Context::NONE.reaches(Order(1)));
}

#[test]
fn what_others_cannot_be_told_by_is_not_remembered() {
    let [good, _] = download();
    let changed = |at: usize, value: u8| {
        let mut p = good.clone();
        p[at] = value;
        p[10..12].copy_from_slice(&[0, 0]);
        let sum = !Sum::of(&p[..20]).folded();
        p[10..12].copy_from_slice(&sum.to_be_bytes());
        context(&p)
    };
    assert!(changed(8, 63).is_some());
    // IP options, first and later fragments, ICMP, SYN, FIN, RST, ECE, options behind the timestamps and others.
    for (at, value) in [
        (0, 0x46),
        (6, 0x20),
        (7, 1),
        (9, 1),
        (33, 0x12),
        (33, 0x11),
        (33, 0x14),
    ] {
        assert!(changed(at, value).is_none(), "{at} {value:#x}");
    }
    for (at, value) in [
        (33, 0x50),
        (32, 0x90),
        (32, 0x60),
        (40, 2),
        (42, 5),
        (43, 12),
    ] {
        assert!(changed(at, value).is_none(), "{at} {value:#x}");
    }
    let mut wrong_sum = good.clone();
    wrong_sum[10] ^= 1;
    assert!(context(&wrong_sum).is_none());
    assert!(Context::of(Order(0), &good, good.len() + 1).is_none());
}

fn changes() -> impl Strategy<Value = Now> {
    // Times near the remembered ones, and any.
    let time = || prop_oneof![0u32..70_000, any::<u32>()];
    let times = prop_oneof![Just(None), (time(), time()).prop_map(|(a, b)| Some([a, b]))];
    (
        any::<u32>(),
        0u32..3,
        0u16..3,
        any::<u16>(),
        0u16..3,
        times,
        any::<bool>(),
    )
        .prop_map(|(seq, ack, window, checksum, ident, times, push)| Now {
            seq,
            ack,
            window,
            checksum,
            ident,
            times,
            push,
        })
}

proptest! {
    /// Whatever changes, and whatever else is changed in the header against the rules: the same bytes come out, or the
    /// packet travels whole.
    #[test]
    fn what_is_told_is_read_byte_for_byte(
        v6: bool,
        udp: bool,
        now in [changes(), changes()],
        payload in proptest::collection::vec(any::<u8>(), 0..40),
        bits in any::<u8>(),
        broken in proptest::option::of((0usize..80, any::<u8>())),
        summed: bool,
    ) {
        let protocol = if udp { UDP } else { TCP };
        let first = packet(v6, protocol, now[0], b"first");
        let context = context(&first).expect("real packets are remembered");
        let mut later = packet(v6, protocol, now[1], &payload);
        if let Some((at, value)) = broken && at < later.len() {
            later[at] = value;
            if summed && !v6 {
                later[10..12].copy_from_slice(&[0, 0]);
                let sum = !Sum::of(&later[..20]).folded();
                later[10..12].copy_from_slice(&sum.to_be_bytes());
            }
        }
        let read = through(&context, &later, How(bits & How::CHANGING.0));
        if let Some((len, read)) = &read {
            prop_assert_eq!(read, &later);
            prop_assert!(*len <= MOST && *len < context.len());
        }
        let near = |a: u32, b: u32| a.wrapping_sub(b) <= 0xffff;
        let moved = match (now[0].times, now[1].times) {
            (Some([a, b]), Some([c, d])) => near(c, a) && near(d, b),
            (a, b) => a == b,
        };
        prop_assert!(broken.is_some() || read.is_some() == (udp || moved));
    }

    #[test]
    fn any_bytes_are_remembered_told_and_read_without_a_panic(
        a in proptest::collection::vec(any::<u8>(), 0..120),
        b in proptest::collection::vec(any::<u8>(), 0..120),
        how: u8,
        v6: bool,
    ) {
        let mut out = [0; 100];
        let _ = restore_whole(&b, &mut out);
        let first = packet(v6, TCP, Now { times: Some([1, 2]), ..Now::default() }, b"");
        for context in [context(&a), context(&first), Some(Context::NONE)].into_iter().flatten() {
            let _ = context.tell(How(how), &b, b.len());
            let _ = context.restore(How(how), &b, &mut out);
        }
    }
}
