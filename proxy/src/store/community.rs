//! Communities: a name, a secret, a share of the lease pools.

use std::collections::HashSet;
use std::sync::Arc;

use burstmesh_core::node::exit::Rates;
use burstmesh_core::wire::admission::{AdminKey, AdminSecret, Revocations};
use burstmesh_core::wire::invitation::{Secret, check_name};
use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row, TransactionBehavior, params};

use super::{Share, Store, StoreError, now};

const COLUMNS: &str =
    "id, name, secret, created, share4, share6, admin, admin_secret, revocations, most, down, up";

/// One community as stored.
#[derive(Debug, Clone)]
pub struct Community {
    pub(super) id: i64,
    pub name: String,
    pub secret: Secret,
    /// Unix seconds.
    pub created: i64,
    pub share: Share,
    /// By whose word members are members; none: whoever has the secret is.
    pub admin: Option<AdminKey>,
    /// That admin's secret, where this exit signs.
    pub admin_secret: Option<Arc<AdminSecret>>,
    /// Who is a member no more.
    pub revocations: Option<Revocations>,
    /// The most members that the admin lets in; `None`: as many as the share has room for.
    pub most: Option<u32>,
    /// What its members may carry together.
    pub rates: Rates,
}

impl Community {
    /// How many members it can have.
    pub fn room(&self) -> u32 {
        self.most
            .map_or(self.share.room(), |most| most.min(self.share.room()))
    }
}

impl Store {
    /// All communities by name.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn communities(&self) -> Result<Vec<Community>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM communities ORDER BY name");
        let mut query = self.db.prepare(&sql)?;
        let rows = query.query_map([], from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The community of that name.
    ///
    /// # Errors
    /// [`StoreError::NoCommunity`] when there is none.
    pub fn community(&self, name: &str) -> Result<Community, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM communities WHERE name = ?1");
        let found = self.db.query_row(&sql, [name], from_row).optional()?;
        found.ok_or_else(|| StoreError::NoCommunity(name.into()))
    }

    /// Adds a community, with the first share of the pools that nobody has.
    ///
    /// # Errors
    /// A bad or taken name, or pools without a share left.
    pub fn add_community(&mut self, name: &str, secret: &Secret) -> Result<Community, StoreError> {
        check_name(name).map_err(|_| StoreError::BadName(name.into()))?;
        let pools = self.pools.clone();
        let work = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let known = work
            .query_row("SELECT 1 FROM communities WHERE name = ?1", [name], |_| {
                Ok(())
            })
            .optional()?;
        if known.is_some() {
            return Err(StoreError::CommunityExists(name.into()));
        }
        let taken: HashSet<String> = {
            let mut query = work
                .prepare("SELECT share4 FROM communities UNION SELECT share6 FROM communities")?;
            let rows = query.query_map([], |row| row.get(0))?;
            rows.collect::<Result<_, _>>()?
        };
        let free =
            |s: &Share| !taken.contains(&s.v4.to_string()) && !taken.contains(&s.v6.to_string());
        let share = (0..Share::count(&pools))
            .map_while(|index| Share::nth(&pools, index))
            .find(free)
            .ok_or_else(|| StoreError::NoShare(Share::count(&pools)))?;
        work.execute(
            "INSERT INTO communities (name, secret, created, share4, share6) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![name, secret.bytes(), now(), share.v4.to_string(), share.v6.to_string()],
        )?;
        work.commit()?;
        self.community(name)
    }

    /// Lets in so many members from now on; those that are there stay.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn set_most(&mut self, community: &Community, most: Option<u32>) -> Result<(), StoreError> {
        let sql = "UPDATE communities SET most = ?2 WHERE id = ?1";
        self.db.execute(sql, params![community.id, most])?;
        Ok(())
    }

    /// Holds its members together to these rates from the next reload on.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn set_rates(&mut self, community: &Community, rates: Rates) -> Result<(), StoreError> {
        let sql = "UPDATE communities SET down = ?2, up = ?3 WHERE id = ?1";
        self.db
            .execute(sql, params![community.id, rates.down, rates.up])?;
        Ok(())
    }

    /// Forgets a community with its members, leases and invitations.
    ///
    /// # Errors
    /// [`StoreError::NoCommunity`] when there is none of that name.
    pub fn remove_community(&mut self, name: &str) -> Result<(), StoreError> {
        match self
            .db
            .execute("DELETE FROM communities WHERE name = ?1", [name])?
        {
            0 => Err(StoreError::NoCommunity(name.into())),
            _ => Ok(()),
        }
    }
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Community> {
    let net = |column: usize| -> rusqlite::Result<String> { row.get(column) };
    let bad = |column: usize, e: ipnet::AddrParseError| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(e))
    };
    Ok(Community {
        id: row.get(0)?,
        name: row.get(1)?,
        secret: Secret::new(row.get(2)?),
        created: row.get(3)?,
        share: Share {
            v4: net(4)?.parse().map_err(|e| bad(4, e))?,
            v6: net(5)?.parse().map_err(|e| bad(5, e))?,
        },
        admin: row.get::<_, Option<_>>(6)?.map(AdminKey),
        admin_secret: row
            .get::<_, Option<_>>(7)?
            .and_then(AdminSecret::new)
            .map(Arc::new),
        revocations: row
            .get::<_, Option<Vec<u8>>>(8)?
            .and_then(|bytes| Revocations::parse(&bytes).ok()),
        most: row.get(9)?,
        rates: Rates {
            down: row.get(10)?,
            up: row.get(11)?,
        },
    })
}
