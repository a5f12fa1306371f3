//! Many TCP connections of all kinds at once, and what became of each: one kind downloads, one uploads, one says nothing.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::Lab;

/// What is sent at a time, and how often: 0.4 Mbit/s.
const PIECE: [u8; 1_000] = [7; 1_000];
const PACE: Duration = Duration::from_millis(20);
/// A connection is looked at this often, at least.
const LOOK: Duration = Duration::from_millis(50);
/// How long connecting may take, and the server's first word.
const PATIENCE: Duration = Duration::from_secs(5);
const KINDS: [u8; 3] = *b"dui";
const PORT: u16 = 7000;

/// Connections under way; they end when this is dropped.
#[derive(Debug)]
pub struct Crowd {
    connections: Vec<Connection>,
    /// Said to the clients, and then to the servers.
    over: [Arc<AtomicBool>; 2],
    listeners: Vec<JoinHandle<()>>,
}

/// One of them.
#[derive(Debug)]
pub struct Connection {
    /// `d`ownload, `u`pload or `i`dle.
    pub kind: char,
    /// From where the server sees it.
    pub from: IpAddr,
    client: JoinHandle<Option<(ErrorKind, Instant)>>,
}

impl Crowd {
    /// Starts `count` connections from `client` to `server`, over IPv4 and IPv6 in turn. The server's firewall drops what it does
    /// not know, so that no reset is its.
    pub fn start(lab: &Lab, client: &str, server: &str, count: usize) -> Result<Self> {
        let rule = format!("tcp dport {PORT} tcp flags & syn == 0 ct state new drop");
        let chain =
            format!("chain input {{ type filter hook input priority 0; policy accept; {rule}; }}");
        lab.nft(server, &format!("table inet crowd {{\n{chain}\n}}\n"))?;
        let link = lab.link(server)?;
        let ips = [IpAddr::from(link.v4), IpAddr::from(link.v6)];
        let over = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let listeners = lab.ns(server).inside(|| {
            let listen = |ip: IpAddr| serve(SocketAddr::new(ip, PORT), over[1].clone());
            ips.into_iter().map(listen).collect::<Result<Vec<_>>>()
        })?;
        let mut crowd = Self {
            connections: Vec::new(),
            over,
            listeners,
        };
        let sockets = lab.ns(client).inside(|| {
            let one = |n: usize| connect(SocketAddr::new(ips[n % 2], PORT), kind(n));
            (0..count).map(one).collect::<Result<Vec<_>>>()
        })?;
        for (n, (socket, from)) in sockets.into_iter().enumerate() {
            let kind = kind(n);
            let over = crowd.over[0].clone();
            crowd.connections.push(Connection {
                kind: char::from(kind),
                from,
                client: thread::spawn(move || live(socket, kind, &over)),
            });
        }
        Ok(crowd)
    }

    /// The server's side of how many comes from one of these addresses.
    pub fn seen_from(&self, addresses: &[IpAddr]) -> usize {
        let theirs = |c: &&Connection| addresses.contains(&c.from);
        self.connections.iter().filter(theirs).count()
    }

    /// Waits for `time`, then fails unless all that the server saw from `addresses` were reset, and no other. How long after
    /// `since` the last one was.
    pub fn ends_from(
        mut self,
        addresses: &[IpAddr],
        since: Instant,
        time: Duration,
    ) -> Result<Duration> {
        sleep(time.saturating_sub(since.elapsed()));
        self.over[0].store(true, Relaxed);
        let (mut last, mut wrong) = (Duration::ZERO, Vec::new());
        let mut lost = 0;
        for connection in self.connections.drain(..) {
            let Connection { kind, from, client } = connection;
            let end = client.join().map_err(|_| anyhow!("a client panicked"))?;
            let its = addresses.contains(&from);
            lost += usize::from(its);
            match end {
                Some((ErrorKind::ConnectionReset, at)) if its => {
                    last = last.max(at.saturating_duration_since(since));
                }
                None if !its => {}
                _ => wrong.push(format!("{kind} by {from}: {:?}", end.map(|e| e.0))),
            }
        }
        drop(self);
        ensure!(
            wrong.is_empty(),
            "{} of {lost} to be reset and others are not as they should be: {wrong:?}",
            wrong.len()
        );
        Ok(last)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for over in &self.over {
            over.store(true, Relaxed);
        }
        for listener in self.listeners.drain(..) {
            let _ = listener.join();
        }
    }
}

/// Every kind over both families, and at each of up to three lines that take turns.
fn kind(n: usize) -> u8 {
    let turn = n / 2;
    KINDS[(turn + turn / 3) % 3]
}

fn serve(at: SocketAddr, over: Arc<AtomicBool>) -> Result<JoinHandle<()>> {
    let listener = TcpListener::bind(at).with_context(|| format!("cannot listen on {at}"))?;
    listener.set_nonblocking(true)?;
    Ok(thread::spawn(move || {
        let mut all = Vec::new();
        while !over.load(Relaxed) {
            let Ok((mut socket, from)) = listener.accept() else {
                sleep(Duration::from_millis(1));
                continue;
            };
            let over = over.clone();
            all.push(thread::spawn(move || {
                let mut kind = [0];
                let greeted = prepare(&socket)
                    .and_then(|()| socket.read_exact(&mut kind))
                    .and_then(|()| socket.write_all(format!("{:<40}", from.ip()).as_bytes()));
                if greeted.is_ok() {
                    let turned = match kind {
                        [b'd'] => b'u',
                        [b'u'] => b'd',
                        _ => b'i',
                    };
                    live(socket, turned, &over);
                }
            }));
        }
        for one in all {
            let _ = one.join();
        }
    }))
}

fn prepare(socket: &TcpStream) -> std::io::Result<()> {
    socket.set_nonblocking(false)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(LOOK))
}

/// A connection, and from where the server sees it.
fn connect(to: SocketAddr, kind: u8) -> Result<(TcpStream, IpAddr)> {
    let mut socket = TcpStream::connect_timeout(&to, PATIENCE)?;
    prepare(&socket)?;
    socket.write_all(&[kind])?;
    let mut from = [0; 40];
    socket.read_exact(&mut from)?;
    let from = std::str::from_utf8(&from)?.trim().parse()?;
    Ok((socket, from))
}

/// Uploads, or takes what comes, until the end; why it ended of itself.
fn live(mut socket: TcpStream, kind: u8, over: &AtomicBool) -> Option<(ErrorKind, Instant)> {
    let _ = socket.set_read_timeout(Some(LOOK));
    let mut room = [0; 4_096];
    while !over.load(Relaxed) {
        let done = if kind == b'u' {
            sleep(PACE);
            socket.write(&PIECE)
        } else {
            socket.read(&mut room)
        };
        match done {
            Ok(0) => return Some((ErrorKind::UnexpectedEof, Instant::now())),
            Err(e) if !matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Some((e.kind(), Instant::now()));
            }
            _ => {}
        }
    }
    None
}
