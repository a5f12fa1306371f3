//! Announcements and handshakes, from strangers and from members who write nonsense.

use blake2::Blake2sMac;
use blake2::digest::consts::U16;
use blake2::digest::{FixedOutput, KeyInit, Update};
use burstmesh_core::control::announcer::{Announcer, Offer};
use burstmesh_core::control::cookie::{Budget, Gatekeeper, Verdict};
use burstmesh_core::control::handshake::{Credentials, Initiator, RespondJob};
use burstmesh_core::identity::{CommunityKeys, Identity, SecretKey};
use burstmesh_core::time::Instant;
use burstmesh_core::wire::Capabilities;
use burstmesh_core::wire::announce::{self, Announcement};
use burstmesh_core::wire::handshake::{
    Answer, CookieReply, Datagram, Hello, Init, RecipientKeys, Response,
};

const NOW: Instant = Instant::from_millis(1_000);
const MAC: usize = 16;

/// The community of all seeds.
pub fn community() -> CommunityKeys {
    CommunityKeys::derive("example", &[0x42; 32])
}

/// A member of it.
pub fn member(secret: u8) -> Credentials {
    Credentials {
        identity: Identity::new(SecretKey::from_bytes([secret; 32])),
        community: community(),
    }
}

/// What the initiator of all seeds says.
pub fn hello() -> Hello {
    Hello {
        epoch: 3,
        counter: 7,
        caps: Capabilities::BUNDLE,
        minor: 1,
        rekey_of: None,
        certificate: None,
    }
}

/// An announcement as it stands, and once more with the community's authenticator put right behind it.
pub fn announcement(data: &[u8]) {
    let keys = community();
    hear(data, &keys);
    let Some(signed) = data.len().checked_sub(MAC).and_then(|n| data.get(..n)) else {
        return;
    };
    let mut authentic = signed.to_vec();
    // The length and the community put right as well: most mutations shall reach the body.
    if let (Some(body), Some(header)) = (
        signed.len().checked_sub(announce::HEADER_LEN),
        authentic.get_mut(2..announce::HEADER_LEN),
    ) {
        header[..2].copy_from_slice(&(body as u16).to_be_bytes());
        header[2..].copy_from_slice(&keys.id.0);
    }
    let mut mac = <Blake2sMac<U16> as KeyInit>::new(&keys.announce_key.into());
    mac.update(&authentic);
    authentic.extend_from_slice(&mac.finalize_fixed());
    hear(&authentic, &keys);
}

fn hear(datagram: &[u8], keys: &CommunityKeys) {
    if let Ok(read) = Announcement::decode(datagram, keys) {
        let mut out = [0; announce::MAX_EMIT_LEN];
        let n = read.encode(keys, &mut out).expect("what was read fits");
        assert_eq!(Announcement::decode(&out[..n], keys), Ok(read));
    }
    let own = member(1).identity.public();
    let mut node = Announcer::<4>::new(NOW, community(), own, 5, Offer::default(), 11);
    let heard = node.handle_datagram(NOW, 1u8, datagram);
    assert_eq!(
        heard.is_ok(),
        Announcement::decode(datagram, keys).is_ok(),
        "{heard:?}"
    );
    let _ = node.handle_datagram(NOW, 2u8, datagram);
}

/// The three handshake datagrams at a gate, at a responder and at an initiator that waits; then with right
/// authenticators, as any other member could write them; then the bytes as the sealed payloads of both messages.
pub fn handshake(data: &[u8]) {
    let (us, them) = (member(1), member(2));
    arrive(data, &us, &them);
    if let Some(rest) = data.len().checked_sub(2 * MAC).and_then(|n| data.get(..n))
        && let Ok(plain) = Datagram::from_slice(rest)
    {
        for recipient in [us.identity.public(), them.identity.public()] {
            let mut datagram = plain.clone();
            let keys = RecipientKeys::new(&us.community, &recipient);
            if keys.authenticate(&mut datagram, None).is_ok() {
                arrive(&datagram, &us, &them);
            }
        }
    }
    let mut out = [0; 256];
    if let Ok(read) = Hello::decode(data) {
        let again = read.encode(&mut out).expect("what was read fits");
        assert_eq!(Hello::decode(again), Ok(read));
    }
    if let Ok(read) = Answer::decode(data) {
        let again = read.encode(&mut out).expect("what was read fits");
        assert_eq!(Answer::decode(again), Ok(read));
    }
}

fn arrive(data: &[u8], us: &Credentials, them: &Credentials) {
    if let Ok((init, noise)) = Init::parse(data) {
        assert_eq!(data.get(..16), Some(&init.header(noise.len() as u16)[..]));
    }
    if let Ok((response, noise)) = Response::parse(data) {
        let header = response.header(noise.len() as u16);
        assert_eq!(data.get(..header.len()), Some(&header[..]));
    }
    if let Ok(reply) = CookieReply::parse(data) {
        let mut out = [0; CookieReply::LEN];
        reply.emit(&mut out).expect("it fits");
        assert_eq!(data, out);
    }
    respond(data, them);
    initiate(data, us, them);
}

fn respond(data: &[u8], them: &Credentials) {
    let mut gate = Gatekeeper::new(NOW, them, Budget::SERVER, [3; 32]);
    let mut reply = [0; CookieReply::LEN];
    for waiting in [0, 1_000] {
        let verdict = gate.check(NOW, data, b"source", waiting, &mut reply);
        if let Ok(Verdict::Challenge(n)) = verdict {
            assert!(CookieReply::parse(&reply[..n]).is_ok());
        }
        if verdict == Ok(Verdict::Admit)
            && let Ok(datagram) = Datagram::from_slice(data)
        {
            let job = RespondJob {
                credentials: them.clone(),
                ephemeral: SecretKey::from_bytes([4; 32]),
                datagram,
                admission: None,
            };
            let _ = job.open();
        }
    }
}

fn initiate(data: &[u8], us: &Credentials, them: &Credentials) {
    if !matches!(data.first(), Some(0x13 | 0x14)) {
        return;
    }
    let mut initiator = Initiator::new(us, them.identity.public(), 1);
    initiator.start(NOW, 0x0a0b_0c0d, None);
    let job = initiator.poll_initiate(NOW, us, hello(), SecretKey::from_bytes([3; 32]));
    let made = job.expect("it was just started").run();
    assert!(initiator.handle_initiated(NOW, made).is_some());
    let _ = initiator.handle_cookie(NOW, data);
    if let Ok(finish) = initiator.handle_response(data) {
        let _ = initiator.handle_finished(NOW, finish.run());
    }
    assert!(initiator.is_active() || data.first() == Some(&0x13));
}
