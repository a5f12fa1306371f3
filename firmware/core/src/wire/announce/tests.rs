use proptest::prelude::*;

use super::*;
use crate::wire::{Kind, MAJOR, examples};

fn community() -> CommunityKeys {
    CommunityKeys::derive("example", &[0x42; 32])
}

fn announcement() -> Announcement {
    Announcement {
        minor: 1,
        body: Body {
            key: PublicKey([0xa5; 32]),
            epoch: 3,
            seq: 300,
            caps: Capabilities::BUNDLE,
            lends: true,
            exit: false,
            hops: 0,
        },
    }
}

fn encoded() -> Vec<u8> {
    let mut out = [0; MAX_EMIT_LEN];
    let len = announcement().encode(&community(), &mut out).unwrap();
    out[..len].to_vec()
}

/// Puts the right authenticator behind bytes that were changed on purpose.
fn signed(mut unsigned: Vec<u8>) -> Vec<u8> {
    let mac = crypto::mac(&community().announce_key, &[&unsigned]);
    unsigned.extend(mac);
    unsigned
}

#[test]
fn the_documents_example_is_what_is_written_and_read() {
    examples::check("announce", &encoded());
    let read = Announcement::decode(&examples::bytes("announce"), &community());
    assert_eq!(read, Ok(announcement()));
}

#[test]
fn every_flipped_bit_is_refused() {
    let good = encoded();
    for i in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[i / 8] ^= 1 << (i % 8);
        assert!(Announcement::decode(&bad, &community()).is_err(), "bit {i}");
    }
}

#[test]
fn every_truncation_and_a_byte_too_many_are_refused() {
    let mut good = encoded();
    for len in 0..good.len() {
        let refused = Announcement::decode(&good[..len], &community());
        assert_eq!(refused, Err(Refusal::Malformed), "{len} bytes");
    }
    good.push(0);
    assert_eq!(
        Announcement::decode(&good, &community()),
        Err(Refusal::Malformed)
    );
}

#[test]
fn another_version_another_community_and_another_secret_are_told_apart() {
    let mut other_major = encoded();
    other_major[0] = ((MAJOR + 1) << 4) | Kind::Announce as u8;
    assert_eq!(
        Announcement::decode(&other_major, &community()),
        Err(Refusal::Version)
    );

    let neighbours = CommunityKeys::derive("neighbours", &[0x42; 32]);
    assert_eq!(
        Announcement::decode(&encoded(), &neighbours),
        Err(Refusal::Unknown)
    );

    let mut same_id = CommunityKeys::derive("example", &[0x43; 32]);
    same_id.id = community().id;
    assert_eq!(
        Announcement::decode(&encoded(), &same_id),
        Err(Refusal::Forged)
    );
}

#[test]
fn fields_that_a_later_minor_version_appends_are_ignored() {
    let now = encoded();
    let body_len = usize::from(u16::from_be_bytes([now[2], now[3]]));
    let mut later = now[..HEADER_LEN + body_len].to_vec();
    later[1] = 2;
    later[2..4].copy_from_slice(&(body_len as u16 + 3).to_be_bytes());
    later.extend([1, 2, 3]);
    let read = Announcement::decode(&signed(later), &community()).unwrap();
    assert_eq!(
        read,
        Announcement {
            minor: 2,
            ..announcement()
        }
    );
}

#[test]
fn a_body_that_is_no_body_is_malformed_even_when_authentic() {
    let mut short = encoded()[..HEADER_LEN + 5].to_vec();
    short[2..4].copy_from_slice(&5u16.to_be_bytes());
    assert_eq!(
        Announcement::decode(&signed(short), &community()),
        Err(Refusal::Malformed)
    );
}

#[test]
fn the_largest_announcement_fits_its_stated_length() {
    let body = Body {
        epoch: u64::MAX,
        seq: u32::MAX,
        caps: Capabilities(u32::MAX),
        hops: u8::MAX,
        ..announcement().body
    };
    let largest = Announcement {
        minor: u8::MAX,
        body,
    };
    let mut out = [0; MAX_EMIT_LEN];
    let len = largest.encode(&community(), &mut out).unwrap();
    assert_eq!(Announcement::decode(&out[..len], &community()), Ok(largest));
    for room in 0..len {
        assert_eq!(
            largest.encode(&community(), &mut out[..room]),
            Err(Refusal::Full)
        );
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1400)) {
        let _ = Announcement::decode(&bytes, &community());
    }

    #[test]
    fn an_authentic_arbitrary_body_reads_the_same_after_it_was_written_again(
        minor in any::<u8>(),
        body in proptest::collection::vec(any::<u8>(), 0..90),
    ) {
        let mut unsigned = vec![0x11, minor];
        unsigned.extend((body.len() as u16).to_be_bytes());
        unsigned.extend(community().id.0);
        unsigned.extend(&body);
        if let Ok(first) = Announcement::decode(&signed(unsigned), &community()) {
            let mut out = [0; MAX_EMIT_LEN];
            let len = first.encode(&community(), &mut out).unwrap();
            prop_assert_eq!(Announcement::decode(&out[..len], &community()), Ok(first));
        }
    }
}
