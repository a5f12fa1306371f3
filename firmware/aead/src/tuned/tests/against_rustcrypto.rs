//! The same bytes from both, for any length, alignment and content.

use super::{ChaCha20Poly1305, Cipher};
use chacha20poly1305::{AeadInPlace, KeyInit};
use proptest::prelude::*;
use std::vec::Vec;

/// Words of all ones and of zeros are where carries go wrong; random bytes hardly ever have them.
fn text(max: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>(), Just(0xff), Just(0)];
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..max),
        prop::collection::vec(byte, 0..max),
    ]
}

fn word() -> impl Strategy<Value = [u8; 32]> {
    prop_oneof![any::<[u8; 32]>(), Just([0xff; 32]), Just([0; 32])]
}

/// What is sealed with one key and nonce, and the bit that a forger flips.
#[derive(Debug)]
struct Case {
    key: [u8; 32],
    nonce: [u8; 12],
    associated_data: Vec<u8>,
    text: Vec<u8>,
    offset: usize,
    flipped: prop::sample::Index,
}

fn check<C: Cipher>(case: &Case) {
    let Case {
        key,
        nonce,
        associated_data,
        text,
        offset,
        flipped,
    } = case;
    let offset = *offset;
    let (ours, theirs) = (
        C::new(key.into()),
        chacha20poly1305::ChaCha20Poly1305::new(key.into()),
    );
    let (nonce, start) = (nonce.into(), |bytes: &[u8]| {
        [&[0; 4][..offset], bytes].concat()
    });
    let (mut a, mut b) = (start(text), start(text));
    let tag = ours
        .encrypt_in_place_detached(nonce, associated_data, &mut a[offset..])
        .unwrap();
    let expected = theirs.encrypt_in_place_detached(nonce, associated_data, &mut b[offset..]);
    assert_eq!(a, b);
    assert_eq!(Ok(tag), expected);

    let mut forged = a.clone();
    let bit = flipped.index((text.len() + 16) * 8);
    let mut other = tag;
    match forged[offset..].get_mut(bit / 8) {
        Some(byte) => *byte ^= 1 << (bit % 8),
        None => other[bit / 8 - text.len()] ^= 1 << (bit % 8),
    }
    let before = forged.clone();
    assert!(
        ours.decrypt_in_place_detached(nonce, associated_data, &mut forged[offset..], &other)
            .is_err()
    );
    assert_eq!(forged, before);

    assert!(
        ours.decrypt_in_place_detached(nonce, associated_data, &mut a[offset..], &tag)
            .is_ok()
    );
    assert_eq!(&a[offset..], text);
}

proptest! {
    #[test]
    fn all_seal_and_open_alike(
        key in word(),
        nonce: [u8; 12],
        associated_data in text(40),
        text in text(2600),
        offset in 0..4usize,
        flipped: prop::sample::Index,
    ) {
        let case = Case { key, nonce, associated_data, text, offset, flipped };
        check::<ChaCha20Poly1305>(&case);
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        check::<crate::wide::ChaCha20Poly1305>(&case);
    }
}

fn check_lengths<C: Cipher>(most: usize) {
    let text: Vec<u8> = (0..most).map(|i| ((i * 31) >> 2) as u8).collect();
    let (ours, theirs) = (
        C::new(&[7; 32].into()),
        chacha20poly1305::ChaCha20Poly1305::new(&[7; 32].into()),
    );
    for length in 0..=text.len() {
        let (mut a, mut b) = (text[..length].to_vec(), text[..length].to_vec());
        let (nonce, associated_data) = ([length as u8; 12].into(), &text[..length % 37]);
        let tag = ours.encrypt_in_place_detached(&nonce, associated_data, &mut a);
        assert_eq!(
            tag,
            theirs.encrypt_in_place_detached(&nonce, associated_data, &mut b)
        );
        assert_eq!(a, b, "{length} bytes");
    }
}

#[test]
fn every_length_around_the_blocks_is_sealed_alike() {
    check_lengths::<ChaCha20Poly1305>(400);
    // Around its groups of blocks, too.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    check_lengths::<crate::wide::ChaCha20Poly1305>(2200);
}
