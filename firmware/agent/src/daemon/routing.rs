//! How clients' connections get to `bm0`, and how they get back to the own line.
//!
//! Each new connection from a client network is marked pooled or direct when it starts; the mark stays with the
//! connection (connmark) and is put on every packet; pooled packets look in our table. Withdrawing means: no new
//! connection is marked, the rules go, and only pooled connections are forgotten by the kernel's tracker. Direct ones
//! are never touched.

pub mod device;
pub mod direct;
mod guests;

use super::spread::Spread;
use crate::config::{self, Config};
use burstmesh_core::data::reset::Near;
use burstmesh_core::wire::handshake::Lease;
use burstmesh_linux::netlink::conntrack;
use burstmesh_linux::netlink::counter::{self, Count};
use burstmesh_linux::netlink::{Family, MAIN_TABLE, Prefix, Rtnl, Rule};
use burstmesh_linux::watchdog::Cause;
use burstmesh_linux::{file, nft, warn};
use core::fmt::Write;
use core::net::{Ipv4Addr, Ipv6Addr};
use direct::Reason;
use heapless::String;
use heapless::string::StringView;

/// The mark of a pooled connection, and the bits that say what becomes of a connection: apart from mwan3's (0x3f00) and pbr's (0xff0000).
pub const POOLED: u32 = 0x1000_0000;
/// See [`POOLED`].
pub const MASK: u32 = 0x3000_0000;
/// The mark of a connection that leaves at a host's line; with the host's place among the neighbours in the next four bits.
pub const GUEST: u32 = 0x2000_0000;
/// The bits that say which host.
pub const HOST_MASK: u32 = 0x3f00_0000;
/// The table with the default route over `bm0`.
pub const TABLE: u32 = 181;
/// The place of our two rules.
pub const PRIORITY: u32 = 1900;
/// The device.
pub const TUN: &str = crate::config::values::TUNNEL;

const SCRIPT: usize = 16 * 1024;
/// The firewall's table.
const FIREWALL: &str = "burstmesh";
/// Counters of what came over a closed mesh and was dropped: for the router itself, and for somebody behind it.
const FROM_MESH: [&str; 2] = ["mesh_input", "mesh_forward"];

/// Removes the table, be there one or not.
const NOTHING_YET: &str = "table inet burstmesh {}\ndelete table inet burstmesh\n";
/// As the firewall names them.
const FAMILIES: [&str; 2] = ["ip", "ip6"];

/// Where pooling never goes: private, local, special (RFC 6890), whatever the own line makes of them.
const DIRECT_V4: &str = "0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.0.0.0/24, 192.168.0.0/16, 224.0.0.0/3";

/// Why the firewall is not as it should be.
#[derive(Debug)]
pub enum Failure {
    /// The script has no room.
    TooLong,
    /// The tool.
    Nft(nft::Failure),
}

impl From<nft::Failure> for Failure {
    fn from(failure: nft::Failure) -> Self {
        Self::Nft(failure)
    }
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TooLong => {
                f.write_str("the firewall script is too long: fewer client networks or bypasses")
            }
            Self::Nft(failure) => failure.fmt(f),
        }
    }
}

/// What is set up now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// New connections are pooled.
    pub pooling: bool,
    /// Those over IPv6 too.
    pub ipv6: bool,
    /// The router's own name look-ups go through the exit.
    pub dns_rescue: bool,
    /// Which exit, once one was used.
    pub exit: Option<usize>,
    /// The lease on the device.
    pub lease: Option<Near>,
    /// The device's MTU.
    pub mtu: u16,
    /// Who our hosts are.
    pub spread: Spread,
    /// Guests' sessions may leave at our lines.
    pub hosting: bool,
}

/// Sets up the table and rules for `config`, with nothing pooled yet.
pub fn prepare(config: &Config) -> Result<(), Failure> {
    let mut script = String::<SCRIPT>::new();
    // Whatever a run before this one has left.
    let written = script
        .push_str(NOTHING_YET)
        .map_err(|_| core::fmt::Error)
        .and_then(|()| write_base(config, &[], refused_from_mesh(), script.as_mut_view()));
    written.map_err(|_| Failure::TooLong)?;
    Ok(nft::apply(script.as_bytes())?)
}

/// What came over closed meshes and was dropped: for the router itself, and for somebody behind it.
pub fn refused_from_mesh() -> [Count; 2] {
    FROM_MESH.map(|name| counter::read(FIREWALL, name).unwrap_or_default())
}

/// Whether the firewall still has our table: others may flush all of it.
pub fn is_in_place() -> bool {
    let [name, _] = FROM_MESH;
    counter::exists(FIREWALL, name)
}

/// Lets answers in through the device `tun` where the router checks that packets come from where it would send to: seen
/// from its main table the whole Internet lies behind the own line, or nowhere. The mark tells better.
pub fn accept_answers(tun: &str) {
    for (setting, value) in [("rp_filter", "2"), ("src_valid_mark", "1")] {
        let mut path = String::<64>::new();
        let written = write!(
            path.as_mut_view(),
            "/proc/sys/net/ipv4/conf/{tun}/{setting}"
        );
        if written.is_ok()
            && let Err(error) = file::overwrite(&path, value.as_bytes())
        {
            warn!("{}: {}", path, error);
        }
    }
}

/// All rules. Those that were there go, and what dnsmasq has put into the sets stays.
fn write_base(
    config: &Config,
    on_link: &[Prefix],
    seen: [Count; 2],
    s: &mut StringView,
) -> core::fmt::Result {
    writeln!(
        s,
        "table inet burstmesh {{}}\nflush table inet burstmesh\ntable inet burstmesh {{"
    )?;
    writeln!(
        s,
        "chain decide {{}}\nchain rescue {{}}\nchain sources {{}}"
    )?;
    write_bypass(config, s)?;
    writeln!(
        s,
        "chain incoming {{\ntype filter hook prerouting priority mangle; policy accept;"
    )?;
    for c in &config.clients {
        writeln!(
            s,
            "iifname \"{}\" ct state new ct mark and {MASK:#x} == 0 jump bypass",
            c.ifname
        )?;
    }
    write_mark(GUEST, s)?;
    write_mark(POOLED, s)?;
    writeln!(s, "}}")?;
    writeln!(
        s,
        "chain own {{\ntype route hook output priority mangle; policy accept;\njump rescue"
    )?;
    write_mark(POOLED, s)?;
    writeln!(s, "}}")?;
    guests::write_leaving(config, on_link, s)?;
    writeln!(
        s,
        "chain rescue_to {{\ntype nat hook output priority -100; policy accept;\n}}"
    )?;
    writeln!(
        s,
        "chain out {{\ntype nat hook postrouting priority 90; policy accept;\njump lines\noifname \"{TUN}\" jump sources\noifname \"{TUN}\" masquerade\n}}"
    )?;
    write_lanes(config, s)?;
    write_mesh(config, seen, s)?;
    writeln!(s, "}}")
}

/// Packets of connections with this mark get it, so that our table is looked in for them.
fn write_mark(mark: u32, s: &mut StringView) -> core::fmt::Result {
    writeln!(
        s,
        "ct mark and {MASK:#x} == {mark:#x} meta mark set meta mark and {:#x} or {mark:#x}",
        !MASK
    )
}

/// What a rule fits gets the code point that says its lane, while the client's address can still be seen.
fn write_lanes(config: &Config, s: &mut StringView) -> core::fmt::Result {
    writeln!(
        s,
        "chain lanes {{\ntype filter hook postrouting priority mangle; policy accept;\noifname != \"{TUN}\" accept"
    )?;
    for rule in &config.rules {
        let Some(lane) = rule.lane else { continue };
        for family in FAMILIES.into_iter().filter(|f| rule.fits(*f == "ip6")) {
            write_match(rule, family, s)?;
            writeln!(s, "{family} dscp set {} accept", lane.code_point())?;
        }
    }
    writeln!(s, "}}")
}

/// Whether a new connection goes direct by a rule, or is pooled by one that comes first.
fn write_rules(rules: &[config::Rule], s: &mut StringView) -> core::fmt::Result {
    let direct = |r: &config::Rule| r.lane.is_none();
    let count = rules.iter().rposition(direct).map_or(0, |last| last + 1);
    let mut place = 0;
    for rule in rules.iter().take(count) {
        let to = direct(rule).then_some(Reason::Rule(place));
        place += usize::from(to.is_some());
        for family in FAMILIES.into_iter().filter(|f| rule.fits(*f == "ip6")) {
            write_match(rule, family, s)?;
            match to {
                Some(reason) => writeln!(s, "goto {reason}")?,
                None => writeln!(s, "goto decide")?,
            }
            if rule.is_of_both() {
                break;
            }
        }
    }
    Ok(())
}

/// What a packet must be for a rule.
fn write_match(rule: &config::Rule, family: &str, s: &mut StringView) -> core::fmt::Result {
    for (prefix, which) in [(rule.client, "saddr"), (rule.destination, "daddr")] {
        if let Some(prefix) = prefix {
            write!(s, "{family} {which} {prefix} ")?;
        }
    }
    match (rule.protocol, rule.port) {
        (Some(protocol), Some(port)) => write!(s, "{protocol} dport {port} ")?,
        (Some(protocol), None) => write!(s, "meta l4proto {protocol} ")?,
        (None, Some(port)) => write!(s, "meta l4proto {{ tcp, udp }} th dport {port} ")?,
        (None, None) => {}
    }
    if let Some(point) = rule.code_point {
        write!(s, "{family} dscp {point} ")?;
    }
    Ok(())
}

/// Which new connections nobody decides about: they are direct.
fn write_bypass(config: &Config, s: &mut StringView) -> core::fmt::Result {
    if config.bypasses_names {
        write_sets(s)?;
    }
    direct::write_chains(config, s)?;
    writeln!(s, "chain bypass {{")?;
    writeln!(s, "fib daddr type {{ local, broadcast, multicast }} return")?;
    writeln!(
        s,
        "ip daddr {{ {DIRECT_V4} }} return\nip6 daddr != 2000::/3 return"
    )?;
    for (client, c) in config.clients.iter().enumerate() {
        for prefix in config.bypasses_of(client) {
            let family = if prefix.address.is_ipv4() {
                "ip"
            } else {
                "ip6"
            };
            writeln!(
                s,
                "iifname \"{}\" {family} daddr {}/{} goto {}",
                c.ifname,
                prefix.address,
                prefix.length,
                Reason::Network
            )?;
        }
    }
    write_rules(&config.rules, s)?;
    if config.bypasses_names {
        // An address that is used stays there.
        for (family, digit) in FAMILIES.into_iter().zip([4, 6]) {
            writeln!(
                s,
                "{family} daddr @direct{digit} update @direct{digit} {{ {family} daddr }} goto {}",
                Reason::Name
            )?;
        }
    }
    writeln!(s, "jump decide\n}}")
}

/// What dnsmasq puts addresses of bypassed names into.
fn write_sets(s: &mut StringView) -> core::fmt::Result {
    for digit in [4, 6] {
        writeln!(
            s,
            "set direct{digit} {{ type ipv{digit}_addr; flags dynamic,timeout; timeout 1d; size 1024; }}"
        )?;
    }
    Ok(())
}

/// Whoever is in radio range is on the mesh. A closed one reaches the agent, which judges for itself, and what IPv6 and
/// people need to find each other; no other service of the router, and nothing behind it. Counting goes on at `seen`.
fn write_mesh(config: &Config, seen: [Count; 2], s: &mut StringView) -> core::fmt::Result {
    for (name, Count { packets, bytes }) in FROM_MESH.iter().zip(seen) {
        writeln!(s, "counter {name} {{ packets {packets} bytes {bytes}; }}")?;
    }
    let answers = "ct direction reply ct state established,related accept";
    writeln!(
        s,
        "chain stranger {{
{answers}
ip6 hoplimit 255 icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept
icmpv6 type {{ mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report }} accept
icmpv6 type echo-request limit rate 10/second accept
icmp type echo-request limit rate 10/second accept
counter name mesh_input drop
}}
chain through {{
{answers}
counter name mesh_forward drop
}}"
    )?;
    let closed = || config.meshes.iter().filter(|m| !m.open);
    writeln!(
        s,
        "chain from_mesh {{\ntype filter hook input priority -10; policy accept;"
    )?;
    guests::write_guard("drop", s)?;
    for m in closed() {
        let (ifname, port) = (&m.ifname, m.port);
        writeln!(
            s,
            "iifname \"{ifname}\" meta nfproto ipv6 udp dport {port} accept\niifname \"{ifname}\" goto stranger"
        )?;
    }
    writeln!(
        s,
        "}}\nchain past_mesh {{\ntype filter hook forward priority -10; policy accept;"
    )?;
    guests::write_guard("goto leaving", s)?;
    // Nothing else that comes by the tunnel goes out again by a line.
    for u in &config.uplinks {
        writeln!(s, "iifname \"{TUN}\" oifname \"{}\" drop", u.ifname)?;
    }
    for m in closed() {
        writeln!(s, "iifname \"{}\" goto through", m.ifname)?;
    }
    writeln!(s, "}}")
}

/// Begins to let new connections be pooled, or not; before that the table is written anew, for a new `config` or new ranges on
/// the lines' links. All of it happens at once.
pub fn start_decision(
    base: Option<(&Config, &[Prefix])>,
    want: &Applied,
    dns: Option<&Lease>,
) -> Result<nft::Running, Failure> {
    let mut s = String::<SCRIPT>::new();
    let written = base
        .map_or(Ok(()), |(config, on_link)| {
            write_base(config, on_link, refused_from_mesh(), s.as_mut_view())
        })
        .and_then(|()| write_decision(want, dns, s.as_mut_view()));
    written.map_err(|_| Failure::TooLong)?;
    Ok(nft::start(s.as_bytes())?)
}

fn write_decision(want: &Applied, dns: Option<&Lease>, s: &mut StringView) -> core::fmt::Result {
    writeln!(
        s,
        "flush chain inet burstmesh decide\nflush chain inet burstmesh rescue\nflush chain inet burstmesh rescue_to\n\
         flush chain inet burstmesh sources"
    )?;
    guests::write_spread(&want.spread, s)?;
    if let Some(near) = want.lease {
        guests::write_source(POOLED, MASK, near, s)?;
    }
    if !want.pooling {
        guests::write_deal(&want.spread, s)?;
    } else {
        writeln!(
            s,
            "add rule inet burstmesh decide {}ct mark set ct mark and {:#x} or {POOLED:#x}",
            if want.ipv6 { "" } else { "meta nfproto ipv4 " },
            !MASK
        )?;
    }
    let Some(lease) = dns else { return Ok(()) };
    // The provider's resolvers answer only on the provider's own line: ask the exit's instead.
    for l4 in ["udp", "tcp"] {
        if let Some(v4) = lease.dns4 {
            let to = Ipv4Addr::from(v4);
            let queries = "meta nfproto ipv4 oifname != \"lo\"";
            writeln!(
                s,
                "add rule inet burstmesh rescue {queries} {l4} dport 53 ct mark set ct mark and {:#x} or {POOLED:#x}",
                !MASK
            )?;
            writeln!(
                s,
                "add rule inet burstmesh rescue_to {queries} {l4} dport 53 dnat ip to {to}"
            )?;
        }
        if let Some(v6) = lease.dns6 {
            let to = Ipv6Addr::from(v6);
            let queries = "meta nfproto ipv6 oifname != \"lo\"";
            writeln!(
                s,
                "add rule inet burstmesh rescue {queries} {l4} dport 53 ct mark set ct mark and {:#x} or {POOLED:#x}",
                !MASK
            )?;
            writeln!(
                s,
                "add rule inet burstmesh rescue_to {queries} {l4} dport 53 dnat ip6 to {to}"
            )?;
        }
    }
    Ok(())
}

fn rules(family: Family) -> impl Iterator<Item = Rule> {
    let marked = move |mark, priority, table| Rule {
        mark: Some((mark, MASK)),
        ..Rule::new(family, priority, table)
    };
    [POOLED, GUEST].into_iter().flat_map(move |mark| {
        [
            Rule {
                suppress_prefix_len: Some(0),
                ..marked(mark, PRIORITY, MAIN_TABLE)
            },
            marked(mark, PRIORITY + 1, TABLE),
        ]
    })
}

/// Marked packets look in our table.
pub fn add_rules(rtnl: &mut Rtnl) {
    for family in Family::BOTH {
        for rule in rules(family) {
            note(rtnl.add_rule(&rule));
        }
    }
}

/// Marked packets are nothing special any more, and marked connections are forgotten.
pub fn delete_rules(rtnl: &mut Rtnl) {
    for family in Family::BOTH {
        note(rtnl.delete_rules_at(family, PRIORITY));
        note(rtnl.delete_rules_at(family, PRIORITY + 1));
    }
    forget_marked();
}

/// Connections through the exit and at hosts are forgotten.
fn forget_marked() {
    for mark in [POOLED, GUEST] {
        note(conntrack::delete_marked(mark, MASK));
    }
}

fn note(result: burstmesh_linux::error::Result<()>) {
    if let Err(error) = result {
        warn!("{}", error);
    }
}

/// What the watchdog's process does when the agent hangs or is gone. It has nothing but this.
pub fn withdraw(_: &(), cause: Cause) {
    if let Ok(mut rtnl) = Rtnl::open() {
        delete_rules(&mut rtnl);
    }
    let script: &[u8] = match cause {
        Cause::Hung => b"flush chain inet burstmesh decide\nflush chain inet burstmesh rescue\nflush chain inet burstmesh rescue_to\n",
        Cause::Gone => b"delete table inet burstmesh\n",
    };
    let _ = nft::apply(script);
    forget_marked();
}

/// Everything that a run left on the router goes.
pub fn tear_down(rtnl: &mut Rtnl) {
    delete_rules(rtnl);
    let _ = nft::apply(NOTHING_YET.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(config: &str) -> std::string::String {
        let mut complaints = std::vec::Vec::new();
        let config = Config::parse(config.as_bytes(), &mut |p| complaints.push(p.to_string()));
        let config = config.unwrap_or_else(|| panic!("{complaints:?}"));
        let mut script = String::<SCRIPT>::new();
        let seen = Count {
            packets: u64::MAX,
            bytes: u64::MAX,
        };
        script.push_str(NOTHING_YET).unwrap();
        let on_link = [
            ("2a00:88:10:2::", 64),
            ("2fff:ffff:ffff:ffff:ffff:ffff:ffff:fff0", 127),
        ];
        let on_link = core::array::from_fn::<_, 16, _>(|n| {
            let (ip, len) = on_link[n.min(1)];
            let ip = ip.parse().unwrap();
            Prefix { ip, len }
        });
        write_base(&config, &on_link, [seen; 2], script.as_mut_view()).unwrap();
        let lease = Lease {
            ipv4: [255; 4],
            ipv6: [255; 16],
            dns4: Some([255; 4]),
            dns6: Some([255; 16]),
            mtu: 1500,
        };
        let want = Applied {
            pooling: true,
            ipv6: true,
            ..Applied::default()
        };
        write_decision(&want, Some(&lease), script.as_mut_view()).unwrap();
        script.as_str().into()
    }

    /// As many sections and lists as there can be, all of the longest.
    fn largest() -> std::string::String {
        let mut text = std::string::String::from(
            "config community\n\toption name 'hillside'\n\toption no_uplink '1'\n\
             \toption secret 'AwswVXqfxOkOM1h9osfsETZbgKXK7xQ5XoOozfIXPGE='\n\
             config exit 'e'\n\toption key '3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08='\n\
             \tlist address '203.0.113.7:4455'\n",
        );
        for m in 0..4 {
            text += &format!(
                "config mesh\n\toption ifname 'mesh-ifname-00{m}'\n\toption port '65535'\n"
            );
        }
        for r in 0..16 {
            text += &format!(
                "config rule\n\toption lane 'per_session'\n\toption port '65{r:03}'\n\toption dscp '46'\n"
            );
            if r < 8 {
                let far = "2fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
                text += &format!("\toption client '{far}'\n\toption destination '{far}'\n");
            }
        }
        for c in 0..8 {
            text += &format!("config client 'c{c}'\n\toption ifname 'client-ifname-{c}'\n");
            for b in 0..4 {
                text +=
                    &format!("\tlist bypass '2fff:ffff:ffff:ffff:ffff:ffff:ffff:ff{c}{b}/128'\n");
            }
        }
        text
    }

    #[test]
    fn a_rule_says_its_lane_by_a_code_point_before_the_clients_address_is_gone() {
        let rules = "config rule\n\toption lane 'per_session'\n\toption client '192.168.1.20'\n\toption port '443'\n\
             config rule\n\toption lane 'auto'\n\toption protocol 'udp'\n\toption port '53'\n\toption dscp '46'\n";
        let script = script(
            &(largest().split("config rule").next().unwrap().to_string()
                + rules
                + "config client 'lan'\n\toption ifname 'br-lan'\n"),
        );
        let chain = script.split("chain lanes {").nth(1).unwrap();
        let lines: std::vec::Vec<_> = chain.lines().skip(1).take(5).collect();
        assert_eq!(
            lines[0],
            "type filter hook postrouting priority mangle; policy accept;"
        );
        assert_eq!(lines[1], "oifname != \"bm0\" accept");
        assert_eq!(
            lines[2],
            "ip saddr 192.168.1.20/32 meta l4proto { tcp, udp } th dport 443 ip dscp set 11 accept"
        );
        assert_eq!(lines[3], "udp dport 53 ip dscp 46 ip dscp set 3 accept");
        assert_eq!(lines[4], "udp dport 53 ip6 dscp 46 ip6 dscp set 3 accept");
    }

    /// The configuration with these rules instead, and one client network.
    fn ruled(rules: &str, client: &str) -> std::string::String {
        let head = largest();
        let head = head.split("config rule").next().unwrap();
        script(&format!(
            "{head}{rules}config client 'lan'\n\toption ifname 'br-lan'\n{client}"
        ))
    }

    #[test]
    fn rules_decide_in_their_order_behind_bypassed_prefixes_and_before_names() {
        let rules = "config rule\n\toption lane 'auto'\n\toption port '8080'\n\toption protocol 'tcp'\n\
             config rule\n\toption lane 'direct'\n\toption dscp '46'\n\
             config rule\n\toption lane 'auto'\n\toption client '192.168.1.20'\n";
        let all = ruled(
            rules,
            "\tlist bypass 'example.org'\n\tlist bypass '198.51.100.0/24'\n",
        );
        let chain = all.split("chain bypass {").nth(1).unwrap();
        let lines: std::vec::Vec<_> = chain.lines().skip(4).take(7).collect();
        assert_eq!(
            lines,
            [
                "iifname \"br-lan\" ip daddr 198.51.100.0/24 goto why0",
                "tcp dport 8080 goto decide",
                "ip dscp 46 goto why3",
                "ip6 dscp 46 goto why3",
                "ip daddr @direct4 update @direct4 { ip daddr } goto why1",
                "ip6 daddr @direct6 update @direct6 { ip6 daddr } goto why1",
                "jump decide"
            ]
        );
        assert_eq!(all.matches("set direct").count(), 2);
        // Only what is pooled has a lane.
        assert_eq!(all.matches(" dscp set 3 accept").count(), 3);
        assert!(!ruled(rules, "").contains("direct4"));
    }

    #[test]
    fn the_largest_configuration_fits_the_script() {
        let last = largest().replacen(
            "config client",
            "config rule\n\toption lane 'direct'\n\toption dscp '1'\nconfig client",
            1,
        );
        // One rule gives its place.
        let (head, tail) = last.split_once("config rule").unwrap();
        let (_, tail) = tail.split_once("config rule").unwrap();
        let named = format!("{head}config rule{tail}\tlist bypass 'example.org'\n");
        let script = script(&named);
        println!("{} of {SCRIPT} bytes", script.len());
        assert_eq!(script.matches("jump bypass").count(), 8);
        assert_eq!(script.matches(" dscp set 11 accept").count(), 23);
        assert_eq!(script.matches("goto decide").count(), 23);
        assert_eq!(script.matches("goto stranger").count(), 4);
    }

    #[test]
    fn guests_leave_at_shared_lines_alone_and_reach_neither_private_networks_nor_what_stands_on_the_link()
     {
        let lines = "config uplink 'a'\n\toption ifname 'wan'\n\toption lend '1'\n\toption share_address '1'\n\
             config uplink 'b'\n\toption ifname 'lte0'\n\toption lend '1'\n";
        let script = script(&(largest().replacen("no_uplink '1'", "no_uplink '0'", 1) + lines));
        let chain = script.split("chain leaving {").nth(1).unwrap();
        let chain: std::vec::Vec<_> = chain.split('}').collect();
        let chain = chain[..2].join("}");
        assert!(chain.contains("ip daddr { 0.0.0.0/8, 10.0.0.0/8,"));
        let lines: std::vec::Vec<_> = chain.lines().skip(2).collect();
        assert_eq!(lines[0], "ip6 daddr != 2000::/3 drop");
        assert_eq!(lines[1], "tcp dport 25 drop");
        assert_eq!(lines[2], "ip6 daddr 2a00:88:10:2::/64 drop");
        assert_eq!(lines[18..], ["oifname \"wan\" accept", "drop"]);
    }

    #[test]
    fn an_open_mesh_is_left_to_the_routers_own_firewall() {
        let open = largest().replacen("'65535'\n", "'65535'\n\toption open '1'\n", 3);
        assert_eq!(script(&open).matches("goto stranger").count(), 1);
        assert_eq!(script(&open).matches("goto through").count(), 1);
    }
}
