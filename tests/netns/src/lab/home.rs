//! A household as a usual home router makes it: LAN, masquerading, a firewall, DNS.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, SocketAddrV4};

use anyhow::{Context as _, Result};

use super::Lab;
use super::build::{ROUTER, addresses, core_interface, feed, ip};
use crate::daemon::Daemon;
use crate::topology::Home;
use crate::topology::plan::{self, CORE, LAN_CLIENT, LAN_GATEWAY, in_prefix};

/// What a home router's firewall does by itself, with sets for what its owner opens. It forwards as OpenWrt's does:
/// from lan to wan, and where a forwarding was added as docs/firewall.md shows, to the zone of the tunnel. Its input from
/// the mesh is open: what the agent closes there must not be closed by somebody else.
const FIREWALL: &str = "
table inet home {
    set open6 { type ipv6_addr . inet_service; }
    map forwards { type inet_service : ipv4_addr . inet_service; }
    chain input {
        type filter hook input priority filter; policy accept;
        iifname wan0 ct state new meta l4proto { tcp, udp } counter drop
    }
    chain forward {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        iifname lan0 oifname wan0 accept
        jump zone_burstmesh
        ct status dnat accept
        iifname wan0 ip6 daddr . th dport @open6 accept
        counter
    }
    chain zone_burstmesh {
        iifname lan0 oifname bm0 accept
        iifname bm0 oifname wan0 accept
    }
    chain prerouting {
        type nat hook prerouting priority dstnat; policy accept;
        iifname wan0 meta nfproto ipv4 meta l4proto { tcp, udp } dnat ip to th dport map @forwards
    }
    chain postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        oifname wan0 meta nfproto ipv4 masquerade
    }
}
";

impl Lab {
    pub(super) fn make_home(&mut self, index: usize, home: &Home) -> Result<()> {
        self.ns(&home.name).sysctls(&ROUTER)?;
        self.make_lan(home)?;
        if home.has_line() {
            self.make_access(index, home)?;
        }
        let gateway = self.ns(&home.name);
        feed(gateway.command("nft").args(["-f", "-"]), FIREWALL)
            .context("cannot load the home's firewall")
    }

    /// Joins a gateway and a client by a cable between these interfaces.
    pub fn cable(&self, near: (&str, &str), far: (&str, &str)) -> Result<()> {
        let of = |name: &str| self.ns(name).system_name();
        let ((gateway, lan), (client, eth)) = (near, far);
        let pair = format!(
            "link add name {lan} netns {} type veth peer name {eth} netns {}\n",
            of(gateway),
            of(client)
        );
        ip(&["-batch", "-"], &pair)
    }

    fn make_lan(&self, home: &Home) -> Result<()> {
        self.cable((&home.name, "lan0"), (&home.client, "eth0"))?;
        let mut inside = format!("address add {LAN_GATEWAY}/24 dev lan0\nlink set lan0 up\n");
        let mut outside = format!("address add {LAN_CLIENT}/24 dev eth0\nlink set eth0 up\n");
        writeln!(outside, "route add default via {LAN_GATEWAY}")?;
        if let Some(prefix) = self.lan_prefix(&home.name)? {
            writeln!(inside, "address add {}/64 dev lan0", in_prefix(prefix, 1))?;
            writeln!(
                outside,
                "address add {}/64 dev eth0",
                in_prefix(prefix, 0x10)
            )?;
            writeln!(outside, "route add default via {}", in_prefix(prefix, 1))?;
        }
        self.ip(&home.name, &inside)?;
        self.ip(&home.client, &outside)
    }

    fn make_access(&mut self, index: usize, home: &Home) -> Result<()> {
        self.attach(&home.name, "wan0", home.line.as_ref())?;
        let link = self.link(&home.name)?;
        let core_end = core_interface(&home.name);
        // Without a protocol on the line there is simply no address of it at either end.
        let of_protocol = |script: String| {
            let wanted = script.lines().filter(|line| {
                if line.contains("::") {
                    home.ipv6
                } else {
                    home.ipv4
                }
            });
            wanted.fold(String::new(), |script, line| script + line + "\n")
        };
        let mut inside = of_protocol(addresses("wan0", &link, false));
        let mut outside = of_protocol(addresses(&core_end, &link, true));
        inside += &of_protocol(format!(
            "route add default via {}\nroute add default via {}",
            link.core4, link.core6
        ));
        if home.ipv6 {
            writeln!(
                outside,
                "route add {}/64 via {}",
                plan::home_prefix(index),
                link.v6
            )?;
        }
        self.ip(&home.name, &inside)?;
        self.ip(CORE, &outside)?;
        if home.cgnat {
            let hosts = self.topology.exits.iter().chain(&self.topology.hosts);
            let own = hosts.filter(|host| host.providers_own);
            let inside: String = own
                .map(|host| format!("oifname {} accept\n", core_interface(&host.name)))
                .collect();
            let rules = format!(
                "table ip cgnat_{index} {{\nchain postrouting {{\ntype nat hook postrouting priority srcnat;\n\
                 {inside}ip saddr {} masquerade random\n}}\n}}\n",
                link.v4
            );
            feed(self.ns(CORE).command("nft").args(["-f", "-"]), &rules)
                .context("cannot translate for the provider")?;
        }
        Ok(())
    }

    /// Forwards a port of the home's public IPv4 address to `to` inside.
    pub fn forward_port(&self, home: &str, port: u16, to: SocketAddrV4) -> Result<()> {
        let rule = format!(
            "add element inet home forwards {{ {port} : {} . {} }}\n",
            to.ip(),
            to.port()
        );
        self.nft(home, &rule)
    }

    /// Lets new connections from outside reach this IPv6 address and port inside.
    pub fn open_ipv6(&self, home: &str, address: std::net::Ipv6Addr, port: u16) -> Result<()> {
        let rule = format!("add element inet home open6 {{ {address} . {port} }}\n");
        self.nft(home, &rule)
    }

    /// Adds to, or changes, the firewall of a home by commands of `nft`.
    pub fn nft(&self, home: &str, script: &str) -> Result<()> {
        feed(self.ns(home).command("nft").args(["-f", "-"]), script)
    }

    /// Makes the provider of a `cgnat` home forget its translations: the next packet gets a new public port.
    pub fn rebind_nat(&self, home: &str) -> Result<()> {
        crate::packages::require(&["conntrack"])?;
        let inside = self.link(home)?.v4.to_string();
        self.ns(CORE)
            .run("conntrack", &["-D", "-s", &inside])
            .map(drop)
    }
}

/// The providers' resolver in the core: knows every host as `<name>.test` and as `bypassed.<name>.test`, and its other addresses as
/// `also.<name>.test`.
pub(super) fn start_resolver(lab: &Lab) -> Result<Daemon> {
    let mut text = format!(
        "listen-address={},{}\nbind-interfaces\n",
        plan::RESOLVER,
        plan::RESOLVER6
    );
    for host in lab.topology.exits.iter().chain(&lab.topology.hosts) {
        let link = lab.link(&host.name)?;
        writeln!(
            text,
            "host-record={}.test,{},{}",
            host.name, link.v4, link.v6
        )?;
        for family in [IpAddr::from(link.v4), link.v6.into()] {
            writeln!(text, "address=/bypassed.{}.test/{family}", host.name)?;
        }
        for address in &host.also {
            writeln!(text, "host-record=also.{}.test,{address}", host.name)?;
        }
    }
    text += "local=/test/\n";
    dnsmasq(lab, CORE, &text)
}

/// The forwarder on a home's gateway. It puts addresses of bypassed names where the agent looks for them, as the service has it do.
pub(super) fn start_forwarder(lab: &Lab, home: &str) -> Result<Daemon> {
    let mut text = format!("listen-address=127.0.0.1,{LAN_GATEWAY}\nbind-interfaces\n");
    if let Some(prefix) = lab.lan_prefix(home)? {
        writeln!(text, "listen-address={}", in_prefix(prefix, 1))?;
    }
    let spec = lab.topology.home(home)?;
    let resolver: IpAddr = if spec.ipv4 {
        plan::RESOLVER.into()
    } else {
        plan::RESOLVER6.into()
    };
    writeln!(text, "server={resolver}")?;
    let sets = "4#inet#burstmesh#direct4,6#inet#burstmesh#direct6";
    writeln!(text, "nftset=/bypassed.web.test/{sets}")?;
    dnsmasq(lab, home, &text)
}

fn dnsmasq(lab: &Lab, ns: &str, text: &str) -> Result<Daemon> {
    let path = lab.ns(ns).dir().join("dnsmasq.conf");
    fs::write(
        &path,
        format!("no-resolv\nno-hosts\nuser=root\npid-file=\ncache-size=100\n{text}"),
    )?;
    let mut command = lab.ns(ns).command("dnsmasq");
    command
        .arg("--keep-in-foreground")
        .arg("--log-facility=-")
        .arg(format!("--conf-file={}", path.display()));
    lab.daemon_from(ns, "dnsmasq", command)
}
