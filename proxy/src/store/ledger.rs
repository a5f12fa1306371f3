//! What each member used, by day: sums, and nothing of where to.

use burstmesh_core::identity::PublicKey;
use rusqlite::{TransactionBehavior, params};
use serde::Serialize;

use super::{Store, StoreError};

const DAY: i64 = 86_400;
/// Days that are kept: a year, and a month to look back at its beginning.
const KEPT: i64 = 400;
/// Rows that are read at a time: what a page shows.
pub const SHOWN: i64 = 400;

/// Bytes that one member moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    pub community: String,
    pub key: PublicKey,
    pub up: u64,
    pub down: u64,
}

/// What a member used on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// `2026-11-26`, by UTC.
    pub day: String,
    pub community: String,
    /// The member's name, or its node id.
    pub member: String,
    pub up_bytes: i64,
    pub down_bytes: i64,
}

impl Store {
    /// Adds to the day of `now`, in Unix seconds, and keeps the newest [`KEPT`] days. Who is no member any more is left out.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn book(&mut self, now: i64, used: &[Use]) -> Result<(), StoreError> {
        let day = now.div_euclid(DAY);
        let whole = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
        let work = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for one in used {
            work.execute(
                "INSERT INTO ledger (member, day, up, down)
                 SELECT members.id, ?3, ?4, ?5
                 FROM members JOIN communities ON communities.id = members.community
                 WHERE communities.name = ?1 AND members.key = ?2
                 ON CONFLICT (member, day) DO UPDATE SET up = up + excluded.up, down = down + excluded.down",
                params![one.community, one.key.as_bytes(), day, whole(one.up), whole(one.down)],
            )?;
        }
        // By the days that there are, and not by the clock: one that is wrong for a moment must not empty the book.
        work.execute(
            "DELETE FROM ledger WHERE day NOT IN (SELECT DISTINCT day FROM ledger ORDER BY day DESC LIMIT ?1)",
            [KEPT],
        )?;
        Ok(work.commit()?)
    }

    /// The newest [`SHOWN`] rows of the ledger, the newest day first.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn ledger(&self) -> Result<Vec<Entry>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT date(day * 86400, 'unixepoch'), communities.name, members.name, members.key, ledger.up, ledger.down
             FROM ledger JOIN members ON members.id = member JOIN communities ON communities.id = community
             ORDER BY day DESC, communities.name, slot LIMIT ?1",
        )?;
        let rows = query.query_map([SHOWN], |row| {
            let name: Option<String> = row.get(2)?;
            let key = PublicKey(row.get(3)?);
            Ok(Entry {
                day: row.get(0)?,
                community: row.get(1)?,
                member: name.unwrap_or_else(|| key.node_id().to_string()),
                up_bytes: row.get(4)?,
                down_bytes: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
