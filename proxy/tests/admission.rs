//! An admin's key, certificates and removals, as a person types the commands.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use burstmesh_core::identity::{CommunityId, CommunityKeys, PublicKey};
use burstmesh_core::wire::admission::{AdminKey, Certificate, Revocations};
use burstmesh_core::wire::invitation::Invitation;
use burstmesh_core::wire::text::{key_from_text, key_to_text};
use common::home::Home;

fn member(n: u8) -> (PublicKey, String) {
    let key = PublicKey([n; 32]);
    (key, key_to_text(&key.0).as_str().to_owned())
}

fn id(invitation: &str) -> CommunityId {
    let invitation = Invitation::decode(invitation).unwrap();
    CommunityKeys::derive(&invitation.name, invitation.secret.bytes()).id
}

fn invite(home: &Home) -> String {
    home.must(&["invite", "home", "--address", "203.0.113.7"])
}

/// The list that the exit holds, by what it prints.
fn removed(home: &Home) -> String {
    home.must(&["community", "revocations", "home"])
}

#[test]
fn an_admin_works_without_an_exit_and_keeps_the_key_in_a_private_file() {
    let home = Home::new();
    let path = |name: &str| home.dir.path().join(name).to_str().unwrap().to_owned();
    let (key, list, invitation) = (path("elm.key"), path("elm.revoked"), path("invitation"));
    // No configuration of an exit is there, and none is missed.
    fs::remove_file(home.config()).unwrap();
    let public = home.must(&["admin", "new", &key]);
    let mode = fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(home.must(&["admin", "key", &key]), public);
    let secret = fs::read_to_string(&key).unwrap().trim().to_owned();
    assert_ne!(secret, public.trim());
    let (code, said) = home.fails(&["admin", "new", &key]);
    assert!(code == 1 && said.contains("never overwritten"), "{said}");
    let admin = AdminKey(key_from_text(&public).unwrap());

    let (node, text) = member(9);
    let hex = "cdcf0ac33a580799";
    let community = CommunityId([0xcd, 0xcf, 0x0a, 0xc3, 0x3a, 0x58, 0x07, 0x99]);
    let of = ["--key", &key, "--community", hex];
    let line = home.must(&[&["admin", "sign"], &of[..], &[&text, "--expires", "30d"]].concat());
    let certificate = Certificate::from_text(&line).unwrap();
    assert!(certificate.is_of(&admin, community, &node));
    assert_eq!(certificate.expires - certificate.issued, 30 * 86_400);

    let revoke = [&["admin", "revoke"], &of[..], &["--list", &list]].concat();
    let line = home.must(&[&revoke[..], &[&text]].concat());
    let first = Revocations::from_text(&line).unwrap();
    assert!(first.is_of(&admin, community) && first.names(node.node_id()));
    assert_eq!(
        Revocations::from_text(&fs::read_to_string(&list).unwrap()),
        Ok(first.clone())
    );
    let shown = home.must(&[
        "admin",
        "list",
        &list,
        "--admin",
        &public,
        "--community",
        hex,
    ]);
    assert!(shown.contains("signed by this admin") && shown.contains(&node.node_id().to_string()));
    let (code, said) = home.fails(&["admin", "list", &list, "--admin", &text, "--community", hex]);
    assert!(code == 1 && said.contains("not signed"), "{said}");
    let line = home.must(&[&revoke[..], &["--undo", &node.node_id().to_string()]].concat());
    let second = Revocations::from_text(&line).unwrap();
    assert!(second.number() > first.number() && second.nodes().count() == 0);

    // A community without an exit: its invitation learns of the admin, and stands for it.
    fs::write(&invitation, given()).unwrap();
    let with = home.must(&["admin", "invite", "--key", &key, &invitation]);
    assert_eq!(Invitation::decode(&with).unwrap().admin, Some(admin));
    let of = ["admin", "sign", "--key", &key, "--community", &invitation];
    let line = home.must(&[&of[..], &[&text]].concat());
    assert!(
        Certificate::from_text(&line)
            .unwrap()
            .is_of(&admin, id(&with), &node)
    );
}

/// An invitation as `burstmesh keygen` makes one.
fn given() -> String {
    let exit = Home::new();
    exit.must(&["community", "add", "home"]);
    invite(&exit)
}

#[test]
fn an_exit_that_has_the_admins_key_certifies_and_removes_by_itself_and_tells_it_to_nobody() {
    let home = Home::new();
    home.must(&["community", "add", "home"]);
    assert_eq!(Invitation::decode(&invite(&home)).unwrap().admin, None);
    let said = home.must(&["community", "certify", "home"]);
    let public = said
        .lines()
        .next()
        .unwrap()
        .strip_prefix("admin key: ")
        .unwrap();
    let admin = AdminKey(key_from_text(public).unwrap());
    let invitation = invite(&home);
    assert_eq!(Invitation::decode(&invitation).unwrap().admin, Some(admin));
    // Asked again, it keeps its key.
    assert_eq!(home.must(&["community", "certify", "home"]), said);

    let (node, text) = member(9);
    let said = home.must(&["member", "add", "home", &text, "--name", "attic"]);
    let line = said
        .lines()
        .find_map(|l| l.strip_prefix("certificate: "))
        .unwrap();
    let certificate = Certificate::from_text(line).unwrap();
    assert!(certificate.is_of(&admin, id(&invitation), &node) && certificate.expires == 0);

    assert!(removed(&home).contains("nobody"));
    home.must(&["member", "remove", "home", "attic"]);
    assert!(removed(&home).contains(&node.node_id().to_string()));
    assert!(home.must(&["member", "list", "home"]).contains("removed"));
    home.must(&["member", "restore", "home", "attic"]);
    assert!(!removed(&home).contains(&node.node_id().to_string()));
    assert!(!home.must(&["member", "list", "home"]).contains("removed"));
    let off = home.must(&["community", "certify", "home", "--off"]);
    assert!(off.contains("whoever has the secret"));
    assert_eq!(Invitation::decode(&invite(&home)).unwrap().admin, None);
}

#[test]
fn an_exit_without_the_admins_secret_asks_for_certificates_and_takes_lists_that_were_signed() {
    let home = Home::new();
    let path = |name: &str| home.dir.path().join(name).to_str().unwrap().to_owned();
    let (key, other, list) = (path("elm.key"), path("other.key"), path("elm.revoked"));
    let public = home.must(&["admin", "new", &key]);
    home.must(&["admin", "new", &other]);
    home.must(&["community", "add", "home"]);
    home.must(&["community", "certify", "home", "--public", &public]);
    let (node, text) = member(9);
    let said = home.must(&["member", "add", "home", &text]);
    assert!(!said.contains("bmc1"), "{said}");

    fs::write(path("invitation"), invite(&home)).unwrap();
    let revoke = |key: &str| {
        let _ = fs::remove_file(&list);
        let of = [
            "--key",
            key,
            "--community",
            &path("invitation"),
            "--list",
            &list,
        ];
        home.must(&[&["admin", "revoke"], &of[..], &[&text]].concat());
    };
    let take = ["community", "revocations", "home", &list];
    revoke(&other);
    let (code, said) = home.fails(&take);
    assert!(
        code == 1 && said.contains("not signed by the admin"),
        "{said}"
    );
    revoke(&key);
    assert!(home.must(&take).contains(&node.node_id().to_string()));
    assert!(home.must(&["member", "list", "home"]).contains("removed"));
    let (code, said) = home.fails(&take);
    assert!(code == 1 && said.contains("as new already"), "{said}");

    // A second exit that joins by an invitation asks too, and does not sign either.
    let second = Home::new();
    assert!(
        second
            .hears(&["community", "join", "-"], &invite(&home))
            .status
            .success()
    );
    let theirs = Invitation::decode(&invite(&second)).unwrap();
    assert_eq!(
        theirs.admin,
        Some(AdminKey(key_from_text(&public).unwrap()))
    );
}
