//! What must outlive a restart: communities, members with their leases and what they used by day, invitations. SQLite in `state_dir`.
//!
//! The daemon and the commands open the same file at the same time; write-ahead logging and immediate
//! transactions keep them from each other's feet.

mod admin;
mod admission;
mod community;
mod invitation;
mod ledger;
mod member;
mod pools;
mod schema;

use std::path::Path;
use std::time::{Duration, SystemTime};

use rusqlite::Connection;
use thiserror::Error;

use crate::config::Leases;
use crate::files;

pub use admission::Admission;
pub use community::Community;
pub use invitation::Invitation;
pub use ledger::{Entry, Use};
pub use member::Member;
pub use pools::{Addresses, Share};

/// The store's file in `state_dir`.
pub const FILE: &str = "state.db";

/// Why the store said no.
#[derive(Debug, Error)]
pub enum StoreError {
    #[error("there is no community {0:?}; `burstmesh-proxy community list` shows them")]
    NoCommunity(String),
    #[error("there is already a community {0:?}")]
    CommunityExists(String),
    #[error("{0:?} cannot be a name: 1 to 32 bytes, no control characters, no space at either end")]
    BadName(String),
    #[error(
        "the pools hold {0} communities and all are taken; remove one, or widen [leases] v4 and v6"
    )]
    NoShare(u32),
    #[error(
        "community {community:?} has given out all {room} leases of {share}; free some with `member forget`"
    )]
    NoLease {
        community: String,
        room: u32,
        share: String,
    },
    #[error("there is no member {member:?} in {community:?}; `member list` shows them")]
    NoMember { community: String, member: String },
    #[error("{name:?} stands for {count} members of {community:?}; use more of the key")]
    Ambiguous {
        community: String,
        name: String,
        count: usize,
    },
    #[error("there is already a member {name:?} in {community:?}")]
    NameTaken { community: String, name: String },
    #[error(
        "community {community:?} has leases in {share}, outside of [leases] v4 and v6; \
         restore the pools, or remove the community and add it again"
    )]
    OutsidePools { community: String, share: String },
    #[error(
        "the store was written by a newer release (schema {found}, this one knows {known}); install that one"
    )]
    Newer { found: i64, known: i64 },
    #[error("the store {path}: {source}")]
    Io {
        path: String,
        source: std::io::Error,
    },
    #[error("the store: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// The open store.
#[derive(Debug)]
pub struct Store {
    db: Connection,
    pools: Leases,
}

impl Store {
    /// Opens the store of a state directory; creates both when they are not there.
    ///
    /// # Errors
    /// Files that cannot be made, a newer schema, or leases outside of `pools`.
    pub fn open(state_dir: &Path, pools: &Leases) -> Result<Self, StoreError> {
        let path = state_dir.join(FILE);
        let io = |source| StoreError::Io {
            path: path.display().to_string(),
            source,
        };
        files::private_dir(state_dir).map_err(io)?;
        // Created by us rather than by SQLite, so that the secrets in it are never readable by others.
        files::create_private(&path).map_err(io)?;
        Self::prepare(Connection::open(&path)?, pools)
    }

    /// A store that is gone when it is dropped, for tests.
    ///
    /// # Errors
    /// As for [`Store::open`].
    pub fn in_memory(pools: &Leases) -> Result<Self, StoreError> {
        Self::prepare(Connection::open_in_memory()?, pools)
    }

    fn prepare(mut db: Connection, pools: &Leases) -> Result<Self, StoreError> {
        db.busy_timeout(Duration::from_secs(5))?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "NORMAL")?;
        db.pragma_update(None, "foreign_keys", true)?;
        // A removed community's secret is overwritten, not only unlinked.
        db.pragma_update(None, "secure_delete", true)?;
        schema::migrate(&mut db)?;
        let store = Self {
            db,
            pools: pools.clone(),
        };
        for community in store.communities()? {
            if !community.share.is_inside(pools) {
                return Err(StoreError::OutsidePools {
                    share: format!("{} and {}", community.share.v4, community.share.v6),
                    community: community.name,
                });
            }
        }
        Ok(store)
    }
}

/// Unix time in seconds, as the store keeps it.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}
