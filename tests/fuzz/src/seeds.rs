//! Seeds of the corpus, made by the real encoders. Inputs found later stand beside them under names of their own.

mod community;
mod headers;

use std::fs;
use std::io;
use std::net::SocketAddr;

use burstmesh_core::control::handshake::{InitiateJob, RespondJob};
use burstmesh_core::identity::{PublicKey, SecretKey};
use burstmesh_core::wire::announce::{self, Announcement};
use burstmesh_core::wire::bytes::Writer;
use burstmesh_core::wire::control::{self, Message, Offer, Reason};
use burstmesh_core::wire::feedback::{self, Feedback, Range, Sample};
use burstmesh_core::wire::handshake::{Cookie, Datagram, Lease, RecipientKeys, Welcome};
use burstmesh_core::wire::invitation::{Exit, Invitation, Name, Secret, Token};
use burstmesh_core::wire::path::Cost;
use burstmesh_core::wire::path::{Ask, Body};
use burstmesh_core::wire::record::{FlowId, Order, Record};
use burstmesh_core::wire::{Capabilities, frame, path, relay};

use crate::runner;
use crate::targets::seeding::{self, hello, member};

type Seeds = Vec<Vec<u8>>;

/// Writes all seeds into the corpus as `seed-NN`.
pub fn write() -> io::Result<()> {
    let all: [(&str, Seeds); 19] = [
        ("frame", frames()),
        ("feedback", feedbacks()),
        ("path", paths()),
        ("relay", relays()),
        ("control_message", control_messages()),
        ("announcement", announcements()),
        ("handshake", handshakes()),
        ("admission", community::admissions()),
        ("inner", inners()),
        ("large", larges()),
        ("inside", community::insides()),
        ("headers", headers::headers()),
        ("uci", ucis()),
        ("invitation", invitations()),
        ("exit_config", exit_configs()),
        ("aead", sealings()),
        ("curve", curves()),
        ("peer", peers()),
        ("two_nodes", conversations()),
    ];
    for (target, seeds) in all {
        let folder = runner::folder().join("corpus").join(target);
        fs::create_dir_all(&folder)?;
        for (i, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{i:02}")), seed)?;
        }
        println!("{target}: {} seeds", seeds.len());
    }
    Ok(())
}

fn records(all: &[Record<'_>]) -> Vec<u8> {
    let mut out = vec![0; all.iter().map(Record::wire_len).sum()];
    let mut w = Writer::new(&mut out);
    for record in all {
        record
            .emit(&mut w)
            .expect("the buffer is as long as they are");
    }
    out
}

fn some_records() -> Seeds {
    let packet = |order, pinned, bytes| Record::Packet {
        flow: FlowId(0x1003),
        order: Order(order),
        pinned,
        leads: false,
        bytes,
    };
    let (small, large) = (udp(1, 12), udp(2, 600));
    let report = feedbacks().remove(1);
    vec![
        records(&[packet(0, false, &large)]),
        records(&[packet(1, true, &small), packet(2, false, &small)]),
        records(&[Record::Feedback(&report), packet(0xffff, false, &small)]),
        records(&[
            Record::Control(&control_messages()[0]),
            Record::Feedback(&report),
        ]),
        [records(&[packet(3, false, &small)]), vec![0; 8]].concat(),
        [vec![0x90, 3, 1, 2, 3], records(&[packet(4, false, &small)])].concat(),
        records(&[packet(2100, false, &small), packet(2, false, &[])]),
    ]
}

fn frames() -> Seeds {
    let mut all = Vec::new();
    for (i, body) in some_records().into_iter().enumerate() {
        let header = frame::Header {
            phase: (i & 1) as u8,
            cid: 0x0102_0304 + i as u32,
            counter: 0x00ff_fff0 + i as u32,
        };
        let mut out = vec![0; frame::HEADER];
        header.emit(&mut out).expect("it fits");
        all.push([out, body, vec![0; frame::TAG]].concat());
    }
    all
}

fn feedbacks() -> Seeds {
    let report = |ranges: u16, samples: u16| {
        let mut f = Feedback {
            path: 1,
            largest: 40 + u32::from(ranges),
            arrival: 123_456,
            delay: 3,
            bytes: 1_000_000,
            congested: samples,
            hold: 150,
            ..Feedback::default()
        };
        for i in 0..ranges {
            let _ = f.ranges.push(Range { gap: i, len: i + 1 });
        }
        for i in 0..samples {
            let _ = f.samples.push(Sample {
                back: i,
                earlier: 60,
            });
        }
        let mut out = vec![0; feedback::MAX_LEN];
        let n = f.emit(&mut out).expect("it fits");
        out.truncate(n);
        out
    };
    vec![
        report(0, 0),
        report(1, 1),
        report(3, 4),
        report(16, 4),
        report(16, 0),
    ]
}

fn path_bodies() -> Seeds {
    let asks = [Ask::Challenge, Ask::Response, Ask::Close];
    let body = |(i, lent): (usize, bool)| {
        let mut out = vec![0; path::BODY];
        let body = Body {
            ask: asks[i],
            lent,
            token: 0x0102_0304_0506_0708,
            cid: 77,
            time: 5_000,
            echo: 4_000,
            size: 1_400,
        };
        body.emit(&mut out).expect("it fits");
        out
    };
    [(0, false), (1, false), (2, false), (0, true), (1, true)]
        .map(body)
        .to_vec()
}

fn paths() -> Seeds {
    let with_header = |(i, body): (usize, Vec<u8>)| {
        let header = path::Header {
            cid: 9 + i as u32,
            path: i as u16,
            phase: (i & 1) as u8,
            counter: i as u32,
        };
        let mut out = vec![0; path::HEADER];
        header.emit(&mut out).expect("it fits");
        [out, body, vec![0; frame::TAG]].concat()
    };
    path_bodies()
        .into_iter()
        .enumerate()
        .map(with_header)
        .collect()
}

fn relays() -> Seeds {
    let frame = |len: usize| {
        let mut out = vec![0x16; relay::HEADER + len];
        let header = relay::Header {
            relay: 0xdead_beef,
            counter: len as u32,
        };
        header.emit(&mut out, &[7; 16]).expect("it fits");
        out
    };
    [1, 15, 16, 17, 200].map(frame).to_vec()
}

fn control_messages() -> Seeds {
    let offer = Offer {
        uplink: 1,
        up_kbit: 5_000,
        down_kbit: 20_000,
        cost: Cost::MOST,
    };
    let exit = [8; 8];
    let all = [
        Message::Offers([offer; 2].into_iter().collect()),
        Message::Ask {
            uplink: 0,
            exit,
            address: 1,
            cids: [1, 2].into_iter().collect(),
        },
        Message::Grant {
            uplink: 0,
            exit,
            relay: 0x1234_5678,
            seconds: 60,
            up_kbit: 1,
            down_kbit: u32::MAX,
        },
        Message::Refuse {
            uplink: 3,
            exit,
            reason: Reason::UnknownExit,
        },
        Message::Bye,
    ];
    let write = |message: Message| {
        let mut out = vec![0; control::MAX_LEN];
        let n = message.emit(&mut out).expect("it fits");
        out.truncate(n);
        out
    };
    all.map(write).to_vec()
}

fn announcements() -> Seeds {
    let write = |(seq, lends, exit, hops)| {
        let said = Announcement {
            minor: 1,
            body: announce::Body {
                key: member(seq as u8).identity.public(),
                epoch: 1u64 << (seq % 60),
                seq,
                caps: Capabilities::OURS,
                lends,
                exit,
                hops,
            },
        };
        let mut out = vec![0; announce::MAX_EMIT_LEN];
        let n = said
            .encode(&seeding::community(), &mut out)
            .expect("it fits");
        out.truncate(n);
        out
    };
    let all = [
        (1, true, false, 0),
        (2, false, true, 3),
        (200, true, true, 255),
    ];
    let mut all = all.map(write).to_vec();
    all.push(write((u32::MAX, false, false, 1)));
    all.push(write((9, true, false, 0)).into_iter().take(30).collect());
    all
}

fn handshakes() -> Seeds {
    let (us, them) = (member(1), member(2));
    let job = InitiateJob {
        credentials: us.clone(),
        remote: them.identity.public(),
        ephemeral: SecretKey::from_bytes([3; 32]),
        cid: 0x0a0b_0c0d,
        hello: hello(),
        cookie: None,
    };
    let with_cookie = InitiateJob {
        cookie: Some(Cookie([6; 16])),
        ..job.clone()
    };
    let made = job.run().expect("good keys");
    let opened = RespondJob {
        credentials: them.clone(),
        ephemeral: SecretKey::from_bytes([4; 32]),
        datagram: Datagram::from_slice(&made.datagram).expect("it fits"),
        admission: None,
    };
    let lease = Lease {
        ipv4: [100, 64, 0, 2],
        ipv6: [0xfd; 16],
        dns4: Some([100, 64, 0, 1]),
        dns6: None,
        mtu: 1400,
    };
    let welcome = Welcome {
        caps: Capabilities::BUNDLE,
        minor: 1,
        lease: Some(lease),
    };
    let answered = opened.open().and_then(|o| o.respond(&welcome, 0x1122_3344));
    let keys = RecipientKeys::new(&us.community, &them.identity.public());
    let reply = keys.seal_cookie(0x0a0b_0c0d, &Cookie([6; 16]), [5; 24], made.pending.mac1());
    let mut cookie = vec![0; 61];
    reply
        .and_then(|reply| reply.emit(&mut cookie))
        .expect("it fits");
    let answer = burstmesh_core::wire::handshake::Answer {
        cid: 5,
        welcome,
        certificate: None,
        denial: None,
    };
    let mut out = [0; 128];
    vec![
        made.datagram.to_vec(),
        with_cookie.run().expect("good keys").datagram.to_vec(),
        answered.expect("our own Init").datagram.to_vec(),
        cookie,
        hello().encode(&mut out).expect("it fits").to_vec(),
        answer.encode(&mut [0; 128]).expect("it fits").to_vec(),
    ]
}

/// An IPv4 UDP packet.
fn udp(port: u8, payload: usize) -> Vec<u8> {
    let total = (28 + payload) as u16;
    let [hi, lo] = total.to_be_bytes();
    let [uhi, ulo] = (total - 20).to_be_bytes();
    let mut p = vec![
        0x45, 0, hi, lo, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 203, 0, 113, 9,
    ];
    p.extend_from_slice(&[0x20, port, 0, 9, uhi, ulo, 0, 0]);
    p.extend((0..payload).map(|i| i as u8));
    p
}

/// A TCP header with these flags and options (a multiple of four bytes), behind an IP header.
fn tcp(v6: bool, flags: u8, options: &[u8]) -> Vec<u8> {
    let tcp_len = 20 + options.len();
    let mut p = if v6 {
        let mut ip = vec![0x60, 0, 0, 0, 0, tcp_len as u8, 6, 64];
        ip.extend_from_slice(&[0x20; 16]);
        ip.extend_from_slice(&[0xfd; 16]);
        ip
    } else {
        let total = (20 + tcp_len) as u8;
        vec![
            0x45, 2, 0, total, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 203, 0, 113, 9,
        ]
    };
    p.extend_from_slice(&[0x30, 1, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2]);
    p.extend_from_slice(&[(tcp_len as u8 / 4) << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    p.extend_from_slice(options);
    p
}

fn larges() -> Seeds {
    // Behind a choice: a large segment with its kind, size, checksum's place and "mend the lengths".
    let segment = |kind, start, offset, packet: Vec<u8>| {
        [vec![0, kind, 0, 100, start, offset, 1], packet].concat()
    };
    let mut tcp = udp(1, 800);
    tcp[9] = 6;
    tcp[32] = 0x50;
    let mut stream = vec![1];
    for step in 0..40 {
        stream.extend([step % 4, 40, 0, 0, 0, 0]);
    }
    let one_flow = [vec![1], [0, 50, 0, 0, 0, 0].repeat(8)].concat();
    let changed = [
        vec![1],
        [0, 50, 1, 1, 0, 3].repeat(3),
        [0, 50, 5, 0, 8, 3].repeat(4),
    ]
    .concat();
    vec![
        segment(0, 20, 16, tcp),
        segment(2, 20, 6, udp(2, 777)),
        segment(1, 40, 16, udp(3, 60)),
        stream,
        one_flow,
        changed,
    ]
}

fn inners() -> Seeds {
    let (syn, ack) = (2, 0x10);
    let even = [2, 4, 5, 0xb4, 1, 3, 3, 7];
    let odd = [1, 2, 4, 5, 0xb4, 3, 3, 7];
    let mut fragment = udp(1, 40);
    fragment[6] = 0x20;
    let mut all = vec![
        udp(1, 0),
        udp(2, 500),
        tcp(false, syn, &even),
        tcp(false, syn, &odd),
    ];
    all.extend([
        tcp(true, syn, &even),
        tcp(true, syn, &odd),
        tcp(false, ack, &[]),
    ]);
    all.extend([tcp(true, ack, &[]), fragment]);
    all.into_iter()
        .map(|p| [vec![5, 0x78], p].concat())
        .collect()
}

fn ucis() -> Seeds {
    let key = burstmesh_core::wire::text::key_to_text(&[0x5a; 32]);
    let secret: [u8; 32] = core::array::from_fn(|i| (i * 37 + 129) as u8);
    let secret = burstmesh_core::wire::text::key_to_text(&secret);
    let invitation = invitation(2, true);
    let mesh = "config mesh\n\toption ifname 'mesh0'\n";
    let uplink =
        "config uplink 'wan'\n\toption ifname 'wan'\n\toption lend '1'\n\toption lend_up '5Mbit'\n";
    let exit = format!(
        "config exit 'one'\n\toption key '{key}'\n\tlist address '203.0.113.7:4455'\n\tlist address '[2001:db8::7]:4455'\n"
    );
    let client = "config client 'lan'\n\toption ifname 'br-lan'\n\tlist bypass '198.51.100.0/24'\n";
    let by_hand =
        format!("config community\n\toption name 'hillside'\n\toption secret '{secret}'\n");
    let invited = format!("config community\n\toption invitation '{invitation}'\n");
    vec![
        format!("{by_hand}\n{mesh}\n{uplink}\n{exit}\n{client}").into_bytes(),
        format!("{invited}\n{mesh}\n{uplink}\n{client}").into_bytes(),
        format!("# without a line\n{invited}\toption no_uplink 1\n{mesh}{client}").into_bytes(),
        format!("{invited}{mesh}config uplink wan\n option ifname \"wan\" # why\n option land 1\n")
            .into_bytes(),
        b"config community 'a' 'b'\noption\n\tlist x 'unclosed\n\"\\\"'''\r\n\0".to_vec(),
        format!("package burstmesh\nconfig bypass\n\toption prefix '::/0'\n{client}").into_bytes(),
    ]
}

fn invitation(exits: u8, more: bool) -> String {
    let exit = |i: u8| Exit {
        key: PublicKey([i + 1; 32]),
        addresses: [
            SocketAddr::from(([203, 0, 113, i], 4454)),
            SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(i)], 443)),
        ]
        .into_iter()
        .collect(),
    };
    let made = Invitation {
        name: Name::try_from("elm-street").expect("it fits"),
        secret: Secret::new(core::array::from_fn(|i| (i * 37 + 129) as u8)),
        exits: (0..exits).map(exit).collect(),
        expires: more.then_some(1_900_000_000),
        admission: more.then(|| Token([3; 32].into_iter().collect())),
        admin: None,
    };
    made.encode().expect("a good name").to_string()
}

fn invitations() -> Seeds {
    let whole = invitation(1, false);
    let wrapped: String = whole
        .as_bytes()
        .chunks(40)
        .map(|line| String::from_utf8_lossy(line) + "\r\n ")
        .collect();
    let newer = whole.replacen('1', "2", 1);
    let cut = whole[..whole.len() / 2].to_owned();
    let all = [
        invitation(0, false),
        invitation(4, true),
        whole,
        wrapped,
        newer,
        cut,
    ];
    all.map(String::into_bytes).to_vec()
}

fn exit_configs() -> Seeds {
    let shipped = include_str!("../../../packaging/config.toml");
    // Every option that is shown as a comment, in force.
    let all: String = shipped
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
            _ => String::from(line) + "\n",
        })
        .collect();
    let few = |text: &str| text.as_bytes().to_vec();
    vec![
        shipped.into(),
        all.into_bytes(),
        few("[nat]\nuplink = \"eth0\"\n"),
        few(
            "metrics = \"off\"\nlisten = [\"[::]:1\"]\n[nat]\nuplink = \"e\"\nipv6 = \"off\"\nblock_ports = []\n",
        ),
        few(
            "[nat]\nuplink = \"eth0\"\nipv6 = \"routed\"\n[leases]\nv4 = \"10.0.0.0/30\"\nv6 = \"2001:db8::/32\"\ncommunity_v4 = 31\n",
        ),
        few(
            "[nat]\nuplink = 'a/b'\ndeny = [\"0.0.0.0/0\", \"::/0\"]\n[tun]\nname = \"\"\n[dns]\nv4 = [\"10.77.0.1\"]\n",
        ),
    ]
}

fn peers() -> Seeds {
    let message = |kind: u8, step: u8, wait: u8, body: &[u8]| {
        let body = &body[..body.len().min(255)];
        [&[kind, step, wait, body.len() as u8][..], body].concat()
    };
    let mut opening = Vec::new();
    for path in [0x00, 0x10] {
        for body in path_bodies().iter().take(2) {
            opening.extend(message(path | 1, 1, 5, body));
        }
    }
    let with = |more: Vec<u8>| [opening.clone(), more].concat();
    let mut all: Seeds = some_records()
        .iter()
        .map(|body| with(message(0, 1, 10, body)))
        .collect();
    for report in feedbacks() {
        let body = records(&[Record::Feedback(&report)]);
        all.push(with(
            [message(0, 1, 20, &body), message(0x10, 200, 20, &body)].concat(),
        ));
    }
    all.push(with(message(1, 1, 250, &path_bodies()[2])));
    all
}

fn conversations() -> Seeds {
    let steady: Vec<u8> = (0..60).flat_map(|i| [i & 1, i * 4, 2, 10]).collect();
    let burst = [[8, 40], [2, 50], [8, 41], [2, 200]].concat();
    let with = |fault: &[[u8; 2]]| [&steady[..80], &fault.concat(), &burst, &steady].concat();
    vec![
        steady.clone(),
        burst.clone(),
        with(&[[3, 0x80], [2, 255], [2, 255], [3, 0x00]]),
        with(&[[3, 0x80], [3, 0x81], [8, 60], [2, 255], [3, 0], [3, 1]]),
        with(&[[8, 20], [4, 0], [4, 3], [4, 7], [2, 30]]),
        with(&[[8, 20], [5, 0], [5, 9], [5, 200], [2, 30]]),
        with(&[[8, 20], [6, 0], [6, 3], [6, 77], [2, 30]]),
        with(&[[8, 20], [7, 0], [7, 30], [7, 255], [2, 30]]),
        [[8, 255]].concat().repeat(20),
        with(&[[2, 255]; 40]),
    ]
}

/// Lengths around the blocks of both halves, and words of all ones, where carries run through every limb.
fn sealings() -> Seeds {
    let sealing = |(fill, associated, offset, text): (u8, u8, u8, usize)| {
        let mut out = vec![fill; 32 + 12];
        out.extend([associated, offset]);
        out.extend(
            (0..usize::from(associated) + text).map(|i| (i as u8).wrapping_mul(fill) | fill),
        );
        out
    };
    let all = [
        (1, 8, 0, 0),
        (2, 0, 1, 1),
        (3, 16, 2, 64),
        (0xff, 8, 3, 63),
        (0xff, 8, 0, 400),
        (0, 17, 0, 129),
        (0x55, 8, 1, 16),
    ];
    all.map(sealing).to_vec()
}

/// Points of small order, numbers that are no least residues, and words around the ends of a hash's blocks.
fn curves() -> Seeds {
    let ends = |first: u8, fill: u8, last: u8| {
        let mut point = [fill; 32];
        (point[0], point[31]) = (first, last);
        point
    };
    let points = [
        ends(9, 0, 0),
        ends(0, 0, 0),
        ends(1, 0, 0),
        ends(0xec, 0xff, 0x7f),
        ends(0xed, 0xff, 0x7f),
        ends(0xee, 0xff, 0x7f),
        ends(0xff, 0xff, 0xff),
        ends(0, 0, 0x80),
        ends(0x58, 0x66, 0x66),
    ];
    let with = |(i, point): (usize, [u8; 32])| {
        let mut out = vec![i as u8 + 1; 32];
        out.extend(point);
        out.extend([i as u8 * 14, 1 << (i % 8), i as u8]);
        out.extend((0..i * 24).map(|byte| byte as u8));
        out
    };
    points.into_iter().enumerate().map(with).collect()
}
