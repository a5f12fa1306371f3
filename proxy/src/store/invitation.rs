//! Invitations that were handed out. A new key is admitted only while one of its community's stands.

use rusqlite::{Connection, params};

use super::{Community, Store, StoreError, now};

/// One invitation as stored; the string itself is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invitation {
    pub id: i64,
    /// Unix seconds.
    pub created: i64,
    /// Unix seconds; `None` stands for ever.
    pub expires: Option<i64>,
}

impl Store {
    /// Notes that an invitation was handed out.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn add_invitation(
        &mut self,
        community: &Community,
        expires: Option<i64>,
    ) -> Result<i64, StoreError> {
        let sql = "INSERT INTO invitations (community, created, expires) VALUES (?1, ?2, ?3)";
        self.db
            .execute(sql, params![community.id, now(), expires])?;
        Ok(self.db.last_insert_rowid())
    }

    /// The invitations that still stand, oldest first.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn invitations(&self, community: &Community) -> Result<Vec<Invitation>, StoreError> {
        let mut query = self.db.prepare(
            "SELECT id, created, expires FROM invitations
             WHERE community = ?1 AND (expires IS NULL OR expires > ?2) ORDER BY id",
        )?;
        let rows = query.query_map(params![community.id, now()], |row| {
            Ok(Invitation {
                id: row.get(0)?,
                created: row.get(1)?,
                expires: row.get(2)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Ends all invitations of a community now: nobody new is admitted until the next one. Returns how many.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn end_invitations(&mut self, community: &Community) -> Result<usize, StoreError> {
        Ok(self.db.execute(
            "DELETE FROM invitations WHERE community = ?1",
            [community.id],
        )?)
    }
}

pub(super) fn any_stands(db: &Connection, community: &Community) -> Result<bool, StoreError> {
    let mut query = db.prepare_cached(
        "SELECT 1 FROM invitations WHERE community = ?1 AND (expires IS NULL OR expires > ?2)",
    )?;
    Ok(query.exists(params![community.id, now()])?)
}
