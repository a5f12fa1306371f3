use super::*;
use crate::testing::{in_namespace, run};
use burstmesh_core::data::pieces::Pieces;
use std::net::{IpAddr, SocketAddr};

type Batch = RecvBatch<32, 2048>;

fn bind(addr: &str, options: Options<'_>) -> UdpSocket {
    UdpSocket::bind(addr.parse().unwrap(), &options).unwrap()
}

/// Receives until `count` single datagrams are in, with their sizes and senders.
fn receive(socket: &UdpSocket, count: usize) -> Vec<(Vec<u8>, SocketAddr)> {
    let mut batch = Box::new(Batch::new());
    let mut all = Vec::new();
    while all.len() < count && socket.fd().wait_readable(1000).unwrap() {
        socket.recv_batch(&mut batch).unwrap();
        for mut datagram in batch.datagrams() {
            let from = datagram.from;
            all.extend(datagram.segments().map(|segment| (segment.to_vec(), from)));
        }
    }
    all
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 7) as u8).collect()
}

#[test]
fn a_run_arrives_as_its_datagrams_with_and_without_segmentation() {
    in_namespace(|| {
        for addr in ["127.0.0.1:0", "[::1]:0"] {
            for gso in [true, false] {
                let receiver = bind(
                    addr,
                    Options {
                        receive_buffer: 4 << 20,
                        ..Options::default()
                    },
                );
                let sender = bind(addr, Options::default());
                sender.set_gso(gso);
                sender.connect(receiver.local_addr().unwrap()).unwrap();
                let run = pattern(1200 * 99 + 77);
                assert_eq!(sender.send_run(&run, 1200, None).unwrap(), 100);
                assert_eq!(sender.gso_enabled(), gso);
                let got = receive(&receiver, 100);
                assert_eq!(got.len(), 100);
                for (expected, (bytes, from)) in run.chunks(1200).zip(&got) {
                    assert_eq!(bytes, expected);
                    assert_eq!(*from, sender.local_addr().unwrap());
                }
            }
        }
    });
}

#[test]
fn datagrams_with_heads_elsewhere_and_starts_left_out_arrive_whole() {
    in_namespace(|| {
        let receiver = bind(
            "127.0.0.1:0",
            Options {
                receive_buffer: 4 << 20,
                ..Options::default()
            },
        );
        let sender = bind("127.0.0.1:0", Options::default());
        let to = Some(receiver.local_addr().unwrap());
        let (bodies, heads) = (pattern(1017 * 99 + 77), pattern(100 * 34));
        for (gso, head, skip) in [
            (true, 0, 17),
            (true, 34, 0),
            (false, 34, 17),
            (true, 17, 17),
        ] {
            sender.set_gso(gso);
            let pieces = Pieces {
                heads: &heads[..100 * head],
                head,
                bodies: &bodies,
                stride: 1017,
                skip,
            };
            assert_eq!(sender.send_pieces(pieces, to).unwrap(), 100);
            let got = receive(&receiver, 100);
            assert_eq!((got.len(), sender.gso_enabled()), (100, gso));
            for (at, (body, (bytes, _))) in bodies.chunks(1017).zip(&got).enumerate() {
                let head = &heads[at * head..(at + 1) * head];
                assert_eq!(*bytes, [head, &body[skip..]].concat());
            }
        }
    });
}

#[test]
fn segmentation_is_found_to_work_here() {
    in_namespace(|| {
        assert!(segmentation_works());
        run("ip link set lo down");
        assert!(!segmentation_works());
    });
}

#[test]
fn glued_datagrams_come_with_their_segment_size() {
    in_namespace(|| {
        let receiver = bind(
            "127.0.0.1:0",
            Options {
                gro: true,
                receive_buffer: 4 << 20,
                ..Options::default()
            },
        );
        let sender = bind("127.0.0.1:0", Options::default());
        let run = pattern(1000 * 20 + 1);
        assert_eq!(
            sender
                .send_run(&run, 1000, Some(receiver.local_addr().unwrap()))
                .unwrap(),
            21
        );
        let mut batch = Box::new(RecvBatch::<4, 65536>::new());
        assert!(receiver.fd().wait_readable(1000).unwrap());
        assert_eq!(receiver.recv_batch(&mut batch).unwrap(), 1);
        let datagram = batch.datagrams().next().unwrap();
        assert_eq!(
            (datagram.segment_size, datagram.bytes.len()),
            (1000, 20_001)
        );
    });
}

#[test]
fn a_datagram_larger_than_the_interface_is_refused_and_keeps_segmentation() {
    in_namespace(|| {
        run("ip link set lo mtu 1400");
        let sender = bind("127.0.0.1:0", Options::default());
        let to = Some("127.0.0.1:9999".parse().unwrap());
        assert_eq!(
            sender.send_run(&pattern(1373), 1373, to).unwrap_err().errno,
            libc::EMSGSIZE
        );
        assert_eq!(
            sender.send_run(&pattern(5000), 1373, to).unwrap_err().errno,
            libc::EMSGSIZE
        );
        assert!(sender.gso_enabled());
        assert_eq!(sender.send_run(&pattern(1372), 1372, to).unwrap(), 1);
    });
}

#[test]
fn segmentation_is_forgotten_when_the_kernel_refuses_it() {
    in_namespace(|| {
        let receiver = bind("127.0.0.1:0", Options::default());
        let sender = bind("127.0.0.1:0", Options::default());
        // The kernel refuses to cut for a socket that wants no checksums.
        crate::fd::set_option("", sender.fd(), libc::SOL_SOCKET, libc::SO_NO_CHECK, &1i32).unwrap();
        let run = pattern(3000);
        assert_eq!(
            sender
                .send_run(&run, 1000, Some(receiver.local_addr().unwrap()))
                .unwrap(),
            3
        );
        assert!(!sender.gso_enabled());
        assert_eq!(
            receive(&receiver, 3)
                .into_iter()
                .flat_map(|(bytes, _)| bytes)
                .collect::<Vec<_>>(),
            run
        );
    });
}

/// Packets and bytes that have come in there.
fn arrived(ifname: &str) -> [u64; 2] {
    let table = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    let line = table
        .lines()
        .find_map(|l| l.trim().strip_prefix(ifname)?.strip_prefix(':'));
    let mut words = line.unwrap().split_whitespace().map(|n| n.parse().unwrap());
    let bytes = words.next().unwrap();
    [words.next().unwrap(), bytes]
}

/// Is the kernel of this version, or a later one?
fn kernel_since(wanted: (u32, u32)) -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut words = release.split(['.', '-']).map(|n| n.parse().unwrap());
    (words.next().unwrap(), words.next().unwrap()) >= wanted
}

#[test]
fn a_run_leaves_also_by_an_interface_that_computes_no_checksums() {
    in_namespace(|| {
        run(
            "ip link add v0 type veth peer name v1 && ip addr add 10.9.0.1/24 dev v0 && ip link set v1 up && ip link set v0 up && ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev v0",
        );
        crate::ethtool::set_checksums("v0", false).unwrap();
        let sender = bind("10.9.0.1:0", Options::default());
        let to = Some("10.9.0.2:9".parse().unwrap());
        let before = arrived("v1");
        assert_eq!(sender.send_run(&pattern(1000 * 20), 1000, to).unwrap(), 20);
        let [packets, bytes] = arrived("v1");
        assert!(packets - before[0] >= 20, "{packets}");
        assert!(bytes - before[1] >= 20 * (1000 + 42), "{bytes}");
        // Before 6.11 the kernel answers EIO there.
        assert_eq!(sender.gso_enabled(), kernel_since((6, 11)));
    });
}

#[test]
fn interface_local_address_and_class_are_told_when_asked_for() {
    in_namespace(|| {
        let asked = Options {
            packet_info: true,
            traffic_class: true,
            v6_only: true,
            ..Options::default()
        };
        for (any, local) in [("0.0.0.0:0", "127.0.0.1"), ("[::]:0", "::1")] {
            let receiver = bind(any, asked);
            let port = receiver.local_addr().unwrap().port();
            let local: IpAddr = local.parse().unwrap();
            let sender = UdpSocket::bind(
                SocketAddr::new(local, 0),
                &Options {
                    dscp: 46,
                    ..Options::default()
                },
            )
            .unwrap();
            sender
                .send_run(b"x", 1, Some(SocketAddr::new(local, port)))
                .unwrap();
            assert!(receiver.fd().wait_readable(1000).unwrap());
            let mut batch = Box::new(Batch::new());
            receiver.recv_batch(&mut batch).unwrap();
            let datagram = batch.datagrams().next().unwrap();
            assert_eq!(
                (datagram.ifindex, datagram.local, datagram.class),
                (1, Some(local), 46 << 2)
            );
        }
    });
}

#[test]
fn an_answer_leaves_from_the_chosen_address() {
    in_namespace(|| {
        run("ip addr add 10.7.0.1/32 dev lo; ip addr add fd07::1/128 dev lo nodad");
        for (any, local) in [("0.0.0.0:0", "10.7.0.1"), ("[::]:0", "fd07::1")] {
            let server = bind(any, Options::default());
            let client = bind(any, Options::default());
            let (local, port): (IpAddr, u16) =
                (local.parse().unwrap(), client.local_addr().unwrap().port());
            let loopback = if local.is_ipv4() { "127.0.0.1" } else { "::1" };
            let to = SocketAddr::new(loopback.parse().unwrap(), port);
            let run = pattern(2500);
            assert_eq!(
                server
                    .send_run_from(&run, 1000, to, Source { local, ifindex: 0 })
                    .unwrap(),
                3
            );
            let got = receive(&client, 3);
            assert_eq!(got.len(), 3);
            assert!(got.iter().all(|(_, from)| from.ip() == local));
        }
    });
}

#[test]
fn multicast_is_heard_on_the_joined_interface() {
    in_namespace(|| {
        run("ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up");
        run(
            "for v in v0 v1; do ip addr flush dev $v; done; ip addr add fe80::1/64 dev v0 nodad; ip addr add fe80::2/64 dev v1 nodad",
        );
        let index = |name| {
            crate::netlink::Rtnl::open()
                .unwrap()
                .link_index(name)
                .unwrap()
                .unwrap()
        };
        let (v0, v1) = (index("v0"), index("v1"));
        let group: std::net::Ipv6Addr = "ff02::6d62".parse().unwrap();
        let options = |device| Options {
            device: Some(device),
            v6_only: true,
            reuse_address: true,
            packet_info: true,
            ..Options::default()
        };
        let receiver = bind("[::]:6262", options("v1"));
        receiver.join_multicast_v6(group, v1).unwrap();
        let sender = bind("[::]:6262", options("v0"));
        sender.set_multicast_v6(v0, 1, false).unwrap();
        let to = SocketAddr::V6(std::net::SocketAddrV6::new(group, 6262, 0, v0));
        sender.send_run(b"hello", 5, Some(to)).unwrap();
        let got = receive(&receiver, 1);
        assert_eq!(got[0].0, b"hello");
        assert_eq!(got[0].1, format!("[fe80::1%{v1}]:6262").parse().unwrap());
    });
}

#[test]
fn a_full_socket_tells_how_many_it_took() {
    in_namespace(|| {
        run(
            "ip link add v0 type veth peer name v1 && ip addr add 10.9.0.1/24 dev v0 && ip link set v0 up && ip link set v1 up",
        );
        // The peer never answers ARP: datagrams wait in the socket's small send buffer.
        let sender = bind(
            "10.9.0.1:0",
            Options {
                send_buffer: 4608,
                ..Options::default()
            },
        );
        sender.set_gso(false);
        let run = pattern(1000 * 64);
        let taken = sender
            .send_run(&run, 1000, Some("10.9.0.2:9".parse().unwrap()))
            .unwrap();
        assert!((1..64).contains(&taken), "{taken}");
        assert_eq!(
            sender
                .send_run(&run, 1000, Some("10.9.0.2:9".parse().unwrap()))
                .unwrap(),
            0
        );
    });
}

#[test]
fn a_datagram_longer_than_a_slot_is_seen_cut() {
    in_namespace(|| {
        let receiver = bind("127.0.0.1:0", Options::default());
        let sender = bind("127.0.0.1:0", Options::default());
        sender.connect(receiver.local_addr().unwrap()).unwrap();
        sender.send_run(&pattern(101), 101, None).unwrap();
        sender.send_run(&pattern(99), 99, None).unwrap();
        let mut batch = RecvBatch::<4, 100>::new();
        let mut lengths = Vec::new();
        while lengths.len() < 2 && receiver.fd().wait_readable(1000).unwrap() {
            receiver.recv_batch(&mut batch).unwrap();
            lengths.extend(batch.datagrams().map(|datagram| datagram.bytes.len()));
        }
        assert_eq!(lengths, [100, 99]);
    });
}
