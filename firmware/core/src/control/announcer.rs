//! Says who we are and hears who else is there, by multicast on the mesh.
//!
//! All of it is hints: a [`Sighting`] says whom to begin a handshake with and where, and nothing that it says counts
//! before that handshake. Timing is Trickle's ([`super::trickle`]); a neighbour that is new or was restarted
//! makes it quick again, so that the newcomer hears of us within two of the shortest intervals.

use super::heard::{Heard, Life};
use super::trickle::{self, Trickle};
use crate::error::{Refusal, Refusals};
use crate::identity::{CommunityKeys, PublicKey};
use crate::time::{Duration, Instant};
use crate::wire::announce::{Announcement, Body};
use crate::wire::{Capabilities, MINOR};

/// 250 ms to 8 s, and at most about six announcements per interval among all that hear each other: a newcomer is
/// greeted in under a second, one that was out of reach in under twelve, and a mesh at rest carries less than one a second.
pub const TIMING: trickle::Config = trickle::Config {
    shortest: Duration::from_millis(250),
    doublings: 5,
    redundancy: 6,
};

/// A key not heard for so long gives its place to a new one.
const FORGET_AFTER: Duration = Duration::from_secs(3600);

/// What we have for others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Uplinks to lend.
    pub lends: bool,
    /// An exit for others.
    pub exit: bool,
}

/// A neighbour made itself known. Not proved: anybody with the community's secret can write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting<A> {
    /// Who, as he says.
    pub key: PublicKey,
    /// Where the datagram came from, as the caller gave it.
    pub addr: A,
    /// Which life of his node.
    pub epoch: u64,
    /// Whether he is new here, was restarted, or goes on.
    pub life: Life,
    /// What he has for others.
    pub offer: Offer,
    /// What he can.
    pub caps: Capabilities,
    /// His minor version.
    pub minor: u8,
    /// How many times others announced it anew on its way; 0: he is a direct neighbour.
    pub hops: u8,
}

/// Announces one node in one community on one mesh and remembers up to `PEERS` others (56 bytes each).
#[derive(Debug)]
pub struct Announcer<const PEERS: usize> {
    community: CommunityKeys,
    body: Body,
    trickle: Trickle,
    heard: Heard<PEERS>,
    due: bool,
    refusals: Refusals,
    twins: u32,
}

impl<const PEERS: usize> Announcer<PEERS> {
    /// A node that just started its life number `epoch`, which must be greater than those of all its lives before.
    /// `seed` is for timing only and differs between nodes.
    pub fn new(
        now: Instant,
        community: CommunityKeys,
        key: PublicKey,
        epoch: u64,
        offer: Offer,
        seed: u64,
    ) -> Self {
        Self {
            community,
            body: Body {
                key,
                epoch,
                seq: 0,
                caps: Capabilities::OURS,
                lends: offer.lends,
                exit: offer.exit,
                hops: 0,
            },
            trickle: Trickle::new(now, TIMING, seed),
            heard: Heard::new(),
            due: false,
            refusals: Refusals::default(),
            twins: 0,
        }
    }

    /// Takes a datagram from the multicast group that came from `addr`. `None`: our own, come back.
    ///
    /// # Errors
    /// Why it does not count; it is counted in [`Self::refusals`] already. [`Refusal::Full`]: a new neighbour, for
    /// whom there is no room.
    pub fn handle_datagram<A>(
        &mut self,
        now: Instant,
        addr: A,
        datagram: &[u8],
    ) -> Result<Option<Sighting<A>>, Refusal> {
        let sighting = self.sight(now, addr, datagram);
        if let Err(why) = &sighting {
            self.refusals.count(*why);
        }
        sighting
    }

    /// Changes what we have for others, and lets them know soon if it is a change.
    pub fn set_offer(&mut self, now: Instant, offer: Offer) {
        if (self.body.lends, self.body.exit) != (offer.lends, offer.exit) {
            self.body.lends = offer.lends;
            self.body.exit = offer.exit;
            self.trickle.reset(now);
        }
    }

    /// Makes us heard soon: the mesh interface came up, or a neighbour was lost.
    pub fn hurry(&mut self, now: Instant) {
        self.trickle.reset(now);
    }

    /// Passes time; call when [`Self::poll_timeout`] has come, then [`Self::poll_transmit`].
    pub fn handle_timeout(&mut self, now: Instant) {
        self.due |= self.trickle.handle_timeout(now);
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Instant {
        self.trickle.poll_timeout()
    }

    /// Writes the announcement that is due, if one is, to be sent to the multicast group; gives its length, at most
    /// [`crate::wire::announce::MAX_EMIT_LEN`]. `None` as well if `out` is too small for it.
    pub fn poll_transmit(&mut self, out: &mut [u8]) -> Option<usize> {
        if !core::mem::take(&mut self.due) {
            return None;
        }
        self.body.seq = self.body.seq.saturating_add(1);
        let announcement = Announcement {
            minor: MINOR,
            body: self.body,
        };
        announcement.encode(&self.community, out).ok()
    }

    /// Forgets a neighbour, for instance one who was excluded; what he says next is new.
    pub fn forget(&mut self, key: &PublicKey) {
        self.heard.forget(key);
    }

    /// What was refused so far, by reason.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// How often somebody else announced our own key: a copied key file. Saturates.
    pub fn twins(&self) -> u32 {
        self.twins
    }

    fn sight<A>(
        &mut self,
        now: Instant,
        addr: A,
        datagram: &[u8],
    ) -> Result<Option<Sighting<A>>, Refusal> {
        let Announcement { minor, body } = Announcement::decode(datagram, &self.community)?;
        if body.key == self.body.key {
            // An older epoch is our own former life, replayed or still under way.
            if body.epoch > self.body.epoch {
                self.twins = self.twins.saturating_add(1);
            }
            return Ok(None);
        }
        if self.heard.is_full() {
            self.heard.forget_silent(now, FORGET_AFTER);
        }
        let life = self
            .heard
            .note(now, body.key, body.epoch, u64::from(body.seq))?;
        match life {
            // He does not know us, or not any more.
            Life::New | Life::Restarted => self.trickle.reset(now),
            Life::Same => self.trickle.hear_consistent(),
        }
        Ok(Some(Sighting {
            key: body.key,
            addr,
            epoch: body.epoch,
            life,
            offer: Offer {
                lends: body.lends,
                exit: body.exit,
            },
            caps: body.caps,
            minor,
            hops: body.hops,
        }))
    }
}

#[cfg(test)]
mod tests;
