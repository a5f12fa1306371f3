//! The session with the exit, and over which ways its paths go.

use super::{ExitConfig, MAX_EXITS};
use crate::control::handshake::{Credentials, Established, FinishJob, Initiator, Lifetime};
use crate::data::path::Setup;
use crate::data::probe::State;
use crate::data::tunnel::{MAX_PATHS, Memory, Tunnel};
use crate::identity::PublicKey;
use crate::node::job::Owner;
use crate::node::roll::Told;
use crate::node::{Draw, outer_headers};
use crate::time::{Duration, Instant};
use crate::wire::Capabilities;
use crate::wire::handshake::Lease;
use heapless::Vec;

/// A path that does not open within this time is tried at the exit's next address.
const NEXT_ADDRESS: Duration = Duration::from_secs(3);
/// A path that is dead for so long is opened anew: the exit forgets it after ten minutes.
const OPEN_ANEW: Duration = Duration::from_secs(60);
/// From this path ID on, paths that do not open are tried anew as rarely as dead ones.
const THRIFT: u16 = 1_000;
/// The paths of a new session are waited for this long.
const OPENING: Duration = Duration::from_millis(600);
/// Old keys are kept so long after a rekey, for frames on their way.
const RETIRE: Duration = Duration::from_secs(10);

/// The way that a path goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Over one of our own uplinks.
    Own {
        /// Which.
        uplink: u8,
        /// Which of the exit's addresses.
        address: u8,
    },
    /// Over a lender's uplink.
    Lent {
        /// The lender's place among the peers.
        peer: u8,
        /// The lender's number for the uplink.
        uplink: u8,
    },
}

/// Why an exit is the one in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// There is no other.
    Only,
    /// No other is preferred as much.
    Preferred,
    /// Of those that are preferred it answered first.
    Nearest,
    /// One that would have been used did not answer.
    Standby,
}

impl Choice {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Only => "the only one",
            Self::Preferred => "preferred",
            Self::Nearest => "the nearest",
            Self::Standby => "another did not answer",
        }
    }
}

/// A session in force.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// When it began, or got new keys.
    pub began: Instant,
    pub lease: Lease,
    pub lifetime: Lifetime,
    pub remote_cid: u32,
    retire_at: Option<Instant>,
}

/// Everything about the exit in use.
#[derive(Debug)]
pub struct ExitLink<'m> {
    /// The data road.
    pub(super) tunnel: Tunnel<'m>,
    pub(super) exit: usize,
    pub(super) initiator: Initiator,
    /// The handshake under way renews the session.
    pub(super) rekeying: bool,
    /// An exit's answer that waits for the worker.
    pub(super) reading: Option<(Owner, FinishJob)>,
    /// Our connection ID in a first handshake.
    pub(super) cid: u32,
    pub(super) session: Option<Session>,
    routes: [Option<Route>; MAX_PATHS],
    next_path: u16,
    /// Which way the next Init takes.
    pub(super) turn: u8,
    /// Since when no path has worked.
    pub(super) down_since: Option<Instant>,
    /// What it knows of our list of revocations.
    pub(super) told: Told,
    /// Sessions begun since the start.
    pub(super) sessions: u32,
    /// It took the place of one that fell silent.
    pub(super) moved: bool,
}

impl<'m> ExitLink<'m> {
    #[inline(never)]
    pub(super) fn new(
        credentials: &Credentials,
        exits: &Vec<ExitConfig, MAX_EXITS>,
        memory: Memory<'m>,
        draw: &mut Draw,
    ) -> Self {
        let exit = favourite(exits);
        let key = exits.get(exit).map_or(PublicKey([0; 32]), |e| e.key);
        Self {
            tunnel: Tunnel::new(memory, draw.secret()),
            exit,
            initiator: Initiator::new(credentials, key, draw.u64()),
            rekeying: false,
            reading: None,
            cid: draw.cid(),
            session: None,
            routes: [None; MAX_PATHS],
            next_path: 0,
            turn: 0,
            down_since: None,
            told: Told::default(),
            sessions: 0,
            moved: false,
        }
    }

    /// Another exit from now on: the session with the one before ends.
    pub(super) fn turn_to(
        &mut self,
        exit: usize,
        credentials: &Credentials,
        exits: &Vec<ExitConfig, MAX_EXITS>,
        draw: &mut Draw,
        secret: [u8; 16],
    ) {
        let key = exits.get(exit).map_or(PublicKey([0; 32]), |e| e.key);
        self.tunnel.reset(secret);
        self.initiator = Initiator::new(credentials, key, draw.u64());
        (self.exit, self.session, self.reading) = (exit, None, None);
        (self.routes, self.next_path) = ([None; MAX_PATHS], 0);
        (self.rekeying, self.turn, self.cid) = (false, 0, draw.cid());
        self.moved = true;
    }

    /// The tunnel, for what it counts.
    pub fn tunnel(&self) -> &Tunnel<'m> {
        &self.tunnel
    }
    /// Which of the configured exits it is.
    pub fn exit(&self) -> usize {
        self.exit
    }
    /// Sessions begun since the start.
    pub fn sessions(&self) -> u32 {
        self.sessions
    }
    /// The way of the path at this place.
    pub fn route(&self, at: usize) -> Option<Route> {
        self.routes.get(at).copied().flatten()
    }
    /// The exit and what it leased, while some path works.
    pub fn lease(&self) -> Option<(usize, &Lease)> {
        let session = self.session.as_ref()?;
        self.tunnel.is_up().then_some((self.exit, &session.lease))
    }
    pub(super) fn own_line_works(&self) -> bool {
        self.tunnel
            .paths()
            .any(|(at, p)| p.usable() && matches!(self.route(at), Some(Route::Own { .. })))
    }
    /// The path over this uplink answers: it exists for pooling (captive portals do not answer for an exit).
    pub(super) fn proven(&self, uplink: u8) -> bool {
        self.tunnel.paths().any(|(at, p)| {
            p.usable()
                && matches!(self.route(at), Some(Route::Own { uplink: u, .. }) if u == uplink)
        })
    }
    /// An exit has answered by this uplink, though it may be silent now.
    pub(super) fn opened(&self, uplink: u8) -> bool {
        self.tunnel.paths().any(|(at, p)| {
            p.state() != State::Opening
                && matches!(self.route(at), Some(Route::Own { uplink: u, .. }) if u == uplink)
        })
    }
    /// A first handshake begins, or begins again.
    pub(super) fn ask_anew(&mut self, now: Instant) {
        self.initiator.start(now, self.cid, None);
        (self.rekeying, self.down_since) = (false, Some(now));
    }
    /// Asks for a sign of life by every way.
    pub(super) fn look_everywhere(&mut self, now: Instant) {
        for at in 0..MAX_PATHS {
            self.tunnel.look_now(now, at);
        }
    }
    /// The session has just begun, and no path of it works yet.
    pub(super) fn opens(&self, now: Instant) -> bool {
        let fresh = |s: &Session| now.since(s.began) < OPENING;
        self.session.as_ref().is_some_and(fresh) && !self.tunnel.is_up()
    }
    pub(super) fn look_now(&mut self, now: Instant, uplink: u8) {
        for at in 0..MAX_PATHS {
            if matches!(self.route(at), Some(Route::Own { uplink: u, .. }) if u == uplink) {
                self.tunnel.look_now(now, at);
            }
        }
    }

    /// A handshake has ended well.
    pub(super) fn establish(
        &mut self,
        now: Instant,
        e: &Established,
        rekey: bool,
        secret: [u8; 16],
    ) {
        let capabilities = e.welcome.caps.and(Capabilities::OURS);
        if !rekey || self.session.is_none() {
            self.tunnel.reset(secret);
            self.told = Told::default();
            (self.routes, self.next_path) = ([None; MAX_PATHS], 0);
            self.sessions = self.sessions.wrapping_add(1);
        }
        self.tunnel
            .install_keys(&e.keys.send, &e.keys.recv, true, capabilities);
        let Some(lease) = e.welcome.lease else { return };
        self.session = Some(Session {
            began: now,
            lease,
            lifetime: Lifetime::new(now, true),
            remote_cid: e.remote_cid,
            retire_at: rekey.then_some(now + RETIRE),
        });
        self.down_since = None;
    }

    /// The path over this way, if there is one.
    pub(super) fn place_of(&self, same: impl Fn(Route) -> bool) -> Option<usize> {
        self.routes.iter().position(|r| r.is_some_and(&same))
    }

    /// Opens a path over a way that has none yet, with so many bytes in front of each datagram.
    pub(super) fn open(
        &mut self,
        now: Instant,
        route: Route,
        local_cid: u32,
        v6: bool,
        headroom: u8,
    ) {
        let Some(session) = &self.session else { return };
        let setup = Setup {
            id: self.next_path,
            local_cid,
            remote_cid: session.remote_cid,
            headroom,
            outer: outer_headers(v6),
            lent: matches!(route, Route::Lent { .. }),
            known_rate: None,
        };
        // Path IDs are part of the nonce: when they run out, a new session begins instead.
        let Some(next) = self.next_path.checked_add(1) else {
            return;
        };
        if let Ok(at) = self.tunnel.open_path(now, setup)
            && let Some(place) = self.routes.get_mut(at)
        {
            *place = Some(route);
            self.next_path = next;
        }
    }

    /// Closes the path at this place.
    pub(super) fn close(&mut self, at: usize) {
        self.tunnel.close_path(at);
        if let Some(place) = self.routes.get_mut(at) {
            *place = None;
        }
    }

    /// A path that has not opened in time, or that the exit may have forgotten.
    pub(super) fn stuck(&self, now: Instant, at: usize) -> bool {
        let path = self.tunnel.path(at);
        // A line that is out for days must not use up the path IDs: that would end the session.
        let patience = if self.next_path < THRIFT {
            NEXT_ADDRESS
        } else {
            OPEN_ANEW
        };
        path.is_some_and(|p| p.given_up(now, patience, OPEN_ANEW))
    }

    /// Old keys go some seconds after a rekey; dead sessions are noticed.
    pub(super) fn tick(&mut self, now: Instant) {
        if let Some(s) = &mut self.session
            && s.retire_at.is_some_and(|t| t <= now)
        {
            s.retire_at = None;
            self.tunnel.retire_old_keys();
        }
        if self.tunnel.is_up() {
            self.down_since = None;
        } else {
            self.down_since.get_or_insert(now);
        }
    }

    /// The session's end: keys are too old.
    pub(super) fn lose(&mut self) {
        self.session = None;
    }
    /// Path IDs are nearly used up.
    pub(super) fn exhausted(&self) -> bool {
        self.next_path > u16::MAX - 16
    }
}

/// The exit that is tried first.
pub(super) fn favourite(exits: &[ExitConfig]) -> usize {
    let all = exits.iter().enumerate();
    all.min_by_key(|(_, e)| e.preference)
        .map_or(0, |(at, _)| at)
}
