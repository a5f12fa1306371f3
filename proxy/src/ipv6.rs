//! Whether members are leased IPv6: only when there is a way out for it, or when the admin says so.

use std::fs::read_to_string;
use std::net::Ipv6Addr;

use crate::config::{Config, Ipv6Mode};
use crate::nat::script;

/// What a route must not be: `RTF_REJECT` of the kernel's `linux/route.h`.
const REJECT: u32 = 0x0200;
/// What it must be: `RTF_UP`.
const UP: u32 = 0x0001;

/// When leases carry an IPv6 address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leased {
    Always,
    Never,
    /// While IPv6 leaves this machine by this interface.
    WhileOut(String),
}

impl Leased {
    /// As the configuration has it.
    pub fn of(config: &Config) -> Self {
        match config.nat.ipv6.get_ref() {
            Ipv6Mode::Auto => Self::WhileOut(config.nat.uplink.get_ref().clone()),
            Ipv6Mode::Nat66 | Ipv6Mode::Routed => Self::Always,
            Ipv6Mode::Off => Self::Never,
        }
    }

    /// Whether a lease that is given now carries one.
    pub fn now(&self) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::WhileOut(uplink) => way_out(uplink),
        }
    }

    /// The same in words, for the log and `check`.
    pub fn describe(&self) -> String {
        match self {
            Self::Always => "members get IPv6".into(),
            Self::Never => "members get no IPv6 (ipv6 = \"off\")".into(),
            Self::WhileOut(uplink) if way_out(uplink) => {
                format!("members get IPv6, as long as {uplink} has a way out for it")
            }
            Self::WhileOut(uplink) => format!(
                "members get no IPv6: {uplink} has no IPv6 default route, or this machine no public IPv6 address \
                 (ipv6 = \"nat66\" gives it all the same)"
            ),
        }
    }
}

/// A default route by the uplink, and an address that the Internet can answer to.
fn way_out(uplink: &str) -> bool {
    let read = |name: &str| read_to_string(format!("/proc/net/{name}")).unwrap_or_default();
    has_default_route(&read("ipv6_route"), uplink) && has_public_address(&read("if_inet6"))
}

/// `/proc/net/ipv6_route`: destination, its length, source, its length, gateway, metric, references, uses, flags,
/// interface; numbers in hexadecimal.
fn has_default_route(routes: &str, uplink: &str) -> bool {
    routes.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let &[to, bits, _, source_bits, _, _, _, _, flags, interface] = fields.as_slice() else {
            return false;
        };
        let flags = u32::from_str_radix(flags, 16).unwrap_or(REJECT);
        let everywhere = to.bytes().all(|b| b == b'0') && bits == "00" && source_bits == "00";
        everywhere && interface == uplink && flags & UP != 0 && flags & REJECT == 0
    })
}

/// `/proc/net/if_inet6`: the address comes first.
fn has_public_address(addresses: &str) -> bool {
    let address = |line: &str| u128::from_str_radix(line.split_whitespace().next()?, 16).ok();
    addresses
        .lines()
        .filter_map(address)
        .any(|bits| script::is_public(Ipv6Addr::from(bits).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: &str = "00000000000000000000000000000000";

    #[test]
    fn a_default_route_counts_by_the_uplink_and_when_it_leads_somewhere() {
        let route = |flags, interface| {
            format!("{NONE} 00 {NONE} 00 {NONE} 00000400 00000002 00000000 {flags} {interface}\n")
        };
        assert!(has_default_route(&route("00450003", "eth0"), "eth0"));
        assert!(!has_default_route(&route("00450003", "eth1"), "eth0"));
        // What every kernel has without a way out.
        assert!(!has_default_route(&route("00200200", "lo"), "lo"));
        let narrow = route("00000001", "eth0").replacen("00 ", "40 ", 1);
        assert!(!has_default_route(&narrow, "eth0"));
        assert!(!has_default_route("nonsense", "eth0") && !has_default_route("", "eth0"));
    }

    #[test]
    fn only_an_address_that_the_internet_can_answer_to_is_a_way_out() {
        let line = |address| format!("{address} 02 40 00 80     eth0\n");
        assert!(has_public_address(&line(
            "2a000088000000000000000000000001"
        )));
        for other in [
            "fd000000000000000000000000000002",
            "fe800000000000000000000000000001",
            "00000000000000000000000000000001",
        ] {
            assert!(!has_public_address(&line(other)), "{other}");
        }
    }
}
