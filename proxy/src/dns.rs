//! Resolvers that members are told when the admin names none: those that this server uses itself, as far as members can
//! reach them. A household whose own line is down has no other.

use std::fs::read_to_string;
use std::net::IpAddr;

use crate::config::{Config, Setting};
use crate::ipv6::Leased;
use crate::nat::script;

/// Where this server's resolvers are written; the second file when the first only names a stub of systemd's.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// Puts resolvers where `[dns]` says "auto". Returns what there is to say about it.
pub fn settle(config: &mut Config) -> String {
    let text = |name: &str| read_to_string(name).unwrap_or_default();
    let mut servers = nameservers(&text(FILES[0]));
    if servers.iter().all(IpAddr::is_loopback) {
        servers.extend(nameservers(&text(FILES[1])));
    }
    let listens = Listens {
        v4: listens(&text("/proc/net/udp")),
        v6: listens(&text("/proc/net/udp6")),
    };
    choose(config, &servers, &listens)
}

/// Whether something on this server answers names on every address it has or will have.
struct Listens {
    v4: bool,
    v6: bool,
}

fn choose(config: &mut Config, servers: &[IpAddr], listens: &Listens) -> String {
    let leases = config.leases.get_ref();
    let (exit4, exit6) = (leases.exit_v4(), leases.exit_v6());
    let denied = |ip: &IpAddr| config.nat.deny.iter().any(|net| net.contains(ip));
    let usable = |server: &IpAddr| match server {
        ip if script::is_public(*ip) && !denied(ip) => Some(*ip),
        IpAddr::V4(ip) if ip.is_loopback() && listens.v4 => Some(exit4.into()),
        IpAddr::V6(ip) if ip.is_loopback() && listens.v6 => Some(exit6.into()),
        _ => None,
    };
    let found: Vec<IpAddr> = servers.iter().filter_map(usable).collect();
    let v4 = found.iter().filter_map(|ip| match ip {
        IpAddr::V4(ip) => Some(*ip),
        IpAddr::V6(_) => None,
    });
    let v6 = found.iter().filter_map(|ip| match ip {
        IpAddr::V6(ip) => Some(*ip),
        IpAddr::V4(_) => None,
    });
    let (v4, v6) = (v4.collect(), v6.collect());
    let told = config.dns.v4 != Setting::Auto && config.dns.v6 != Setting::Auto;
    if config.dns.v4 == Setting::Auto {
        config.dns.v4 = Setting::Told(v4);
    }
    if config.dns.v6 == Setting::Auto {
        let never = Leased::of(config) == Leased::Never;
        config.dns.v6 = Setting::Told(if never { vec![] } else { v6 });
    }
    describe(config, servers, told)
}

fn describe(config: &Config, servers: &[IpAddr], told: bool) -> String {
    let list = |all: &mut dyn Iterator<Item = IpAddr>| {
        all.map(|ip| ip.to_string()).collect::<Vec<_>>().join(", ")
    };
    let chosen = list(&mut config.resolvers());
    if !chosen.is_empty() {
        return format!("members are told the resolvers {chosen}");
    }
    if told {
        return "members are told no resolver ([dns] is empty)".into();
    }
    let own = match list(&mut servers.iter().copied()) {
        none if none.is_empty() => "it has none".into(),
        own => format!("its own are {own}"),
    };
    format!(
        "members are told no resolver, so that names fail where a household's own line is down: this server has none that \
         they can reach ({own}); name one: [dns] v4 = [\"...\"]"
    )
}

/// The servers of a resolv.conf(5), without zones.
fn nameservers(text: &str) -> Vec<IpAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then_some(())?;
        words.next()?.parse().ok()
    };
    text.lines().filter_map(server).collect()
}

/// Whether `/proc/net/udp` or `udp6` has a socket at port 53 (hexadecimal 35) of the unspecified address.
fn listens(sockets: &str) -> bool {
    let local = |line: &str| line.split_whitespace().nth(1).map(str::to_owned);
    sockets.lines().filter_map(local).any(|address| {
        let parts = address.split_once(':');
        parts.is_some_and(|(ip, port)| port == "0035" && ip.bytes().all(|b| b == b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Listens = Listens { v4: true, v6: true };
    const NOT_HERE: Listens = Listens {
        v4: false,
        v6: false,
    };

    fn chosen(more: &str, resolv: &str, listens: &Listens) -> (Vec<String>, String) {
        let text = format!("[nat]\nuplink = \"eth0\"\n{more}");
        let mut config = Config::parse("test", &text).unwrap();
        let said = choose(&mut config, &nameservers(resolv), listens);
        (config.resolvers().map(|ip| ip.to_string()).collect(), said)
    }

    #[test]
    fn members_are_told_the_servers_own_public_resolvers() {
        let resolv = "# comment\nsearch x\nnameserver 10.0.0.2\nnameserver 9.9.9.9\nnameserver 2620:fe::fe\nnameserver fe80::1%eth0\n";
        let (told, said) = chosen("", resolv, &NOT_HERE);
        assert_eq!(told, ["9.9.9.9", "2620:fe::fe"]);
        assert!(said.contains("9.9.9.9, 2620:fe::fe"), "{said}");
        assert_eq!(
            chosen("ipv6 = \"off\"", resolv, &NOT_HERE).0,
            ["9.9.9.9"],
            "without IPv6"
        );
        assert_eq!(
            chosen("deny = [\"9.9.9.0/24\"]", resolv, &NOT_HERE).0,
            ["2620:fe::fe"],
            "what is denied"
        );
    }

    #[test]
    fn a_resolver_on_the_server_is_told_only_if_it_hears_members() {
        let resolv = "nameserver 127.0.0.1\nnameserver ::1\n";
        assert_eq!(
            chosen("", resolv, &HERE).0,
            ["10.77.0.1", "fd77:6275:7273::1"]
        );
        let (told, said) = chosen("", resolv, &NOT_HERE);
        assert!(told.is_empty() && said.contains("names fail"), "{said}");
        assert!(said.contains("127.0.0.1, ::1"), "{said}");
    }

    #[test]
    fn a_clouds_own_resolver_is_none_for_members() {
        for server in [
            "168.63.129.16",
            "169.254.169.253",
            "10.0.0.2",
            "fd00:ec2::253",
        ] {
            let (told, _) = chosen("", &format!("nameserver {server}\n"), &HERE);
            assert!(told.is_empty(), "{server}");
        }
    }

    #[test]
    fn what_the_admin_told_is_left_alone() {
        let (told, said) = chosen("[dns]\nv4 = []\nv6 = []\n", "nameserver 9.9.9.9\n", &HERE);
        assert!(told.is_empty() && said.contains("is empty"), "{said}");
        let more = "[dns]\nv4 = [\"1.1.1.1\"]\n";
        assert_eq!(chosen(more, "nameserver 9.9.9.9\n", &HERE).0, ["1.1.1.1"]);
    }

    #[test]
    fn sockets_of_one_address_alone_do_not_hear_members() {
        let line =
            |local| format!("  sl  local_address rem_address\n  12: {local} 00000000:0000 07\n");
        assert!(listens(&line("00000000:0035")));
        assert!(!listens(&line("3500007F:0035")) && !listens(&line("00000000:1166")));
    }
}
