//! What strangers send: nothing of it right, each kind wrong in a way of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};

use crate::lab::Lab;
use crate::sys;

/// The document's examples are right in every byte, under a secret that is not ours.
const DOCUMENT: &str = include_str!("../../../../docs/wire-format.md");
/// UDP and IP headers, which count as part of a rate.
const HEADERS: usize = 28;

/// One kind of junk.
#[derive(Debug, Clone)]
pub struct Junk {
    /// What is wrong with it.
    pub what: &'static str,
    /// The datagram.
    pub bytes: Vec<u8>,
    /// Which counter it belongs to at a gateway's mesh, at an exit, and at a gateway's uplink.
    pub counted: [&'static str; 3],
}

/// Everything that a stranger can make up who has heard the id of the `community`; `overheard` is a sealed datagram
/// between members.
pub fn kinds(community: [u8; 8], overheard: &[u8]) -> Result<Vec<Junk>> {
    let mut all = announcements(community)?;
    all.extend(inits(community)?);
    let kind = |what, bytes, counted| Junk {
        what,
        bytes,
        counted,
    };
    all.extend([
        kind("another major version", filled(0x25, 300), ["version"; 3]),
        kind("a reserved kind", filled(0x10, 200), ["malformed"; 3]),
        kind("data that nobody sent", filled(0x16, 1400), ["unknown"; 3]),
        kind("half a data header", filled(0x17, 3), ["malformed"; 3]),
        kind("data beyond a packet", filled(0x16, 1900), ["unknown"; 3]),
        kind("data beyond any", filled(0x17, 9000), ["unknown"; 3]),
        kind(
            "a right datagram cut in the middle",
            cut(overheard, overheard.len() / 2),
            ["forged", "replayed", "replayed"],
        ),
    ]);
    Ok(all)
}

fn announcements(community: [u8; 8]) -> Result<Vec<Junk>> {
    let stranger = example("announce")?;
    let ours = with_id(&stranger, 4, community)?;
    let kind = |what, bytes, at_mesh| Junk {
        what,
        bytes,
        counted: [at_mesh, "forbidden", "forbidden"],
    };
    Ok(vec![
        kind(
            "an announcement cut in the middle",
            cut(&ours, 40),
            "malformed",
        ),
        kind(
            "an oversized announcement",
            [&ours[..], &filled(0, 1300)].concat(),
            "malformed",
        ),
        kind("an announcement under another secret", ours, "forged"),
        kind("an announcement of another community", stranger, "unknown"),
    ])
}

fn inits(community: [u8; 8]) -> Result<Vec<Junk>> {
    let stranger = example("handshake-init")?;
    let ours = with_id(&stranger, 6, community)?;
    let kind = |what, bytes, at_mesh, at_exit| Junk {
        what,
        bytes,
        counted: [at_mesh, at_exit, "forbidden"],
    };
    Ok(vec![
        kind(
            "an Init cut in the middle",
            cut(&ours, 90),
            "handshake_malformed",
            "malformed",
        ),
        kind(
            "an Init under another secret",
            ours,
            "handshake_mac",
            "handshake_mac",
        ),
        kind(
            "an Init of another community",
            stranger,
            "handshake_community",
            "unknown",
        ),
    ])
}

/// `len` bytes that begin with `byte0`.
fn filled(byte0: u8, len: usize) -> Vec<u8> {
    let rest = (1..len).map(|i| (i * 7 + usize::from(byte0)) as u8);
    std::iter::once(byte0).chain(rest).collect()
}

/// The first `len` bytes.
fn cut(bytes: &[u8], len: usize) -> Vec<u8> {
    bytes.get(..len).unwrap_or_default().to_vec()
}

/// The example with our community's id in it at `at`.
fn with_id(example: &[u8], at: usize, community: [u8; 8]) -> Result<Vec<u8>> {
    let mut bytes = example.to_vec();
    let room = bytes.get_mut(at..at + 8).context("a short example")?;
    room.copy_from_slice(&community);
    Ok(bytes)
}

/// A byte example of the wire format's document.
fn example(name: &str) -> Result<Vec<u8>> {
    let begin = format!("```hex {name}\n");
    let block = DOCUMENT
        .split_once(&begin)
        .and_then(|(_, rest)| rest.split("```").next());
    let block = block.with_context(|| format!("no example {name}"))?;
    let words = block.lines().flat_map(|line| {
        line.split('#')
            .next()
            .unwrap_or_default()
            .split_whitespace()
    });
    words
        .map(|word| u8::from_str_radix(word, 16).context("not hexadecimal"))
        .collect()
}

/// Where junk goes in, and from where.
#[derive(Debug)]
pub struct Thrower {
    socket: UdpSocket,
    to: SocketAddr,
    /// With a raw socket: the ports to write.
    ports: Option<(u16, u16)>,
}

impl Thrower {
    /// From the namespace `from`, from an address and port of its own.
    pub fn plain(lab: &Lab, from: &str, to: SocketAddr) -> Result<Self> {
        let any: IpAddr = match to {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = lab.ns(from).within(|| UdpSocket::bind((any, 0)))??;
        let ports = None;
        Ok(Self { socket, to, ports })
    }

    /// From the namespace `from` over its `mesh0`.
    pub fn over_mesh(lab: &Lab, from: &str, to: Ipv6Addr, port: u16) -> Result<Self> {
        let index = lab.ns(from).run("cat", &["/sys/class/net/mesh0/ifindex"])?;
        let to = SocketAddrV6::new(to, port, 0, index.trim().parse()?);
        Self::plain(lab, from, to.into())
    }

    /// From the namespace `from` with the source port of somebody else there, as only somebody on the way could.
    pub fn forged(lab: &Lab, from: &str, source: u16, to: (Ipv4Addr, u16)) -> Result<Self> {
        Ok(Self {
            socket: lab.ns(from).within(sys::raw_udp)??,
            to: SocketAddr::from((to.0, 0)),
            ports: Some((source, to.1)),
        })
    }

    /// Throws one datagram.
    pub fn throw(&self, bytes: &[u8]) -> Result<()> {
        let Some((source, target)) = self.ports else {
            self.socket.send_to(bytes, self.to)?;
            return Ok(());
        };
        // Without a checksum, which IPv4 allows.
        let length = u16::try_from(8 + bytes.len())?;
        let header = [source, target, length, 0].map(u16::to_be_bytes);
        self.socket
            .send_to(&[&header.concat(), bytes].concat(), self.to)?;
        Ok(())
    }

    /// Throws all of `junk` in turn at `bits` per second for `time`, on a thread of its own, which ends with the number
    /// of datagrams thrown.
    pub fn flood(self, junk: Vec<Junk>, bits: u64, time: Duration) -> Flood {
        Flood(std::thread::spawn(move || {
            let (begun, mut thrown, mut bytes) = (Instant::now(), 0, 0);
            for kind in junk.iter().cycle() {
                if begun.elapsed() >= time {
                    break;
                }
                self.throw(&kind.bytes)?;
                thrown += 1;
                bytes += kind.bytes.len() + HEADERS;
                let due = Duration::from_secs_f64(bytes as f64 * 8.0 / bits as f64);
                sleep(due.saturating_sub(begun.elapsed()));
            }
            Ok(thrown)
        }))
    }
}

/// Junk under way.
#[derive(Debug)]
pub struct Flood(JoinHandle<Result<u64>>);

impl Flood {
    /// Waits for its end; how many datagrams it was.
    pub fn finish(self) -> Result<u64> {
        self.0.join().map_err(|_| anyhow!("a flood panicked"))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_another_datagram() {
        let kinds = kinds([7; 8], &[0x16; 600]).unwrap();
        for (i, one) in kinds.iter().enumerate() {
            for other in kinds.iter().skip(i + 1) {
                assert_ne!(one.bytes, other.bytes, "{} and {}", one.what, other.what);
            }
        }
        let longest = kinds.iter().map(|k| k.bytes.len()).max();
        assert_eq!(longest, Some(9000));
    }
}
