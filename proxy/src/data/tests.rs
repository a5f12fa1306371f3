//! A whole exit on loopback: a gateway's core on the other side of real sockets, and the kernel behind the TUN.
//!
//! Each test runs in a process and network namespace of its own.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use burstmesh_core::control::handshake::Credentials;
use burstmesh_core::identity::{CommunityKeys, Identity, PublicKey, SecretKey};
use burstmesh_core::node::gateway::{Config as Home, ExitConfig, Gateway, UplinkConfig};
use burstmesh_core::node::job::Anyone;
use burstmesh_core::node::{Output, Via};
use burstmesh_core::wire::invitation::Secret;
use burstmesh_linux::clock;

use super::{Engine, Plan, memory};
use crate::config::{Config, Leases};
use crate::ipv6::Leased;
use crate::leases::Book;
use crate::lifecycle::Lifecycle;
use crate::status::{Board, Facts, Live};
use crate::store::Store;

const PATIENCE: Duration = Duration::from_secs(15);
const SECRET: [u8; 32] = [7; 32];

#[path = "../../tests/common/alone.rs"]
mod alone;

/// A test of this file in a namespace of its own.
fn in_namespace(test: &str) -> bool {
    alone::alone_in_namespace(&format!("data::tests::{test}"))
}

/// An exit that runs on a thread.
struct Running {
    book: Arc<Book>,
    board: Arc<Board>,
    lifecycle: Arc<Lifecycle>,
    key: Identity,
    thread: thread::JoinHandle<anyhow::Result<()>>,
}

fn start(listen: Vec<SocketAddr>) -> Running {
    start_with(listen, "")
}

fn start_with(listen: Vec<SocketAddr>, more: &str) -> Running {
    let config = Config::parse("test", &format!("[nat]\nuplink = \"lo\"\n{more}")).unwrap();
    let pools = Leases {
        community_v4: 29,
        ..Leases::default()
    };
    let mut store = Store::in_memory(&pools).unwrap();
    let home = store.add_community("home", &Secret::new(SECRET)).unwrap();
    store.add_invitation(&home, None).unwrap();
    let book = Arc::new(Book::new(store, Leased::Always));
    let key = Identity::new(SecretKey::from_bytes([1; 32]));
    let facts = Facts {
        key: key.public(),
        listen: listen.clone(),
        resolvers: vec![],
    };
    let board = Arc::new(Board::new(facts, book.clone()));
    let lifecycle = Arc::new(Lifecycle::default());
    let tun = crate::tun::open(&config).unwrap();
    crate::tun::raise(&tun, &config).unwrap();
    let engine = Engine {
        listen,
        identity: key.clone(),
        tun,
        dns: config.dns.clone(),
        plan: Plan::of(config.limits.get_ref()),
        leases: book.clone(),
        board: board.clone(),
        lifecycle: lifecycle.clone(),
    };
    Running {
        book,
        board,
        lifecycle,
        key,
        thread: thread::spawn(|| super::run(engine)),
    }
}

impl Running {
    /// The only member's session, as `status` has it.
    fn live(&self) -> Option<Live> {
        let mut status = self.board.snapshot().unwrap();
        let member = status.communities.first_mut()?.members.pop()?;
        member.live
    }

    fn refused(&self, why: &str) -> u64 {
        let status = self.board.snapshot().unwrap();
        status.refusals.get(why).copied().unwrap_or(0)
    }

    fn stop(self) {
        self.lifecycle.stop();
        self.thread.join().unwrap().unwrap();
    }
}

/// Client packets that arrived.
#[derive(Default)]
struct Arrived(Vec<Vec<u8>>);

impl Output for Arrived {
    fn deliver(&mut self, packet: &[u8]) {
        self.0.push(packet.to_vec());
    }
    fn forward(&mut self, _: Via, _: Option<SocketAddr>, _: &[u8], _: &[u8]) {}
}

/// A gateway with an uplink, and its connected socket for each address of the exit.
struct Member {
    gateway: Box<Gateway<'static>>,
    sockets: Vec<UdpSocket>,
    arrived: Arrived,
}

impl Member {
    fn new(key: [u8; 32], exit: &Identity, addresses: &[SocketAddr]) -> Self {
        let home = Home {
            credentials: Credentials {
                identity: Identity::new(SecretKey::from_bytes(key)),
                community: CommunityKeys::derive("home", &SECRET),
            },
            admission: None,
            epoch: 1,
            exits: [ExitConfig {
                key: exit.public(),
                addresses: addresses.iter().copied().collect(),
                preference: 0,
            }]
            .into_iter()
            .collect(),
            uplinks: [UplinkConfig::default()].into_iter().collect(),
            mesh_ports: Default::default(),
            seed: [3; 32],
        };
        let mut gateway = Box::new(Gateway::new(
            clock::now(),
            home,
            memory::for_a_seat::<16_384>(),
        ));
        gateway.handle_uplink(clock::now(), 0, true);
        let connected = |to: &SocketAddr| {
            let any = if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
            let socket = UdpSocket::bind(any).unwrap();
            socket.connect(to).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        Self {
            gateway,
            sockets: addresses.iter().map(connected).collect(),
            arrived: Arrived::default(),
        }
    }

    fn turn(&mut self) {
        let mut room = [0; 65_536];
        for (address, socket) in self.sockets.iter().enumerate() {
            let via = Via::Uplink {
                uplink: 0,
                exit: 0,
                address: address as u8,
            };
            while let Ok(len) = socket.recv(&mut room) {
                let from = socket.peer_addr().unwrap();
                let (run, out) = (&mut room[..len], &mut self.arrived);
                self.gateway
                    .handle_datagrams(clock::now(), via, from, run, len, out);
            }
        }
        let now = clock::now();
        self.gateway.handle_timeout(now, &mut self.arrived);
        while let Some(task) = self
            .gateway
            .poll_task(now, |b| burstmesh_linux::entropy::fill(b).unwrap())
        {
            self.gateway
                .handle_done(clock::now(), task.run(&mut Anyone));
        }
        while let Some(o) = self.gateway.poll_transmit(now, &mut room) {
            let Via::Uplink { address, .. } = o.via else {
                panic!("{o:?}")
            };
            for datagram in room[..o.len].chunks(o.stride) {
                let _ = self.sockets[usize::from(address)].send(datagram);
            }
        }
        thread::sleep(Duration::from_millis(1));
    }

    /// Goes on until something is so.
    fn until<T>(&mut self, what: &str, mut so: impl FnMut(&mut Self) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            self.turn();
            if let Some(found) = so(self) {
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "never: {what}");
        }
    }

    fn lease(&mut self) -> Ipv4Addr {
        self.until("pooling", |m| {
            m.gateway.pooling().map(|p| Ipv4Addr::from(p.lease.ipv4))
        })
    }

    fn send(&mut self, mut packet: Vec<u8>) {
        self.gateway
            .handle_inner(clock::now(), &mut packet, &mut self.arrived);
    }
}

fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes
        .chunks(2)
        .map(|w| u32::from(w[0]) << 8 | u32::from(*w.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

/// An ICMP echo request of `len` bytes in all.
fn ping(from: Ipv4Addr, to: Ipv4Addr, sequence: u16, len: u16) -> Vec<u8> {
    let mut packet = vec![0; len.into()];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&len.to_be_bytes());
    (packet[8], packet[9]) = (64, 1);
    packet[12..16].copy_from_slice(&from.octets());
    packet[16..20].copy_from_slice(&to.octets());
    let sum = checksum(&packet[..20]);
    packet[10..12].copy_from_slice(&sum);
    packet[20] = 8;
    packet[26..28].copy_from_slice(&sequence.to_be_bytes());
    let sum = checksum(&packet[20..]);
    packet[22..24].copy_from_slice(&sum);
    packet
}

fn is_answer(packet: &[u8], from: Ipv4Addr) -> bool {
    packet[9] == 1 && packet[20] == 0 && packet[12..16] == from.octets()
}

/// Asks by HTTP for the metrics; `None` if the status changed meanwhile.
fn metrics_agree(exit: &Running) -> Option<()> {
    let any = "127.0.0.1:0".parse().unwrap();
    let address =
        crate::http::start("metrics", any, crate::http::router(exit.board.clone())).unwrap();
    let before = exit.live()?;
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    if exit.live()?.up != before.up || exit.live()?.down != before.down {
        return None;
    }
    for (direction, traffic) in [("up", before.up), ("down", before.down)] {
        for (family, n) in [
            ("traffic_bytes", traffic.bytes),
            ("packets", traffic.packets),
        ] {
            let end = format!("direction=\"{direction}\"}} {n}.0");
            let name = format!("burstmesh_exit_{family}_total{{community=\"home\",member=");
            let found = page
                .lines()
                .any(|l| l.starts_with(&name) && l.ends_with(&end));
            assert!(found, "{name} .. {end} is not in\n{page}");
        }
    }
    let delays = page
        .lines()
        .filter(|l| l.starts_with("burstmesh_exit_path_delay_seconds{"));
    assert_eq!(delays.count(), before.paths.len());
    Some(())
}

#[test]
fn a_gateway_shakes_hands_and_its_client_pings_through_the_exit() {
    if !in_namespace("a_gateway_shakes_hands_and_its_client_pings_through_the_exit") {
        return;
    }
    let listen = vec![
        "0.0.0.0:4454".parse().unwrap(),
        "[::]:4454".parse().unwrap(),
    ];
    let exit = start(listen);
    // Not the loopback's first address: answers must leave from where the questions went.
    let addresses = ["127.0.0.9:4454", "[::1]:4454"].map(|a| a.parse().unwrap());
    let mut member = Member::new([2; 32], &exit.key, &addresses);
    let lease = member.lease();
    assert_eq!(lease, Ipv4Addr::new(10, 77, 0, 2));

    let gate = Ipv4Addr::new(10, 77, 0, 1);
    for sequence in 0..50 {
        member.send(ping(lease, gate, sequence, 1400));
        // Nobody sends a lost ping again, so no queue that control would shorten.
        (0..5).for_each(|_| member.turn());
    }
    member.until("all pings are answered", |m| {
        let answers = m.arrived.0.iter().filter(|p| is_answer(p, gate));
        (answers.count() >= 50).then_some(())
    });
    // Somebody else's address never comes out, and nothing is answered to it.
    member.send(ping(Ipv4Addr::new(10, 77, 0, 99), gate, 1, 100));
    member.until("the forged source is counted", |_| {
        (exit.refused("forbidden") == 1).then_some(())
    });
    let live = member.until("the status shows the traffic", |_| {
        let live = exit.live()?;
        (live.up.packets >= 50 && live.down.packets >= 50).then_some(live)
    });
    assert!(live.up.bytes >= 50 * 1400 && live.down.bytes >= 50 * 1400);
    let path = live.paths.iter().find(|p| p.state == "live").unwrap();
    assert!(
        path.via.ip().is_loopback() && path.delay_ms > 0.0,
        "{path:?}"
    );
    assert!(live.paths.iter().map(|p| p.up.bytes).sum::<u64>() > live.up.bytes);
    member.until("the metrics say what the status says", |_| {
        metrics_agree(&exit)
    });
    exit.stop();
}

#[test]
fn a_removed_member_loses_its_session_and_a_removed_community_all() {
    if !in_namespace("a_removed_member_loses_its_session_and_a_removed_community_all") {
        return;
    }
    let address: SocketAddr = "127.0.0.1:4454".parse().unwrap();
    let exit = start(vec![address]);
    let mut member = Member::new([2; 32], &exit.key, &[address]);
    member.lease();
    member.until("the status shows the member", |_| exit.live());

    let key = SecretKey::from_bytes([2; 32]).public();
    let home = exit.book.with(|s| s.community("home")).unwrap();
    exit.book.with(|s| s.revoke_member(&home, &key)).unwrap();
    exit.lifecycle.reload();
    member.until("the session ends", |_| exit.live().is_none().then_some(()));
    member.until("and the gateway notices", |m| {
        m.gateway.pooling().is_none().then_some(())
    });

    exit.book.with(|s| s.restore_member(&home, &key)).unwrap();
    exit.lifecycle.reload();
    member.until("it comes back by itself", |_| exit.live());
    exit.book.with(|s| s.remove_community("home")).unwrap();
    exit.lifecycle.reload();
    member.until("nothing is served", |m| {
        (m.gateway.pooling().is_none() && exit.refused("unknown") > 0).then_some(())
    });
    exit.stop();
}

#[test]
fn a_forgotten_member_loses_its_session() {
    if !in_namespace("a_forgotten_member_loses_its_session") {
        return;
    }
    let address: SocketAddr = "127.0.0.1:4454".parse().unwrap();
    let exit = start(vec![address]);
    let mut member = Member::new([2; 32], &exit.key, &[address]);
    member.lease();
    let home = exit.book.with(|s| s.community("home")).unwrap();
    let key = SecretKey::from_bytes([2; 32]).public();
    exit.book.with(|s| s.end_invitations(&home)).unwrap();
    exit.book.with(|s| s.forget_member(&home, &key)).unwrap();
    exit.lifecycle.reload();
    member.until("the gateway notices", |m| {
        m.gateway.pooling().is_none().then_some(())
    });
    exit.stop();
}

#[test]
fn an_address_given_to_another_member_leaves_the_session_that_had_it() {
    if !in_namespace("an_address_given_to_another_member_leaves_the_session_that_had_it") {
        return;
    }
    let address: SocketAddr = "127.0.0.1:4454".parse().unwrap();
    let exit = start(vec![address]);
    let mut first = Member::new([2; 32], &exit.key, &[address]);
    let lease = first.lease();
    let home = exit.book.with(|s| s.community("home")).unwrap();
    // All other addresses are taken, and the daemon is not told that the first one is free.
    for n in 0..home.share.room() - 1 {
        let key = PublicKey([0x80 + n as u8; 32]);
        exit.book.with(|s| s.add_member(&home, &key, None)).unwrap();
    }
    let key = SecretKey::from_bytes([2; 32]).public();
    exit.book.with(|s| s.forget_member(&home, &key)).unwrap();
    let mut second = Member::new([4; 32], &exit.key, &[address]);
    assert_eq!(second.lease(), lease);
    first.until("the first one's session ends", |m| {
        second.turn();
        m.gateway.pooling().is_none().then_some(())
    });
    assert!(second.gateway.pooling().is_some());
    exit.stop();
}

#[test]
fn a_full_exit_turns_newcomers_away_and_a_seat_that_is_left_is_the_next_ones() {
    if !in_namespace("a_full_exit_turns_newcomers_away_and_a_seat_that_is_left_is_the_next_ones") {
        return;
    }
    let address: SocketAddr = "127.0.0.1:4454".parse().unwrap();
    let exit = start_with(vec![address], "[limits]\nmembers = 2\nmemory = 64\n");
    let mut first = Member::new([2; 32], &exit.key, &[address]);
    first.lease();
    let seats = |exit: &Running| exit.board.snapshot().unwrap().seats;
    let home = exit.book.with(|s| s.community("home")).unwrap();
    let key = SecretKey::from_bytes([2; 32]).public();
    exit.book.with(|s| s.revoke_member(&home, &key)).unwrap();
    exit.lifecycle.reload();
    first.until("the seat is left", |_| {
        (seats(&exit).taken == 0).then_some(())
    });
    let one = seats(&exit).memory_bytes;
    assert!(one > 1_000_000 && seats(&exit).most == 2);

    let mut second = Member::new([4; 32], &exit.key, &[address]);
    second.lease();
    second.until("it is seen", |_| (seats(&exit).taken == 1).then_some(()));
    assert_eq!(seats(&exit).memory_bytes, one, "the seat was used again");
    let mut third = Member::new([5; 32], &exit.key, &[address]);
    third.lease();
    let mut fourth = Member::new([6; 32], &exit.key, &[address]);
    fourth.until("it is turned away and counted", |m| {
        second.turn();
        third.turn();
        assert!(m.gateway.pooling().is_none());
        (exit.refused("full") > 0).then_some(())
    });
    assert!(second.gateway.pooling().is_some() && third.gateway.pooling().is_some());
    assert_eq!(seats(&exit).memory_bytes, seats(&exit).memory_most_bytes);
    exit.stop();
}

#[test]
fn an_exit_without_work_sleeps() {
    if !in_namespace("an_exit_without_work_sleeps") {
        return;
    }
    let address: SocketAddr = "127.0.0.1:4454".parse().unwrap();
    let exit = start(vec![address]);
    let mut member = Member::new([2; 32], &exit.key, &[address]);
    member.lease();
    // A closed port answers with an ICMP error, to a socket that has others to serve.
    drop(member);
    thread::sleep(Duration::from_secs(3));
    let spent = || {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = spent();
    thread::sleep(Duration::from_secs(2));
    let ticks = spent() - before;
    assert!(ticks < 40, "{ticks} of 200 ticks");
    let mut other = Member::new([4; 32], &exit.key, &[address]);
    assert_eq!(other.lease(), Ipv4Addr::new(10, 77, 0, 3));
    exit.stop();
}
