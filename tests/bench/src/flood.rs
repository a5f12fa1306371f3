//! What strangers throw at a gateway's mesh port: junk at 10 Mbit/s, and 1000 handshakes a second.
//!
//! `flood junk|handshakes '[ADDRESS%SCOPE]:PORT' SECONDS`; handshakes also take the files of the invitation and of the gateway's
//! key: they are what somebody sends who has overheard a member's Init, right in every byte, over and over.

use burstmesh_core::control::handshake::{Credentials, InitiateJob};
use burstmesh_core::identity::{CommunityKeys, Identity, PublicKey, SecretKey};
use burstmesh_core::wire::handshake::{CookieReply, Hello};
use burstmesh_core::wire::invitation::Invitation;
use burstmesh_core::wire::text::key_from_text;
use burstmesh_core::wire::{Capabilities, Kind, MAJOR};
use std::error::Error;
use std::fs::read_to_string;
use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Junk counts with the headers of UDP and IPv6.
const JUNK_BITS: f64 = 10e6;
const HEADERS: usize = 48;
const HANDSHAKES: f64 = 1000.0;

/// Throws, and tells how many datagrams it threw and how many were answered.
pub fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [kind, to, seconds, files @ ..] = arguments else {
        return Err("flood KIND TO SECONDS [INVITATION KEY]".into());
    };
    let time = Duration::from_secs(seconds.parse()?);
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?;
    socket.set_nonblocking(true)?;
    let flood = match (kind.as_str(), files) {
        ("junk", _) => Flood::junk(),
        ("handshakes", [invitation, key]) => Flood::handshakes(invitation, key)?,
        _ => return Err("no such flood".into()),
    };
    let (thrown, answered) = flood.throw(&socket, to.parse()?, time)?;
    println!("thrown {thrown} answered {answered}");
    Ok(())
}

/// Datagrams, in turn, so many a second.
struct Flood {
    datagrams: Vec<Vec<u8>>,
    per_second: f64,
}

impl Flood {
    /// Each fails at another place, none sooner than it must.
    fn junk() -> Self {
        let datagrams = vec![
            filled(Kind::Data0, 1400),
            filled(Kind::Relay, 1400),
            filled(Kind::Path, 1400),
            filled(Kind::Announce, 600),
        ];
        let bytes: usize = datagrams.iter().map(|d| d.len() + HEADERS).sum();
        Self {
            per_second: JUNK_BITS / 8.0 * datagrams.len() as f64 / bytes as f64,
            datagrams,
        }
    }

    fn handshakes(invitation: &str, key: &str) -> Result<Self, Box<dyn Error>> {
        let invitation = Invitation::decode(read_to_string(invitation)?.trim())
            .map_err(|e| format!("invitation: {e:?}"))?;
        let key = key_from_text(&read_to_string(key)?).map_err(|e| format!("key: {e:?}"))?;
        let credentials = Credentials {
            identity: Identity::new(SecretKey::from_bytes([1; 32])),
            community: CommunityKeys::derive(&invitation.name, invitation.secret.bytes()),
        };
        let job = InitiateJob {
            credentials,
            remote: public(key),
            ephemeral: SecretKey::from_bytes([3; 32]),
            cid: 7,
            hello: Hello {
                epoch: 1,
                counter: 1,
                caps: Capabilities::OURS,
                minor: 1,
                rekey_of: None,
                certificate: None,
            },
            cookie: None,
        };
        let initiated = job.run().map_err(|e| format!("handshake: {e:?}"))?;
        Ok(Self {
            datagrams: vec![initiated.datagram.to_vec()],
            per_second: HANDSHAKES,
        })
    }

    fn throw(
        &self,
        socket: &UdpSocket,
        to: SocketAddr,
        time: Duration,
    ) -> std::io::Result<(u32, u32)> {
        let (mut thrown, mut answered) = (0, 0);
        let begun = Instant::now();
        for datagram in self.datagrams.iter().cycle() {
            if begun.elapsed() >= time {
                break;
            }
            socket.send_to(datagram, to)?;
            thrown += 1;
            let mut answer = [0; 2 * CookieReply::LEN];
            while socket.recv(&mut answer).is_ok() {
                answered += 1;
            }
            let due = Duration::from_secs_f64(f64::from(thrown) / self.per_second);
            sleep(due.saturating_sub(begun.elapsed()));
        }
        Ok((thrown, answered))
    }
}

fn public(secret: [u8; 32]) -> PublicKey {
    SecretKey::from_bytes(secret).public()
}

/// `len` bytes that begin as the kind does.
fn filled(kind: Kind, len: usize) -> Vec<u8> {
    let rest = (1..len).map(|i| (i * 7) as u8);
    std::iter::once(MAJOR << 4 | kind as u8)
        .chain(rest)
        .collect()
}
