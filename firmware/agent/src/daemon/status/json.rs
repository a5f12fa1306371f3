//! JSON for programs.

use super::{Far, Part, View, bits, standby_name, state_name};
use crate::daemon::admission::advice;
use crate::daemon::routing;
use crate::json::Quoted;
use burstmesh_core::error::Refusals;
use burstmesh_core::node::gateway::Route;
use burstmesh_core::wire::text::key_to_text;
use burstmesh_core::wire::{MAJOR, MINOR};
use burstmesh_linux::process;
use core::fmt::{self, Write};

impl View<'_> {
    /// One part, or everything. Each piece ends with a comma; the protocol comes last and has none.
    pub(super) fn json(&self, part: Part, out: &mut dyn Write) -> fmt::Result {
        let wanted = |one| part == one || part == Part::All;
        out.write_char('{')?;
        if wanted(Part::State) {
            self.json_state(out)?;
            self.json_uplinks(out)?;
            self.json_paths(out)?;
        }
        if wanted(Part::Members) {
            self.json_peers(out)?;
            self.json_hosts(out)?;
            self.json_relays(out)?;
        }
        if wanted(Part::Flows) {
            self.json_busiest(out)?;
        }
        if wanted(Part::Counters) {
            self.json_offload(out)?;
            self.json_counters(out)?;
        }
        writeln!(out, "\"protocol\":\"{MAJOR}.{MINOR}\"}}")
    }

    fn json_state(&self, out: &mut dyn Write) -> fmt::Result {
        let g = self.gateway;
        write!(
            out,
            "\"version\":\"{}\",\"node\":\"{}\",",
            crate::cli::VERSION,
            g.node_id()
        )?;
        write!(
            out,
            "\"community\":{},\"uptime_s\":{},",
            Quoted(&self.config.community.name),
            self.now.since(self.started).as_millis() / 1000
        )?;
        write!(
            out,
            "\"pooling\":{},\"sentence\":\"{}\",\"dns_rescue\":{},\"pause_s\":{},",
            self.applied.pooling,
            self.sentence(),
            self.applied.dns_rescue,
            self.pause.seconds_left(self.now)
        )?;
        write!(
            out,
            "\"rss_bytes\":{},\"sessions\":{},",
            process::resident_bytes(),
            g.link().sessions()
        )?;
        match g.admission() {
            Some(a) => write!(
                out,
                "\"admission\":{{\"certificate\":{},\"expires\":{},\"list\":{},\"removed\":{},\"forged\":{}}},",
                a.certificate.is_some(),
                a.certificate.map_or(0, |c| c.expires),
                a.number(),
                a.list.as_ref().map_or(0, |l| l.nodes().count()),
                g.forged_words()
            )?,
            None => write!(out, "\"admission\":null,")?,
        }
        match g.denied(self.now) {
            Some(why) => write!(out, "\"denied\":{},", Quoted(advice(why)))?,
            None => write!(out, "\"denied\":null,")?,
        }
        match g.pooling() {
            Some(p) => {
                let (v4, v6) = (
                    core::net::Ipv4Addr::from(p.lease.ipv4),
                    core::net::Ipv6Addr::from(p.lease.ipv6),
                );
                write!(
                    out,
                    "\"lease\":{{\"exit\":{},\"name\":{},\"why\":\"{}\",\"ipv4\":\"{v4}\",\"ipv6\":\"{v6}\",\"mtu\":{}}},",
                    p.exit,
                    Quoted(self.config.exit_name(p.exit)),
                    p.choice.words(),
                    p.mtu
                )
            }
            None => write!(out, "\"lease\":null,"),
        }
    }

    fn json_uplinks(&self, out: &mut dyn Write) -> fmt::Result {
        write!(out, "\"uplinks\":[")?;
        for (i, u) in self.config.uplinks.iter().enumerate() {
            let up = self.uplinks.get(i).is_some_and(|s| s.up);
            write!(
                out,
                "{}{{\"name\":{},\"ifname\":{},\"up\":{up},\"lend\":{},\"metered\":{},\"cost\":{},\"lending\":\"{}\",",
                comma(i),
                Quoted(&u.name),
                Quoted(&u.ifname),
                u.lend,
                u.metered,
                u.cost,
                self.lending.reason(i).words()
            )?;
            let (up_kbit, down_kbit) = self.lending.limits(i);
            let used = self.accounts.cap(u).map_or(0, |(cap, _)| cap.used());
            write!(
                out,
                "\"lend_up_kbit\":{up_kbit},\"lend_down_kbit\":{down_kbit},\"cap_bytes\":{},\"cap_used_bytes\":{used},",
                u.cap
            )?;
            let f = self.accounts.forecast(self.now, u);
            let ([own_up, own_down], [up, down]) = (f.now, f.expected);
            write!(
                out,
                "\"own_up_kbit\":{own_up},\"own_down_kbit\":{own_down},\"expected_up_kbit\":{up},\"expected_down_kbit\":{down},\"confidence\":{}}}",
                f.confidence
            )?;
        }
        write!(out, "],")
    }

    fn json_paths(&self, out: &mut dyn Write) -> fmt::Result {
        write!(out, "\"paths\":[")?;
        for (n, (at, p)) in self.gateway.link().tunnel().paths().enumerate() {
            let c = p.counters();
            write!(out, "{}{{\"id\":{},\"via\":\"", comma(n), p.id())?;
            self.way(at, out)?;
            let lent = matches!(self.gateway.link().route(at), Some(Route::Lent { .. }));
            write!(
                out,
                "\",\"lent\":{lent},\"state\":\"{}\",\"rate_bps\":{},\"delivered_bps\":{},\"rtt_us\":{},\"queue_us\":{},\"mtu\":{},\"in_flight\":{},",
                state_name(p.state()),
                bits(p.rate().rate()),
                bits(p.rate().delivered()),
                p.srtt().as_micros(),
                p.rate().queue_us(),
                p.mtu(),
                p.in_flight()
            )?;
            let [most_up, most_down] = p.limits();
            if most_up.max(most_down) > 0 {
                write!(
                    out,
                    "\"limit_up_kbit\":{most_up},\"limit_down_kbit\":{most_down},"
                )?;
            }
            if let Some(cost) = p.stands_by(self.now) {
                write!(out, "\"stands_by\":\"{}\",", standby_name(cost))?;
            }
            write!(
                out,
                "\"runs\":{},\"tx_bytes\":{},\"rx_bytes\":{},\"tx_packets\":{},\"rx_packets\":{},\"acked\":{},\"lost\":{},\"repairs\":{},\"deaths\":{}}}",
                p.runs().allowed(),
                c.tx_bytes,
                c.rx_bytes,
                c.tx_packets,
                c.rx_packets,
                c.acked,
                c.lost,
                c.repairs,
                c.deaths
            )?;
        }
        write!(out, "],")
    }

    fn json_peers(&self, out: &mut dyn Write) -> fmt::Result {
        if let Some(a) = self.gateway.admission() {
            write!(out, "\"admin\":\"{}\",", key_to_text(&a.admin.0))?;
        }
        write!(out, "\"peers\":[")?;
        for (n, (_, p)) in self.gateway.peers().enumerate() {
            write!(
                out,
                "{}{{\"node\":\"{}\",\"address\":\"{}\",\"session\":{},\"floods\":{},\"over_part\":{},\"refused\":{},\"refuses_us\":{},\"hops\":{},\"minor\":{},\"rtt_us\":{},\"offers\":{},\"up_bytes\":{},\"down_bytes\":{},\"up_packets\":{},\"down_packets\":{},\"certified_until\":",
                comma(n),
                p.key.node_id(),
                p.addr,
                p.is_up(),
                p.excess.floods(),
                p.excess.dropped(),
                p.refused,
                p.refuses_us,
                p.hops(),
                p.minor,
                p.rtt().as_micros(),
                p.offers.len(),
                p.carried.up_bytes,
                p.carried.down_bytes,
                p.carried.up_packets,
                p.carried.down_packets
            )?;
            match p.certified {
                Some(until) => write!(out, "{until}}}")?,
                None => write!(out, "null}}")?,
            }
        }
        write!(out, "],")
    }

    /// Neighbours at whose lines connections may leave, and of how many new ones each gets how many.
    fn json_hosts(&self, out: &mut dyn Write) -> fmt::Result {
        let spread = &self.applied.spread;
        write!(
            out,
            "\"own_share\":{},\"round\":{},\"hosts\":[",
            spread.own,
            spread.round()
        )?;
        for (n, (place, share)) in spread.hosts().enumerate() {
            write!(out, "{}{{\"node\":\"", comma(n))?;
            let peer = self.peer(place as u8);
            if let Some(peer) = peer {
                write!(out, "{}", peer.key.node_id())?;
            }
            let [up, down] = peer.and_then(|p| p.host).map_or([0; 2], |h| h.kbit);
            write!(
                out,
                "\",\"share\":{},\"up_kbit\":{up},\"down_kbit\":{down},\"ipv6\":{}}}",
                share.weight, share.ipv6
            )?;
        }
        write!(out, "],")
    }

    fn json_relays(&self, out: &mut dyn Write) -> fmt::Result {
        write!(out, "\"relays\":[")?;
        let lines = self.gateway.relays();
        let lines = lines.filter_map(|r| r.uplink().map(|uplink| (r, uplink)));
        for (n, (r, uplink)) in lines.enumerate() {
            let node = self.peer(r.peer).map(|p| p.key.node_id());
            write!(out, "{}{{\"for\":\"", comma(n))?;
            if let Some(node) = node {
                write!(out, "{node}")?;
            }
            write!(
                out,
                "\",\"uplink\":{uplink},\"up_bytes\":{},\"down_bytes\":{},\"live\":{}}}",
                r.carried.up_bytes,
                r.carried.down_bytes,
                r.until > self.now
            )?;
        }
        write!(out, "],")
    }

    /// What the busiest flows do, and why.
    fn json_busiest(&self, out: &mut dyn Write) -> fmt::Result {
        write!(out, "\"busiest\":[")?;
        let busiest = self.gateway.link().tunnel().busiest(self.now);
        for (n, flow) in busiest.iter().enumerate() {
            let [up, down] = flow.rates.map(bits);
            write!(
                out,
                "{}{{\"flow\":\"{}\",\"kind\":\"{}\",\"packets_per_s\":{},\"up_bps\":{up},\"down_bps\":{down},\"lane\":\"{}\",\"why\":\"{}\",\"paths\":[",
                comma(n),
                Far(flow.protocol, &flow.far, flow.port),
                flow.shape.name(),
                flow.packets,
                flow.lane.name(),
                flow.why.name()
            )?;
            self.ways(flow.paths, "\"", out)?;
            match flow.second {
                Some(second) => {
                    write!(out, "],\"second\":\"")?;
                    self.way(second, out)?;
                    write!(out, "\"}}")?;
                }
                None => write!(out, "],\"second\":null}}")?,
            }
        }
        self.json_alone(busiest.is_empty(), out)?;
        write!(out, "],")
    }

    /// Connections that use no exit, among the flows.
    fn json_alone(&self, mut first: bool, out: &mut dyn Write) -> fmt::Result {
        for alone in &self.alone() {
            let t = &alone.tracked;
            write!(
                out,
                "{}{{\"flow\":\"{}\",\"kind\":\"{}\",\"packets_per_s\":null,\"bytes\":{},\"lane\":null,\"why\":\"{}\",",
                comma(usize::from(!core::mem::take(&mut first))),
                Far(t.protocol, &t.back.from, t.back.ports.0),
                alone.kind(),
                t.bytes,
                alone.why()
            )?;
            if let Some(rule) = alone.rule(self) {
                write!(out, "\"rule\":{rule},")?;
            }
            write!(out, "\"paths\":[\"")?;
            self.leaves_at(alone, out)?;
            let mut next = heapless::String::<80>::new();
            match self.next_turn(alone, &mut next)? {
                true => write!(out, "\"],\"second\":\"{next}\"}}")?,
                false => write!(out, "\"],\"second\":null}}")?,
            }
        }
        Ok(())
    }

    /// What crosses to and from the kernel in large pieces.
    fn json_offload(&self, out: &mut dyn Write) -> fmt::Result {
        let (takes, glued) = (self.tun.takes(), self.road.glued());
        let sockets = self.road.sockets.all();
        let (mut all, mut whole) = (0, 0);
        for socket in sockets {
            all += 1;
            whole += u32::from(socket.udp.gso_enabled());
        }
        write!(
            out,
            "\"offload\":{{\"tun_tcp\":{},\"tun_udp\":{},\"delivered_packets\":{},\"tun_writes\":{},\"sockets\":{all},\"sockets_with_runs\":{whole}}},",
            takes.tcp, takes.udp, glued.packets, glued.pieces
        )
    }

    fn json_counters(&self, out: &mut dyn Write) -> fmt::Result {
        let (refused, version, gate) = self.gateway.refusals();
        write!(out, "\"refused\":{{")?;
        for why in Refusals::ALL {
            write!(out, "\"{}\":{},", why.name(), refused.of(why))?;
        }
        for (name, n) in gate.refused() {
            write!(out, "\"{name}\":{n},")?;
        }
        write!(out, "\"other_version\":{version}}},")?;
        let [input, forward] = routing::refused_from_mesh();
        write!(
            out,
            "\"mesh_refused\":{{\"input\":{},\"forward\":{}}},",
            input.packets, forward.packets
        )?;
        let tunnel = self.gateway.link().tunnel();
        let (t, q, r) = tunnel.counters();
        let (used, all) = tunnel.memory_used();
        write!(
            out,
            "\"flows\":{},\"backlog\":{},\"pool_used\":{used},\"pool\":{all},\"repairs\":{},\"aqm_drops\":{},\"marks\":{},\"overflow\":{},\"held\":{},\"given_up\":{},\"late\":{},\"duplicates\":{},\"longest_hold_us\":{},",
            tunnel.flows(),
            tunnel.backlog(),
            t.repairs,
            q.aqm_drops,
            q.marks,
            q.overflow,
            r.held,
            r.given_up,
            r.late,
            r.duplicates,
            r.longest_hold_us
        )
    }
}

fn comma(n: usize) -> &'static str {
    if n == 0 { "" } else { "," }
}
