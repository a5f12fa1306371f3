//! `invite`: the string that makes a router a member.

use std::io::IsTerminal as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, bail};
use burstmesh_core::wire::invitation::{ADDRESSES, Exit, Invitation, Name};
use burstmesh_linux::netlink::Rtnl;
use clap::Parser;

use super::time::{Lifetime, lifetime};
use super::{Context, qr};
use crate::config::{Config, DEFAULT_PORT};
use crate::key;
use crate::store::now;

#[derive(Parser)]
pub struct Args {
    /// The community's name, as `community list` shows it
    community: String,
    /// How long new members are admitted with it: 30m, 12h, 7d, or never (it does not expire)
    #[arg(long, default_value = "7d", value_parser = lifetime, value_name = "TIME")]
    expires: Lifetime,
    /// Where the Internet reaches this exit, up to 4 times; without it, the addresses of the uplink
    #[arg(long = "address", value_name = "HOST[:PORT]")]
    addresses: Vec<String>,
    /// Also draw it as a QR code for a telephone's camera, on standard error
    #[arg(long)]
    qr: bool,
    /// Instead of inviting, end all invitations: nobody new is admitted until the next
    #[arg(long, conflicts_with_all = ["addresses", "expires", "qr"])]
    end: bool,
}

pub fn run(context: &Context, args: &Args) -> Result<()> {
    let mut store = context.store()?;
    let community = store.community(&args.community)?;
    if args.end {
        let ended = store.end_invitations(&community)?;
        println!("{ended} invitations ended; members stay members");
        return Ok(());
    }
    let addresses = addresses(&context.config, &args.addresses)?;
    let expires = args.expires.after(now());
    let exit = Exit {
        key: key::load_or_create(&context.config.state_dir)?.public(),
        addresses: addresses.iter().copied().take(ADDRESSES).collect(),
    };
    let invitation = Invitation {
        name: Name::try_from(community.name.as_str())
            .map_err(|_| anyhow!("the community's name is too long"))?,
        secret: community.secret.clone(),
        exits: [exit].into_iter().collect(),
        expires: expires.and_then(|e| u64::try_from(e).ok()),
        admission: None,
        admin: community.admin,
    };
    let text = invitation
        .encode()
        .map_err(|e| anyhow!("the invitation {e}"))?;
    store.add_invitation(&community, expires)?;
    context.refresh();
    // Only the invitation on standard output: it can be piped on.
    println!("{text}");
    if args.qr {
        eprint!("{}", qr::drawn(&text, std::io::stderr().is_terminal())?);
    }
    let shown: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    eprintln!(
        "Exit at {}. Whoever has this string can join and hear the community: pass it on as you would a password.",
        shown.join(", ")
    );
    Ok(())
}

fn addresses(config: &Config, given: &[String]) -> Result<Vec<SocketAddr>> {
    let port = config
        .listen
        .get_ref()
        .first()
        .map_or(DEFAULT_PORT, SocketAddr::port);
    let mut found = Vec::new();
    for text in given {
        found.extend(resolve(text, port)?);
    }
    if given.is_empty() {
        found = of_this_machine(config, port)?;
    }
    found.dedup();
    if found.len() > ADDRESSES {
        bail!(
            "{} addresses, and an invitation carries {ADDRESSES}; name the best with --address",
            found.len()
        );
    }
    Ok(found)
}

/// An address, an address and port, or a name that the system's resolver knows now.
fn resolve(text: &str, port: u16) -> Result<Vec<SocketAddr>> {
    if let Ok(address) = text.parse() {
        return Ok(vec![address]);
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (
            host,
            port.parse()
                .with_context(|| format!("{text:?}: {port:?} is no port"))?,
        ),
        None => (text, port),
    };
    // By the system's own tool: a static binary cannot load the C library's name services.
    let output = Command::new("getent")
        .args(["ahosts", "--", host])
        .output()
        .context("getent")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut found: Vec<SocketAddr> = text
        .lines()
        .filter_map(|line| line.split_whitespace().next()?.parse::<IpAddr>().ok())
        .map(|ip| SocketAddr::new(ip, port))
        .collect();
    found.sort();
    found.dedup();
    if found.is_empty() {
        bail!("{host:?} is no address, and the resolver does not know the name");
    }
    Ok(found)
}

/// The addresses that `listen` names; for a wildcard those of the uplink.
fn of_this_machine(config: &Config, port: u16) -> Result<Vec<SocketAddr>> {
    let listen = config.listen.get_ref();
    let named: Vec<_> = listen
        .iter()
        .copied()
        .filter(|a| !a.ip().is_unspecified())
        .collect();
    if !named.is_empty() {
        return Ok(named);
    }
    let uplink = config.nat.uplink.get_ref();
    let mut netlink = Rtnl::open()?;
    let mut found = Vec::new();
    if let Some(index) = netlink.link_index(uplink)? {
        netlink.addresses(index, |address| {
            let wanted = listen.iter().any(|l| l.is_ipv4() == address.ip.is_ipv4());
            if address.global && address.usable && !address.temporary && wanted {
                found.push(SocketAddr::new(address.ip, port));
            }
        })?;
    }
    if found.is_empty() {
        bail!(
            "{uplink} has no address; say where the Internet reaches this exit: --address HOST:PORT"
        );
    }
    if let Some(private) = found.iter().find(|a| is_private(a.ip())) {
        bail!(
            "{uplink} has the private address {}: the Internet reaches this machine at another; name it: --address HOST:PORT",
            private.ip()
        );
    }
    Ok(found)
}

fn is_private(ip: IpAddr) -> bool {
    let carrier =
        |v4: Ipv4Addr| u32::from(v4) & 0xffc0_0000 == u32::from(Ipv4Addr::new(100, 64, 0, 0));
    match ip {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local() || carrier(v4),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_may_leave_out_the_port() {
        let one = |text| resolve(text, 4454).unwrap();
        assert_eq!(one("203.0.113.7"), ["203.0.113.7:4454".parse().unwrap()]);
        assert_eq!(one("203.0.113.7:9"), ["203.0.113.7:9".parse().unwrap()]);
        assert_eq!(one("2001:db8::7"), ["[2001:db8::7]:4454".parse().unwrap()]);
        assert_eq!(one("[2001:db8::7]:9"), ["[2001:db8::7]:9".parse().unwrap()]);
        assert!(resolve("203.0.113.7:x", 1).is_err());
    }

    #[test]
    fn private_addresses_are_known() {
        for ip in [
            "10.0.0.1",
            "100.64.0.1",
            "192.168.1.1",
            "fd00::1",
            "fe80::1",
        ] {
            assert!(is_private(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["100.63.0.1", "100.128.0.1", "203.0.113.1", "2001:db8::1"] {
            assert!(!is_private(ip.parse().unwrap()), "{ip}");
        }
    }
}
