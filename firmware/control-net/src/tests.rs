//! Two nodes on virtual time, with a network between them that loses packets.

use crate::{Failed, Memory, Net, Service};

type Answer = Result<Item, Failed>;
use burstmesh_core::error::Refusal;
use burstmesh_core::identity::NodeId;
use burstmesh_core::time::{Duration, Instant};
use burstmesh_core::wire::inside::{self, Item, PIECE, Question};
use heapless::Vec;
use proptest::prelude::*;

const A: NodeId = NodeId([1; 8]);
const B: NodeId = NodeId([2; 8]);
const C: NodeId = NodeId([3; 8]);

/// Answers every question with so many pieces of log.
struct Log {
    pieces: u32,
    asked: std::vec::Vec<(Question, NodeId)>,
}

impl Service for Log {
    fn item(
        &mut self,
        _: Instant,
        question: Question,
        asker: NodeId,
        cursor: &mut u32,
    ) -> Option<Item> {
        if *cursor == 0 {
            self.asked.push((question, asker));
        }
        let piece = *cursor as u8;
        *cursor += 1;
        (*cursor <= self.pieces).then(|| Item::Log(Vec::from_slice(&[piece; PIECE]).unwrap()))
    }
}

struct Node {
    name: NodeId,
    net: Net<2>,
    log: Log,
}

impl Node {
    fn new(name: NodeId, pieces: u32) -> Self {
        let memory: &'static mut Memory<3> = Box::leak(Box::default());
        let net = Net::new(Instant::ZERO, name, memory, 7 + u64::from(name.0[0])).unwrap();
        let log = Log {
            pieces,
            asked: std::vec::Vec::new(),
        };
        Self { name, net, log }
    }
}

impl Node {
    /// Does all there is to do now.
    fn work(&mut self, now: Instant, out: &mut std::vec::Vec<std::vec::Vec<u8>>) {
        let mut room = [0; inside::MTU];
        loop {
            while let Some(len) = self.net.poll_transmit(now, &mut room) {
                out.push(room[..len].to_vec());
            }
            if !self.net.serve(now, &mut self.log) {
                return;
            }
        }
    }
}

/// Nodes, and packets on their way between them.
struct World {
    now: Instant,
    nodes: std::vec::Vec<Node>,
    way: std::vec::Vec<(Instant, std::vec::Vec<u8>)>,
    delay: Duration,
    random: u64,
    /// Of 256.
    lost: u64,
    sent: usize,
}

impl World {
    fn new(nodes: std::vec::Vec<Node>, lost: u64) -> Self {
        Self {
            now: Instant::from_millis(1),
            nodes,
            way: std::vec::Vec::new(),
            delay: Duration::from_millis(30),
            random: 99,
            lost,
            sent: 0,
        }
    }

    fn draw(&mut self) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        self.random >> 56
    }

    /// One step; false when nobody has anything to do any more.
    fn step(&mut self) -> bool {
        let mut out = std::vec::Vec::new();
        let now = self.now;
        for node in &mut self.nodes {
            for (_, packet) in self.way.iter().filter(|(at, _)| *at <= now) {
                if inside::ends(packet).unwrap().1 == node.name {
                    node.net.handle_packet(packet).unwrap();
                    node.work(now, &mut out);
                }
            }
            if node.net.poll_timeout() <= now {
                node.work(now, &mut out);
            }
        }
        self.way.retain(|(at, _)| *at > now);
        for packet in out {
            self.sent += 1;
            if self.draw() >= self.lost {
                self.way.push((now + self.delay, packet));
            }
        }
        let due = self.nodes.iter().map(|n| n.net.poll_timeout());
        let next = self.way.iter().map(|(at, _)| *at).chain(due).min();
        self.now = next
            .unwrap_or(Instant::FAR)
            .max(now + Duration::from_micros(100));
        next.is_some_and(|at| at < Instant::FAR)
    }

    /// Asks, and gives what came.
    fn ask(&mut self, from: usize, whom: NodeId, question: Question) -> std::vec::Vec<Answer> {
        let now = self.now;
        self.nodes[from].net.ask(now, whom, question);
        let mut heard = std::vec::Vec::new();
        for _ in 0..20_000 {
            let goes_on = self.step();
            let now = self.now;
            while let Some(answer) = self.nodes[from].net.poll_answer(now) {
                let over = matches!(answer, Err(Failed) | Ok(Item::End));
                heard.push(answer);
                if over {
                    return heard;
                }
            }
            if !goes_on {
                break;
            }
        }
        heard
    }
}

fn two(pieces: u32, lost: u64) -> World {
    World::new(vec![Node::new(A, 1), Node::new(B, pieces)], lost)
}

/// So many pieces, in order, and the end.
fn whole(heard: &[Answer], pieces: usize) -> bool {
    let good = heard.iter().enumerate().take(pieces).all(
        |(at, answer)| matches!(answer, Ok(Item::Log(piece)) if piece[..] == [at as u8; PIECE]),
    );
    good && heard.len() == pieces + 1 && heard.last() == Some(&Ok(Item::End))
}

#[test]
fn a_question_is_answered_in_pieces_and_the_asker_is_known() {
    let mut world = two(20, 0);
    let heard = world.ask(0, B, Question::Log);
    assert!(whole(&heard, 20), "{heard:?}");
    assert_eq!(world.nodes[1].log.asked, [(Question::Log, A)]);
    assert!(world.now < Instant::from_millis(1_000), "{:?}", world.now);
}

#[test]
fn one_question_after_the_other_needs_no_wait() {
    let mut world = two(2, 0);
    for n in 1..=10 {
        assert!(whole(&world.ask(0, B, Question::Status), 2), "{n}");
    }
    assert!(world.now < Instant::from_millis(3_000), "{:?}", world.now);
    for n in 1..=5 {
        assert!(whole(&world.ask(1, A, Question::Status), 1), "{n}");
    }
}

#[test]
fn a_log_arrives_whole_though_a_twentieth_of_the_packets_is_lost() {
    let mut world = two(20, 13);
    let mut complete = 0;
    for _ in 0..40 {
        let heard = world.ask(0, B, Question::Log);
        complete += usize::from(whole(&heard, 20));
        // What is not whole says so.
        assert!(whole(&heard, 20) || heard.last() == Some(&Err(Failed)));
    }
    assert!(complete >= 39, "{complete} of 40");
}

#[test]
fn who_does_not_answer_is_given_up_after_five_seconds() {
    let mut world = two(1, 0);
    let before = world.now;
    assert_eq!(world.ask(0, C, Question::Status), [Err(Failed)]);
    let waited = world.now.since(before).as_millis();
    assert!((5_000..5_200).contains(&waited), "{waited} ms");
    // And the next one is asked all the same.
    assert!(whole(&world.ask(0, B, Question::Status), 1));
}

#[test]
fn a_node_at_rest_sends_nothing_and_wakes_nobody() {
    let mut world = two(1, 0);
    assert!(whole(&world.ask(0, B, Question::Status), 1));
    for _ in 0..200 {
        world.step();
    }
    let sent = world.sent;
    assert!(!world.step(), "{:?}", world.nodes[0].net.poll_timeout());
    assert_eq!(world.sent, sent);
    assert!(sent < 20, "{sent} packets for one question");
}

#[test]
fn a_third_asker_waits_until_one_of_two_is_served() {
    let names = [A, B, C, NodeId([4; 8])];
    let mut world = World::new(names.map(|n| Node::new(n, 40)).into(), 0);
    let now = world.now;
    for asker in 1..4 {
        world.nodes[asker].net.ask(now, A, Question::Log);
    }
    let mut ends = [0; 4];
    for _ in 0..5_000 {
        world.step();
        let now = world.now;
        for (node, ends) in world.nodes.iter_mut().zip(&mut ends) {
            while let Some(answer) = node.net.poll_answer(now) {
                match answer {
                    Ok(Item::End) => *ends += 1,
                    Err(Failed) => panic!("turned away for too long"),
                    Ok(_) => {}
                }
            }
        }
    }
    assert_eq!(ends, [0, 1, 1, 1]);
}

#[test]
fn foreign_packets_are_refused_and_counted() {
    let mut node = Node::new(A, 1);
    let mut packet = vec![0x60, 0, 0, 0, 0, 0, 6, 64];
    packet.extend(inside::address(B));
    packet.extend(inside::address(C));
    for (bytes, why) in [(&packet[..], Refusal::Forbidden), (&[], Refusal::Malformed)] {
        assert_eq!(node.net.handle_packet(bytes), Err(why));
    }
    assert_eq!(node.net.refused(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_segment_of_a_member_ends_without_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 20..80),
        port in prop_oneof![Just(1u16), any::<u16>()],
    ) {
        let mut node = Node::new(A, 1);
        let mut packet = vec![0x60, 0, 0, 0, 0, bytes.len() as u8, 6, 64];
        packet.extend(inside::address(B));
        packet.extend(inside::address(A));
        packet.extend(&bytes);
        packet[42..44].copy_from_slice(&port.to_be_bytes());
        let mut now = Instant::from_millis(5);
        for _ in 0..5 {
            let _ = node.net.handle_packet(&packet);
            node.work(now, &mut std::vec::Vec::new());
            now = node.net.poll_timeout().min(now + Duration::from_millis(500));
            node.work(now, &mut std::vec::Vec::new());
        }
    }
}

#[test]
fn a_short_question_is_answered_though_a_twentieth_of_the_packets_is_lost() {
    let mut world = two(3, 13);
    let answered = (0..400).filter(|_| whole(&world.ask(0, B, Question::Status), 3));
    let answered = answered.count();
    assert!(answered >= 399, "{answered} of 400");
}
