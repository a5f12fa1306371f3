//! Leases survive a restart, communities never share addresses, and a full pool says so.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;

use burstmesh_core::identity::PublicKey;
use burstmesh_core::wire::invitation::Secret;
use burstmesh_proxy::config::Leases;
use burstmesh_proxy::store::{Admission, Community, Member, Store, StoreError, Use, now};

fn secret(n: u8) -> Secret {
    Secret::new([n; 32])
}

fn key(n: u8) -> PublicKey {
    PublicKey([n; 32])
}

fn open_community(store: &mut Store, name: &str) -> Community {
    let community = store.add_community(name, &secret(1)).unwrap();
    store.add_invitation(&community, None).unwrap();
    community
}

fn admit(store: &mut Store, community: &Community, n: u8) -> Member {
    match store.admit(community, &key(n)).unwrap() {
        Admission::Admitted(member) => member,
        other => panic!("{other:?}"),
    }
}

fn narrow() -> Leases {
    // Two communities of five members each.
    Leases {
        v4: "10.9.0.0/28".parse().unwrap(),
        community_v4: 29,
        ..Leases::default()
    }
}

#[test]
fn a_community_with_members_enough_takes_nobody_new_and_keeps_who_is_there() {
    let mut store = Store::in_memory(&Leases::default()).unwrap();
    let home = open_community(&mut store, "home");
    let first = admit(&mut store, &home, 1);
    admit(&mut store, &home, 2);
    store.set_most(&home, Some(2)).unwrap();
    assert_eq!(store.community("home").unwrap().room(), 2);
    assert_eq!(store.admit(&home, &key(3)).unwrap(), Admission::Enough);
    assert_eq!(admit(&mut store, &home, 1).lease, first.lease);
    // A member that was shut out leaves its place to another.
    store.revoke_member(&home, &key(2)).unwrap();
    admit(&mut store, &home, 3);
    assert_eq!(store.admit(&home, &key(4)).unwrap(), Admission::Enough);
    // Another community is not concerned, and the limit can be taken back.
    let other = open_community(&mut store, "other");
    admit(&mut store, &other, 4);
    store.set_most(&home, None).unwrap();
    admit(&mut store, &home, 4);
}

#[test]
fn a_member_keeps_its_lease_when_the_store_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let pools = Leases::default();
    let mut store = Store::open(dir.path(), &pools).unwrap();
    let home = open_community(&mut store, "home");
    let first = admit(&mut store, &home, 1);
    let second = admit(&mut store, &home, 2);
    assert_eq!(first.lease.v4.to_string(), "10.77.0.2");
    assert_eq!(first.lease.v6.to_string(), "fd77:6275:7273::2");
    assert_ne!(first.lease, second.lease);
    drop(store);

    let mut store = Store::open(dir.path(), &pools).unwrap();
    let home = store.community("home").unwrap();
    assert_eq!(home.secret, secret(1));
    assert_eq!(admit(&mut store, &home, 2).lease, second.lease);
    assert_eq!(admit(&mut store, &home, 1).lease, first.lease);
    assert_eq!(store.members(&home).unwrap().len(), 2);
}

#[test]
fn the_store_is_readable_by_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let _store = Store::open(&state, &Leases::default()).unwrap();
    let mode = |p: &std::path::Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(&state.join("state.db")), 0o600);
}

#[test]
fn two_open_stores_see_each_other_and_never_give_one_lease_twice() {
    let dir = tempfile::tempdir().unwrap();
    let pools = Leases::default();
    let mut daemon = Store::open(dir.path(), &pools).unwrap();
    let home = open_community(&mut daemon, "home");
    let threads: Vec<_> = (0..4u8)
        .map(|t| {
            let (dir, pools, home) = (dir.path().to_owned(), pools.clone(), home.clone());
            std::thread::spawn(move || {
                let mut store = Store::open(&dir, &pools).unwrap();
                (0..10u8)
                    .map(|n| admit(&mut store, &home, 1 + t * 10 + n).lease.v4)
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let leases: HashSet<_> = threads
        .into_iter()
        .flat_map(|t| t.join().unwrap())
        .collect();
    assert_eq!(leases.len(), 40);
    assert_eq!(daemon.members(&home).unwrap().len(), 40);
}

#[test]
fn communities_have_separate_shares_also_for_the_same_key() {
    let mut store = Store::in_memory(&Leases::default()).unwrap();
    let a = open_community(&mut store, "a");
    let b = open_community(&mut store, "b");
    assert!(!a.share.v4.contains(&b.share.v4) && !b.share.v4.contains(&a.share.v4));
    let in_a = admit(&mut store, &a, 1).lease;
    let in_b = admit(&mut store, &b, 1).lease;
    assert!(a.share.v4.contains(&in_a.v4) && !a.share.v4.contains(&in_b.v4));
    assert!(b.share.v6.contains(&in_b.v6) && !b.share.v6.contains(&in_a.v6));
}

#[test]
fn a_full_community_says_so_and_leaves_the_other_its_room() {
    let mut store = Store::in_memory(&narrow()).unwrap();
    let a = open_community(&mut store, "a");
    let b = open_community(&mut store, "b");
    for n in 1..=5 {
        admit(&mut store, &a, n);
    }
    assert_eq!(store.admit(&a, &key(6)).unwrap(), Admission::Full);
    let said = store.add_member(&a, &key(6), None).unwrap_err().to_string();
    assert!(said.contains("all 5 leases of 10.9.0.0/29"), "{said}");
    assert_eq!(admit(&mut store, &b, 6).lease.v4.to_string(), "10.9.0.10");
    // A forgotten member's lease is free again, and all others stay where they were.
    store.forget_member(&a, &key(3)).unwrap();
    assert_eq!(admit(&mut store, &a, 6).lease.v4.to_string(), "10.9.0.4");
    assert_eq!(admit(&mut store, &a, 5).lease.v4.to_string(), "10.9.0.6");
}

#[test]
fn pools_that_are_all_taken_say_so_and_a_removed_communitys_share_is_free() {
    let mut store = Store::in_memory(&narrow()).unwrap();
    open_community(&mut store, "a");
    open_community(&mut store, "b");
    assert!(matches!(
        store.add_community("c", &secret(3)),
        Err(StoreError::NoShare(2))
    ));
    store.remove_community("a").unwrap();
    assert_eq!(
        open_community(&mut store, "c").share.v4.to_string(),
        "10.9.0.0/29"
    );
    assert!(matches!(
        store.community("a"),
        Err(StoreError::NoCommunity(_))
    ));
    assert!(matches!(
        store.add_community("b", &secret(3)),
        Err(StoreError::CommunityExists(_))
    ));
    assert!(matches!(
        store.add_community(" b", &secret(3)),
        Err(StoreError::BadName(_))
    ));
}

#[test]
fn a_new_key_needs_an_invitation_that_stands_and_a_known_one_does_not() {
    let mut store = Store::in_memory(&Leases::default()).unwrap();
    let home = store.add_community("home", &secret(1)).unwrap();
    assert_eq!(store.admit(&home, &key(1)).unwrap(), Admission::NotInvited);
    store.add_invitation(&home, Some(now() - 1)).unwrap();
    assert_eq!(store.admit(&home, &key(1)).unwrap(), Admission::NotInvited);
    store.add_invitation(&home, Some(now() + 60)).unwrap();
    admit(&mut store, &home, 1);
    assert_eq!(store.invitations(&home).unwrap().len(), 1);
    store.end_invitations(&home).unwrap();
    admit(&mut store, &home, 1);
    assert_eq!(store.admit(&home, &key(2)).unwrap(), Admission::NotInvited);
}

#[test]
fn a_revoked_member_is_refused_and_gets_its_lease_back_when_restored() {
    let mut store = Store::in_memory(&Leases::default()).unwrap();
    let home = open_community(&mut store, "home");
    let lease = admit(&mut store, &home, 1).lease;
    store.revoke_member(&home, &key(1)).unwrap();
    assert_eq!(store.admit(&home, &key(1)).unwrap(), Admission::Revoked);
    assert_ne!(admit(&mut store, &home, 2).lease, lease);
    store.restore_member(&home, &key(1)).unwrap();
    assert_eq!(admit(&mut store, &home, 1).lease, lease);
}

#[test]
fn a_member_is_found_by_name_key_or_the_beginning_of_its_node_id() {
    let mut store = Store::in_memory(&Leases::default()).unwrap();
    let home = open_community(&mut store, "home");
    admit(&mut store, &home, 1);
    store.add_member(&home, &key(2), Some("attic")).unwrap();
    assert_eq!(store.member(&home, "attic").unwrap().key, key(2));
    assert_eq!(
        store
            .member(&home, &key(1).node_id().to_string()[..6])
            .unwrap()
            .key,
        key(1)
    );
    assert_eq!(store.member(&home, "AQEBAQ").unwrap().key, key(1));
    assert!(matches!(
        store.member(&home, "A"),
        Err(StoreError::Ambiguous { count: 2, .. })
    ));
    assert!(matches!(
        store.member(&home, "cellar"),
        Err(StoreError::NoMember { .. })
    ));
    assert!(matches!(
        store.member(&home, ""),
        Err(StoreError::Ambiguous { .. })
    ));
    assert!(matches!(
        store.rename_member(&home, &key(1), "attic"),
        Err(StoreError::NameTaken { .. })
    ));
    store.rename_member(&home, &key(1), "shed").unwrap();
    assert_eq!(store.member(&home, "shed").unwrap().key, key(1));
}

#[test]
fn pools_that_were_changed_under_the_leases_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), &Leases::default()).unwrap();
    open_community(&mut store, "home");
    drop(store);
    let said = Store::open(dir.path(), &narrow()).unwrap_err().to_string();
    assert!(
        said.contains("\"home\"") && said.contains("10.77.0.0/24"),
        "{said}"
    );
}

#[test]
fn a_store_of_a_newer_release_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path(), &Leases::default()).unwrap());
    let db = rusqlite::Connection::open(dir.path().join("state.db")).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(
        Store::open(dir.path(), &Leases::default()),
        Err(StoreError::Newer { found: 99, .. })
    ));
}

#[test]
fn a_secret_is_never_shown_by_debugging_output() {
    let mut store = Store::in_memory(&Leases::default()).unwrap();
    let home = store.add_community("home", &secret(0xab)).unwrap();
    let shown = format!("{home:?}");
    assert!(
        !shown.contains("171") && !shown.to_lowercase().contains("abab"),
        "{shown}"
    );
}

#[test]
fn a_forgotten_members_address_is_anothers_only_after_all_that_were_never_given() {
    let mut store = Store::in_memory(&narrow()).unwrap();
    let a = open_community(&mut store, "a");
    assert_eq!(admit(&mut store, &a, 1).lease.v4.to_string(), "10.9.0.2");
    let last = admit(&mut store, &a, 2).lease;
    store.forget_member(&a, &key(2)).unwrap();
    for n in 3..6 {
        assert_ne!(admit(&mut store, &a, n).lease, last);
    }
    assert_eq!(admit(&mut store, &a, 6).lease, last);
}

#[test]
fn a_store_of_the_first_schema_is_taken_over_with_its_leases() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), &Leases::default()).unwrap();
    let home = open_community(&mut store, "home");
    let lease = admit(&mut store, &home, 1).lease;
    drop(store);
    let db = rusqlite::Connection::open(dir.path().join("state.db")).unwrap();
    for column in [
        "highest",
        "admin",
        "admin_secret",
        "revocations",
        "most",
        "down",
        "up",
    ] {
        let sql = format!("ALTER TABLE communities DROP COLUMN {column}");
        db.execute_batch(&sql).unwrap();
    }
    db.execute("DROP TABLE ledger", []).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    drop(db);
    let mut store = Store::open(dir.path(), &Leases::default()).unwrap();
    let home = store.community("home").unwrap();
    assert_eq!(admit(&mut store, &home, 1).lease, lease);
    assert_eq!(
        admit(&mut store, &home, 2).lease.v4.to_string(),
        "10.77.0.3"
    );
}

#[test]
fn members_that_were_not_seen_for_long_are_pruned_and_removed_ones_are_not() {
    let mut store = Store::in_memory(&Leases::default()).unwrap();
    let home = open_community(&mut store, "home");
    admit(&mut store, &home, 1);
    store
        .add_member(&home, &key(2), Some("never came"))
        .unwrap();
    admit(&mut store, &home, 3);
    store.revoke_member(&home, &key(3)).unwrap();
    assert!(store.prune_members(&home, now() - 60).unwrap().is_empty());
    let later = now() + 60;
    let would: Vec<_> = store.unseen_members(&home, later).unwrap();
    let pruned = store.prune_members(&home, later).unwrap();
    assert_eq!(would, pruned);
    let keys: Vec<_> = pruned.iter().map(|m| m.key).collect();
    assert_eq!(keys, [key(1), key(2)]);
    assert_eq!(store.members(&home).unwrap().len(), 1);
    assert_eq!(store.admit(&home, &key(3)).unwrap(), Admission::Revoked);
}

#[test]
fn what_members_used_is_summed_by_day_kept_for_400_and_goes_with_the_member() {
    const DAY: i64 = 86_400;
    let mut store = Store::in_memory(&Leases::default()).unwrap();
    let home = open_community(&mut store, "home");
    admit(&mut store, &home, 1);
    admit(&mut store, &home, 2);
    store.rename_member(&home, &key(2), "attic").unwrap();
    let used = |n, up, down| Use {
        community: "home".into(),
        key: key(n),
        up,
        down,
    };
    let first = 20_000 * DAY;
    store
        .book(first, &[used(1, 1, 10), used(2, 2, 20), used(9, 3, 30)])
        .unwrap();
    store.book(first + DAY - 1, &[used(1, 4, 40)]).unwrap();
    store.book(first + DAY, &[used(2, 5, 50)]).unwrap();
    let lines = |store: &Store| -> Vec<_> {
        let all = store.ledger().unwrap().into_iter();
        all.map(|e| (e.day, e.member, e.up_bytes, e.down_bytes))
            .collect()
    };
    let line = |day: &str, member: &str, up, down| (day.to_owned(), member.to_owned(), up, down);
    let one = key(1).node_id().to_string();
    assert_eq!(
        lines(&store),
        [
            line("2024-10-05", "attic", 5, 50),
            line("2024-10-04", &one, 5, 50),
            line("2024-10-04", "attic", 2, 20),
        ]
    );
    for day in 2..400 {
        store.book(first + day * DAY, &[used(2, 1, 1)]).unwrap();
    }
    assert_eq!(lines(&store).last(), Some(&line("2024-10-04", &one, 5, 50)));
    // A clock that is years ahead for a moment costs no more than a day.
    store.book(first + 9_000 * DAY, &[used(2, 1, 1)]).unwrap();
    assert_eq!(lines(&store).len(), 400);
    assert_eq!(
        lines(&store).last(),
        Some(&line("2024-10-05", "attic", 5, 50))
    );
    store.forget_member(&home, &key(2)).unwrap();
    assert_eq!(lines(&store), []);
}
