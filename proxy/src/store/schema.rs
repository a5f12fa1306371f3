//! The tables, and the steps from every older schema to this one. `PRAGMA user_version` counts the steps taken.

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;

/// Step n takes a store from version n to n + 1. Released steps are never edited: add another.
const STEPS: &[&str] = &[
    "
    CREATE TABLE communities (
        id      INTEGER PRIMARY KEY,
        name    TEXT NOT NULL UNIQUE,
        secret  BLOB NOT NULL CHECK (length(secret) = 32),
        created INTEGER NOT NULL,
        share4  TEXT NOT NULL UNIQUE,
        share6  TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE members (
        id        INTEGER PRIMARY KEY,
        community INTEGER NOT NULL REFERENCES communities (id) ON DELETE CASCADE,
        key       BLOB NOT NULL CHECK (length(key) = 32),
        name      TEXT,
        slot      INTEGER NOT NULL,
        added     INTEGER NOT NULL,
        last_seen INTEGER,
        revoked   INTEGER,
        UNIQUE (community, key),
        UNIQUE (community, slot),
        UNIQUE (community, name)
    ) STRICT;
    CREATE TABLE invitations (
        id        INTEGER PRIMARY KEY,
        community INTEGER NOT NULL REFERENCES communities (id) ON DELETE CASCADE,
        created   INTEGER NOT NULL,
        expires   INTEGER
    ) STRICT;
    ",
    // The highest slot ever given out, so that a forgotten member's address is another's as late as possible.
    "
    ALTER TABLE communities ADD COLUMN highest INTEGER NOT NULL DEFAULT 0;
    UPDATE communities SET highest =
        (SELECT coalesce(max(slot), 0) FROM members WHERE members.community = communities.id);
    ",
    // The admin by whose word members are members, that admin's secret where this exit signs, and the newest list of those who are
    // members no more.
    "
    ALTER TABLE communities ADD COLUMN admin BLOB CHECK (length(admin) = 32);
    ALTER TABLE communities ADD COLUMN admin_secret BLOB CHECK (length(admin_secret) = 32);
    ALTER TABLE communities ADD COLUMN revocations BLOB;
    ",
    // The most members that a community may have, where the admin has set it.
    "
    ALTER TABLE communities ADD COLUMN most INTEGER;
    ",
    // What a community may carry at most, in kbit/s, where the admin has set it.
    "
    ALTER TABLE communities ADD COLUMN down INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE communities ADD COLUMN up INTEGER NOT NULL DEFAULT 0;
    ",
    // What members used, by day since 1970; it goes with the member.
    "
    CREATE TABLE ledger (
        member INTEGER NOT NULL REFERENCES members (id) ON DELETE CASCADE,
        day    INTEGER NOT NULL,
        up     INTEGER NOT NULL,
        down   INTEGER NOT NULL,
        PRIMARY KEY (member, day)
    ) STRICT, WITHOUT ROWID;
    ",
];

pub(super) fn migrate(db: &mut Connection) -> Result<(), StoreError> {
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    // Immediate: two processes that start together must not both take the same step.
    let work = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = work.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    let taken = usize::try_from(found).unwrap_or(0);
    for step in STEPS.iter().skip(taken) {
        work.execute_batch(step)?;
    }
    work.pragma_update(None, "user_version", known)?;
    work.commit()?;
    Ok(())
}
