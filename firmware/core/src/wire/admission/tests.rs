use super::*;
use crate::wire::examples;
use proptest::prelude::*;

const COMMUNITY: CommunityId = CommunityId([0xcd, 0xcf, 0x0a, 0xc3, 0x3a, 0x58, 0x07, 0x99]);
const MEMBER: PublicKey = PublicKey([0xa5; 32]);

fn admin() -> AdminSecret {
    AdminSecret::new([7; 32]).unwrap()
}

fn list() -> Revocations {
    let nodes = [NodeId([1, 2, 3, 4, 5, 6, 7, 8]), NodeId([9; 8])];
    admin().revoke(COMMUNITY, 1_800_000_000, &nodes).unwrap()
}

#[test]
fn the_documents_examples_are_what_is_written_and_read() {
    examples::check("admin-key", &admin().public().0);
    let certificate = admin().certify(COMMUNITY, &MEMBER, 1_800_000_000, 0);
    examples::check("certificate", &certificate.bytes());
    examples::check("revocations", list().bytes());
    assert!(list().is_of(&admin().public(), COMMUNITY));
}

#[test]
fn signatures_are_those_of_rfc_8032() {
    // Section 7.1, test 2.
    let seed = unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    let key = unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    assert_eq!(crypto::ed25519_public(&seed), Some(key));
    let signature = crypto::sign(&seed, &[&[0x72]]).unwrap();
    assert_eq!(signature[..4], [0x92, 0xa0, 0x09, 0xa9]);
    assert!(crypto::verify(&key, &[&[0x72]], &signature));
    assert!(!crypto::verify(&key, &[&[0x73]], &signature));
}

#[test]
fn a_certificate_is_of_one_member_in_one_community_by_one_admin() {
    let c = admin().certify(COMMUNITY, &MEMBER, 5, 9);
    let key = admin().public();
    assert!(c.is_of(&key, COMMUNITY, &MEMBER));
    assert!(!c.is_of(&key, COMMUNITY, &PublicKey([0xa4; 32])));
    assert!(!c.is_of(&key, CommunityId([1; 8]), &MEMBER));
    let other = AdminSecret::new([8; 32]).unwrap().public();
    assert!(!c.is_of(&other, COMMUNITY, &MEMBER));
    for changed in [
        Certificate { issued: 6, ..c },
        Certificate { expires: 0, ..c },
    ] {
        assert!(!changed.is_of(&key, COMMUNITY, &MEMBER), "{changed:?}");
    }
}

#[test]
fn a_certificate_ends_at_its_time_or_never() {
    let c = admin().certify(COMMUNITY, &MEMBER, 5, 9);
    assert_eq!([8, 9].map(|now| c.has_ended(now)), [false, true]);
    let for_ever = admin().certify(COMMUNITY, &MEMBER, 5, 0);
    assert!(!for_ever.has_ended(u64::MAX));
}

#[test]
fn a_signature_for_one_purpose_is_none_for_another() {
    // The list whose signed bytes are those of the certificate, as far as the sizes go.
    let c = admin().certify(COMMUNITY, &MEMBER, 5, 9);
    let mut bytes = c.signature.to_vec();
    bytes.extend_from_slice(&MEMBER.0);
    bytes.extend_from_slice(&c.bytes()[..16]);
    let forged = Revocations::parse(&bytes).unwrap();
    assert!(!forged.is_of(&admin().public(), COMMUNITY));
}

#[test]
fn a_list_names_those_on_it_and_is_of_one_community() {
    let list = list();
    assert_eq!(list.number(), 1_800_000_000);
    assert!(list.names(NodeId([9; 8])) && !list.names(NodeId([8; 8])));
    assert!(!list.is_of(&admin().public(), CommunityId([1; 8])));
}

#[test]
fn the_longest_list_survives_the_way_through_text_and_a_longer_one_cannot_be_made() {
    let nodes = [NodeId([3; 8]); MAX_REVOKED + 1];
    let most = admin().revoke(COMMUNITY, 1, &nodes[1..]).unwrap();
    assert_eq!(Revocations::from_text(&most.to_text()), Ok(most));
    assert!(admin().revoke(COMMUNITY, 1, &nodes).is_none());
}

#[test]
fn a_text_of_another_kind_or_a_damaged_one_is_told() {
    let text = admin().certify(COMMUNITY, &MEMBER, 5, 9).to_text();
    let padded = format!(" {text}\n");
    assert!(Certificate::from_text(&padded).is_ok());
    assert_eq!(Revocations::from_text(&text), Err(TextError::OtherKind));
    assert_eq!(
        Certificate::from_text(&text[..text.len() - 2]),
        Err(TextError::Damaged)
    );
}

#[test]
fn an_admins_secret_is_never_printed() {
    assert_eq!(format!("{:?}", admin()), "AdminSecret(hidden)");
    assert!(AdminSecret::new([0; 32]).is_none());
}

#[test]
fn a_flipped_bit_makes_a_list_nobodys() {
    let (good, admin) = (list(), admin().public());
    // Emulated processors take their time for each.
    let step = if cfg!(target_arch = "mips") { 97 } else { 7 };
    for bit in (0..good.bytes().len() * 8).step_by(step) {
        let mut bytes = good.bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let changed = Revocations::parse(&bytes).unwrap();
        assert!(!changed.is_of(&admin, COMMUNITY), "{bit}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_list_that_is_written_alike_or_malformed(
        bytes in proptest::collection::vec(any::<u8>(), 0..700),
    ) {
        if let Ok(list) = Revocations::parse(&bytes) {
            prop_assert_eq!(list.bytes(), &bytes[..]);
            prop_assert!(list.nodes().count() <= MAX_REVOKED);
            prop_assert_eq!(Revocations::from_text(&list.to_text()), Ok(list));
        }
    }

    #[test]
    fn any_text_is_a_certificate_that_is_written_alike_or_none(text in "bmc1[a-zA-Z0-9+/]{105,109}") {
        if let Ok(certificate) = Certificate::from_text(&text) {
            let again = certificate.to_text();
            prop_assert_eq!(again.as_str(), text);
        }
    }
}

fn unhex(text: &str) -> [u8; 32] {
    let mut out = [0; 32];
    for (i, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap();
    }
    out
}
