//! What an admin signs, as text and as it goes from node to node.

use burstmesh_core::control::admission::Admission;
use burstmesh_core::identity::NodeId;
use burstmesh_core::node::roll::{Roll, Told};
use burstmesh_core::time::{Duration, Instant};
use burstmesh_core::wire::admission::{AdminSecret, Certificate, Revocations};
use burstmesh_core::wire::roll::Message;

use super::control::community;

/// The admin of all seeds.
pub fn admin() -> AdminSecret {
    AdminSecret::new([7; 32]).expect("not all zeros")
}

/// The only lists that this admin has ever signed: number 5 with two members, and 9 with as many as fit.
pub fn lists() -> [Revocations; 2] {
    let many: Vec<NodeId> = (0..64).map(|n| NodeId([n; 8])).collect();
    let list = |number, nodes| admin().revoke(community().id, number, nodes);
    [list(5, &many[..2]), list(9, &many)].map(|list| list.expect("they fit"))
}

/// The bytes as a certificate and a list, as text and as they are; then as a conversation: a byte that says from which of four
/// peers and how much later, a length, a message. Nothing is in force that the admin has not signed, and nothing older than before.
pub fn admission(data: &[u8]) {
    if let Ok(text) = core::str::from_utf8(data) {
        if let Ok(certificate) = Certificate::from_text(text) {
            assert_eq!(certificate.to_text().as_str(), text.trim_ascii());
        }
        if let Ok(list) = Revocations::from_text(text) {
            assert_eq!(list.to_text().as_str(), text.trim_ascii());
        }
    }
    if let Ok(list) = Revocations::parse(data) {
        assert_eq!(list.bytes(), data);
        assert!(list.nodes().count() <= 64);
    }
    converse(data);
}

fn converse(mut data: &[u8]) {
    let mut admission = Admission::by(admin().public());
    let mut roll = Roll::default();
    let mut told = [Told::default(); 4];
    let mut now = Instant::from_millis(1_000);
    while let [head, len, rest @ ..] = data {
        let (message, rest) = rest.split_at(rest.len().min(usize::from(*len)));
        data = rest;
        now += Duration::from_millis(u64::from(head >> 2) * 50);
        let from = usize::from(head & 3);
        let Ok(message) = Message::parse(message) else {
            continue;
        };
        let answer = roll.handle(now, from as u16, &mut told[from], &message, &admission);
        if let Some(answer) = answer {
            assert!(Message::parse(&answer).is_ok());
        }
        while let Some(check) = roll.next_check(&admission, community().id) {
            let (before, good) = (admission.number(), check.is_good());
            let newer = roll.checked(&mut admission, &check, good);
            assert_eq!(newer, admission.number() > before);
        }
        let [small, large] = lists();
        let ours = admission.list.as_ref();
        assert!(ours.is_none_or(|list| *list == small || *list == large));
    }
}
