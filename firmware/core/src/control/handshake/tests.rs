use super::*;
use crate::control::admission::Admission;
use crate::error::Refusal;
use crate::identity::{PublicKey, SecretKey};
use crate::wire::admission::AdminSecret;
use crate::wire::handshake::{Datagram, Denial, Hello, Lease, RecipientKeys, Welcome};
use crate::wire::{Capabilities, examples};

pub(super) fn credentials(secret: u8) -> Credentials {
    Credentials {
        identity: Identity::new(SecretKey::from_bytes([secret; 32])),
        community: CommunityKeys::derive("example", &[0x42; 32]),
    }
}

pub(super) fn hello(counter: u64) -> Hello {
    Hello {
        epoch: 3,
        counter,
        caps: Capabilities::BUNDLE,
        minor: 1,
        rekey_of: None,
        certificate: None,
    }
}

pub(super) fn welcome() -> Welcome {
    let lease = Lease {
        ipv4: [100, 64, 0, 2],
        ipv6: [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
        dns4: Some([100, 64, 0, 1]),
        dns6: None,
        mtu: 1400,
    };
    Welcome {
        caps: Capabilities::BUNDLE,
        minor: 1,
        lease: Some(lease),
    }
}

fn initiate_job() -> InitiateJob {
    InitiateJob {
        credentials: credentials(1),
        remote: credentials(2).identity.public(),
        ephemeral: SecretKey::from_bytes([3; 32]),
        cid: 0x0a0b_0c0d,
        hello: hello(7),
        cookie: None,
    }
}

pub(super) fn respond_job(datagram: &[u8]) -> RespondJob {
    RespondJob {
        credentials: credentials(2),
        ephemeral: SecretKey::from_bytes([4; 32]),
        datagram: Datagram::from_slice(datagram).unwrap(),
        admission: None,
    }
}

/// The whole handshake of the document's example.
fn handshake() -> (Initiated, Answered) {
    let initiated = initiate_job().run().unwrap();
    let opened = respond_job(&initiated.datagram).open().unwrap();
    let answered = opened.respond(&welcome(), 0x1122_3344).unwrap();
    (initiated, answered)
}

fn finish(pending: &PendingInit, datagram: &[u8]) -> Result<Established, HandshakeError> {
    let datagram = Datagram::from_slice(datagram).unwrap();
    FinishJob {
        pending: pending.clone(),
        datagram,
        admission: None,
    }
    .run()
}

/// Puts right authenticators behind changed bytes, as any other member of the community could.
fn reauthenticated(datagram: &[u8], recipient: PublicKey) -> Datagram {
    let mut changed = Datagram::from_slice(&datagram[..datagram.len() - 32]).unwrap();
    let keys = RecipientKeys::new(&credentials(1).community, &recipient);
    keys.authenticate(&mut changed, None).unwrap();
    changed
}

#[test]
fn both_sides_get_each_others_keys_names_and_words() {
    let initiated = initiate_job().run().unwrap();
    let opened = respond_job(&initiated.datagram).open().unwrap();
    assert_eq!(opened.initiator, credentials(1).identity.public());
    assert_eq!(opened.hello, hello(7));
    let answered = opened.respond(&welcome(), 0x1122_3344).unwrap();
    let established = finish(&initiated.pending, &answered.datagram).unwrap();

    assert_eq!(established.remote, credentials(2).identity.public());
    assert_eq!(established.welcome, welcome());
    assert_eq!(
        (established.cid, established.remote_cid),
        (0x0a0b_0c0d, 0x1122_3344)
    );
    assert_eq!(
        (answered.cid, answered.remote_cid),
        (0x1122_3344, 0x0a0b_0c0d)
    );
    assert_eq!(answered.remote, credentials(1).identity.public());

    let (a, b) = (&established.keys, &answered.keys);
    assert_eq!((a.send, a.recv), (b.recv, b.send));
    assert_eq!((a.relay_send, a.relay_recv), (b.relay_recv, b.relay_send));
    assert_eq!(a.id, b.id);
    assert_ne!(a.send, a.recv);
    assert_ne!(a.relay_send, a.relay_recv);
    assert_ne!(a.send[..16], a.relay_send);
}

#[test]
fn the_documents_example_is_what_is_written_and_read() {
    let (initiated, answered) = handshake();
    examples::check("handshake-init", &initiated.datagram);
    examples::check("handshake-response", &answered.datagram);
    let opened = respond_job(&examples::bytes("handshake-init"))
        .open()
        .unwrap();
    assert_eq!(opened.hello, hello(7));
    let established = finish(&initiated.pending, &examples::bytes("handshake-response")).unwrap();
    examples::check(
        "session-keys",
        &[
            &established.keys.send[..],
            &established.keys.recv,
            &established.keys.relay_send,
            &established.keys.relay_recv,
            &established.keys.id,
        ]
        .concat(),
    );
}

#[test]
fn other_ephemeral_keys_give_other_session_keys() {
    let (_, answered) = handshake();
    let again = InitiateJob {
        ephemeral: SecretKey::from_bytes([5; 32]),
        ..initiate_job()
    }
    .run()
    .unwrap();
    let other = respond_job(&again.datagram)
        .open()
        .unwrap()
        .respond(&welcome(), 1)
        .unwrap();
    assert_ne!(answered.keys.send, other.keys.send);
    assert_ne!(answered.keys.id, other.keys.id);
}

#[test]
fn another_secret_opens_nothing() {
    let mut job = initiate_job();
    job.credentials.community.psk[0] ^= 1;
    let initiated = job.run().unwrap();
    // The psk comes in only with the second message: the first opens, the answer does not.
    let answered = respond_job(&initiated.datagram)
        .open()
        .unwrap()
        .respond(&welcome(), 9)
        .unwrap();
    assert_eq!(
        finish(&initiated.pending, &answered.datagram),
        Err(HandshakeError::Unauthentic)
    );
}

#[test]
fn another_responder_opens_nothing() {
    let initiated = initiate_job().run().unwrap();
    let mut job = respond_job(&initiated.datagram);
    job.credentials = credentials(9);
    assert_eq!(job.open().unwrap_err(), HandshakeError::Unauthentic);
}

#[test]
fn an_answer_of_another_responder_is_refused() {
    let initiated = initiate_job().run().unwrap();
    let to_another = InitiateJob {
        remote: credentials(9).identity.public(),
        ..initiate_job()
    }
    .run()
    .unwrap();
    let mut job = respond_job(&to_another.datagram);
    job.credentials = credentials(9);
    let answered = job.open().unwrap().respond(&welcome(), 9).unwrap();
    assert_eq!(
        finish(&initiated.pending, &answered.datagram),
        Err(HandshakeError::Unauthentic)
    );
}

#[test]
fn every_bit_flipped_by_another_member_is_noticed() {
    let (initiated, answered) = handshake();
    let init = &initiated.datagram;
    for bit in (0..(init.len() - 32) * 8).step_by(3) {
        let mut bad = init.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let bad = reauthenticated(&bad, credentials(2).identity.public());
        assert!(respond_job(&bad).open().is_err(), "Init, bit {bit}");
    }
    let response = &answered.datagram;
    for bit in (0..(response.len() - 32) * 8).step_by(3) {
        let mut bad = response.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let bad = reauthenticated(&bad, credentials(1).identity.public());
        assert!(
            finish(&initiated.pending, &bad).is_err(),
            "Response, bit {bit}"
        );
    }
}

#[test]
fn every_byte_flipped_by_a_stranger_is_noticed_before_any_asymmetric_cryptography() {
    let (initiated, answered) = handshake();
    let check = |datagram: &Datagram, to: u8| {
        let keys = RecipientKeys::new(
            &credentials(1).community,
            &credentials(to).identity.public(),
        );
        keys.check_mac1(datagram).map(|_| ())
    };
    for (datagram, to) in [(&initiated.datagram, 2), (&answered.datagram, 1)] {
        assert_eq!(check(datagram, to), Ok(()));
        for i in 0..datagram.len() - 16 {
            let mut bad = datagram.clone();
            bad[i] ^= 0x10;
            assert_eq!(check(&bad, to), Err(Refusal::Forged), "byte {i}");
        }
    }
}

#[test]
fn every_truncation_is_malformed() {
    let (initiated, answered) = handshake();
    for len in 0..initiated.datagram.len() {
        let opened = respond_job(&initiated.datagram[..len]).open();
        assert_eq!(opened.unwrap_err(), HandshakeError::Malformed);
    }
    for len in 0..answered.datagram.len() {
        let established = finish(&initiated.pending, &answered.datagram[..len]);
        assert_eq!(established, Err(HandshakeError::Malformed));
    }
}

#[test]
fn a_key_of_small_order_is_refused_as_a_peer() {
    let job = InitiateJob {
        remote: PublicKey([0; 32]),
        ..initiate_job()
    };
    assert_eq!(job.run().unwrap_err(), HandshakeError::WeakKey);
}

#[test]
fn an_init_is_never_shorter_than_the_answer_it_may_bring() {
    let shortest = InitiateJob {
        hello: Hello {
            epoch: 0,
            counter: 0,
            caps: Capabilities::NONE,
            minor: 0,
            rekey_of: None,
            certificate: None,
        },
        ..initiate_job()
    };
    let shortest = shortest.run().unwrap().datagram;
    let lease = Lease {
        ipv4: [255; 4],
        ipv6: [255; 16],
        dns4: Some([255; 4]),
        dns6: Some([255; 16]),
        mtu: u16::MAX,
    };
    let largest = Welcome {
        caps: Capabilities(u32::MAX),
        minor: 1,
        lease: Some(lease),
    };
    let answered = respond_job(&shortest)
        .open()
        .unwrap()
        .respond(&largest, u32::MAX)
        .unwrap();
    assert_eq!((answered.datagram.len(), shortest.len()), (149, 149));
}

#[test]
fn an_answer_with_a_certificate_is_no_longer_than_its_init_and_one_without_is_told_why() {
    let admin = AdminSecret::new([7; 32]).unwrap();
    let (us, them) = (credentials(1), credentials(2));
    let certify = |c: &Credentials| Some(admin.certify(c.community.id, &c.identity.public(), 0, 0));
    let answer = |certificate| {
        let mut job = initiate_job();
        job.hello = Hello {
            epoch: 0,
            counter: 0,
            certificate,
            ..hello(7)
        };
        let made = job.run().unwrap();
        let mut job = respond_job(&made.datagram);
        job.admission = Some(Admission {
            certificate: certify(&them),
            ..Admission::by(admin.public())
        });
        let opened = job.open().unwrap();
        let judged = opened.judged;
        let welcome = Welcome {
            caps: Capabilities(u32::MAX),
            minor: 255,
            lease: None,
        };
        let denial = judged.err();
        let answered = opened.answer(&welcome, u32::MAX, denial).unwrap();
        assert!(answered.datagram.len() <= made.datagram.len());
        let finish = FinishJob {
            pending: made.pending,
            datagram: answered.datagram,
            admission: Some(Admission::by(admin.public())),
        };
        (judged, finish.run().map(|_| ()))
    };
    assert_eq!(answer(certify(&us)), (Ok(()), Ok(())));
    let none = Denial::NoCertificate;
    assert_eq!(answer(None), (Err(none), Err(HandshakeError::Denied(none))));
    let wrong = Denial::BadCertificate;
    let denied = Err(HandshakeError::Denied(wrong));
    assert_eq!(answer(certify(&them)), (Err(wrong), denied));
}

#[test]
fn jobs_can_go_to_a_worker_and_keep_their_stated_sizes() {
    fn sized<T: Send + 'static>(most: usize) {
        let size = size_of::<T>();
        assert!(size <= most, "{}: {size}", std::any::type_name::<T>());
    }
    sized::<Credentials>(200);
    sized::<InitiateJob>(512);
    sized::<PendingInit>(1024);
    sized::<Initiated>(1344);
    sized::<FinishJob>(2048);
    sized::<Established>(256);
    sized::<RespondJob>(1536);
    sized::<Opened>(1024);
    sized::<Answered>(480);
    sized::<SessionKeys>(104);
    sized::<Initiator>(1344);
    sized::<crate::control::cookie::Gatekeeper>(288);
}

#[test]
fn secrets_are_never_printed() {
    let (initiated, answered) = handshake();
    let shown = format!(
        "{:?} {:?} {:?}",
        initiate_job(),
        initiated.pending,
        answered.keys
    );
    assert!(
        shown.contains("SecretKey(..)") && !shown.contains("[3, 3, 3"),
        "{shown}"
    );
}
