//! What the exit is doing: filled by the data engine once a second, read by `status`, HTTP and the metrics.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use burstmesh_core::identity::PublicKey;
use burstmesh_core::wire::text::key_to_text;
use serde::{Deserialize, Serialize};

use crate::leases::Book;
use crate::nat::Counter;
use crate::store::{Entry, StoreError};

/// The whole picture, as `status --json` and `/status` give it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub uptime_seconds: u64,
    /// The exit's public key, base64.
    pub key: String,
    pub listen: Vec<SocketAddr>,
    pub resolvers: Vec<IpAddr>,
    pub communities: Vec<CommunityStatus>,
    pub seats: Seats,
    /// Datagrams and handshakes that were refused, by reason.
    pub refusals: BTreeMap<String, u64>,
    /// What the firewall forwarded and refused.
    pub firewall: Vec<Counter>,
}

/// Room for members' sessions, and what they cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seats {
    /// Sessions now.
    pub taken: usize,
    /// Sessions at a time.
    pub most: usize,
    /// Packet memory taken: of a session that ended it is kept for the next.
    pub memory_bytes: u64,
    /// Packet memory when all seats are taken.
    pub memory_most_bytes: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommunityStatus {
    pub name: String,
    /// The community's id on the wire, hexadecimal.
    pub id: String,
    pub members: Vec<MemberStatus>,
}

/// One member, there or not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MemberStatus {
    /// Public key, base64.
    pub key: String,
    /// Short name of the key, hexadecimal.
    pub node_id: String,
    /// What the admin calls it.
    pub name: Option<String>,
    pub lease_v4: Ipv4Addr,
    pub lease_v6: Option<Ipv6Addr>,
    pub revoked: bool,
    /// Unix seconds of the latest handshake.
    pub last_seen: Option<i64>,
    /// What its session does; `None` while it has none.
    pub live: Option<Live>,
}

/// A member's live session.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Live {
    pub handshake_age_seconds: f64,
    pub paths: Vec<PathStatus>,
    /// From the member to the Internet.
    pub up: Traffic,
    /// From the Internet to the member.
    pub down: Traffic,
    /// Packets dropped, by reason.
    pub drops: BTreeMap<String, u64>,
}

/// Inner packets and their bytes since the session began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    pub packets: u64,
    pub bytes: u64,
}

/// One way to a member.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PathStatus {
    /// Its number in the session.
    pub id: u32,
    /// The address its datagrams come from.
    pub via: SocketAddr,
    /// In words: "active", "standby", "probing", "dead".
    pub state: String,
    /// What it is estimated to carry towards the member, bit/s.
    pub rate_bps: u64,
    /// Round-trip time, milliseconds.
    pub delay_ms: f64,
    /// Share of datagrams lost, 0 to 1.
    pub loss: f64,
    /// Runs of datagrams are handed to the kernel in one piece; not where most of them were lost.
    pub runs: bool,
    pub up: Traffic,
    pub down: Traffic,
}

/// What the data engine knows of one member.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveMember {
    pub community: String,
    pub key: PublicKey,
    pub live: Live,
}

/// What never changes while the daemon runs.
#[derive(Debug, Clone)]
pub struct Facts {
    pub key: PublicKey,
    pub listen: Vec<SocketAddr>,
    pub resolvers: Vec<IpAddr>,
}

#[derive(Debug, Default)]
struct Published {
    members: Vec<LiveMember>,
    refusals: BTreeMap<String, u64>,
    seats: Seats,
}

/// Where the data engine writes and everybody else reads.
#[derive(Debug)]
pub struct Board {
    started: Instant,
    facts: Facts,
    book: Arc<Book>,
    published: RwLock<Published>,
}

impl Board {
    pub fn new(facts: Facts, book: Arc<Book>) -> Self {
        Self {
            started: Instant::now(),
            facts,
            book,
            published: RwLock::default(),
        }
    }

    /// Replaces what is known of live members, refusals and seats. Short: it may be called by the data thread.
    pub fn publish(&self, members: Vec<LiveMember>, refusals: BTreeMap<String, u64>, seats: Seats) {
        let mut published = self
            .published
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *published = Published {
            members,
            refusals,
            seats,
        };
    }

    /// Bytes up and down of every session, by community and key, since it began.
    pub fn sessions(&self) -> Vec<((String, PublicKey), [u64; 2])> {
        let published = self.published.read();
        let published = published.unwrap_or_else(PoisonError::into_inner);
        let members = published.members.iter();
        members
            .map(|m| {
                let moved = [m.live.up.bytes, m.live.down.bytes];
                ((m.community.clone(), m.key), moved)
            })
            .collect()
    }

    /// What members used, by day.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn ledger(&self) -> Result<Vec<Entry>, StoreError> {
        self.book.with(|store| store.ledger())
    }

    /// The picture of now: the store's members joined with what is live, and the firewall's counters.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn snapshot(&self) -> Result<Status, StoreError> {
        let communities = self.communities()?;
        let (mut refusals, seats) = {
            let published = self.published.read();
            let published = published.unwrap_or_else(PoisonError::into_inner);
            (published.refusals.clone(), published.seats)
        };
        let enough = self.book.turned_away().into();
        refusals.insert("members_enough".to_owned(), enough);
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").into(),
            uptime_seconds: self.started.elapsed().as_secs(),
            key: key_to_text(self.facts.key.as_bytes()).as_str().into(),
            listen: self.facts.listen.clone(),
            resolvers: self.facts.resolvers.clone(),
            communities,
            seats,
            refusals,
            firewall: crate::nat::counters().unwrap_or_default(),
        })
    }

    fn communities(&self) -> Result<Vec<CommunityStatus>, StoreError> {
        let ipv6 = self.book.ipv6();
        let stored = self.book.with(|store| {
            let all = store.communities()?.into_iter();
            let with_members = all.map(|c| store.members(&c).map(|m| (c, m)));
            with_members.collect::<Result<Vec<_>, StoreError>>()
        })?;
        let published = self
            .published
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let find = |community: &str, key: &PublicKey| {
            let found = published
                .members
                .iter()
                .find(|m| m.key == *key && m.community == community);
            found.map(|m| m.live.clone())
        };
        let communities = stored
            .into_iter()
            .map(|(community, members)| CommunityStatus {
                id: crate::leases::keys(&community).id.to_string(),
                members: members
                    .into_iter()
                    .map(|member| MemberStatus {
                        key: key_to_text(member.key.as_bytes()).as_str().into(),
                        node_id: member.key.node_id().to_string(),
                        lease_v4: member.lease.v4,
                        lease_v6: ipv6.then_some(member.lease.v6),
                        revoked: member.revoked.is_some(),
                        last_seen: member.last_seen,
                        live: find(&community.name, &member.key),
                        name: member.name,
                    })
                    .collect(),
                name: community.name,
            });
        Ok(communities.collect())
    }
}
