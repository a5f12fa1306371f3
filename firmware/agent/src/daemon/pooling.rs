//! Keeps the router's rules in step with what the gateway can do: pooled while an exit answers, direct otherwise.
//!
//! `nft` takes tens of milliseconds on a router. It runs beside the data loop, one script at a time.

use super::endings::Endings;
use super::network::OnLink;
use super::routing::{self, Applied, Failure, GUEST, POOLED, device};
use super::spread::Spread;
use crate::config::Config;
use burstmesh_core::data::reset::Near;
use burstmesh_core::node::gateway::Gateway;
use burstmesh_core::time::{Duration, Instant};
use burstmesh_linux::netlink::Rtnl;
use burstmesh_linux::poll::{Interest, Poll};
use burstmesh_linux::{info, nft, warn};

/// An exit that has just come must answer this long before clients are sent to it.
const SETTLE: Duration = Duration::from_millis(300);
const IPV6_MINIMUM: u16 = 1280;
/// All paths may be doubtful for this long before clients are sent over the own line.
const DOUBT: Duration = Duration::from_millis(400);
/// ... and so long while another exit takes the place of the one that fell silent.
const MOVE: Duration = Duration::from_millis(900);
/// Lines' shares of new connections change no oftener than this.
const SHARES: Duration = Duration::from_secs(10);
/// A script that takes longer is given up.
const STUCK: Duration = Duration::from_secs(4);
/// What failed is tried again after this long.
const RETRY: Duration = Duration::from_secs(2);

/// What is applied now, and since when something else is wanted.
#[derive(Debug, Default)]
pub struct Pooler {
    applied: Applied,
    /// Under which addresses connections leave by the firewall's table.
    leaves_as: Option<Near>,
    wanted_since: Option<Instant>,
    /// The decision is to be written even if it is the same.
    stale: bool,
    /// The whole table is to be written, for new settings.
    rewrite: bool,
    under_way: Option<UnderWay>,
    retry_at: Option<Instant>,
    /// Nothing is pooled, whatever the gateway could do.
    paused: bool,
    /// Until then the lines' shares stay as they are.
    shares_until: Instant,
    /// What guests do not reach by the lines.
    on_link: OnLink,
    /// What was lost, and not all clients know it.
    pub endings: Endings,
    /// Marked packets look in our table.
    ruled: bool,
}

/// A script that the tool is applying, and what holds when it has.
#[derive(Debug)]
struct UnderWay {
    nft: nft::Running,
    since: Instant,
    want: Applied,
    rewrites: bool,
}

/// What is changed with.
pub struct Tools<'a> {
    pub rtnl: &'a mut Rtnl,
    pub poll: &'a Poll,
    /// What the poll set tells of the firewall's tool by.
    pub token: u32,
    /// The name of the tunnel's device.
    pub tun: &'a str,
    pub config: &'a Config,
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

    /// Somebody has removed the firewall's table: all of it is to be written again.
    pub fn table_is_gone(&mut self) {
        (self.rewrite, self.stale) = (true, true);
    }

    /// There are new settings: the firewall's table is to be written anew.
    pub fn settings_changed(&mut self) {
        self.rewrite = true;
    }

    /// What stands on the lines' links now: guests' connections that lead there end when the table is written.
    pub fn set_on_link(&mut self, on_link: OnLink) {
        self.rewrite |= on_link != self.on_link;
        self.on_link = on_link;
    }

    /// The exit in use has another number, by new settings.
    pub fn renumber(&mut self, exit: usize) {
        self.applied.exit = self.applied.exit.map(|_| exit);
    }

    /// From now on nothing is pooled, or again what can be.
    pub fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Compares what should be with what is.
    pub fn follow(&mut self, now: Instant, gateway: &mut Gateway<'_>, tools: &mut Tools<'_>) {
        if let Some(near) = gateway.take_lost() {
            self.endings.begin(now, POOLED, near);
        }
        if let Some(under_way) = &self.under_way {
            if now.since(under_way.since) > STUCK {
                warn!("nft does not come to an end: given up");
                self.end(now, false, tools.rtnl);
            }
            return;
        }
        if self.retry_at.is_some_and(|at| now < at) {
            return;
        }
        self.leave_rules(tools.rtnl);
        let want = self.wanted(now, gateway, tools.config);
        if !self.endings.is_empty() {
            let lease = want.lease.filter(|_| want.pooling);
            let hosts = want.spread.hosts().map(|(_, host)| host.near);
            hosts.chain(lease).for_each(|n| self.endings.cancel(n));
        }
        let changes = want != self.applied || self.stale;
        if !changes {
            self.wanted_since = None;
        }
        let lost = !want.spread.lost(&self.applied.spread).is_empty();
        let patience = match (want.pooling, self.paused) {
            _ if lost => Duration::ZERO,
            (true, _) => SETTLE,
            (false, false) if !self.applied.pooling => SETTLE,
            (false, false) if gateway.is_moving(now) => MOVE,
            (false, false) => DOUBT,
            (false, true) => Duration::ZERO,
        };
        let settled = changes && now.since(*self.wanted_since.get_or_insert(now)) >= patience;
        if settled {
            self.wanted_since = None;
            self.lose(now, &want);
            self.apply(now, want, gateway, tools);
        } else if self.rewrite {
            // New settings do not wait for an exit.
            self.apply(now, self.applied, gateway, tools);
        }
    }

    /// What there was and is not wanted any more is lost: at the start of a change, and once more when nothing new comes to it.
    fn lose(&mut self, now: Instant, want: &Applied) {
        let before = self.leaves_as.filter(|_| self.applied.pooling);
        if let Some(near) = before.filter(|_| !want.pooling || want.lease != before) {
            self.endings.begin(now, POOLED, near);
        }
        for near in want.spread.lost(&self.applied.spread) {
            self.endings.begin(now, GUEST, near);
        }
    }

    /// All of it is lost.
    pub fn lose_all(&mut self, now: Instant) {
        self.lose(now, &Applied::default());
    }

    /// Nothing is marked any more, and what was has come to its end.
    fn leave_rules(&mut self, rtnl: &mut Rtnl) {
        let used = self.applied.pooling || self.applied.spread.is_used();
        if self.ruled && !used && self.endings.is_empty() {
            self.ruled = false;
            routing::delete_rules(rtnl);
        }
    }

    fn wanted(&mut self, now: Instant, gateway: &Gateway<'_>, config: &Config) -> Applied {
        let pooling = gateway.pooling().filter(|_| !self.paused);
        let spread = self.spread(now, gateway, config);
        let narrowest = spread.hosts().map(|(_, host)| host.mtu).min();
        Applied {
            pooling: pooling.is_some(),
            // An exit without IPv6 leases none, and a link under its minimum carries none (RFC 8200, 5).
            ipv6: pooling.is_some_and(|p| p.lease.ipv6 != [0; 16] && p.mtu >= IPV6_MINIMUM),
            dns_rescue: pooling.is_some() && !gateway.own_line_works(),
            exit: pooling.map(|p| p.exit).or(self.applied.exit),
            lease: pooling
                .map(|p| Near {
                    v4: p.lease.ipv4,
                    v6: p.lease.ipv6,
                })
                .or(self.applied.lease),
            mtu: pooling
                .map(|p| p.mtu)
                .or(narrowest)
                .unwrap_or(self.applied.mtu),
            spread,
            hosting: config.uplinks.iter().any(|u| u.share_address),
        }
    }

    /// Who our hosts are. Shares alone change rarely: each change is a script. A community with an exit has none: a host sees
    /// what an exit's lenders do not, so an exit that falls silent is no reason to go there.
    fn spread(&mut self, now: Instant, gateway: &Gateway<'_>, config: &Config) -> Spread {
        if self.paused || !config.exits.is_empty() {
            return Spread::default();
        }
        let spread = Spread::of(gateway, now);
        let before = self.applied.spread;
        if spread.same_lines(&before) && now < self.shares_until {
            return before;
        }
        self.shares_until = now + SHARES;
        spread
    }

    /// Device and rules at once; the decision about connections by the tool, and in [`Self::end`] what follows from it.
    fn apply(&mut self, now: Instant, want: Applied, gateway: &Gateway<'_>, tools: &mut Tools<'_>) {
        let Ok(Some(index)) = tools.rtnl.link_index(tools.tun) else {
            self.retry_at = Some(now + RETRY);
            return warn!("{} is gone", tools.tun);
        };
        self.set_up(want, index, gateway, tools);
        let decision = |a: Applied| (a.pooling, a.ipv6, a.dns_rescue, a.spread);
        let decides = decision(want) != decision(self.applied)
            || want.lease != self.leaves_as
            || self.stale
            || self.rewrite;
        if !decides {
            return;
        }
        if want.pooling || want.spread.is_used() {
            self.ruled = true;
            routing::add_rules(tools.rtnl);
        }
        let dns = gateway
            .pooling()
            .map(|p| *p.lease)
            .filter(|_| want.dns_rescue);
        let base = self
            .rewrite
            .then_some((tools.config, self.on_link.as_slice()));
        let started = routing::start_decision(base, &want, dns.as_ref()).and_then(|nft| {
            let watched = tools.poll.add(nft.fd(), tools.token, Interest::Read);
            watched.map_err(|e| Failure::Nft(nft::Failure::Run(e)))?;
            Ok(nft)
        });
        match started {
            Ok(nft) => {
                self.stale = false;
                self.under_way = Some(UnderWay {
                    nft,
                    since: now,
                    want,
                    rewrites: core::mem::take(&mut self.rewrite),
                });
            }
            Err(failure) => {
                warn!("firewall: {}", failure);
                self.retry_at = Some(now + RETRY);
            }
        }
    }

    /// The device's addresses and routes.
    fn set_up(&mut self, want: Applied, index: u32, gateway: &Gateway<'_>, tools: &mut Tools<'_>) {
        let applied = &mut self.applied;
        let moves = (want.exit, want.lease) != (applied.exit, applied.lease);
        let hosting = want.hosting && !applied.hosting;
        if !moves && !hosting && (want.mtu, want.spread) == (applied.mtu, applied.spread) {
            return;
        }
        device::set(tools.rtnl, index, applied, &want);
        if moves {
            tell_exit(gateway, tools.config);
        }
        (applied.mtu, applied.lease, applied.exit) = (want.mtu, want.lease, want.exit);
        applied.hosting = want.hosting;
    }

    /// The device was given settings, and has lost them: all of them are put on it again.
    pub fn mend_device(&self, rtnl: &mut Rtnl, tun: &str) {
        if (self.applied.lease.is_some() || self.applied.spread.is_used())
            && let Ok(Some(index)) = rtnl.link_index(tun)
            && !device::is_set(rtnl, index)
        {
            warn!("{}: somebody has taken its routes away; put back", tun);
            device::set(rtnl, index, &Applied::default(), &self.applied);
        }
    }

    /// The tool has said something, or has ended.
    pub fn handle_tool(&mut self, now: Instant, rtnl: &mut Rtnl) {
        let Some(result) = self.under_way.as_mut().and_then(|u| u.nft.poll()) else {
            return;
        };
        if let Err(failure) = &result {
            warn!("firewall: {}", failure);
        }
        self.end(now, result.is_ok(), rtnl);
    }

    /// The script has been applied, or not: then it is tried again, and what can be taken back without it is.
    fn end(&mut self, now: Instant, applied: bool, rtnl: &mut Rtnl) {
        let Some(UnderWay { want, rewrites, .. }) = self.under_way.take() else {
            return;
        };
        if !applied {
            self.retry_at = Some(now + RETRY);
            self.stale = true;
            self.rewrite |= rewrites;
            if want.pooling {
                return;
            }
        }
        // Also what began meanwhile.
        self.lose(now, &want);
        if applied {
            self.leaves_as = want.lease;
        } else if !want.spread.is_used() {
            // New connections are still marked.
            routing::delete_rules(rtnl);
        }
        if want.pooling != self.applied.pooling {
            info!(
                "{}",
                if want.pooling {
                    "pooling: new connections go through the exit"
                } else if self.paused {
                    "paused: connections go over the own line"
                } else {
                    "no exit answers: connections go over the own line"
                }
            );
        }
        let hosts = |a: &Applied| a.spread.hosts().count();
        if hosts(&want) != hosts(&self.applied) {
            info!(
                "new connections may leave at {} neighbours' lines while no exit is used",
                hosts(&want)
            );
        }
        self.applied = want;
    }
}

fn tell_exit(gateway: &Gateway<'_>, config: &Config) {
    if let Some(pooling) = gateway.pooling() {
        let name = config.exit_name(pooling.exit);
        info!("exit {} ({})", name, pooling.choice.words());
    }
}
