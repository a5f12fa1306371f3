use crate::world::{Line, World, community_keys};
use burstmesh_core::control::admission::Admission;
use burstmesh_core::identity::NodeId;
use burstmesh_core::wire::admission::{AdminSecret, Certificate, Revocations};
use burstmesh_core::wire::handshake::Denial;

const NOW: u64 = 1_800_000_000;

fn admin(n: u8) -> AdminSecret {
    AdminSecret::new([n; 32]).unwrap()
}

pub(super) fn certificate(w: &World, i: usize) -> Certificate {
    certificate_until(w, i, 0)
}

fn certificate_until(w: &World, i: usize, end: u64) -> Certificate {
    let id = community_keys("home").id;
    admin(1).certify(id, &w.gateways[i].key(), NOW - 10, end)
}

/// Gateway `i` starts anew as one whose community has an admin, with this certificate.
pub(super) fn join(w: &mut World, i: usize, certificate: Option<Certificate>) {
    w.gateways[i].admission = Some(Admission {
        certificate,
        now: NOW,
        ..Admission::by(admin(1).public())
    });
    w.restart_gateway(i);
}

/// The exits check members by this admin's key.
fn ask_at_exits(w: &mut World) {
    let id = community_keys("home").id;
    for exit in &mut w.exits {
        let exit = exit.exit.as_mut().unwrap();
        exit.set_admission(id, Some(admin(1).public()), None, NOW);
    }
}

/// Three members with certificates, at an exit that asks for them.
pub(super) fn three() -> World {
    let mut w = World::three();
    all_join(&mut w);
    w
}

pub(super) fn all_join(w: &mut World) {
    ask_at_exits(w);
    for i in 0..w.gateways.len() {
        let certificate = certificate(w, i);
        join(w, i, Some(certificate));
    }
}

pub(super) fn list(number: u64, w: &World, removed: &[usize]) -> Revocations {
    let nodes: Vec<NodeId> = removed
        .iter()
        .map(|i| w.gateways[*i].key().node_id())
        .collect();
    let id = community_keys("home").id;
    admin(1).revoke(id, number, &nodes).unwrap()
}

/// What is refused for want of a certificate, and as removed, by this gateway.
fn denied_by(w: &World, i: usize) -> (u32, u32) {
    let gate = w.gateways[i].gw().refusals().2;
    (gate.uncertified, gate.revoked)
}

pub(super) fn sessions(w: &World, i: usize) -> usize {
    w.gateways[i]
        .gw()
        .peers()
        .filter(|(_, p)| p.is_up())
        .count()
}

/// Nobody makes a session with gateway 2, and the others do not notice.
fn is_outside(w: &World) {
    assert_eq!(sessions(w, 2), 0, "{}", w.describe());
    assert_eq!(w.gateways[2].live_paths(), (0, 0));
    assert_eq!(w.exits[0].seat_of(&w.gateways[2].key()), None);
    for i in 0..2 {
        assert_eq!(w.gateways[i].live_paths(), (1, 1), "{}", w.describe());
        assert_eq!(sessions(w, i), 1);
    }
}

#[test]
fn members_with_certificates_pool() {
    let mut w = three();
    w.run_until(10_000, |w| {
        w.gateways.iter().all(|g| g.live_paths() == (1, 2))
    });
    // Handshakes of renewals show them too.
    w.run(200_000);
    for i in 0..3 {
        assert_eq!(w.gateways[i].live_paths(), (1, 2));
        assert_eq!(denied_by(&w, i), (0, 0));
    }
}

#[test]
fn of_each_neighbour_it_is_known_until_when_it_is_certified_and_of_none_where_nobody_asks() {
    let until = |w: &World, i: usize| {
        let peers = w.gateways[i].gw().peers();
        let mut all: Vec<_> = peers.map(|(_, p)| p.certified).collect();
        all.sort_unstable();
        all
    };
    let mut w = World::three();
    ask_at_exits(&mut w);
    for (i, end) in [NOW + 1_000, NOW + 2_000, 0].into_iter().enumerate() {
        let certificate = certificate_until(&w, i, end);
        join(&mut w, i, Some(certificate));
    }
    w.run_until(10_000, |w| (0..3).all(|i| sessions(w, i) == 2));
    assert_eq!(until(&w, 0), [Some(0), Some(NOW + 2_000)]);
    assert_eq!(until(&w, 2), [Some(NOW + 1_000), Some(NOW + 2_000)]);
    let mut w = World::three();
    w.run_until(10_000, |w| (0..3).all(|i| sessions(w, i) == 2));
    assert_eq!(until(&w, 0), [None, None]);
}

#[test]
fn without_a_certificate_nobody_makes_a_session_and_the_one_knows_why() {
    let mut w = three();
    join(&mut w, 2, None);
    w.run(40_000);
    is_outside(&w);
    let (now, denied) = (w.instant(), Denial::NoCertificate);
    assert_eq!(w.gateways[2].gw().denied(now), Some(denied));
    let (_, gates) = w.exits[0].exit().refusals();
    assert!(gates[0].1.uncertified > 0);
}

#[test]
fn one_who_does_not_know_of_certificates_yet_is_told_by_exit_and_neighbours() {
    let mut w = three();
    w.gateways[2].admission = None;
    w.restart_gateway(2);
    w.run(40_000);
    is_outside(&w);
    let denied = w.gateways[2].gw().denied(w.instant());
    assert_eq!(denied, Some(Denial::NoCertificate));
    assert!(denied_by(&w, 0).0 + denied_by(&w, 1).0 > 0);
}

#[test]
fn a_certificate_of_another_community_admin_or_member_is_no_good() {
    let other = |w: &World| {
        let key = w.gateways[2].key();
        [
            admin(1).certify(community_keys("other").id, &key, NOW, 0),
            admin(2).certify(community_keys("home").id, &key, NOW, 0),
            certificate(w, 1),
        ]
    };
    for case in 0..3 {
        let mut w = three();
        let wrong = other(&w)[case];
        join(&mut w, 2, Some(wrong));
        w.run(5_000);
        is_outside(&w);
        // It is found wrong where it was handed in already.
        assert_eq!(w.gateways[2].gw().forged_words(), 1);
        // And by everybody to whom it is shown all the same.
        w.gateways[2].shows = Some(wrong);
        join(&mut w, 2, None);
        w.run(20_000);
        is_outside(&w);
        let denied = w.gateways[2].gw().denied(w.instant());
        assert_eq!(denied, Some(Denial::BadCertificate), "{}", w.describe());
        assert!(denied_by(&w, 0).0 + denied_by(&w, 1).0 > 0);
    }
}

#[test]
fn a_certificate_that_has_ended_is_no_good_where_the_time_is_known() {
    let mut w = three();
    let ended = certificate_until(&w, 2, NOW - 1);
    join(&mut w, 2, Some(ended));
    w.run(30_000);
    is_outside(&w);
    let denied = w.gateways[2].gw().denied(w.instant());
    assert_eq!(denied, Some(Denial::Ended));
}

#[test]
fn where_the_time_is_not_known_a_certificate_holds_until_it_is() {
    let mut w = World::new(&[&[Line::mbit(20, 10)], &[Line::mbit(20, 10)]]);
    for i in 0..2 {
        let ended = certificate_until(&w, i, NOW - 1);
        join(&mut w, i, Some(ended));
        w.gateways[i].gw.as_mut().unwrap().set_time(0);
    }
    w.run(10_000);
    assert_eq!((sessions(&w, 0), sessions(&w, 1)), (1, 1));
    for g in &mut w.gateways {
        g.gw.as_mut().unwrap().set_time(NOW);
    }
    // No session outlives its keys.
    w.run(181_000);
    assert_eq!((sessions(&w, 0), sessions(&w, 1)), (0, 0));
}

#[test]
fn an_exit_that_has_the_admins_key_certifies_whom_it_admits() {
    let mut w = World::three();
    ask_at_exits(&mut w);
    w.exits[0].door.signs = Some(admin(1));
    for i in 0..3 {
        join(&mut w, i, None);
    }
    let took = w.run_until(60_000, |w| {
        w.gateways.iter().all(|g| g.live_paths() == (1, 2))
    });
    println!("certified and pooling after {took} ms");
    assert!(took < 10_000);
    for g in &w.gateways {
        assert!(g.admission.as_ref().unwrap().certificate.is_some());
    }
    // They keep it: now they are members without that exit too.
    w.exits[0].door.signs = None;
    for i in 0..3 {
        w.restart_gateway(i);
    }
    w.run_until(20_000, |w| {
        w.gateways.iter().all(|g| g.live_paths() == (1, 2))
    });
}

#[test]
fn a_secret_is_enough_where_there_is_no_admin_and_a_certificate_harms_nobody() {
    let mut w = World::three();
    let one = certificate(&w, 2);
    join(&mut w, 2, Some(one));
    // The others have none: it takes nobody, and lives from its own line.
    w.run(20_000);
    assert_eq!(sessions(&w, 2), 0);
    assert_eq!(w.gateways[2].live_paths(), (1, 0));
    assert_eq!(sessions(&w, 0), 1);
    assert!(denied_by(&w, 2).0 > 0);
}
