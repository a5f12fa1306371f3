//! Keeps the router's rules in step with what the gateway can do: pooled while an exit answers, direct otherwise.

use super::routing::{self, Applied};
use burstmesh_core::node::gateway::Gateway;
use burstmesh_core::time::{Duration, Instant};
use burstmesh_linux::netlink::Rtnl;
use burstmesh_linux::{info, warn};

/// An exit that has just come must answer this long before clients are sent to it.
const SETTLE: Duration = Duration::from_millis(300);
const IPV6_MINIMUM: u16 = 1280;
/// All paths may be doubtful for this long before clients are sent over the own line.
const DOUBT: Duration = Duration::from_millis(400);

/// What is applied now, and since when something else is wanted.
#[derive(Debug, Default)]
pub struct Pooler {
    applied: Applied,
    wanted_since: Option<Instant>,
    stale: bool,
}

impl Pooler {
    /// What is set up now.
    pub fn applied(&self) -> Applied {
        self.applied
    }

    /// The watchdog has withdrawn everything: it is to be set up again.
    pub fn withdrawn(&mut self) {
        (self.applied.pooling, self.applied.dns_rescue, self.stale) = (false, false, true);
    }

    /// The firewall's table was written anew, with no decision in it.
    pub fn firewall_is_new(&mut self) {
        self.stale = true;
    }

    /// Compares what should be with what is.
    pub fn follow(&mut self, now: Instant, gateway: &Gateway<'_>, rtnl: &mut Rtnl, tun: &str) {
        let pooling = gateway.pooling();
        let want = Applied {
            pooling: pooling.is_some(),
            // An exit without IPv6 leases none, and a link under its minimum carries none (RFC 8200, 5).
            ipv6: pooling.is_some_and(|p| p.lease.ipv6 != [0; 16] && p.mtu >= IPV6_MINIMUM),
            dns_rescue: pooling.is_some() && !gateway.own_line_works(),
            lease: pooling
                .map(|p| (p.lease.ipv4, p.lease.ipv6))
                .or(self.applied.lease),
            mtu: pooling.map_or(self.applied.mtu, |p| p.mtu),
        };
        if want == self.applied && !self.stale {
            self.wanted_since = None;
            return;
        }
        let patience = if want.pooling { SETTLE } else { DOUBT };
        let since = *self.wanted_since.get_or_insert(now);
        if now.since(since) < patience {
            return;
        }
        self.wanted_since = None;
        self.apply(want, gateway, rtnl, tun);
    }

    fn apply(&mut self, want: Applied, gateway: &Gateway<'_>, rtnl: &mut Rtnl, tun: &str) {
        let Ok(Some(index)) = rtnl.link_index(tun) else {
            return warn!("{tun} is gone");
        };
        if want.mtu != self.applied.mtu || want.lease != self.applied.lease {
            if let Err(error) = rtnl.set_link(index, true, Some(u32::from(want.mtu.max(1280)))) {
                warn!("{tun}: {error}");
            }
            if let Some(lease) = want.lease {
                routing::set_lease(rtnl, index, self.applied.lease, lease);
            }
            routing::set_routes(rtnl, index);
        }
        let decision = |a: Applied| (a.pooling, a.ipv6, a.dns_rescue);
        let decides = decision(want) != decision(self.applied) || self.stale;
        if want.pooling && (decides || !self.applied.pooling) {
            routing::add_rules(rtnl);
        }
        if decides {
            let dns = gateway
                .pooling()
                .map(|p| *p.lease)
                .filter(|_| want.dns_rescue);
            if let Err(error) = routing::set_decision(want.pooling, want.ipv6, dns.as_ref()) {
                warn!("{error}");
            }
        }
        if !want.pooling && self.applied.pooling {
            routing::delete_rules(rtnl);
        }
        if want.pooling != self.applied.pooling {
            info!(
                "{}",
                if want.pooling {
                    "pooling: new connections go through the exit"
                } else {
                    "no exit answers: connections go over the own line"
                }
            );
        }
        (self.applied, self.stale) = (want, false);
    }
}
