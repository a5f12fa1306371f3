//! The firewall's script: one table of our own, rebuilt whole.
//!
//! The kernel replaces a table in one transaction, so that there is no moment without rules. Nothing outside the
//! table is touched; a `drop` here is final whatever other tables say, an `accept` is not.

use std::fmt::Write;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::{Config, Ipv6Mode};

/// Our table.
pub const TABLE: &str = "burstmesh_exit";

/// Never reachable through an exit: what IANA's special-purpose registry (RFC 6890) calls not global. 169.254.0.0/16 and
/// 100.64.0.0/10 hold clouds' metadata services; 168.63.129.16 is one in public space. 192.88.99.0/24 led into 6to4.
const PRIVATE4: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

/// All of IPv6 that is given to anybody. What lies outside is dropped whatever it may come to mean: loopback, mapped and
/// compatible addresses, both NAT64 prefixes of standard, link-local, unique local (with fd00:ec2::254), multicast.
const GLOBAL6: &str = "2000::/3";

/// Not global inside of [`GLOBAL6`]. Tunnel prefixes (Teredo in 2001::/23, 6to4) would reach IPv4 behind the rules' back.
const PRIVATE6: &[&str] = &["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

/// Named counters, which `status` and the metrics read. The first ones count what was refused.
pub const COUNTERS: &[(&str, &str)] = &[
    ("spoofed", "a source that is no lease"),
    ("member", "another member or community"),
    (
        "private",
        "a private or reserved range, or this machine's own network",
    ),
    ("denied", "a prefix denied by the configuration"),
    ("port", "a blocked port"),
    ("ipv6", "IPv6, which is off"),
    (
        "invalid",
        "a packet of no connection, which would leave untranslated",
    ),
    ("host", "this machine itself"),
    ("interface", "an interface that is not the uplink"),
    ("unsolicited", "inbound without a connection"),
    ("up", "forwarded to the Internet"),
    ("down", "forwarded to members"),
];

/// How many of [`COUNTERS`] count refusals.
pub const REFUSALS: usize = 10;

/// The whole script for `nft -f -`: idempotent, whether the table is there or not.
///
/// What stands `on_link`, on the uplink's own link, is no part of the Internet for members.
pub fn build(config: &Config, on_link: &[IpNet]) -> String {
    let mut script = removal();
    let _ = writeln!(script, "table inet {TABLE} {{");
    for (name, _) in COUNTERS {
        let _ = writeln!(script, "  counter {name} {{}}");
    }
    sets(&mut script, config, on_link);
    from_members(&mut script, config);
    hooks(&mut script, config);
    translation(&mut script, config);
    script.push_str("}\n");
    script
}

/// The script that takes the table away; no error when it is not there.
pub fn removal() -> String {
    // Declaring it first makes the deletion succeed in any case.
    format!("table inet {TABLE} {{}}\ndelete table inet {TABLE}\n")
}

fn sets(script: &mut String, config: &Config, on_link: &[IpNet]) {
    let of = |nets: &[IpNet], v4: bool| {
        let nets = nets.iter().map(IpNet::trunc);
        nets.filter(|n| matches!(n, IpNet::V4(_)) == v4)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
    };
    let on_link = if config.nat.neighbours { &[] } else { on_link };
    let fixed = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    set(script, "private4", "ipv4_addr", &fixed(PRIVATE4));
    set(script, "private6", "ipv6_addr", &fixed(PRIVATE6));
    for (name, nets) in [("denied", &config.nat.deny[..]), ("on_link", on_link)] {
        set(script, &format!("{name}4"), "ipv4_addr", &of(nets, true));
        set(script, &format!("{name}6"), "ipv6_addr", &of(nets, false));
    }
    let ports = config.nat.block_ports.iter().map(ToString::to_string);
    set(
        script,
        "blocked_ports",
        "inet_service",
        &ports.collect::<Vec<_>>(),
    );
}

fn set(script: &mut String, name: &str, kind: &str, elements: &[String]) {
    let _ = write!(
        script,
        "  set {name} {{ type {kind}; flags interval; auto-merge; "
    );
    if !elements.is_empty() {
        let _ = write!(script, "elements = {{ {} }}; ", elements.join(", "));
    }
    script.push_str("}\n");
}

/// The judgement on a packet that a member sent, wherever it wants to go.
fn from_members(script: &mut String, config: &Config) {
    let leases = config.leases.get_ref();
    let (pool4, pool6) = (leases.v4, leases.v6);
    let (exit4, exit6) = (leases.exit_v4(), leases.exit_v6());
    let _ = write!(
        script,
        "  chain sources {{
    ip saddr != {pool4} counter name spoofed drop
    ip6 saddr != {pool6} counter name spoofed drop
    ip saddr {exit4} counter name spoofed drop
    ip6 saddr {exit6} counter name spoofed drop
  }}
  chain destinations {{
    ip daddr {pool4} counter name member drop
    ip6 daddr {pool6} counter name member drop
    ip daddr @private4 counter name private drop
    ip6 daddr != {GLOBAL6} counter name private drop
    ip6 daddr @private6 counter name private drop
    ip daddr @denied4 counter name denied drop
    ip6 daddr @denied6 counter name denied drop
    meta l4proto {{ tcp, udp, udplite, sctp, dccp }} th dport @blocked_ports counter name port drop
"
    );
    // A resolver that members are told may stand there.
    for resolver in config.resolvers() {
        let family = if resolver.is_ipv4() { "ip" } else { "ip6" };
        let _ = writeln!(
            script,
            "    {family} daddr {resolver} meta l4proto {{ tcp, udp }} th dport 53 return"
        );
    }
    script.push_str(
        "    ip daddr @on_link4 counter name private drop
    ip6 daddr @on_link6 counter name private drop
  }
",
    );
}

fn hooks(script: &mut String, config: &Config) {
    let (tun, uplink) = (config.tun.name.get_ref(), config.nat.uplink.get_ref());
    let no_ipv6 = match config.nat.ipv6.get_ref() {
        Ipv6Mode::Off => "    meta nfproto ipv6 counter name ipv6 drop\n",
        _ => "",
    };
    // Translation leaves alone what belongs to no connection: it would go out under the member's inner address.
    let mut translated = String::new();
    for (family, on) in [("ipv4", config.nat.nat44), ("ipv6", config.nat66())] {
        if on {
            let _ = writeln!(
                translated,
                "    meta nfproto {family} ct state invalid counter name invalid drop"
            );
        }
    }
    // Before the usual filters (priority 0), so that our counters see what others would drop.
    let _ = write!(
        script,
        "  chain forward {{
    type filter hook forward priority -10; policy accept;
    iifname \"{tun}\" goto outbound
    oifname \"{tun}\" goto inbound
  }}
  chain outbound {{
{no_ipv6}    jump sources
    oifname \"{tun}\" counter name member drop
    jump destinations
    oifname != \"{uplink}\" counter name interface drop
{translated}    counter name up accept
  }}
  chain inbound {{
    iifname \"{uplink}\" ct state established,related counter name down accept
    counter name unsolicited drop
  }}
  chain input {{
    type filter hook input priority -10; policy accept;
    iifname \"{tun}\" goto host_side
  }}
"
    );
    host_side(script, config, no_ipv6);
}

/// What members may want of this machine itself: pings of its public and tunnel addresses, and its resolver if they were
/// told so. An address that it has in a private network does not answer: nobody shall find out by pings what is there.
fn host_side(script: &mut String, config: &Config, no_ipv6: &str) {
    let leases = config.leases.get_ref();
    let (exit4, exit6) = (leases.exit_v4(), leases.exit_v6());
    let resolver = if config.resolver_here() {
        "    meta l4proto { tcp, udp } th dport 53 accept\n"
    } else {
        ""
    };
    let _ = write!(
        script,
        "  chain host_side {{
{no_ipv6}    jump sources
    ct state established,related accept
    ip daddr {exit4} goto tunnel_end
    ip6 daddr {exit6} goto tunnel_end
    ip daddr @private4 counter name private drop
    ip6 daddr != {GLOBAL6} counter name private drop
    ip6 daddr @private6 counter name private drop
    goto pings
  }}
  chain tunnel_end {{
{resolver}    goto pings
  }}
  chain pings {{
    icmp type echo-request accept
    icmpv6 type echo-request accept
    counter name host drop
  }}
"
    );
}

/// Whether members can be let through to this address: it is global.
pub fn is_public(ip: IpAddr) -> bool {
    let among = |list: &[&str]| {
        let mut nets = list.iter().filter_map(|n| n.parse::<IpNet>().ok());
        nets.any(|net| net.contains(&ip))
    };
    match ip {
        IpAddr::V4(_) => !among(PRIVATE4),
        IpAddr::V6(_) => among(&[GLOBAL6]) && !among(PRIVATE6),
    }
}

fn translation(script: &mut String, config: &Config) {
    let uplink = config.nat.uplink.get_ref();
    let leases = config.leases.get_ref();
    script.push_str(
        "  chain postrouting {\n    type nat hook postrouting priority srcnat; policy accept;\n",
    );
    if config.nat.nat44 {
        let _ = writeln!(
            script,
            "    oifname \"{uplink}\" ip saddr {} masquerade",
            leases.v4
        );
    }
    if config.nat66() {
        let _ = writeln!(
            script,
            "    oifname \"{uplink}\" ip6 saddr {} masquerade",
            leases.v6
        );
    }
    script.push_str("  }\n");
}
