//! New settings for a gateway that goes on: what they do not touch keeps its flows.

use super::exit_link::favourite;
use super::{Draw, ExitConfig, Gateway, MAX_EXITS, MAX_MESHES, Uplink, UplinkConfig};
use crate::control::announcer::{Announcer, Offer};
use crate::control::handshake::Credentials;
use crate::data::lane::Lane;
use crate::node::room::Room;
use crate::time::Instant;
use crate::wire::control::MAX_UPLINKS;
use heapless::Vec;

impl Gateway<'_> {
    /// All uplinks with their lending rules, in the shell's order. The rules hold at once, also for what is lent already;
    /// paths over uplinks that are not there any more are closed, and what was on its way there goes by the others.
    pub fn set_uplinks(&mut self, now: Instant, configs: &Vec<UplinkConfig, MAX_UPLINKS>) {
        for n in configs.len()..self.uplinks.len() {
            self.revoke(n as u8);
        }
        self.uplinks.truncate(configs.len());
        for (n, config) in configs.iter().enumerate() {
            match self.uplinks.get_mut(n) {
                Some(u) => u.config = *config,
                None => {
                    let _ = self.uplinks.push(Uplink::new(*config));
                }
            }
            if !config.lend {
                self.revoke(n as u8);
            }
        }
        self.give_parts(now);
        self.keep_guests();
        self.maintain_at = now;
    }

    /// Whether anything is borrowed from now on. If not, paths over neighbours' lines are closed at once.
    pub fn set_borrowing(&mut self, now: Instant, borrowing: bool) {
        self.borrowing = borrowing;
        if !borrowing {
            for place in 0..self.peers.len() {
                self.give_back(place);
            }
        }
        self.maintain_at = now;
    }

    /// What flows do that no rule is about, those under way too: a session keeps to its path from then on, or is spread.
    pub fn set_lane(&mut self, lane: Lane) {
        self.link.tunnel.set_lane(lane);
    }

    /// Another device stands behind this uplink from now on: nobody's grant was for that.
    pub fn replace_uplink(&mut self, now: Instant, uplink: u8) {
        self.revoke(uplink);
        self.handle_uplink(now, uplink, false);
        if let Some(line) = self.uplinks.get_mut(usize::from(uplink)) {
            line.room = Room::NEW;
        }
    }

    /// The port on each mesh interface, in the shell's order. Neighbours heard over interfaces that went are forgotten as
    /// if they had fallen silent.
    #[inline(never)]
    pub fn set_meshes(&mut self, now: Instant, ports: Vec<u16, MAX_MESHES>) {
        self.mesh_ports = ports;
        self.announcers.truncate(self.mesh_ports.len());
        while self.announcers.len() < self.mesh_ports.len() {
            let announcer = announcer(now, &self.credentials, self.epoch, &mut self.draw);
            let _ = self.announcers.push(announcer);
        }
    }

    /// The pinned exits. An exit in use that only moved keeps its session, and its paths follow; if it is pinned no more,
    /// the most preferred one takes its place.
    pub fn set_exits(&mut self, now: Instant, exits: Vec<ExitConfig, MAX_EXITS>) {
        let used = self.exits.get(self.link.exit).map(|e| e.key);
        self.exits = exits;
        self.rivals.rest();
        match self.exits.iter().position(|e| Some(e.key) == used) {
            Some(at) => self.link.exit = at,
            None => self.use_exit(now, favourite(&self.exits)),
        }
        self.link.moved = false;
        // Grants are for an exit by its place, and for one of its addresses.
        for uplink in 0..self.uplinks.len() as u8 {
            self.revoke(uplink);
        }
        self.maintain_at = now;
    }

    /// Turns to another exit: the session with the one before, and its flows, end here.
    pub(super) fn use_exit(&mut self, now: Instant, exit: usize) {
        let secret = self.draw.secret();
        self.rivals.rest();
        self.link
            .turn_to(exit, &self.credentials, &self.exits, &mut self.draw, secret);
        for peer in self.peers.iter_mut().flatten() {
            peer.loans.clear();
        }
        self.maintain_at = now;
    }
}

/// What announces the gateway on a mesh interface, with nothing to offer yet.
pub(super) fn announcer(
    now: Instant,
    credentials: &Credentials,
    epoch: u64,
    draw: &mut Draw,
) -> Announcer<32> {
    let key = credentials.identity.public();
    Announcer::new(
        now,
        credentials.community.clone(),
        key,
        epoch,
        Offer::default(),
        draw.u64(),
    )
}
