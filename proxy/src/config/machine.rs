//! What a configuration means on the machine that it is for: its interfaces, and the networks that it reaches already.

use std::fs::read_to_string;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::path::Path;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{Config, ConfigError};

/// A network that an interface leads to.
type Reached = (String, IpNet);

impl Config {
    /// What depends on this machine: the uplink exists, and no network that is reached already lies among the leases.
    ///
    /// # Errors
    /// The mistake at the option's place in `path`.
    pub fn check_machine(&self, path: &Path) -> Result<(), ConfigError> {
        let uplink = self.nat.uplink.get_ref();
        let here = interfaces();
        let wrong = |span: Range<usize>, message| {
            let file = path.display().to_string();
            // What was left at its default has no place in the text.
            if span.is_empty() {
                return ConfigError::whole(&file, message);
            }
            let text = read_to_string(path).unwrap_or_default();
            ConfigError::at(&file, &text, span, message)
        };
        if !here.is_empty() && !here.contains(uplink) {
            let message = format!(
                "`uplink` is {uplink:?}, which is no interface of this machine; it has: {}",
                here.join(", ")
            );
            return Err(wrong(self.nat.uplink.span(), message));
        }
        let table = |name: &str| read_to_string(name).unwrap_or_default();
        let v4 = routes_v4(&table("/proc/net/route"));
        let reached = v4
            .into_iter()
            .chain(routes_v6(&table("/proc/net/ipv6_route")));
        match self.overlapping(reached) {
            Some(message) => Err(wrong(self.leases.span(), message)),
            None => Ok(()),
        }
    }

    /// Says which network lies among the leases: its route would win over ours. (A wider one loses, and is no mistake; the
    /// leases themselves, and single addresses, are the device of an exit that runs, perhaps under another name.)
    fn overlapping(&self, mut reached: impl Iterator<Item = Reached>) -> Option<String> {
        let leases = self.leases.get_ref();
        let pools = [
            ("v4", IpNet::from(leases.v4)),
            ("v6", IpNet::from(leases.v6)),
        ];
        reached.find_map(|(interface, net)| {
            let whole = |pool| net == pool || net.prefix_len() == net.max_prefix_len();
            let inside = |(_, pool): &&(_, IpNet)| pool.contains(&net) && !whole(*pool);
            let (option, pool) = pools.iter().find(inside)?;
            (interface != *self.tun.name.get_ref()).then(|| {
                format!(
                    "leases.{option} = {pool} has {net} in it, which this machine reaches by {interface}: members there would not \
                     be heard; choose another private network for [leases] {option}"
                )
            })
        })
    }
}

/// The interfaces of this machine (of this network namespace), sorted; empty where they cannot be listed.
pub fn interfaces() -> Vec<String> {
    // `/proc/net/dev` follows the reader's network namespace; `/sys/class/net` that of whoever mounted it.
    let text = read_to_string("/proc/net/dev").unwrap_or_default();
    let mut names: Vec<String> = text
        .lines()
        .skip(2)
        .filter_map(|l| Some(l.split_once(':')?.0.trim().to_owned()))
        .collect();
    names.sort();
    names
}

/// Reads `/proc/net/route` (proc_pid_net(5)): addresses are the kernel's words in hexadecimal. Default routes are left out.
fn routes_v4(text: &str) -> Vec<Reached> {
    let route = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let word = |n: usize| u32::from_str_radix(words.get(n)?, 16).ok();
        let address = |word: u32| Ipv4Addr::from(word.to_ne_bytes());
        let net = Ipv4Net::with_netmask(address(word(1)?), address(word(7)?)).ok()?;
        (net.prefix_len() > 0).then_some(((*words.first()?).to_owned(), net.into()))
    };
    text.lines().skip(1).filter_map(route).collect()
}

/// Reads `/proc/net/ipv6_route`: destination, its prefix length, ..., interface. Default routes, those of `lo` and those of every
/// link (link-local, multicast) are left out.
fn routes_v6(text: &str) -> Vec<Reached> {
    let route = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let address = u128::from_str_radix(words.first()?, 16).ok()?;
        let len = u8::from_str_radix(words.get(1)?, 16).ok()?;
        let interface = *words.last()?;
        let net = Ipv6Net::new(Ipv6Addr::from(address), len).ok()?;
        let of_links = matches!(net.network().octets(), [0xfe, 0x80..=0xbf, ..] | [0xff, ..]);
        (len > 0 && interface != "lo" && !of_links).then(|| (interface.to_owned(), net.into()))
    };
    text.lines().filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A little-endian machine's, as text; there the words are turned around.
    fn word(address: [u8; 4]) -> String {
        format!("{:08X}", u32::from_ne_bytes(address))
    }

    fn config() -> Config {
        Config::parse("config.toml", "[nat]\nuplink = \"eth0\"\n").unwrap()
    }

    #[test]
    fn a_network_among_the_leases_is_told_with_its_interface() {
        let line = |interface: &str, net, mask| {
            let (net, mask) = (word(net), word(mask));
            format!("{interface}\t{net}\t00000000\t0001\t0\t0\t0\t{mask}\t0\t0\t0\n")
        };
        let head =
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";
        let usual =
            line("eth0", [0; 4], [0; 4]) + &line("eth0", [192, 0, 2, 0], [255, 255, 255, 0]);
        let ours = line("bmx0", [10, 77, 0, 0], [255, 255, 0, 0]);
        let cloud = line("eth0", [10, 0, 0, 0], [255, 0, 0, 0]);
        let office = line("wg0", [10, 77, 8, 0], [255, 255, 255, 0]);
        let said =
            |rows: &str| config().overlapping(routes_v4(&format!("{head}{rows}")).into_iter());
        assert_eq!(said(&(usual.clone() + &ours + &cloud)), None);
        let said = said(&(usual + &ours + &office)).unwrap();
        assert!(
            said.contains("10.77.8.0/24") && said.contains("wg0"),
            "{said}"
        );
    }

    #[test]
    fn in_ipv6_only_what_leads_somewhere_counts() {
        let line = |net: &str, len: &str, interface: &str| {
            let (none, zero) = ("0".repeat(32), "00000000");
            format!("{net} {len} {none} 00 {none} 00000100 {zero} {zero} 00000001 {interface:>8}\n")
        };
        let pool = "fd776275727300000000000000000000";
        let harmless = line(&"0".repeat(32), "00", "eth0")
            + &line("fe800000000000000000000000000000", "40", "eth0")
            + &line(pool, "40", "bmx0")
            + &line(pool, "80", "lo");
        assert_eq!(config().overlapping(routes_v6(&harmless).into_iter()), None);
        let said =
            config().overlapping(routes_v6(&(harmless + &line(pool, "31", "eth1"))).into_iter());
        let said = said.unwrap();
        assert!(
            said.contains("fd77:6275:7273::/49") && said.contains("eth1"),
            "{said}"
        );
    }

    #[test]
    fn this_machines_own_tables_are_read() {
        for (name, routes) in [
            ("/proc/net/route", routes_v4 as fn(&str) -> Vec<Reached>),
            ("/proc/net/ipv6_route", routes_v6),
        ] {
            for (interface, net) in routes(&read_to_string(name).unwrap_or_default()) {
                assert!(interfaces().contains(&interface) && net.prefix_len() > 0);
            }
        }
    }
}
