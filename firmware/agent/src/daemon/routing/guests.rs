//! The firewall's and the routes' part of sessions that leave at one line without an exit: ours at a host's, and guests' at ours.

use super::direct::Reason;
use super::{DIRECT_V4, GUEST, HOST_MASK, TUN, note};
use crate::config::Config;
use crate::daemon::spread::Spread;
use burstmesh_core::data::reset::Near;
use burstmesh_core::node::gateway::{GUESTS_V4, GUESTS_V6};
use burstmesh_linux::netlink::{MAIN_TABLE, Prefix, Route, Rtnl};
use core::fmt::Write;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use heapless::string::StringView;

/// The mark of connections that leave at the host in this place.
pub fn mark(place: usize) -> u32 {
    GUEST | (place as u32) << 24
}

/// Both networks of guests, as the firewall writes them.
fn networks() -> [(&'static str, IpAddr, u8); 2] {
    [
        ("ip", IpAddr::from(GUESTS_V4.0), GUESTS_V4.1),
        ("ip6", IpAddr::from(GUESTS_V6.0), GUESTS_V6.1),
    ]
}

/// What guests' packets may do here: leave at a line whose address is shared, for the public Internet. Nothing of the router,
/// and nothing behind it. To be written into the chains of the hooks input ("drop") and forward ("goto leaving").
pub fn write_guard(verdict: &str, s: &mut StringView) -> core::fmt::Result {
    for (family, network, length) in networks() {
        writeln!(
            s,
            "iifname \"{TUN}\" {family} saddr {network}/{length} {verdict}"
        )?;
    }
    Ok(())
}

/// The chains that the guard goes to, and the translation to the line's own address. What stands `on_link` beside this router is
/// of the home, or of the provider's other customers, whatever its addresses. Mail between servers (port 25) would bring the line
/// onto the spam lists.
pub fn write_leaving(config: &Config, on_link: &[Prefix], s: &mut StringView) -> core::fmt::Result {
    let shared = || config.uplinks.iter().filter(|u| u.share_address);
    writeln!(
        s,
        "chain leaving {{\nip daddr {{ {DIRECT_V4} }} drop\nip6 daddr != 2000::/3 drop\ntcp dport 25 drop"
    )?;
    for Prefix { ip, len } in on_link {
        let family = if ip.is_ipv4() { "ip" } else { "ip6" };
        writeln!(s, "{family} daddr {ip}/{len} drop")?;
    }
    for u in shared() {
        writeln!(s, "oifname \"{}\" accept", u.ifname)?;
    }
    writeln!(s, "drop\n}}\nchain lines {{")?;
    for u in shared() {
        for (family, network, length) in networks() {
            writeln!(
                s,
                "oifname \"{}\" {family} saddr {network}/{length} masquerade",
                u.ifname
            )?;
        }
    }
    writeln!(s, "}}")
}

/// Which new connections leave where: dealt out in turn. Each keeps its line by its mark, and has our address there.
pub fn write_spread(spread: &Spread, s: &mut StringView) -> core::fmt::Result {
    for (place, share) in spread.hosts() {
        let mark = mark(place);
        writeln!(
            s,
            "add chain inet burstmesh host{place}\nflush chain inet burstmesh host{place}\n\
             add rule inet burstmesh host{place} ct mark set ct mark and {:#x} or {mark:#x}",
            !HOST_MASK
        )?;
        write_source(mark, HOST_MASK, share.near, s)?;
    }
    Ok(())
}

/// Connections with this mark leave the tunnel under these addresses. By name, since the kernel ends what is merely masqueraded
/// when the device loses an address for a moment, as when OpenWrt's netifd restarts its interface.
pub fn write_source(mark: u32, mask: u32, near: Near, s: &mut StringView) -> core::fmt::Result {
    let [v4, v6] = [
        IpAddr::from(Ipv4Addr::from(near.v4)),
        IpAddr::from(Ipv6Addr::from(near.v6)),
    ];
    for (family, address) in [("ip", v4), ("ip6", v6)] {
        writeln!(
            s,
            "add rule inet burstmesh sources ct mark and {mask:#x} == {mark:#x} snat {family} to {address}"
        )?;
    }
    Ok(())
}

/// Deals out new connections. What no host gets goes direct, and so does what no host lets through.
pub fn write_deal(spread: &Spread, s: &mut StringView) -> core::fmt::Result {
    writeln!(s, "add rule inet burstmesh decide tcp dport 25 return")?;
    for (family, v6) in [("ipv4", false), ("ipv6", true)] {
        if spread.deal(v6).flatten().next().is_none() {
            continue;
        }
        write!(
            s,
            "add rule inet burstmesh decide meta nfproto {family} numgen inc mod {} vmap {{",
            spread.deal(v6).count()
        )?;
        for (turn, place) in spread.deal(v6).enumerate() {
            let comma = if turn == 0 { "" } else { "," };
            match place {
                Some(place) => write!(s, "{comma} {turn} : goto host{place}")?,
                None => write!(s, "{comma} {turn} : goto {}", Reason::Turn)?,
            }
        }
        writeln!(s, " }}")?;
    }
    Ok(())
}

/// Answers for guests go to the device.
pub fn set_host_routes(rtnl: &mut Rtnl, index: u32) {
    for (_, address, length) in networks() {
        note(rtnl.replace_route(&Route {
            destination: Prefix {
                ip: address,
                len: length,
            },
            ifindex: index,
            table: MAIN_TABLE,
        }));
    }
}
