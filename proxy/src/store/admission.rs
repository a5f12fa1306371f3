//! Letting a key in: the lease it always had, or the next free one.

use burstmesh_core::identity::PublicKey;
use rusqlite::{Connection, TransactionBehavior, params};

use super::invitation::any_stands;
use super::member::find_key;
use super::pools::FIRST_SLOT;
use super::{Community, Member, Store, StoreError, now};

/// What the store says to a key that proved the community's secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    Admitted(Member),
    /// The admin shut this key out.
    Revoked,
    /// The key is new and no invitation stands.
    NotInvited,
    /// The key is new and the community has as many members as the admin lets in.
    Enough,
    /// The key is new and all leases are given out.
    Full,
}

impl Store {
    /// Admits a key that proved the community's secret: a known one gets the lease it always had, a new one the
    /// next free lease while an invitation stands.
    ///
    /// # Errors
    /// Only a store that cannot be read or written; refusals are [`Admission`]s.
    pub fn admit(
        &mut self,
        community: &Community,
        key: &PublicKey,
    ) -> Result<Admission, StoreError> {
        let work = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let known = find_key(&work, community, key)?;
        if known
            .as_ref()
            .is_some_and(|member| member.revoked.is_some())
        {
            return Ok(Admission::Revoked);
        }
        if known.is_none() {
            if !any_stands(&work, community)? {
                return Ok(Admission::NotInvited);
            }
            if is_enough(&work, community)? {
                return Ok(Admission::Enough);
            }
            let Some(slot) = take_slot(&work, community)? else {
                return Ok(Admission::Full);
            };
            work.execute(
                "INSERT INTO members (community, key, slot, added) VALUES (?1, ?2, ?3, ?4)",
                params![community.id, key.as_bytes(), slot, now()],
            )?;
        }
        work.execute(
            "UPDATE members SET last_seen = ?3 WHERE community = ?1 AND key = ?2",
            params![community.id, key.as_bytes(), now()],
        )?;
        let member = find_key(&work, community, key)?;
        work.commit()?;
        // It was inserted or found above, inside the same transaction.
        Ok(member.map_or(Admission::Full, Admission::Admitted))
    }
}

/// Whether there are as many members as the admin lets in. It is read anew: `community` may be older than his last word.
fn is_enough(db: &Connection, community: &Community) -> Result<bool, StoreError> {
    let sql = "SELECT coalesce(most <= (SELECT count(*) FROM members WHERE community = ?1 AND revoked IS NULL), 0)
               FROM communities WHERE id = ?1";
    Ok(db.query_row(sql, [community.id], |row| row.get(0))?)
}

/// The slot after the highest that was ever given; when that is past the end, the lowest free one: an address that a
/// forgotten member had is given to another as late as possible.
pub(super) fn take_slot(db: &Connection, community: &Community) -> Result<Option<u32>, StoreError> {
    let last = community.share.last_slot();
    let sql = "SELECT highest FROM communities WHERE id = ?1";
    let highest: u32 = db.query_row(sql, [community.id], |row| row.get(0))?;
    let next = highest.saturating_add(1).max(FIRST_SLOT);
    if next <= last {
        let sql = "UPDATE communities SET highest = ?2 WHERE id = ?1";
        db.execute(sql, params![community.id, next])?;
        return Ok(Some(next));
    }
    let mut query =
        db.prepare_cached("SELECT slot FROM members WHERE community = ?1 ORDER BY slot")?;
    let taken: Vec<u32> = query
        .query_map([community.id], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let gap = (FIRST_SLOT..=last).find(|slot| taken.binary_search(slot).is_err());
    Ok(gap)
}
