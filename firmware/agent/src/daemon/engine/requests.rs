//! What is asked and told over the control socket and OpenWrt's bus.

use super::{Engine, Parts, UBUS, outlet};
use crate::config::Config;
use crate::config::values;
use crate::daemon::accounts::Accounts;
use crate::daemon::community::{self, Community};
use crate::daemon::history::History;
use crate::daemon::lending::Lending;
use crate::daemon::network::UplinkState;
use crate::daemon::outlet::Road;
use crate::daemon::pause::{self, Pause};
use crate::daemon::refusing;
use crate::daemon::routing::Applied;
use crate::daemon::status::{self, Part};
use burstmesh_core::node::gateway::Gateway;
use burstmesh_core::time::Instant;
use burstmesh_linux::control::Server;
use burstmesh_linux::tun::Tun;
use burstmesh_linux::ubus::{Call, Converter, Method, Status, Ubus};
use burstmesh_linux::{Result, clock, debug, info, log};
use core::fmt::Write;

/// Methods of our object on the bus.
const METHODS: &[Method] = &[
    method("status", ""),
    method("members", ""),
    method("flows", ""),
    method("counters", ""),
    method("history", ""),
    method("events", ""),
    method("ledger", ""),
    method("pause", "minutes"),
    method("resume", ""),
    about("refuse", "minutes"),
    about("accept", ""),
];

const fn method(name: &'static str, argument: &'static str) -> Method {
    Method {
        name,
        argument,
        text: "",
    }
}

/// A method about a member.
const fn about(name: &'static str, argument: &'static str) -> Method {
    Method {
        text: "node",
        ..method(name, argument)
    }
}

/// Our object on the bus at `path`.
pub fn bus(path: &str) -> Result<Ubus> {
    Ubus::new(clock::now(), path, "burstmesh", METHODS, UBUS)
}

/// What answers are made of.
struct Desk<'a> {
    now: Instant,
    gateway: &'a mut Gateway<'static>,
    config: &'a Config,
    started: Instant,
    applied: Applied,
    uplinks: &'a [UplinkState],
    accounts: &'a mut Accounts,
    lending: &'a Lending,
    pause: &'a mut Pause,
    history: &'a History,
    tun: &'a Tun,
    road: &'a Road,
}

impl Desk<'_> {
    /// Answers a line in words or in JSON.
    fn answer(&mut self, line: &str, out: &mut dyn Write) {
        if line.starts_with("ledger") {
            return self.accounts.answer(line, out);
        }
        if self.pause.answer(self.now, line, out)
            || refusing::answer(self.gateway, self.now, line, out)
        {
            return;
        }
        status::answer(&self.view(), line, out);
    }

    fn view(&self) -> status::View<'_> {
        status::View {
            gateway: self.gateway,
            config: self.config,
            now: self.now,
            started: self.started,
            applied: self.applied,
            uplinks: self.uplinks,
            accounts: self.accounts,
            lending: self.lending,
            pause: *self.pause,
            tun: self.tun,
            road: self.road,
        }
    }

    /// Answers a call on the bus.
    fn call(&mut self, call: &Call<'_>, out: &mut Converter<'_, '_>) -> Status {
        let part = match call.method {
            "status" => Part::State,
            "members" => Part::Members,
            "flows" => Part::Flows,
            "counters" => Part::Counters,
            _ => return self.call_other(call, out),
        };
        status::tell(&self.view(), part, out);
        Status::Ok
    }

    fn call_other(&mut self, call: &Call<'_>, out: &mut Converter<'_, '_>) -> Status {
        match call.method {
            "history" => self.history.tell(self.gateway.link().tunnel().paths(), out),
            "events" => tell_events(out),
            // The bus knows no answer that is an array.
            "ledger" => {
                let _ = out.write_str("{\"ledger\":");
                self.answer("ledger json", out);
                let _ = out.write_char('}');
            }
            "pause" => {
                let minutes = call.argument.unwrap_or(pause::USUAL.into());
                let minutes = u16::try_from(minutes).unwrap_or(0);
                if minutes == 0 || !self.pause.set(self.now, minutes) {
                    return Status::InvalidArgument;
                }
                self.tell_pause(out);
            }
            "refuse" | "accept" => return self.call_about(call, out),
            _ => {
                self.pause.set(self.now, 0);
                self.tell_pause(out);
            }
        }
        Status::Ok
    }

    /// A call about a member.
    fn call_about(&mut self, call: &Call<'_>, out: &mut Converter<'_, '_>) -> Status {
        let Ok(node) = values::node(call.text.unwrap_or_default()) else {
            return Status::InvalidArgument;
        };
        if call.method == "accept" {
            refusing::accept(self.gateway, self.now, node);
        } else {
            let minutes = call.argument.unwrap_or(0);
            if !refusing::refuse(self.gateway, self.now, node, minutes) {
                return Status::InvalidArgument;
            }
        }
        let _ = write!(out, "{{\"refused\":{}}}", self.gateway.refuses(node));
        Status::Ok
    }

    fn tell_pause(&self, out: &mut Converter<'_, '_>) {
        let _ = write!(out, "{{\"pause_s\":{}}}", self.pause.seconds_left(self.now));
    }
}

/// What the log said lately, line by line; nothing where the log is frames.
fn tell_events(out: &mut Converter<'_, '_>) {
    let _ = out.write_str("{\"events\":[\"");
    if cfg!(not(feature = "defmt")) {
        let mut line_is_over = false;
        log::recent(|bytes| {
            for &byte in bytes {
                if line_is_over {
                    let _ = out.write_str("\",\"");
                }
                line_is_over = byte == b'\n';
                let shown = match byte {
                    b'"' => '\'',
                    b' '..=b'~' if byte != b'\\' => byte.into(),
                    b'\n' => continue,
                    _ => '?',
                };
                let _ = out.write_char(shown);
            }
        });
    }
    let _ = out.write_str("\"]}");
}

impl Engine {
    /// A pause has begun, has another end now, or is over.
    pub(super) fn apply_pause(&mut self, now: Instant) {
        let paused = self.pause.is_on();
        info!(
            "{}",
            if paused {
                "paused"
            } else {
                "the pause is over"
            }
        );
        self.gateway.set_borrowing(now, !paused);
        self.pooler.set_paused(paused);
        self.accounts.keep_pause(now, self.pause);
        self.lend(now);
    }

    #[inline(never)]
    pub(super) fn serve_control(&mut self, now: Instant) {
        self.attend(now, |server, _, _, desk, community| {
            server.serve(|line, out| match line.trim_ascii() {
                "log" => log::recent(|bytes| out.write(bytes)),
                line if community.begin(now, line, &desk.view(), out) => {}
                line => desk.answer(line, out),
            })
        });
    }

    #[inline(never)]
    pub(super) fn serve_bus(&mut self, now: Instant) {
        self.attend(now, |_, bus, room, desk, _| {
            bus.handle_readable(room, |call, out| desk.call(call, out))
        });
    }

    /// What members ask each other: packets in and out, until there is nothing more to do.
    #[inline(never)]
    pub(super) fn meet(&mut self, now: Instant) {
        let mut came = self.community.take(&mut self.road.inbox);
        if !came && self.community.poll_timeout() > now {
            return;
        }
        let mut room = community::ROOM;
        // As many rounds as there may be connections and packets waiting: what is left comes in the next.
        for _ in 0..16 {
            while let Some(packet) = self.community.poll_transmit(now, &mut room) {
                let mut out = outlet(&mut self.road, &self.parts, self.config);
                // What has no way now is lost, as on any link: TCP sends it again.
                let _ = self.gateway.send_inside(now, packet, &mut out);
                out.flush();
            }
            came = self.community.take(&mut self.road.inbox);
            if !came && !self.serve_members(now) {
                break;
            }
        }
    }

    /// Members' questions and answers; true if something was done.
    #[inline(never)]
    fn serve_members(&mut self, now: Instant) -> bool {
        let mut done = false;
        self.attend(now, |server, _, _, desk, community| {
            done = community.serve(now, desk.view(), server);
            Ok(())
        });
        done
    }

    /// Has somebody served, and does what he asked for.
    fn attend(
        &mut self,
        now: Instant,
        serve: impl FnOnce(
            &mut Server,
            &mut Ubus,
            &mut [u8],
            &mut Desk<'_>,
            &mut Community,
        ) -> Result<()>,
    ) {
        let before = self.pause;
        let Parts {
            server, ubus, tun, ..
        } = &mut self.parts;
        let mut desk = Desk {
            now,
            gateway: self.gateway,
            config: self.config,
            started: self.started,
            applied: self.pooler.applied(),
            uplinks: &self.uplinks,
            accounts: &mut self.accounts,
            lending: &self.lending,
            pause: &mut self.pause,
            history: &self.history,
            tun,
            road: &self.road,
        };
        let room = self.recv.scratch();
        if let Err(error) = serve(server, ubus, room, &mut desk, &mut self.community) {
            debug!("{}", error);
        }
        if self.pause != before {
            self.apply_pause(now);
        }
    }
}
