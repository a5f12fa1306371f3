use crate::wire::admission::Certificate;
use proptest::prelude::*;

use super::*;
use crate::identity::{CommunityKeys, PublicKey};
use crate::wire::{Capabilities, MAJOR, examples};

fn keys() -> RecipientKeys {
    RecipientKeys::new(
        &CommunityKeys::derive("example", &[0x42; 32]),
        &PublicKey([9; 32]),
    )
}

fn init(noise_len: usize) -> Datagram {
    let init = Init {
        minor: 1,
        sender: 7,
        community: CommunityId([3; 8]),
    };
    let noise = vec![0x55; noise_len];
    let mut datagram = unauthenticated(&init.header(noise_len as u16), &noise).unwrap();
    keys().authenticate(&mut datagram, None).unwrap();
    datagram
}

#[test]
fn init_and_response_read_back_what_was_written() {
    let datagram = init(120);
    let (read, noise) = Init::parse(&datagram).unwrap();
    assert_eq!(
        read,
        Init {
            minor: 1,
            sender: 7,
            community: CommunityId([3; 8])
        }
    );
    assert_eq!(noise, [0x55; 120]);

    let response = Response {
        receiver: 7,
        sender: 0x0102_0304,
        minor: 1,
    };
    let mut datagram = unauthenticated(&response.header(90), &[0x66; 90]).unwrap();
    keys().authenticate(&mut datagram, None).unwrap();
    assert_eq!(Response::parse(&datagram), Ok((response, &[0x66; 90][..])));
}

#[test]
fn lengths_outside_the_limits_are_refused() {
    for noise_len in [0, INIT_OVERHEAD - 1] {
        assert_eq!(
            Init::parse(&init(noise_len)),
            Err(Refusal::Malformed),
            "{noise_len}"
        );
    }
    assert!(Init::parse(&init(INIT_OVERHEAD)).is_ok());
    let largest = init(MAX_NOISE_LEN);
    assert!(Init::parse(&largest).is_ok());
    assert_eq!(largest.len(), MAX_LEN);
    for len in 0..largest.len() {
        assert_eq!(
            Init::parse(&largest[..len]),
            Err(Refusal::Malformed),
            "{len}"
        );
    }
    let mut longer = largest.to_vec();
    longer.push(0);
    assert_eq!(Init::parse(&longer), Err(Refusal::Malformed));
    longer[15] += 1;
    assert_eq!(Init::parse(&longer), Err(Refusal::Malformed));
}

#[test]
fn another_version_is_told_from_garbage_and_zero_is_no_connection() {
    let mut datagram = init(120);
    datagram[0] = ((MAJOR + 1) << 4) | Kind::HandshakeInit as u8;
    assert_eq!(Init::parse(&datagram), Err(Refusal::Version));
    let mut datagram = init(120);
    datagram[2..6].fill(0);
    assert_eq!(Init::parse(&datagram), Err(Refusal::Malformed));
}

#[test]
fn mac1_covers_every_bit_before_it_and_mac2_everything_else() {
    let mut datagram = unauthenticated(&[1; 20], &[2; 50]).unwrap();
    let cookie = Cookie([8; 16]);
    keys().authenticate(&mut datagram, Some(&cookie)).unwrap();
    assert!(keys().check_mac1(&datagram).is_ok() && cookie.fits(&datagram));
    assert!(!Cookie([9; 16]).fits(&datagram));
    for bit in 0..datagram.len() * 8 {
        let mut bad = datagram.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            keys().check_mac1(&bad).is_ok(),
            bit / 8 >= 70 + 16,
            "bit {bit}"
        );
        assert!(!cookie.fits(&bad), "bit {bit}");
    }
}

#[test]
fn a_cookie_goes_round_and_is_bound_to_message_recipient_and_nonce() {
    let cookie = Cookie([0xc0; 16]);
    let reply = keys().seal_cookie(7, &cookie, [1; 24], &[4; 16]).unwrap();
    let mut out = [0; CookieReply::LEN];
    assert_eq!(reply.emit(&mut out), Ok(CookieReply::LEN));
    examples::check("cookie-reply", &out);
    let read = CookieReply::parse(&examples::bytes("cookie-reply")).unwrap();
    assert_eq!(keys().open_cookie(&read, &[4; 16]), Ok(cookie));

    assert_eq!(keys().open_cookie(&read, &[5; 16]), Err(Refusal::Forged));
    let other_nonce = CookieReply {
        nonce: [2; 24],
        ..read
    };
    assert_eq!(
        keys().open_cookie(&other_nonce, &[4; 16]),
        Err(Refusal::Forged)
    );
    let community = CommunityKeys::derive("example", &[0x42; 32]);
    let other_recipient = RecipientKeys::new(&community, &PublicKey([10; 32]));
    assert_eq!(
        other_recipient.open_cookie(&read, &[4; 16]),
        Err(Refusal::Forged)
    );
    for len in 0..out.len() {
        assert_eq!(CookieReply::parse(&out[..len]), Err(Refusal::Malformed));
    }
}

#[test]
fn the_largest_payloads_leave_room_for_later_fields() {
    let certificate = Certificate {
        issued: u64::MAX,
        expires: u64::MAX,
        signature: [255; 64],
    };
    let hello = Hello {
        epoch: u64::MAX,
        counter: u64::MAX,
        caps: Capabilities(u32::MAX),
        minor: 255,
        rekey_of: Some(u32::MAX),
        certificate: Some(certificate),
    };
    let lease = Lease {
        ipv4: [255; 4],
        ipv6: [255; 16],
        dns4: Some([255; 4]),
        dns6: Some([255; 16]),
        mtu: u16::MAX,
    };
    let welcome = Welcome {
        caps: Capabilities(u32::MAX),
        minor: 255,
        lease: Some(lease),
    };
    let answer = Answer {
        cid: u32::MAX,
        welcome,
        certificate: Some(certificate),
        denial: Some(Denial::Revoked),
    };
    let mut out = [0; 160];
    assert_eq!(hello.encode(&mut out).unwrap().len(), 113);
    assert_eq!(answer.encode(&mut out).unwrap().len(), 139);
    out[139..].fill(0xee);
    assert_eq!(Answer::decode(&out), Ok(answer), "later fields are ignored");
}

#[test]
fn payloads_of_before_certificates_are_read_and_those_without_are_written_like_them() {
    let hello = Hello {
        epoch: 3,
        counter: 7,
        caps: Capabilities::BUNDLE,
        minor: 1,
        rekey_of: None,
        certificate: None,
    };
    let mut out = [0; 160];
    let old = [3, 7, 1, 1, 0];
    assert_eq!(hello.encode(&mut out), Ok(&old[..]));
    assert_eq!(Hello::decode(&old), Ok(hello));
}

#[test]
fn a_denial_of_a_later_version_is_a_denial() {
    let old = [5, 1, 1, 0];
    let denied = |reason: u8| Answer::decode(&[&old[..], &[0, reason]].concat()).map(|a| a.denial);
    assert_eq!(Answer::decode(&old).map(|a| a.denial), Ok(None));
    assert_eq!(denied(3), Ok(Some(Denial::Ended)));
    assert_eq!(denied(99), Ok(Some(Denial::BadCertificate)));
}

proptest! {
    #[test]
    fn what_parses_is_written_again_to_the_same_bytes(
        kind in 2u8..5,
        noise_len in 0u16..300,
        mut bytes in proptest::collection::vec(any::<u8>(), 0..340),
        fits in any::<bool>(),
    ) {
        // Arbitrary bytes would hardly ever get past the first and the length field.
        if fits && bytes.len() > 16 {
            bytes[0] = (MAJOR << 4) | kind;
            let at = if kind == 2 { 14 } else { 10 };
            bytes[at..at + 2].copy_from_slice(&noise_len.to_be_bytes());
            bytes.resize(at + 2 + usize::from(noise_len) + 32, 1);
            if kind == 4 { bytes.resize(CookieReply::LEN, 1); }
        }
        if let Ok((init, noise)) = Init::parse(&bytes) {
            let again = unauthenticated(&init.header(noise.len() as u16), noise).unwrap();
            prop_assert_eq!(&again[..], &bytes[..bytes.len() - 32]);
        }
        if let Ok((response, noise)) = Response::parse(&bytes) {
            let again = unauthenticated(&response.header(noise.len() as u16), noise).unwrap();
            prop_assert_eq!(&again[..], &bytes[..bytes.len() - 32]);
        }
        if let Ok(reply) = CookieReply::parse(&bytes) {
            let mut out = [0; CookieReply::LEN];
            reply.emit(&mut out).unwrap();
            prop_assert_eq!(&out[..], &bytes[..]);
        }
    }

    #[test]
    fn payloads_of_arbitrary_bytes_never_panic_and_read_the_same_after_they_were_written_again(
        bytes in proptest::collection::vec(any::<u8>(), 0..160),
    ) {
        let mut out = [0; 160];
        if let Ok(hello) = Hello::decode(&bytes) {
            prop_assert_eq!(Hello::decode(hello.encode(&mut out).unwrap()), Ok(hello));
        }
        if let Ok(answer) = Answer::decode(&bytes) {
            prop_assert_eq!(Answer::decode(answer.encode(&mut out).unwrap()), Ok(answer));
        }
    }
}
