//! What the types of the configuration cannot say: rules between options.

use std::collections::HashSet;
use std::ops::Range;

use toml::Spanned;

use super::{Config, ConfigError, Ipv6Mode, Leases};

/// Linux keeps interface names in 16 bytes, one of them the final zero.
const MAX_INTERFACE_NAME: usize = 15;

type Mistake = (Range<usize>, String);

impl Config {
    pub(super) fn check(&self, file: &str, text: &str) -> Result<(), ConfigError> {
        let found = self
            .check_listen()
            .and_then(|()| check_interface("tun.name", &self.tun.name))
            .and_then(|()| check_interface("nat.uplink", &self.nat.uplink))
            .and_then(|()| self.check_tun())
            .and_then(|()| self.check_leases())
            .and_then(|()| self.check_ipv6())
            .and_then(|()| self.check_limits());
        found.map_err(|(span, message)| {
            // An option left at its default has no place in the text.
            if span.is_empty() {
                ConfigError::whole(file, message)
            } else {
                ConfigError::at(file, text, span, message)
            }
        })
    }

    fn check_listen(&self) -> Result<(), Mistake> {
        let span = self.listen.span();
        let addresses = self.listen.get_ref();
        if addresses.is_empty() {
            return Err((span, "`listen` is empty: nobody could reach this exit; write [\"0.0.0.0:4454\", \"[::]:4454\"]".into()));
        }
        let mut seen = HashSet::new();
        for address in addresses {
            if address.port() == 0 {
                return Err((
                    span,
                    format!("`listen` has {address}: port 0 changes at every start; use 4454"),
                ));
            }
            if !seen.insert(address) {
                return Err((span, format!("`listen` names {address} twice; remove one")));
            }
        }
        Ok(())
    }

    fn check_tun(&self) -> Result<(), Mistake> {
        let name = self.tun.name.get_ref();
        if name == self.nat.uplink.get_ref() || name == "lo" {
            let message = format!(
                "`tun.name` is {name:?}, which is another interface; leave it out, or invent a name"
            );
            return Err((self.tun.name.span(), message));
        }
        Ok(())
    }

    fn check_leases(&self) -> Result<(), Mistake> {
        let span = self.leases.span();
        let Leases {
            v4,
            v6,
            community_v4,
            community_v6,
        } = *self.leases.get_ref();
        let wrong = |message: String| Err((span.clone(), message));
        if v4.addr() != v4.network() {
            return wrong(format!(
                "leases.v4 = {v4} has bits behind its prefix length; write {}",
                v4.trunc()
            ));
        }
        if v6.addr() != v6.network() {
            return wrong(format!(
                "leases.v6 = {v6} has bits behind its prefix length; write {}",
                v6.trunc()
            ));
        }
        if community_v4 < v4.prefix_len() || community_v4 > 29 {
            return wrong(format!(
                "leases.community_v4 = {community_v4} must lie between {} (the pool's own length) and 29",
                v4.prefix_len()
            ));
        }
        if community_v6 < v6.prefix_len() || community_v6 > 125 {
            return wrong(format!(
                "leases.community_v6 = {community_v6} must lie between {} (the pool's own length) and 125",
                v6.prefix_len()
            ));
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), Mistake> {
        let limits = self.limits.get_ref();
        let most = burstmesh_core::node::exit::MAX_SEATS;
        if let Some(members) = limits.members.told()
            && !(1..=most).contains(&usize::from(*members))
        {
            let message = format!("limits.members = {members} must lie between 1 and {most}");
            return Err((self.limits.span(), message));
        }
        if limits.memory.told().is_some_and(|mib| *mib == 0) {
            let message = "limits.memory = 0 leaves no room for a member; write MiB, or \"auto\"";
            return Err((self.limits.span(), message.into()));
        }
        Ok(())
    }

    fn check_ipv6(&self) -> Result<(), Mistake> {
        let pool = self.leases.get_ref().v6;
        let unique_local = pool
            .network()
            .segments()
            .first()
            .is_some_and(|s| s & 0xfe00 == 0xfc00);
        if *self.nat.ipv6.get_ref() == Ipv6Mode::Routed && unique_local {
            let message = format!(
                "ipv6 = \"routed\" needs a public prefix that is routed to this machine, and leases.v6 is {pool}; \
                 set [leases] v6 to yours, or ipv6 = \"nat66\""
            );
            return Err((self.nat.ipv6.span(), message));
        }
        Ok(())
    }
}

fn check_interface(option: &str, name: &Spanned<String>) -> Result<(), Mistake> {
    let text = name.get_ref();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    // The name goes into the firewall's script: what could end a string there is refused here.
    if text.is_empty()
        || text.len() > MAX_INTERFACE_NAME
        || !text.chars().all(plain)
        || text == "."
        || text == ".."
    {
        let message = format!(
            "`{option}` is {text:?}; an interface name has 1 to {MAX_INTERFACE_NAME} letters, digits, '-', '_' or '.'"
        );
        return Err((name.span(), message));
    }
    Ok(())
}
