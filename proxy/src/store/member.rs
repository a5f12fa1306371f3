//! Members and their leases: a member is a key in a community, its lease is its slot in the community's share.

use burstmesh_core::identity::PublicKey;
use burstmesh_core::wire::invitation::check_name;
use burstmesh_core::wire::text::key_to_text;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::admission::take_slot;
use super::{Addresses, Community, Share, Store, StoreError, now};

const COLUMNS: &str = "key, name, slot, added, last_seen, revoked";

/// One member as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub key: PublicKey,
    /// What the admin calls it.
    pub name: Option<String>,
    pub lease: Addresses,
    /// Unix seconds of the first handshake.
    pub added: i64,
    /// Unix seconds of the latest handshake.
    pub last_seen: Option<i64>,
    /// Unix seconds since when it is shut out.
    pub revoked: Option<i64>,
}

impl Store {
    /// The members of a community in the order of their leases.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn members(&self, community: &Community) -> Result<Vec<Member>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM members WHERE community = ?1 ORDER BY slot");
        let mut query = self.db.prepare_cached(&sql)?;
        let rows = query.query_map([community.id], |row| from_row(row, &community.share))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Enters a member by hand, before its first handshake.
    ///
    /// # Errors
    /// [`StoreError::NoLease`] when all are given out; the name's errors of [`Store::rename_member`].
    pub fn add_member(
        &mut self,
        community: &Community,
        key: &PublicKey,
        name: Option<&str>,
    ) -> Result<Member, StoreError> {
        if let Some(name) = name {
            self.check_free_name(community, name)?;
        }
        let work = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        if find_key(&work, community, key)?.is_none() {
            let slot = take_slot(&work, community)?.ok_or_else(|| StoreError::NoLease {
                community: community.name.clone(),
                room: community.share.room(),
                share: community.share.v4.to_string(),
            })?;
            work.execute(
                "INSERT INTO members (community, key, name, slot, added) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![community.id, key.as_bytes(), name, slot, now()],
            )?;
        }
        work.commit()?;
        self.member(community, key_to_text(key.as_bytes()).as_str())
    }

    /// The member that `handle` stands for: its name, its key, or the beginning of its key or node id.
    ///
    /// # Errors
    /// None, or several.
    pub fn member(&self, community: &Community, handle: &str) -> Result<Member, StoreError> {
        let all = self.members(community)?;
        if let Some(member) = all.iter().find(|m| m.name.as_deref() == Some(handle)) {
            return Ok(member.clone());
        }
        let stands_for = |m: &&Member| {
            key_to_text(m.key.as_bytes()).starts_with(handle)
                || m.key.node_id().to_string().starts_with(handle)
        };
        let found: Vec<&Member> = all.iter().filter(stands_for).collect();
        match found.as_slice() {
            [one] if !handle.is_empty() => Ok((*one).clone()),
            [] | [_] => Err(StoreError::NoMember {
                community: community.name.clone(),
                member: handle.into(),
            }),
            several => Err(StoreError::Ambiguous {
                community: community.name.clone(),
                name: handle.into(),
                count: several.len(),
            }),
        }
    }

    /// Gives a member another name.
    ///
    /// # Errors
    /// A bad name, or one that another member has.
    pub fn rename_member(
        &mut self,
        community: &Community,
        key: &PublicKey,
        name: &str,
    ) -> Result<(), StoreError> {
        self.check_free_name(community, name)?;
        self.update(
            community,
            key,
            "UPDATE members SET name = ?3 WHERE community = ?1 AND key = ?2",
            name,
        )
    }

    /// Shuts a member out. Its lease stays its own.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn revoke_member(
        &mut self,
        community: &Community,
        key: &PublicKey,
    ) -> Result<(), StoreError> {
        self.update(
            community,
            key,
            "UPDATE members SET revoked = ?3 WHERE community = ?1 AND key = ?2",
            now(),
        )
    }

    /// Lets a member in again.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn restore_member(
        &mut self,
        community: &Community,
        key: &PublicKey,
    ) -> Result<(), StoreError> {
        let none: Option<i64> = None;
        self.update(
            community,
            key,
            "UPDATE members SET revoked = ?3 WHERE community = ?1 AND key = ?2",
            none,
        )
    }

    /// Forgets a member and frees its lease. It may come again as a new one while an invitation stands.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn forget_member(
        &mut self,
        community: &Community,
        key: &PublicKey,
    ) -> Result<(), StoreError> {
        let sql = "DELETE FROM members WHERE community = ?1 AND key = ?2";
        self.db
            .execute(sql, params![community.id, key.as_bytes()])?;
        Ok(())
    }

    /// Forgets members that were not seen since `before` (Unix seconds), and frees their leases; returns them. Those
    /// that never came count from the day they were entered. Removed members stay: forgotten, they could come again.
    ///
    /// # Errors
    /// A store that cannot be read or written.
    pub fn prune_members(
        &mut self,
        community: &Community,
        before: i64,
    ) -> Result<Vec<Member>, StoreError> {
        let gone = self.unseen_members(community, before)?;
        let work = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut forgotten = Vec::new();
        for member in gone {
            // One that came in this moment stays.
            let sql = "DELETE FROM members WHERE community = ?1 AND key = ?2 AND last_seen IS ?3";
            let key = member.key.as_bytes();
            if work.execute(sql, params![community.id, key, member.last_seen])? > 0 {
                forgotten.push(member);
            }
        }
        work.commit()?;
        Ok(forgotten)
    }

    /// Those that [`Store::prune_members`] would forget.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn unseen_members(
        &self,
        community: &Community,
        before: i64,
    ) -> Result<Vec<Member>, StoreError> {
        let mut all = self.members(community)?;
        all.retain(|m| m.revoked.is_none() && m.last_seen.unwrap_or(m.added) < before);
        Ok(all)
    }

    fn update(
        &self,
        community: &Community,
        key: &PublicKey,
        sql: &str,
        value: impl rusqlite::ToSql,
    ) -> Result<(), StoreError> {
        self.db
            .execute(sql, params![community.id, key.as_bytes(), value])?;
        Ok(())
    }

    fn check_free_name(&self, community: &Community, name: &str) -> Result<(), StoreError> {
        check_name(name).map_err(|_| StoreError::BadName(name.into()))?;
        if self
            .members(community)?
            .iter()
            .any(|m| m.name.as_deref() == Some(name))
        {
            return Err(StoreError::NameTaken {
                community: community.name.clone(),
                name: name.into(),
            });
        }
        Ok(())
    }
}

pub(super) fn find_key(
    db: &Connection,
    community: &Community,
    key: &PublicKey,
) -> Result<Option<Member>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM members WHERE community = ?1 AND key = ?2");
    let mut query = db.prepare_cached(&sql)?;
    let member = query.query_row(params![community.id, key.as_bytes()], |row| {
        from_row(row, &community.share)
    });
    Ok(member.optional()?)
}

fn from_row(row: &Row<'_>, share: &Share) -> rusqlite::Result<Member> {
    Ok(Member {
        key: PublicKey(row.get(0)?),
        name: row.get(1)?,
        lease: share.addresses(row.get(2)?),
        added: row.get(3)?,
        last_seen: row.get(4)?,
        revoked: row.get(5)?,
    })
}
