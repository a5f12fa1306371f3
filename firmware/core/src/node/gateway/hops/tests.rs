use super::*;
use crate::control::handshake::Credentials;
use crate::data::tunnel::Memory;
use crate::identity::{CommunityKeys, Identity, SecretKey};
use crate::node::gateway::Config;
use proptest::prelude::*;

const NEAR: PublicKey = PublicKey([0xa1; 32]);
const OTHER: PublicKey = PublicKey([0xa2; 32]);
const FAR: PublicKey = PublicKey([0xa3; 32]);

fn start() -> Instant {
    Instant::from_millis(1_000)
}

fn seconds(n: u64) -> Instant {
    start() + Duration::from_secs(n)
}

/// A gateway with two mesh interfaces, and a direct neighbour on each: at places 0 and 1.
fn gateway() -> Box<Gateway<'static>> {
    let config = Config {
        credentials: Credentials {
            identity: Identity::new(SecretKey::from_bytes([7; 32])),
            community: CommunityKeys::derive("example", &[0x42; 32]),
        },
        admission: None,
        epoch: 1,
        exits: Vec::new(),
        uplinks: Vec::new(),
        mesh_ports: [1, 1].into_iter().collect(),
        seed: [9; 32],
    };
    let mut gw = Box::new(Gateway::new(start(), config, Memory::none()));
    for (mesh, key) in [(0, NEAR), (1, OTHER)] {
        let addr = "[fe80::1]:1".parse().unwrap();
        gw.place_for(start(), key, addr, mesh, true).unwrap();
    }
    gw
}

fn member(key: PublicKey, hops: u8, rtt_ms: u16) -> Member {
    Member { key, hops, rtt_ms }
}

/// By way of whom a member is reached, over how many hops.
fn way(gw: &Gateway<'_>, key: PublicKey) -> Option<(u8, u8)> {
    let peer = gw.peers.iter().flatten().find(|p| p.key == key)?;
    peer.way.as_ref().map(|w| (w.by, w.hops()))
}

#[test]
fn a_member_that_is_told_of_gets_a_way_and_a_shorter_or_quicker_one_takes_its_place() {
    let mut gw = gateway();
    gw.handle_members(start(), 0, [member(FAR, 2, 30)].into_iter());
    assert_eq!(way(&gw, FAR), Some((0, 3)));
    gw.handle_members(start(), 1, [member(FAR, 2, 30)].into_iter());
    assert_eq!(way(&gw, FAR), Some((0, 3)), "not for nothing");
    gw.handle_members(start(), 1, [member(FAR, 2, 20)].into_iter());
    assert_eq!(way(&gw, FAR), Some((1, 3)), "quicker");
    gw.handle_members(start(), 0, [member(FAR, 1, 90)].into_iter());
    assert_eq!(way(&gw, FAR), Some((0, 2)), "shorter");
    gw.handle_members(start(), 0, [member(FAR, 2, 90)].into_iter());
    assert_eq!(way(&gw, FAR), Some((0, 3)), "it became longer");
}

#[test]
fn a_way_that_is_not_told_of_any_more_gives_its_place_to_a_longer_one() {
    let mut gw = gateway();
    gw.handle_members(start(), 0, [member(FAR, 1, 30)].into_iter());
    gw.handle_members(seconds(6), 1, [member(FAR, 2, 30)].into_iter());
    assert_eq!(way(&gw, FAR), Some((0, 2)));
    gw.handle_members(seconds(8), 1, [member(FAR, 2, 30)].into_iter());
    assert_eq!(way(&gw, FAR), Some((1, 3)));
}

#[test]
fn who_was_heard_itself_gets_no_way_until_it_has_been_silent() {
    let mut gw = gateway();
    gw.handle_members(seconds(9), 0, [member(OTHER, 1, 1)].into_iter());
    assert_eq!(way(&gw, OTHER), None);
    gw.handle_members(seconds(11), 0, [member(OTHER, 1, 1)].into_iter());
    assert_eq!(way(&gw, OTHER), Some((0, 2)));
}

#[test]
fn what_a_liar_tells_displaces_nobody_and_leads_no_further_than_three_hops() {
    let mut gw = gateway();
    let own = gw.credentials.identity.public();
    for hops in [0, MAX_HOPS, MAX_HOPS + 1, 254, 255] {
        gw.handle_members(start(), 0, [member(FAR, hops, 0)].into_iter());
    }
    gw.handle_members(start(), 0, [member(own, 1, 0)].into_iter());
    assert_eq!(gw.peers().count(), 2, "nothing of it counts");
    for n in 0..100 {
        gw.handle_members(start(), 0, [member(PublicKey([n; 32]), 1, 0)].into_iter());
    }
    assert_eq!(gw.peers().count(), MAX_PEERS);
    assert_eq!((way(&gw, NEAR), way(&gw, OTHER)), (None, None));
    // Who is reached by a way tells nobody of others, and is granted no way.
    let far = gw.peers.iter().flatten().find(|p| p.way.is_some()).unwrap();
    let far = gw.peers().find(|(_, p)| p.key == far.key).unwrap().0;
    let before = format!("{:?}", gw.peers);
    gw.handle_members(seconds(20), far as u8, [member(NEAR, 1, 0)].into_iter());
    assert_eq!(format!("{:?}", gw.peers), before);
    assert_eq!(gw.way_to(far, WAY | 1, NEAR.node_id().0), None);
    // Who is near takes the place of one that is not there.
    let addr = "[fe80::9]:1".parse().unwrap();
    assert!(
        gw.place_for(start(), PublicKey([0xee; 32]), addr, 0, true)
            .is_some()
    );
}

#[test]
fn without_a_grant_or_a_session_with_the_neighbour_nothing_is_sent() {
    let mut gw = gateway();
    gw.handle_members(start(), 0, [member(FAR, 1, 30)].into_iter());
    assert!(road(&mut gw.peers, 0, 1).is_some() && road(&mut gw.peers, 2, 1).is_none());
    let holds = |gw: &Gateway<'_>| {
        let far = gw.peers.iter().flatten().find(|p| p.key == FAR).unwrap();
        far.way.as_ref().unwrap().loan.granted(start())
    };
    for (by, uplink, exit) in [(1, WAY | 1, FAR), (0, WAY | 2, FAR), (0, WAY | 1, OTHER)] {
        gw.way_granted(start(), by, uplink, exit.node_id().0, 5, 30);
        assert!(!holds(&gw), "nothing that was asked of this neighbour");
    }
    gw.way_granted(start(), 0, WAY | 1, FAR.node_id().0, 5, 30);
    assert!(holds(&gw));
    assert!(road(&mut gw.peers, 2, 1).is_none(), "no session");
    gw.post_to(2, &[0x12; 40]);
    assert!(gw.letters.is_empty());
}

proptest! {
    #[test]
    fn whatever_is_told_no_way_is_longer_than_three_hops_or_leads_to_ourselves(
        told in proptest::collection::vec((0u8..14, 0u8..20, any::<u8>(), 0u64..40), 0..60)
    ) {
        let mut gw = gateway();
        let own = gw.credentials.identity.public();
        let keys = [own, NEAR, OTHER];
        for (by, key, hops, at) in told {
            let key = keys.get(usize::from(key)).copied().unwrap_or(PublicKey([key; 32]));
            gw.handle_members(seconds(at), by, [member(key, hops % 5, 1)].into_iter());
            prop_assert!(gw.peers.iter().flatten().all(|p| p.key != own));
            for (at, peer) in gw.peers() {
                let Some(way) = &peer.way else { continue };
                prop_assert!((2..=MAX_HOPS).contains(&way.hops()));
                prop_assert!(usize::from(way.by) != at);
            }
        }
    }
}
