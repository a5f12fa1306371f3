//! The firewall's script: one table of our own, rebuilt whole.
//!
//! The kernel replaces a table in one transaction, so that there is no moment without rules. Nothing outside the
//! table is touched; a `drop` here is final whatever other tables say, an `accept` is not.

use std::fmt::Write;

use ipnet::IpNet;

use crate::config::{Config, Ipv6Mode};

/// Our table.
pub const TABLE: &str = "burstmesh_exit";

/// Never reachable through an exit: what IANA's special-purpose registry (RFC 6890) calls not global. The documentation
/// ranges are left out: nobody is there but laboratories. 169.254.0.0/16 holds the clouds' metadata services.
const PRIVATE4: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

/// The same for IPv6. The translation and tunnel prefixes (NAT64, 6to4, Teredo, mapped) would reach IPv4 behind the rules'
/// back; fd00:ec2::254 and its kin lie in fc00::/7.
const PRIVATE6: &[&str] = &[
    "::/8",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// Named counters, which `status` and the metrics read. The first ones count what was refused.
pub const COUNTERS: &[(&str, &str)] = &[
    ("spoofed", "a source that is no lease"),
    ("member", "another member or community"),
    ("private", "a private or reserved range"),
    ("denied", "a prefix denied by the configuration"),
    ("port", "a blocked port"),
    ("host", "this machine itself"),
    ("interface", "an interface that is not the uplink"),
    ("unsolicited", "inbound without a connection"),
    ("up", "forwarded to the Internet"),
    ("down", "forwarded to members"),
];

/// How many of [`COUNTERS`] count refusals.
pub const REFUSALS: usize = 8;

/// The whole script for `nft -f -`: idempotent, whether the table is there or not.
pub fn build(config: &Config) -> String {
    let mut script = removal();
    let _ = writeln!(script, "table inet {TABLE} {{");
    for (name, _) in COUNTERS {
        let _ = writeln!(script, "  counter {name} {{}}");
    }
    sets(&mut script, config);
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

fn sets(script: &mut String, config: &Config) {
    let denied = |v4: bool| {
        let nets = config.nat.deny.iter().map(IpNet::trunc);
        nets.filter(move |n| matches!(n, IpNet::V4(_)) == v4)
            .map(|n| n.to_string())
    };
    let fixed = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    set(script, "private4", "ipv4_addr", &fixed(PRIVATE4));
    set(script, "private6", "ipv6_addr", &fixed(PRIVATE6));
    set(
        script,
        "denied4",
        "ipv4_addr",
        &denied(true).collect::<Vec<_>>(),
    );
    set(
        script,
        "denied6",
        "ipv6_addr",
        &denied(false).collect::<Vec<_>>(),
    );
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
    ip6 daddr @private6 counter name private drop
    ip daddr @denied4 counter name denied drop
    ip6 daddr @denied6 counter name denied drop
    meta l4proto {{ tcp, udp, udplite, sctp, dccp }} th dport @blocked_ports counter name port drop
  }}
"
    );
}

fn hooks(script: &mut String, config: &Config) {
    let (tun, uplink) = (config.tun.name.get_ref(), config.nat.uplink.get_ref());
    let leases = config.leases.get_ref();
    let resolver = if config.resolver_here() {
        format!(
            "    ip daddr {} meta l4proto {{ tcp, udp }} th dport 53 accept\n    ip6 daddr {} meta l4proto {{ tcp, udp }} th dport 53 accept\n",
            leases.exit_v4(),
            leases.exit_v6()
        )
    } else {
        String::new()
    };
    let no_ipv6 = match config.nat.ipv6.get_ref() {
        Ipv6Mode::Off => "    meta nfproto ipv6 drop\n",
        _ => "",
    };
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
    counter name up accept
  }}
  chain inbound {{
    iifname \"{uplink}\" ct state established,related counter name down accept
    counter name unsolicited drop
  }}
  chain input {{
    type filter hook input priority -10; policy accept;
    iifname \"{tun}\" goto host_side
  }}
  chain host_side {{
{no_ipv6}    jump sources
    icmp type echo-request accept
    icmpv6 type echo-request accept
{resolver}    ct state established,related accept
    counter name host drop
  }}
"
    );
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
    if *config.nat.ipv6.get_ref() == Ipv6Mode::Nat66 {
        let _ = writeln!(
            script,
            "    oifname \"{uplink}\" ip6 saddr {} masquerade",
            leases.v6
        );
    }
    script.push_str("  }\n");
}
