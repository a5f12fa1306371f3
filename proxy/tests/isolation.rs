//! What members send, packet by packet, through the interface that it really comes out of: where it must not go it does
//! not go, and is counted.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use burstmesh_core::data::segment::Offload;
use std::net::IpAddr;
use std::time::Duration;

use burstmesh_linux::tun::Tun;
use burstmesh_proxy::config::Config;
use burstmesh_proxy::nat::script;
use common::alone::alone_in_namespace;
use common::{must, nft};

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP6: u8 = 58;
const DESTINATION_OPTIONS: u8 = 60;
const RST: u8 = 4;

/// An exit whose TUN we hold, and whose uplink ends in a pair that nobody reads.
struct Exit {
    tun: Tun,
}

impl Exit {
    fn new(more: &str) -> Self {
        let tun = Tun::open("bmx0").unwrap();
        must("ip link add up0 type veth peer name up1");
        for link in ["up0", "up1"] {
            must(&format!("ip link set {link} addrgenmode none up"));
        }
        must(
            "ip addr add 10.77.0.1/16 dev bmx0; ip -6 addr add fd77:6275:7273::1/48 dev bmx0 nodad; ip link set bmx0 up",
        );
        must("ip addr add 88.1.0.1/24 dev up0; ip -6 addr add 2a00:88::1/64 dev up0 nodad");
        must("ip addr add 10.5.0.1/32 dev lo; ip -6 addr add fd05::1/128 dev lo nodad");
        must("ip neigh add 88.1.0.2 lladdr 02:00:00:00:00:02 dev up0 nud permanent");
        must("ip -6 neigh add 2a00:88::2 lladdr 02:00:00:00:00:02 dev up0 nud permanent");
        must("ip route add default via 88.1.0.2; ip -6 route add default via 2a00:88::2");
        must("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
        let config = Config::parse("test", &format!("[nat]\nuplink = \"up0\"\n{more}")).unwrap();
        nft(&script::build(&config, &[]));
        // Behind everything else: what really leaves, and under which address.
        nft("table inet watch { counter gone {}\n counter inner {}\n chain out { type filter hook postrouting priority 300;
            oifname up0 ip saddr 10.77.0.0/16 counter name inner\n oifname up0 ip6 saddr fd77:6275:7273::/48 counter name inner
            oifname up0 meta l4proto != ipv6-icmp counter name gone; }; }");
        Self { tun }
    }

    /// What one packet changes: each counter that went up, "gone" and "inner" among them.
    fn send(&self, packet: &[u8]) -> Vec<String> {
        let before = counters();
        assert!(self.tun.write(packet, Offload::default()).unwrap());
        std::thread::sleep(Duration::from_millis(2));
        let after = counters();
        assert_eq!(before.len(), after.len());
        let changed = before.iter().zip(&after).filter(|(b, a)| b != a);
        changed.map(|(before, _)| before.0.clone()).collect()
    }

    /// How many answers to pings, datagrams or segments came back to the member until now. The kernel says other things
    /// on its own: "unreachable", and who it is.
    fn answers(&self) -> usize {
        let mut room = [0; 2048];
        let next = || {
            let (len, _) = self.tun.read(&mut room).unwrap()?;
            let packet = room.get(..len).unwrap();
            let (protocol, kind) = match packet[0] >> 4 {
                4 => (packet[9], packet[20]),
                _ => (packet[6], packet[40]),
            };
            Some(match protocol {
                ICMP => kind == 0,
                ICMP6 => kind == 129,
                TCP | UDP => true,
                _ => false,
            })
        };
        std::iter::from_fn(next).filter(|answer| *answer).count()
    }
}

fn counters() -> Vec<(String, u64)> {
    let text = must("nft -j list counters");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let all = json["nftables"].as_array().unwrap().iter();
    let counter = all.filter_map(|entry| entry.get("counter"));
    counter
        .map(|c| {
            let name = c["name"].as_str().unwrap().to_owned();
            (name, c["packets"].as_u64().unwrap())
        })
        .collect()
}

fn sum(parts: &[&[u8]]) -> [u8; 2] {
    let bytes = parts.concat();
    let words = bytes
        .chunks(2)
        .map(|w| u32::from(w[0]) << 8 | u32::from(*w.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

/// A packet of the first member of the first community, with right checksums: others are invalid to the kernel.
fn packet(to: &str, protocol: u8, mut payload: Vec<u8>) -> Vec<u8> {
    let len = payload.len() as u16;
    let check = match protocol {
        TCP => 16,
        UDP => 6,
        _ => 2,
    };
    match to.parse().unwrap() {
        IpAddr::V4(to) => {
            let (from, to) = ([10, 77, 0, 2], to.octets());
            let pseudo = [&from[..], &to, &[0, protocol], &len.to_be_bytes()].concat();
            let pseudo = if protocol == ICMP { vec![] } else { pseudo };
            let right = sum(&[&pseudo, &payload]);
            payload[check..check + 2].copy_from_slice(&right);
            let total = (20 + len).to_be_bytes();
            let mut head = vec![0x45, 0, total[0], total[1], 0, 1, 0, 0, 64, protocol, 0, 0];
            head.extend([from, to].concat());
            let right = sum(&[&head]);
            head[10..12].copy_from_slice(&right);
            [head, payload].concat()
        }
        IpAddr::V6(to) => {
            let from = "fd77:6275:7273::2".parse::<std::net::Ipv6Addr>().unwrap();
            let both = [from.octets(), to.octets()].concat();
            let right = sum(&[
                &both,
                &[0, 0],
                &len.to_be_bytes(),
                &[0, 0, 0, protocol],
                &payload,
            ]);
            payload[check..check + 2].copy_from_slice(&right);
            let mut head = vec![0x60, 0, 0, 0];
            head.extend(len.to_be_bytes());
            head.extend([protocol, 64]);
            [head, both, payload].concat()
        }
    }
}

fn udp(to: &str, port: u16) -> Vec<u8> {
    let port = port.to_be_bytes();
    packet(
        to,
        UDP,
        vec![0x30, 0x39, port[0], port[1], 0, 9, 0, 0, b'x'],
    )
}

fn tcp(to: &str, port: u16, flags: u8) -> Vec<u8> {
    let mut payload = vec![0; 20];
    payload[0..2].copy_from_slice(&12_345u16.to_be_bytes());
    payload[2..4].copy_from_slice(&port.to_be_bytes());
    (payload[12], payload[13], payload[14]) = (0x50, flags, 0xff);
    packet(to, TCP, payload)
}

fn ping(to: &str) -> Vec<u8> {
    if to.contains(':') {
        packet(to, ICMP6, vec![128, 0, 0, 0, 0, 1, 0, 1])
    } else {
        packet(to, ICMP, vec![8, 0, 0, 0, 0, 1, 0, 1])
    }
}

/// The same IPv6 packet with an empty destination options header before its transport header.
fn with_options(mut packet: Vec<u8>) -> Vec<u8> {
    let len = u16::from_be_bytes([packet[4], packet[5]]) + 8;
    packet[4..6].copy_from_slice(&len.to_be_bytes());
    let inner = std::mem::replace(&mut packet[6], DESTINATION_OPTIONS);
    let options = [inner, 0, 1, 4, 0, 0, 0, 0];
    packet.splice(40..40, options);
    packet
}

#[test]
fn what_is_global_is_forwarded_under_the_exits_own_address() {
    if !alone_in_namespace("what_is_global_is_forwarded_under_the_exits_own_address") {
        return;
    }
    let exit = Exit::new("");
    for to in [
        "88.7.7.7",
        "168.63.129.17",
        "2a00:99::7",
        "2600::7",
        "2003::7",
        "2620:fe::fe",
    ] {
        for sent in [udp(to, 53), tcp(to, 587, 2)] {
            assert_eq!(exit.send(&sent), ["up", "gone"], "{to}");
        }
    }
    assert_eq!(
        exit.send(&with_options(udp("2a00:99::7", 54))),
        ["up", "gone"]
    );
}

const PRIVATE4: &[&str] = &[
    "10.1.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "169.254.169.254",
    "172.31.255.254",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.100.1",
    "198.19.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
];

const PRIVATE6: &[(&str, &str)] = &[
    ("64:ff9b::a00:1", "NAT64"),
    ("64:ff9b::808:808", "NAT64 of a public address"),
    ("64:ff9b:1::a00:1", "local NAT64"),
    ("2002:a00:1::1", "6to4"),
    ("2001::a00:1", "Teredo"),
    ("2001:20::1", "ORCHID"),
    ("::ffff:10.0.0.1", "v4-mapped"),
    ("::ffff:8.8.8.8", "v4-mapped of a public address"),
    ("::10.0.0.1", "v4-compatible"),
    ("fd00:ec2::254", "a cloud's metadata"),
    ("fc00::1", "unique local"),
    ("fec0::1", "site-local"),
    ("100::1", "discard"),
    ("2001:db8::1", "documentation"),
    ("3fff::1", "documentation"),
    ("5f00::1", "segment routing"),
    ("4000::1", "not given to anybody"),
    ("e000::1", "not given to anybody"),
    ("ff02::1", "all nodes"),
];

#[test]
fn nothing_that_is_not_global_is_reached_and_each_packet_is_counted() {
    if !alone_in_namespace("nothing_that_is_not_global_is_reached_and_each_packet_is_counted") {
        return;
    }
    let exit = Exit::new("");
    let private4 = PRIVATE4.iter().map(|to| (to, to));
    let private6 = PRIVATE6.iter().map(|(to, what)| (to, what));
    for (to, what) in private4.chain(private6) {
        for sent in [udp(to, 80), tcp(to, 80, 2), ping(to)] {
            assert_eq!(exit.send(&sent), ["private"], "{what}: {to}");
        }
    }
    // The kernel itself drops these before any rule, or the interface is their only way.
    for to in [
        "127.0.0.1",
        "::1",
        "224.0.0.77",
        "ff0e::77",
        "fe80::1",
        "255.255.255.255",
    ] {
        let changed = exit.send(&udp(to, 80));
        let refused = changed
            .iter()
            .all(|c| c != "up" && c != "gone" && c != "inner");
        assert!(refused, "{to}: {changed:?}");
    }
    assert_eq!(exit.answers(), 0, "something answered");
}

#[test]
fn no_member_of_the_same_or_of_another_community_is_reached() {
    if !alone_in_namespace("no_member_of_the_same_or_of_another_community_is_reached") {
        return;
    }
    let exit = Exit::new("");
    for to in [
        "10.77.0.3",
        "10.77.1.2",
        "fd77:6275:7273::3",
        "fd77:6275:7273:1::2",
    ] {
        for sent in [udp(to, 80), ping(to)] {
            assert_eq!(exit.send(&sent), ["member"], "{to}");
        }
    }
    assert_eq!(exit.answers(), 0);
}

#[test]
fn mail_between_servers_is_closed_over_both_families() {
    if !alone_in_namespace("mail_between_servers_is_closed_over_both_families") {
        return;
    }
    let exit = Exit::new("");
    for to in ["88.7.7.7", "2a00:99::7"] {
        assert_eq!(exit.send(&tcp(to, 25, 2)), ["port"], "{to}");
        assert_eq!(exit.send(&udp(to, 25)), ["port"], "{to}");
    }
    let hidden = with_options(tcp("2a00:99::7", 25, 2));
    assert_eq!(exit.send(&hidden), ["port"], "behind another header");
}

#[test]
fn the_server_itself_answers_pings_of_its_public_addresses_and_nothing_else() {
    if !alone_in_namespace(
        "the_server_itself_answers_pings_of_its_public_addresses_and_nothing_else",
    ) {
        return;
    }
    let exit = Exit::new("");
    let none: [&str; 0] = [];
    for to in ["10.77.0.1", "88.1.0.1", "fd77:6275:7273::1", "2a00:88::1"] {
        assert_eq!(exit.send(&ping(to)), none, "{to}");
        assert_eq!(exit.answers(), 1, "{to}");
        assert_eq!(exit.send(&udp(to, 53)), ["host"], "{to}");
        assert_eq!(exit.send(&tcp(to, 22, 2)), ["host"], "{to}");
    }
    for to in ["10.5.0.1", "fd05::1"] {
        assert_eq!(exit.send(&ping(to)), ["private"], "{to}");
    }
    assert_eq!(exit.answers(), 0, "a private address of the server answers");
}

#[test]
fn a_packet_of_no_connection_does_not_leave_untranslated() {
    if !alone_in_namespace("a_packet_of_no_connection_does_not_leave_untranslated") {
        return;
    }
    let exit = Exit::new("");
    for to in ["88.7.7.7", "2a00:99::7"] {
        assert_eq!(exit.send(&tcp(to, 80, RST)), ["invalid"], "{to}");
    }
}

#[test]
fn without_ipv6_every_packet_of_it_is_counted_and_dropped() {
    if !alone_in_namespace("without_ipv6_every_packet_of_it_is_counted_and_dropped") {
        return;
    }
    let exit = Exit::new("ipv6 = \"off\"\n");
    for to in ["2a00:99::7", "fd77:6275:7273::1", "fd00::1"] {
        assert_eq!(exit.send(&udp(to, 80)), ["ipv6"], "{to}");
    }
    assert_eq!(exit.send(&udp("88.7.7.7", 80)), ["up", "gone"]);
}
