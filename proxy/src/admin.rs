//! An admin's key in a file, and lists of removed members. Nothing here needs an exit: an admin may work on a laptop.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use burstmesh_core::identity::{CommunityId, NodeId};
use burstmesh_core::wire::admission::{AdminSecret, MAX_REVOKED, Revocations};
use burstmesh_core::wire::text::{key_from_text, key_to_text};

use crate::{files, key};

/// No file of keys, certificates or lists is longer.
const MOST: u64 = 4096;

/// A fresh key.
///
/// # Errors
/// The system's source of entropy failed.
pub fn new_secret() -> Result<AdminSecret> {
    AdminSecret::new(key::random()?).context("the system gave no entropy")
}

/// Makes a key in a new file that only its owner may read.
///
/// # Errors
/// The file is there already, or cannot be made.
pub fn create(path: &Path) -> Result<AdminSecret> {
    if path.exists() {
        bail!(
            "{} exists; an admin's key is never overwritten",
            path.display()
        );
    }
    let secret = new_secret()?;
    let line = format!("{}\n", key_to_text(secret.as_bytes()));
    files::read_or_create(path, || Ok(line.into_bytes()))
        .with_context(|| format!("{}", path.display()))?;
    Ok(secret)
}

/// The key in a file, or on standard input (-).
///
/// # Errors
/// There is none.
pub fn open(path: &Path) -> Result<AdminSecret> {
    let text = read(path)?;
    let bytes = key_from_text(text.trim()).ok();
    let secret = bytes.and_then(AdminSecret::new);
    secret.with_context(|| {
        format!(
            "{} holds no admin's key; make one with `burstmesh-proxy admin new FILE`",
            path.display()
        )
    })
}

/// A small text file, or standard input (-).
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> Result<String> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().take(MOST).read_to_string(&mut text)?;
    } else {
        let read = File::open(path).and_then(|f| f.take(MOST).read_to_string(&mut text));
        read.with_context(|| format!("{}", path.display()))?;
    }
    Ok(text)
}

/// A list from a file, or from standard input (-).
///
/// # Errors
/// It is none.
pub fn read_list(path: &Path) -> Result<Revocations> {
    let list = Revocations::from_text(&read(path)?);
    list.map_err(|why| {
        anyhow!(
            "{}: the list of removed members (bmr1...) {why}",
            path.display()
        )
    })
}

/// What changes on a list.
#[derive(Debug, Clone, Copy)]
pub enum Change {
    /// It is a member no more.
    Remove(NodeId),
    /// It is one again.
    Restore(NodeId),
}

/// The list after `current`, signed. Its number is the time (Unix seconds), or one more than the last.
///
/// # Errors
/// It would be too long.
pub fn next_list(
    secret: &AdminSecret,
    community: CommunityId,
    current: Option<&Revocations>,
    changes: &[Change],
    now: u64,
) -> Result<Revocations> {
    let mut nodes: Vec<NodeId> = current.map_or_else(Vec::new, |list| list.nodes().collect());
    for change in changes {
        match change {
            Change::Remove(node) if !nodes.contains(node) => nodes.push(*node),
            Change::Remove(_) => {}
            Change::Restore(node) => nodes.retain(|n| n != node),
        }
    }
    let last = current.map_or(0, Revocations::number);
    let number = now.max(last.saturating_add(1));
    secret.revoke(community, number, &nodes).with_context(|| {
        format!(
            "a list holds {MAX_REVOKED} members and would hold {}; restore those whose certificates have ended anyhow, or found the community anew",
            nodes.len()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: CommunityId = CommunityId([1; 8]);

    fn node(n: u8) -> NodeId {
        NodeId([n; 8])
    }

    #[test]
    fn a_list_grows_and_shrinks_and_its_number_only_grows() {
        let admin = new_secret().unwrap();
        let next = |current: Option<&Revocations>, changes: &[Change], now| {
            next_list(&admin, HOME, current, changes, now).unwrap()
        };
        let first = next(
            None,
            &[Change::Remove(node(1)), Change::Remove(node(1))],
            100,
        );
        assert_eq!((first.number(), first.nodes().count()), (100, 1));
        // A clock that went back stops nothing.
        let second = next(Some(&first), &[Change::Remove(node(2))], 50);
        assert_eq!((second.number(), second.nodes().count()), (101, 2));
        let third = next(Some(&second), &[Change::Restore(node(1))], 200);
        assert_eq!(third.nodes().collect::<Vec<_>>(), [node(2)]);
        assert!(third.is_of(&admin.public(), HOME));
    }

    #[test]
    fn a_full_list_says_so() {
        let admin = new_secret().unwrap();
        let all: Vec<Change> = (0..65).map(|n| Change::Remove(node(n))).collect();
        let error = next_list(&admin, HOME, None, &all, 1).unwrap_err();
        assert!(error.to_string().contains("would hold 65"), "{error}");
        assert!(next_list(&admin, HOME, None, &all[1..], 1).is_ok());
    }
}
