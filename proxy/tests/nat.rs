//! The firewall in real network namespaces: what members reach, what they never reach, and what is counted.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use burstmesh_proxy::config::Config;
use burstmesh_proxy::nat::script;
use common::Namespace;
use ipnet::IpNet;

fn config(more: &str) -> Config {
    Config::parse("test", &format!("[nat]\nuplink = \"up0\"\n{more}")).unwrap()
}

/// A member behind `bmx0`, the exit, and an Internet that also pretends to be every place that must not be reached.
struct Lab {
    member: Namespace,
    exit: Namespace,
    internet: Namespace,
}

impl Lab {
    fn new(config: &Config) -> Option<Self> {
        Self::beside(config, &[])
    }

    /// With these ranges on the uplink's link, as far as the rules know.
    fn beside(config: &Config, on_link: &[IpNet]) -> Option<Self> {
        let (member, exit, internet) = (Namespace::new()?, Namespace::new()?, Namespace::new()?);
        exit.must(&format!(
            "ip link add bmx0 type veth peer name bm0 netns {}",
            member.pid()
        ));
        exit.must(&format!(
            "ip link add up0 type veth peer name in0 netns {}",
            internet.pid()
        ));
        exit.must(&format!(
            "ip link add lan0 type veth peer name lan1 netns {}",
            internet.pid()
        ));
        exit.must(
            "ip addr add 10.77.0.1/16 dev bmx0; ip -6 addr add fd77:6275:7273::1/48 dev bmx0 nodad",
        );
        exit.must("ip addr add 88.1.0.1/24 dev up0; ip -6 addr add 2a00:88::1/64 dev up0 nodad");
        exit.must("ip addr add 88.2.0.1/24 dev lan0; ip link set bmx0 up; ip link set up0 up; ip link set lan0 up");
        exit.must("ip route add default via 88.1.0.2; ip -6 route add default via 2a00:88::2");
        exit.must("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
        member.must("ip addr add 10.77.0.2/16 dev bm0; ip addr add 10.77.0.3/16 dev bm0; ip addr add 172.30.0.9/32 dev bm0");
        member.must("ip -6 addr add fd77:6275:7273::2/48 dev bm0 nodad; ip link set bm0 addrgenmode none; ip link set bm0 up");
        member.must(
            "ip route add default via 10.77.0.1; ip -6 route add default via fd77:6275:7273::1",
        );
        internet.must("ip addr add 88.1.0.2/24 dev in0; ip -6 addr add 2a00:88::2/64 dev in0 nodad; ip link set in0 up");
        internet.must("ip addr add 88.2.0.2/24 dev lan1; ip link set lan1 up");
        for private in [
            "10.1.1.1",
            "100.64.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.0.1",
            "88.9.0.77",
        ] {
            internet.must(&format!("ip addr add {private}/32 dev lo"));
        }
        internet.must("ip -6 addr add fd00:ec2::254/128 dev lo nodad");
        // A TUN interface has no neighbours to discover, and the rules let none be: veth gets them by hand.
        neighbours(&exit, "bmx0", &member, "bm0");
        let applied = exit.nft(&["-f", "-"], &script::build(config, on_link));
        assert!(
            applied.status.success(),
            "{}",
            String::from_utf8_lossy(&applied.stderr)
        );
        Some(Self {
            member,
            exit,
            internet,
        })
    }

    fn ping(&self, options: &str, to: &str) -> bool {
        self.member
            .run(&format!("ping -c1 -W1 {options} {to}"))
            .status
            .success()
    }

    /// Sends a UDP datagram; whether it arrives shows in the counters.
    fn udp(&self, to: &str, port: u16) {
        self.member
            .must(&format!("bash -c 'echo x > /dev/udp/{to}/{port}'"));
    }

    fn counter(&self, name: &str) -> u64 {
        let text = self
            .exit
            .must(&format!("nft list counter inet burstmesh_exit {name}"));
        let packets = text.split("packets ").nth(1).unwrap();
        packets.split_whitespace().next().unwrap().parse().unwrap()
    }
}

fn neighbours(exit: &Namespace, tun: &str, member: &Namespace, far: &str) {
    // `ip`, not /sys: that shows the links of whoever mounted it.
    let mac = |namespace: &Namespace, link: &str| {
        let text = namespace.must(&format!("ip -br link show {link}"));
        text.split_whitespace().nth(2).unwrap().to_owned()
    };
    let (here, there) = (mac(exit, tun), mac(member, far));
    exit.must(&format!(
        "ip -6 neigh add fd77:6275:7273::2 lladdr {there} dev {tun} nud permanent"
    ));
    member.must(&format!(
        "ip -6 neigh add fd77:6275:7273::1 lladdr {here} dev {far} nud permanent"
    ));
}

#[test]
fn every_configurations_script_is_accepted_and_may_be_repeated() {
    let Some(here) = Namespace::new() else { return };
    let variants = [
        "",
        "nat44 = false\nipv6 = \"off\"\nblock_ports = []\n",
        "ipv6 = \"routed\"\ndeny = [\"203.0.113.0/24\", \"203.0.113.128/25\", \"2001:db8:1::/48\"]\nblock_ports = [25, 465]\n[leases]\nv6 = \"2001:db8:77::/48\"\n",
        "[dns]\nv4 = [\"10.77.0.1\"]\nv6 = [\"fd77:6275:7273::1\"]\n",
    ];
    for more in variants {
        let script = script::build(&config(more), &["2a00:88::/64".parse().unwrap()]);
        for arguments in [["-c", "-f", "-"].as_slice(), &["-f", "-"], &["-f", "-"]] {
            let output = here.nft(arguments, &script);
            assert!(
                output.status.success(),
                "{}\n{script}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
    for _ in 0..2 {
        assert!(here.nft(&["-f", "-"], &script::removal()).status.success());
    }
    assert_eq!(here.must("nft list ruleset"), "");
}

#[test]
fn members_reach_the_internet_under_the_exits_own_address() {
    let Some(lab) = Lab::new(&config("")) else {
        return;
    };
    lab.internet.must("nft 'add table ip seen; add chain ip seen in { type filter hook input priority 0; }; add rule ip seen in ip saddr 10.77.0.0/16 counter; add rule ip seen in ip saddr 88.1.0.1 counter'");
    assert!(lab.ping("", "88.1.0.2"));
    assert!(lab.ping("-6", "2a00:88::2"));
    let seen = lab.internet.must("nft list table ip seen");
    assert!(
        seen.contains("ip saddr 10.77.0.0/16 counter packets 0 "),
        "{seen}"
    );
    assert!(
        seen.contains("ip saddr 88.1.0.1 counter packets 1 "),
        "{seen}"
    );
    assert_eq!((lab.counter("up"), lab.counter("down")), (2, 2));
}

#[test]
fn nothing_private_is_reachable_and_each_attempt_is_counted() {
    let Some(lab) = Lab::new(&config("deny = [\"88.9.0.0/24\"]\n")) else {
        return;
    };
    for to in [
        "10.1.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.0.1",
    ] {
        let before = lab.counter("private");
        assert!(!lab.ping("", to), "{to}");
        assert_eq!(lab.counter("private"), before + 1, "{to}");
    }
    let before = lab.counter("private");
    assert!(!lab.ping("-6", "fd00:ec2::254"));
    assert_eq!(lab.counter("private"), before + 1);
    assert!(!lab.ping("", "88.9.0.77"));
    assert_eq!(lab.counter("denied"), 1);
    assert!(!lab.ping("", "88.2.0.2"), "another interface of the exit");
    assert_eq!(lab.counter("interface"), 1);
    lab.udp("88.1.0.2", 25);
    assert_eq!(lab.counter("port"), 1);
    assert_eq!(lab.counter("up"), 0);
}

#[test]
fn what_stands_beside_the_exit_is_private_whatever_its_address_but_for_a_resolver_that_members_are_told()
 {
    let on_link = ["88.1.0.0/24", "2a00:88::/64"].map(|net| net.parse().unwrap());
    let told = "[dns]\nv4 = [\"88.1.0.2\"]\n";
    let Some(lab) = Lab::beside(&config(told), &on_link) else {
        return;
    };
    for (n, (options, to)) in [("", "88.1.0.2"), ("-6", "2a00:88::2")].iter().enumerate() {
        assert!(!lab.ping(options, to), "{to}");
        assert_eq!(lab.counter("private"), n as u64 + 1, "{to}");
    }
    // What the rest of that address' owner has is reached over it as before.
    assert!(lab.ping("", "88.9.0.77"));
    let before = lab.counter("up");
    lab.udp("88.1.0.2", 53);
    lab.udp("88.1.0.2", 54);
    assert_eq!((lab.counter("up"), lab.counter("private")), (before + 1, 3));
}

#[test]
fn an_exit_in_a_data_centre_may_let_members_reach_the_servers_beside_it() {
    let on_link = ["88.1.0.0/24", "2a00:88::/64"].map(|net| net.parse().unwrap());
    let Some(lab) = Lab::beside(&config("neighbours = true\n"), &on_link) else {
        return;
    };
    assert!(lab.ping("", "88.1.0.2") && lab.ping("-6", "2a00:88::2"));
}

#[test]
fn a_source_that_is_no_lease_goes_nowhere() {
    let Some(lab) = Lab::new(&config("")) else {
        return;
    };
    assert!(!lab.ping("-I 172.30.0.9", "88.1.0.2"));
    assert_eq!((lab.counter("spoofed"), lab.counter("up")), (1, 0));
}

#[test]
fn members_do_not_reach_each_other_nor_the_exits_own_services() {
    let Some(lab) = Lab::new(&config("")) else {
        return;
    };
    // The other member's address is across the same interface: without the rule the exit would send it back.
    lab.member.must("ip addr del 10.77.0.3/16 dev bm0; ip route add 10.77.9.9 via 10.77.0.1; ip route add 10.77.0.3 via 10.77.0.1");
    assert!(!lab.ping("", "10.77.9.9"), "another community");
    assert!(!lab.ping("", "10.77.0.3"), "another member");
    assert_eq!(lab.counter("member"), 2);
    for to in ["10.77.0.1", "88.1.0.1", "88.2.0.1"] {
        let before = lab.counter("host");
        lab.udp(to, 53);
        assert_eq!(lab.counter("host"), before + 1, "{to}");
    }
    assert!(
        lab.ping("", "10.77.0.1"),
        "the exit answers pings: it helps finding faults"
    );
}

#[test]
fn a_resolver_on_the_exit_is_reachable_when_members_are_told_so() {
    let Some(lab) = Lab::new(&config("[dns]\nv4 = [\"10.77.0.1\"]\n")) else {
        return;
    };
    lab.udp("10.77.0.1", 53);
    assert_eq!(lab.counter("host"), 0);
    lab.udp("10.77.0.1", 22);
    lab.udp("88.1.0.1", 53);
    assert_eq!(lab.counter("host"), 2);
}

#[test]
fn nobody_outside_begins_a_connection_to_a_member() {
    let Some(lab) = Lab::new(&config("")) else {
        return;
    };
    lab.internet.must("ip route add 10.77.0.0/16 via 88.1.0.1; ip -6 route add fd77:6275:7273::/48 via 2a00:88::1");
    assert!(
        !lab.internet
            .run("ping -c1 -W1 -I 88.1.0.2 10.77.0.2")
            .status
            .success()
    );
    assert!(
        !lab.internet
            .run("ping -6 -c1 -W1 fd77:6275:7273::2")
            .status
            .success()
    );
    assert_eq!(lab.counter("unsolicited"), 2);
}
