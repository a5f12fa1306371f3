use super::*;
use crate::path::InterfaceName;
use crate::testing::{in_namespace, run};

fn dummy(name: &str) -> (Rtnl, u32) {
    run(&format!(
        "ip link add {name} type veth peer name {name}p && ip link set {name}p up"
    ));
    let mut rtnl = Rtnl::open().unwrap();
    let index = rtnl.link_index(name).unwrap().unwrap();
    rtnl.set_link(index, true, None).unwrap();
    (rtnl, index)
}

#[test]
fn a_link_tells_its_state_and_takes_a_new_one() {
    in_namespace(|| {
        let mut rtnl = Rtnl::open().unwrap();
        assert_eq!(rtnl.link("v0").unwrap(), None);
        run("ip link add v0 type veth peer name v1");
        let link = rtnl.link("v0").unwrap().unwrap();
        assert_eq!(
            (
                link.name.as_str(),
                link.up,
                link.running,
                link.mtu,
                link.master
            ),
            ("v0", false, false, 1500, None)
        );
        rtnl.set_link(link.index, true, Some(1412)).unwrap();
        // The kernel works out beside us whether it runs: on a slow processor after it has said that it is up.
        let settled = |rtnl: &mut Rtnl, running| {
            for _ in 0..200 {
                if rtnl.link("v0").unwrap().unwrap().running == running {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            rtnl.link("v0").unwrap().unwrap()
        };
        let link = settled(&mut rtnl, false);
        assert_eq!((link.up, link.running, link.mtu), (true, false, 1412));
        run("ip link set v1 up");
        assert!(settled(&mut rtnl, true).running);
        rtnl.set_link(link.index, false, None).unwrap();
        assert!(!rtnl.link("v0").unwrap().unwrap().up);
    });
}

#[test]
fn a_bridge_port_is_recognised() {
    in_namespace(|| {
        run(
            "ip link add v0 type veth peer name v1 && ip link add br0 type bridge && ip link set v0 master br0",
        );
        let mut rtnl = Rtnl::open().unwrap();
        let bridge = rtnl.link("br0").unwrap().unwrap();
        let port = rtnl.link("v0").unwrap().unwrap();
        assert!(bridge.bridge && !bridge.bridge_port && port.bridge_port && !port.bridge);
        assert_eq!(port.master, Some(bridge.index));
        assert!(!rtnl.link("v1").unwrap().unwrap().bridge_port);
    });
}

#[test]
fn addresses_are_added_listed_and_deleted_any_number_of_times() {
    in_namespace(|| {
        let (mut rtnl, index) = dummy("v0");
        let list = |rtnl: &mut Rtnl| {
            let mut all = Vec::new();
            rtnl.addresses(index, |address| all.push(address)).unwrap();
            all.retain(|address| address.global);
            all
        };
        for (ip, prefix_len) in [("10.64.0.2", 32), ("fd42::2", 128)] {
            let ip: IpAddr = ip.parse().unwrap();
            for _ in 0..2 {
                rtnl.add_address(index, ip, prefix_len).unwrap();
            }
            assert_eq!(
                list(&mut rtnl),
                [Address {
                    ip,
                    prefix_len,
                    global: true,
                    usable: true,
                    temporary: false
                }]
            );
            for _ in 0..2 {
                rtnl.delete_address(index, ip, prefix_len).unwrap();
            }
            assert_eq!(list(&mut rtnl), []);
        }
    });
}

#[test]
fn routes_are_set_in_any_table_any_number_of_times() {
    in_namespace(|| {
        let (mut rtnl, ifindex) = dummy("v0");
        run("ip addr add 10.1.0.2/24 dev v0; ip addr add fd01::2/64 dev v0 nodad");
        let network = Prefix {
            ip: "10.9.0.0".parse().unwrap(),
            len: 16,
        };
        for (destination, table, show, expected) in [
            (
                Prefix::ALL_V4,
                7000,
                "-4 route show table 7000",
                "default dev v0",
            ),
            (
                Prefix::ALL_V6,
                7000,
                "-6 route show table 7000",
                "default dev v0",
            ),
            (
                network,
                MAIN_TABLE,
                "-4 route show 10.9.0.0/16",
                "10.9.0.0/16 dev v0 proto static scope link",
            ),
        ] {
            let route = Route {
                destination,
                ifindex,
                table,
            };
            for _ in 0..2 {
                rtnl.replace_route(&route).unwrap();
            }
            let shown = run(&format!("ip {show}"));
            assert!(
                shown.starts_with(expected) && shown.lines().count() == 1,
                "{shown}"
            );
        }
    });
}

#[test]
fn what_stands_on_an_interfaces_own_link_is_found_however_it_became_known() {
    in_namespace(|| {
        let (mut rtnl, index) = dummy("v0");
        let _other = dummy("v2");
        run(
            "ip addr add 88.1.0.2/24 dev v0; ip addr add 88.3.0.1/32 dev v0; ip addr add 88.2.0.2/24 dev v2
             ip addr add 2a00:88:1::2/64 dev v0 nodad; ip addr add 2a00:88:9::2/128 dev v0 nodad
             ip route add default via 88.1.0.1; ip -6 route add default dev v0; ip route add 88.4.0.0/16 via 88.1.0.7
             ip -6 route add 2a00:88:2::/64 dev v0; ip -6 route add 2a00:88:3::/64 via fe80::1 dev v0; ip -6 route add 2a00:88:4::/64 dev v2
             ip -6 route add 2a00:88:5::/64 dev v0 table 200; ip -6 route add unreachable 2a00:88:6::/64; ip -6 route add 2000::/3 dev v0",
        );
        let mut seen = Vec::new();
        rtnl.on_link(index, |p| seen.push(format!("{}/{}", p.ip, p.len)))
            .unwrap();
        seen.retain(|p| !p.starts_with("fe80"));
        seen.sort();
        assert_eq!(seen, ["2a00:88:1::/64", "2a00:88:2::/64", "88.1.0.0/24"]);
    });
}

#[test]
fn the_default_gateway_of_an_interface_is_found() {
    in_namespace(|| {
        let (mut rtnl, index) = dummy("v0");
        let other = { dummy("v2").1 };
        run(
            "ip addr add 10.1.0.2/24 dev v0; ip addr add 10.2.0.2/24 dev v2; ip addr add fd01::2/64 dev v0 nodad",
        );
        assert_eq!(
            rtnl.default_gateway(Family::V4, index, MAIN_TABLE).unwrap(),
            None
        );
        run(
            "ip route add default via 10.1.0.7 dev v0 metric 50; ip route add default via 10.1.0.1 dev v0 metric 5",
        );
        run(
            "ip route add default via 10.1.0.9 dev v0 table 77; ip route add default dev v2 metric 7; ip -6 route add default via fe80::1 dev v0",
        );
        let hop = |via: &str, metric| {
            Some(NextHop {
                via: Some(via.parse().unwrap()),
                metric,
            })
        };
        assert_eq!(
            rtnl.default_gateway(Family::V4, index, MAIN_TABLE).unwrap(),
            hop("10.1.0.1", 5)
        );
        assert_eq!(
            rtnl.default_gateway(Family::V4, index, 77).unwrap(),
            hop("10.1.0.9", 0)
        );
        assert_eq!(
            rtnl.default_gateway(Family::V4, other, MAIN_TABLE).unwrap(),
            Some(NextHop {
                via: None,
                metric: 7
            })
        );
        assert_eq!(
            rtnl.default_gateway(Family::V6, index, MAIN_TABLE).unwrap(),
            hop("fe80::1", 1024)
        );
        run(
            "ip route flush table main; ip addr add 10.2.0.2/24 dev v2; ip addr add 10.1.0.2/24 dev v0 || true",
        );
        run(
            "ip route replace 10.1.0.0/24 dev v0; ip route replace 10.2.0.0/24 dev v2; ip route add default nexthop via 10.1.0.1 dev v0 nexthop via 10.2.0.1 dev v2",
        );
        assert_eq!(
            rtnl.default_gateway(Family::V4, index, MAIN_TABLE).unwrap(),
            hop("10.1.0.1", 0)
        );
        assert_eq!(
            rtnl.default_gateway(Family::V4, other, MAIN_TABLE).unwrap(),
            hop("10.2.0.1", 0)
        );
    });
}

#[test]
fn rules_are_added_once_and_deleted_any_number_of_times() {
    in_namespace(|| {
        let mut rtnl = Rtnl::open().unwrap();
        for (family, flag, from) in [
            (Family::V4, "-4", "192.168.1.0"),
            (Family::V6, "-6", "fd00::"),
        ] {
            let before = run(&format!("ip {flag} rule"));
            let suppress = Rule {
                suppress_prefix_len: Some(0),
                ..Rule::new(family, 900, MAIN_TABLE)
            };
            let marked = Rule {
                mark: Some((0x10000, 0xff0000)),
                ..Rule::new(family, 901, 7000)
            };
            let network = Rule {
                from: Some(Prefix {
                    ip: from.parse().unwrap(),
                    len: 24,
                }),
                from_interface: Some(InterfaceName::new("br-lan").unwrap()),
                ..Rule::new(family, 902, 7000)
            };
            for _ in 0..2 {
                for rule in [&suppress, &marked, &network] {
                    rtnl.add_rule(rule).unwrap();
                }
            }
            let shown = run(&format!("ip {flag} rule"));
            assert_eq!(shown.lines().count(), before.lines().count() + 3, "{shown}");
            assert!(
                shown.contains("900:\tfrom all lookup main suppress_prefixlength 0"),
                "{shown}"
            );
            assert!(
                shown.contains("901:\tfrom all fwmark 0x10000/0xff0000 lookup 7000"),
                "{shown}"
            );
            assert!(
                shown.contains(&format!("902:\tfrom {from}/24 iif br-lan")),
                "{shown}"
            );
            for priority in [900, 902] {
                rtnl.delete_rules_at(family, priority).unwrap();
            }
            rtnl.add_rule(&Rule { table: 5, ..marked }).unwrap();
            rtnl.delete_rules_at(family, 901).unwrap();
            assert_eq!(run(&format!("ip {flag} rule")), before);
        }
    });
}

#[test]
fn the_monitor_tells_what_sort_of_thing_changed() {
    in_namespace(|| {
        let mut monitor = Monitor::open().unwrap();
        assert!(!monitor.drain().unwrap().any());
        run("ip link add v0 type veth peer name v1");
        assert!(monitor.fd().wait_readable(1000).unwrap());
        assert_eq!(
            monitor.drain().unwrap(),
            Changes {
                links: true,
                ..Changes::default()
            }
        );
        run("ip addr add 10.1.0.1/32 dev lo");
        let changes = monitor.drain().unwrap();
        assert!(changes.addresses && changes.routes && !changes.links);
        run("ip route add blackhole 10.3.0.0/16");
        assert_eq!(
            monitor.drain().unwrap(),
            Changes {
                routes: true,
                ..Changes::default()
            }
        );
        for _ in 0..60 {
            run(
                "for n in $(seq 30); do echo addr add 10.5.$n.1/32 dev lo; echo addr del 10.5.$n.1/32 dev lo; done | ip -batch -",
            );
        }
        assert!(monitor.drain().unwrap().any());
        assert!(!monitor.drain().unwrap().any());
    });
}

#[test]
fn only_connections_with_the_mark_are_forgotten() {
    in_namespace(|| {
        run("ip addr add 10.5.0.1/32 dev lo; ip addr add fd05::1/128 dev lo nodad");
        run(
            "printf 'table inet t { chain o { type filter hook output priority 0; udp dport 1000 ct mark set 0x10001; udp dport 2000 ct mark set 0x20001;\\n}\\n}\\n' | nft -f -",
        );
        let send = |to: &str| {
            let socket = std::net::UdpSocket::bind(if to.starts_with('[') {
                "[::]:0"
            } else {
                "0.0.0.0:0"
            })
            .unwrap();
            socket.send_to(b"x", to).unwrap();
        };
        for port in [1000, 2000, 3000] {
            send(&format!("10.5.0.1:{port}"));
            send(&format!("[fd05::1]:{port}"));
        }
        let count = |mark| {
            let mut count = 0;
            let goes = |_: &conntrack::Tracked| {
                count += 1;
                false
            };
            conntrack::delete_those(mark, 0xff0000, goes).unwrap();
            count
        };
        let counts = || [0x10000, 0x20000, 0].map(count);
        assert_eq!(counts(), [2, 2, 2]);
        conntrack::delete_marked(0x10000, 0xff0000).unwrap();
        assert_eq!(counts(), [0, 2, 2]);
        conntrack::delete_marked(0x10000, 0xff0000).unwrap();
        assert_eq!(counts(), [0, 2, 2]);
        assert!(conntrack::delete_marked(0, 0).is_err());
        let of_six = |tracked: &conntrack::Tracked| {
            let back = tracked.back;
            assert!(back.ports.0 == 2000 && !tracked.is_open_tcp && back.from == back.to);
            let address = if back.v6 {
                [0xfd, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
            } else {
                [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 5, 0, 1]
            };
            assert_eq!(back.from, address);
            back.v6
        };
        conntrack::delete_those(0x20000, 0xff0000, of_six).unwrap();
        assert_eq!(counts(), [0, 1, 2]);
    });
}

#[test]
fn connections_with_the_mark_are_listed_with_what_they_carried_until_enough_were_seen() {
    in_namespace(|| {
        run("ip addr add 10.5.0.1/32 dev lo");
        run(
            "printf 'table inet t { chain o { type filter hook output priority 0; udp dport { 1000, 1001, 1002 } ct mark set 0x30001;\\n}\\n}\\n' | nft -f - && echo 1 > /proc/sys/net/netfilter/nf_conntrack_acct",
        );
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        for port in [1000, 1001, 1002, 1003] {
            socket.send_to(&[0; 72], ("10.5.0.1", port)).unwrap();
        }
        let listed = |most: usize| {
            let mut all = std::vec::Vec::new();
            let list = conntrack::list(0x30000, 0xff0000, |tracked| {
                all.push(*tracked);
                all.len() < most
            });
            list.unwrap();
            all
        };
        assert_eq!([1, 2, 9].map(|most| listed(most).len()), [1, 2, 3]);
        for tracked in listed(9) {
            assert_eq!((tracked.protocol, tracked.mark), (17, 0x30001));
            assert_eq!(tracked.bytes, 100);
        }
    });
}

#[test]
fn counters_count_bytes_that_pass() {
    in_namespace(|| {
        let mut rtnl = Rtnl::open().unwrap();
        let mut counters = |name| rtnl.link(name).unwrap().map(|link| link.counters);
        let before = counters("lo").unwrap();
        std::net::UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .send_to(&[0; 1000], "127.0.0.1:9")
            .unwrap();
        let after = counters("lo").unwrap();
        assert!(
            after.rx_bytes - before.rx_bytes >= 1028 && after.tx_bytes - before.tx_bytes >= 1028
        );
        assert_eq!(counters("none"), None);
    });
}
