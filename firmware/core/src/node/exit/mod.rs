//! An exit: serves the members of several communities, each in a session of its own that knows nothing of the others.

mod admission;
mod inside;
mod limits;
mod seat;
mod sessions;
mod transfer;

pub use limits::Rates;
pub use seat::{Seat, Session};

use super::Draw;
use super::Letter;
use super::roll::Roll;
use crate::control::admission::Admission;
use crate::control::cookie::{self, Budget, Gatekeeper};
use crate::control::handshake::Credentials;
use crate::data::tunnel::{MAX_PATHS, Memory};
use crate::error::{Refusal, Refusals};
use crate::identity::{CommunityId, CommunityKeys, Identity, NodeId, PublicKey};
use crate::time::{Duration, Instant};
use crate::wire::handshake::Datagram;
use core::net::{IpAddr, SocketAddr};
use heapless::{Deque, Vec};

/// Most communities of one exit.
pub const MAX_COMMUNITIES: usize = 64;
/// Most members with a session at a time: a connection ID has 12 bits of seat.
pub const MAX_SEATS: usize = 4096;

/// How often full lines are given back to their owners.
const YIELD_STEP: Duration = Duration::from_millis(50);

/// What an exit hands out while it handles something.
pub trait Output {
    /// A member's packet, for the TUN.
    fn deliver(&mut self, seat: usize, packet: &[u8]);
    /// A packet of the control network for the exit itself, from the member at this seat.
    fn inside(&mut self, _seat: usize, _packet: &[u8]) {}
}

/// A community that is served.
#[derive(Debug)]
struct Served {
    credentials: Credentials,
    gatekeeper: Gatekeeper,
    /// Who says who is a member; `None`: whoever has the secret is.
    admission: Option<Admission>,
    /// The list that is on its way from a member.
    roll: Roll,
    /// A member brought the list in force, and the shell has not taken it yet.
    news: bool,
}

/// Messages of members that nobody has looked at yet. Too many at once are lost: each is said again.
type Inbox = Deque<(u16, super::roll::Mail), 16>;

#[derive(Debug)]
struct Question {
    community: CommunityId,
    datagram: Datagram,
    via: super::Via,
    from: SocketAddr,
}

/// An exit.
#[derive(Debug)]
pub struct Exit<'m> {
    identity: Identity,
    /// Its own name.
    node: NodeId,
    communities: Vec<Served, MAX_COMMUNITIES>,
    seats: &'m mut [Option<Seat<'m>>],
    /// Seats ever used: they stand in front, and only they are looked at in every round.
    used: usize,
    memory: fn() -> Memory<'m>,
    questions: Deque<Question, 64>,
    letters: Deque<Letter, 64>,
    /// What members say of admission, by their seats.
    inbox: Inbox,
    inside: inside::Waiting,
    limits: limits::Limits,
    draw: Draw,
    seed: [u8; 32],
    /// Where the search for something to send goes on: every seat gets its turn.
    turn: usize,
    yield_at: Instant,
    refusals: Refusals,
}

impl<'m> Exit<'m> {
    /// An exit without communities. `seats`: one per member with a session; `memory` gives a seat its packet memory
    /// when it is first taken. `seed` is fresh entropy.
    pub fn new(
        identity: Identity,
        seats: &'m mut [Option<Seat<'m>>],
        memory: fn() -> Memory<'m>,
        seed: [u8; 32],
    ) -> Self {
        let most = seats.len().min(MAX_SEATS);
        let mut key = [0; 16];
        key.copy_from_slice(seed.first_chunk::<16>().unwrap_or(&[0; 16]));
        Self {
            node: identity.public().node_id(),
            identity,
            communities: Vec::new(),
            seats: seats.get_mut(..most).unwrap_or_default(),
            used: 0,
            memory,
            questions: Deque::new(),
            letters: Deque::new(),
            inbox: Inbox::new(),
            inside: Deque::new(),
            limits: limits::Limits::default(),
            draw: Draw::new(key),
            seed,
            turn: 0,
            yield_at: Instant::ZERO,
            refusals: Refusals::default(),
        }
    }

    /// Serves a community from now on. [`Refusal::Full`] past [`MAX_COMMUNITIES`].
    pub fn serve(
        &mut self,
        now: Instant,
        community: CommunityKeys,
        budget: Budget,
    ) -> Result<(), Refusal> {
        if self
            .communities
            .iter()
            .any(|c| c.credentials.community.id == community.id)
        {
            return Ok(());
        }
        let credentials = Credentials {
            identity: self.identity.clone(),
            community,
        };
        let gatekeeper = Gatekeeper::new(now, &credentials, budget, self.seed);
        self.communities
            .push(Served {
                credentials,
                gatekeeper,
                admission: None,
                roll: Roll::default(),
                news: false,
            })
            .map_err(|_| Refusal::Full)
    }

    /// Serves a community no longer; its sessions end.
    pub fn withdraw(&mut self, community: CommunityId) {
        self.limits.forget(community);
        self.communities
            .retain(|c| c.credentials.community.id != community);
        self.end_where(|_, s| s.community == community);
    }

    /// Ends a member's session (the member was removed).
    pub fn end(&mut self, community: CommunityId, member: &PublicKey) {
        self.end_where(|_, s| s.community == community && s.key == *member);
    }

    /// Ends every session that `ends` says so of; it is given the seat's number too.
    pub fn end_where(&mut self, ends: impl Fn(usize, &Session) -> bool) {
        for (at, seat) in self.seats.iter_mut().enumerate() {
            let Some(seat) = seat else { continue };
            if seat.session.as_ref().is_some_and(|s| ends(at, s)) {
                seat.session = None;
                seat.tunnel.reset([0; 16]);
            }
        }
    }

    /// All seats in use.
    pub fn seats(&self) -> impl Iterator<Item = (usize, &Seat<'m>, &Session)> {
        let seats = self.seats.iter().take(self.used).enumerate();
        seats.filter_map(|(i, s)| {
            s.as_ref()
                .and_then(|s| s.session.as_ref().map(|session| (i, s, session)))
        })
    }

    /// Whether every seat has a session.
    pub fn is_full(&self) -> bool {
        self.seats().count() == self.seats.len()
    }

    /// How many seats have packet memory, with or without a session.
    pub fn seats_kept(&self) -> usize {
        self.seats.iter().flatten().count()
    }

    /// What was refused on the data road, and at the gates of all communities.
    pub fn refusals(
        &self,
    ) -> (
        Refusals,
        Vec<(CommunityId, cookie::Counters), MAX_COMMUNITIES>,
    ) {
        let gates = self
            .communities
            .iter()
            .map(|c| (c.credentials.community.id, c.gatekeeper.counters()));
        (self.refusals, gates.collect())
    }

    /// When [`Self::handle_timeout`] or [`Self::poll_transmit`] has something to do.
    pub fn poll_timeout(&self, now: Instant) -> Instant {
        self.seats()
            .map(|(_, seat, session)| {
                let open_at = self.limits.open_at(session.community);
                seat.tunnel
                    .poll_timeout_held(now, open_at.unwrap_or(Instant::ZERO))
            })
            .min()
            .unwrap_or(Instant::FAR)
    }

    /// The passing of time.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut impl Output) {
        for (i, seat) in self.seats.iter_mut().take(self.used).enumerate() {
            let Some(seat) = seat else { continue };
            let hands = seat::Hands {
                own: self.node,
                inside: &mut self.inside,
                limits: &mut self.limits,
                refusals: &mut self.refusals,
                inbox: &mut self.inbox,
            };
            seat.tick(now, i, hands, out);
        }
        self.read_said(now);
        if now >= self.yield_at {
            self.yield_at = now + YIELD_STEP;
            self.tell_members(now);
            self.put_owners_first(now);
            self.divide_uploads();
        }
    }

    /// A member whose own line is full gets it for itself: what the exit sends over it for borrowers rests. The line is
    /// known by the address that both arrive from.
    fn put_owners_first(&mut self, now: Instant) {
        let mut needed: Vec<IpAddr, 64> = Vec::new();
        for (_, seat, session) in self.seats() {
            for (place, _) in seat
                .tunnel
                .paths()
                .filter(|(_, p)| !p.setup().lent && p.in_demand(now))
            {
                if let Some(address) = session.address_of(place) {
                    // Past 64 full lines at once the rest is left to the paths' own early yielding.
                    let _ = needed.push(address.ip());
                }
            }
        }
        if needed.is_empty() {
            return;
        }
        for seat in self.seats.iter_mut().take(self.used).flatten() {
            let Some(session) = &seat.session else {
                continue;
            };
            for place in 0..MAX_PATHS {
                let lent = seat.tunnel.path(place).is_some_and(|p| p.setup().lent);
                if lent
                    && session
                        .address_of(place)
                        .is_some_and(|a| needed.contains(&a.ip()))
                {
                    seat.tunnel.yield_to_owner(now, place);
                }
            }
        }
    }
}
