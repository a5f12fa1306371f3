use super::*;
use crate::wire::announce::MAX_EMIT_LEN;

type Node = Announcer<32>;

const OFFER: Offer = Offer {
    lends: true,
    exit: false,
};

fn community() -> CommunityKeys {
    CommunityKeys::derive("example", &[0x42; 32])
}

fn key(n: u8) -> PublicKey {
    PublicKey([n; 32])
}

fn node(now: Instant, n: u8, epoch: u64) -> Node {
    Node::new(
        now,
        community(),
        key(n),
        epoch,
        OFFER,
        u64::from(n) + epoch * 1000,
    )
}

/// Nodes on one segment where everybody hears everybody, on virtual time.
struct Mesh {
    now: Instant,
    nodes: Vec<Node>,
    /// (when, who hears, what)
    sightings: Vec<(Instant, usize, Sighting<usize>)>,
    sent: Vec<Instant>,
    /// Every nth delivery is lost; 0: none.
    lose: usize,
    deliveries: usize,
}

impl Mesh {
    fn new(nodes: u8) -> Self {
        Self {
            now: Instant::ZERO,
            nodes: (0..nodes).map(|n| node(Instant::ZERO, n, 1)).collect(),
            sightings: Vec::new(),
            sent: Vec::new(),
            lose: 0,
            deliveries: 0,
        }
    }

    fn run(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(next) = self.nodes.iter().map(Node::poll_timeout).min() {
            if next > until {
                break;
            }
            self.now = next;
            for i in 0..self.nodes.len() {
                self.nodes[i].handle_timeout(next);
                self.multicast(i);
            }
        }
        self.now = until;
    }

    fn multicast(&mut self, from: usize) {
        let mut out = [0; MAX_EMIT_LEN];
        while let Some(len) = self.nodes[from].poll_transmit(&mut out) {
            self.sent.push(self.now);
            for (to, node) in self.nodes.iter_mut().enumerate() {
                self.deliveries += usize::from(to != from);
                if to != from && self.lose > 0 && self.deliveries.is_multiple_of(self.lose) {
                    continue;
                }
                let heard = node.handle_datagram(self.now, from, &out[..len]).unwrap();
                assert_eq!(heard.is_none(), from == to);
                self.sightings.extend(heard.map(|s| (self.now, to, s)));
            }
        }
    }

    fn sightings_of(&self, n: u8, life: Life) -> Vec<(Instant, usize)> {
        let wanted = |s: &Sighting<usize>| s.key == key(n) && s.life == life;
        self.sightings
            .iter()
            .filter(|(_, _, s)| wanted(s))
            .map(|(at, to, _)| (*at, *to))
            .collect()
    }
}

#[test]
fn neighbours_find_each_other_in_under_half_a_second() {
    let mut mesh = Mesh::new(3);
    mesh.run(Duration::from_millis(500));
    for n in 0..3 {
        assert_eq!(mesh.sightings_of(n, Life::New).len(), 2);
    }
}

#[test]
fn a_newcomer_is_seen_and_sees_everybody_in_a_quiet_mesh_within_a_second() {
    let mut mesh = Mesh::new(20);
    mesh.run(Duration::from_secs(300));
    let came = mesh.now;
    mesh.nodes.push(node(came, 20, 1));
    mesh.run(Duration::from_secs(1));
    assert_eq!(mesh.sightings_of(20, Life::New).len(), 20);
    for n in 0..20 {
        assert!(
            mesh.sightings_of(n, Life::New)
                .iter()
                .any(|(at, to)| *to == 20 && *at > came),
            "{n}"
        );
    }
}

#[test]
fn a_restarted_neighbour_is_known_as_such_within_three_seconds_though_every_third_frame_is_lost() {
    let mut mesh = Mesh::new(3);
    mesh.lose = 3;
    mesh.run(Duration::from_secs(300));
    mesh.nodes[1] = node(mesh.now, 1, 2);
    mesh.run(Duration::from_secs(3));
    assert_eq!(mesh.sightings_of(1, Life::Restarted).len(), 2);
    let again = mesh
        .sightings
        .iter()
        .filter(|(at, to, _)| *at > Instant::from_millis(300_000) && *to == 1);
    assert_eq!(again.filter(|(_, _, s)| s.life == Life::New).count(), 2);
}

#[test]
fn a_large_quiet_mesh_carries_less_than_one_announcement_a_second() {
    let mut mesh = Mesh::new(30);
    mesh.run(Duration::from_secs(100));
    mesh.sent.clear();
    mesh.run(Duration::from_secs(1000));
    assert!(
        (500..1000).contains(&mesh.sent.len()),
        "{}",
        mesh.sent.len()
    );
}

#[test]
fn a_changed_offer_is_heard_soon_and_an_unchanged_one_is_no_news() {
    let mut mesh = Mesh::new(2);
    mesh.run(Duration::from_secs(100));
    mesh.sent.clear();
    mesh.nodes[0].set_offer(mesh.now, OFFER);
    mesh.run(Duration::from_millis(20));
    assert!(mesh.sent.len() <= 1);
    let stopped = Offer {
        lends: false,
        ..OFFER
    };
    mesh.nodes[0].set_offer(mesh.now, stopped);
    mesh.run(Duration::from_millis(250));
    let (_, to, last) = *mesh
        .sightings
        .iter()
        .rfind(|(_, _, s)| s.key == key(0))
        .unwrap();
    assert_eq!((to, last.offer, last.life), (1, stopped, Life::Same));
}

#[test]
fn a_replayed_announcement_is_refused_and_counted_and_hurries_nobody() {
    let mut mesh = Mesh::new(2);
    let mut out = [0; MAX_EMIT_LEN];
    let now = mesh.nodes[0].poll_timeout();
    mesh.nodes[0].handle_timeout(now);
    let len = mesh.nodes[0].poll_transmit(&mut out).unwrap();
    assert!(mesh.nodes[1].handle_datagram(now, 0, &out[..len]).is_ok());
    let before = mesh.nodes[1].poll_timeout();
    for _ in 0..100 {
        assert_eq!(
            mesh.nodes[1].handle_datagram(now, 9, &out[..len]),
            Err(Refusal::Replayed)
        );
    }
    assert_eq!(mesh.nodes[1].poll_timeout(), before);
    assert_eq!(mesh.nodes[1].refusals().of(Refusal::Replayed), 100);
}

#[test]
fn a_stranger_is_refused_and_hurries_nobody() {
    let mut ours = node(Instant::ZERO, 1, 1);
    let neighbours = CommunityKeys::derive("neighbours", &[0x43; 32]);
    let mut theirs = Node::new(Instant::ZERO, neighbours, key(2), 1, OFFER, 5);
    let mut out = [0; MAX_EMIT_LEN];
    theirs.handle_timeout(theirs.poll_timeout());
    let len = theirs.poll_transmit(&mut out).unwrap();
    let before = ours.poll_timeout();
    assert_eq!(
        ours.handle_datagram(Instant::ZERO, (), &out[..len]),
        Err(Refusal::Unknown)
    );
    assert_eq!(ours.poll_timeout(), before);
}

#[test]
fn a_full_table_is_an_answer_and_the_long_silent_make_room() {
    let mut small = Announcer::<1>::new(Instant::ZERO, community(), key(0), 1, OFFER, 0);
    let mut announce = |n: u8, at: Instant| {
        let mut other = node(at, n, 1);
        let mut out = [0; MAX_EMIT_LEN];
        other.handle_timeout(other.poll_timeout());
        let len = other.poll_transmit(&mut out).unwrap();
        small
            .handle_datagram(at, (), &out[..len])
            .map(|s| s.unwrap().key)
    };
    assert_eq!(announce(1, Instant::ZERO), Ok(key(1)));
    assert_eq!(announce(2, Instant::ZERO), Err(Refusal::Full));
    assert_eq!(announce(2, Instant::ZERO + FORGET_AFTER), Ok(key(2)));
}

#[test]
fn our_own_key_from_another_box_is_counted() {
    let mut ours = node(Instant::ZERO, 1, 1);
    let mut twin = node(Instant::ZERO, 1, 2);
    let mut out = [0; MAX_EMIT_LEN];
    twin.handle_timeout(twin.poll_timeout());
    let len = twin.poll_transmit(&mut out).unwrap();
    assert_eq!(
        ours.handle_datagram(Instant::ZERO, (), &out[..len]),
        Ok(None)
    );
    assert_eq!(ours.twins(), 1);
}
