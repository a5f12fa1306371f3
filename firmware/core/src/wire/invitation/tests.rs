use super::*;
use crate::wire::examples;
use proptest::collection::vec;
use proptest::prelude::*;

fn sample() -> Invitation {
    Invitation {
        name: Name::try_from("hillside").unwrap(),
        secret: Secret::new(core::array::from_fn(|i| i as u8)),
        exits: Vec::from_slice(&[Exit {
            key: PublicKey([0x42; 32]),
            addresses: Vec::from_slice(&[
                "203.0.113.7:4455".parse().unwrap(),
                "[2001:db8::7]:4455".parse().unwrap(),
            ])
            .unwrap(),
        }])
        .unwrap(),
        expires: Some(1_800_000_000),
        admission: None,
        admin: None,
    }
}

/// The whole format pinned: a change that breaks invitations already handed out fails here.
#[test]
fn the_bytes_of_an_invitation_do_not_change() {
    let text = sample().encode().unwrap();
    assert_eq!(
        text.as_str(),
        "bm1CGhpbGxzaWRlAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8BQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkICAMsAcQfnIgEgAQ24AAAAAAAAAAAAAAAH5yIBgKSn2gYAhoNtoA"
    );
    assert_eq!(Invitation::decode(&text), Ok(sample()));
}

#[test]
fn an_admins_key_is_appended_and_an_older_reader_ignores_it() {
    let with = Invitation {
        admin: Some(AdminKey([0xad; 32])),
        ..sample()
    };
    let text = with.encode().unwrap();
    assert_eq!(Invitation::decode(&text), Ok(with));
    // What an older release reads is the body up to the token.
    let mut bytes = [0; BODY_BYTES + CHECK_BYTES];
    let body = decode_base64(&text.as_bytes()[3..], &mut bytes).unwrap();
    let (old, rest): (Body, _) = compact::read_first(body).unwrap();
    assert_eq!(Invitation::from(old), sample());
    assert_eq!(rest.len(), ADMIN_BYTES + CHECK_BYTES);
}

#[test]
fn the_documents_example_is_what_is_written_and_read() {
    let text = sample().encode().unwrap();
    let mut bytes = [0; BODY_BYTES + CHECK_BYTES];
    let body = decode_base64(&text.as_bytes()[3..], &mut bytes).unwrap();
    examples::check("invitation", body);
    let mut encoded = [0; TEXT_CHARS];
    let encoded = Base64UrlUnpadded::encode(&examples::bytes("invitation"), &mut encoded).unwrap();
    assert_eq!(Invitation::decode(&format!("bm1{encoded}")), Ok(sample()));
}

#[test]
fn the_largest_invitation_fits() {
    let exit = Exit {
        key: PublicKey([0xff; 32]),
        addresses: Vec::from_slice(
            &["[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535"
                .parse()
                .unwrap(); 4],
        )
        .unwrap(),
    };
    let largest = Invitation {
        name: Name::try_from("n".repeat(NAME_BYTES).as_str()).unwrap(),
        secret: Secret::new([0xff; 32]),
        exits: Vec::from_slice(&[exit.clone(), exit.clone(), exit.clone(), exit]).unwrap(),
        expires: Some(u64::MAX),
        admission: Some(Token(Vec::from_slice(&[0xff; TOKEN_BYTES]).unwrap())),
        admin: None,
    };
    let text = largest.encode().unwrap();
    assert_eq!(Invitation::decode(&text), Ok(largest));
}

#[test]
fn a_line_wrapped_by_a_mail_program_is_read() {
    let text = sample().encode().unwrap();
    let wrapped: std::string::String = text
        .as_bytes()
        .chunks(20)
        .map(|c| format!("  {}\r\n", core::str::from_utf8(c).unwrap()))
        .collect();
    assert_eq!(Invitation::decode(&wrapped), Ok(sample()));
}

#[test]
fn each_way_to_be_wrong_has_its_own_error() {
    use InvitationError as E;
    for (text, error) in [
        ("", E::NotAnInvitation),
        ("hello", E::NotAnInvitation),
        ("bmx is a bicycle", E::NotAnInvitation),
        ("bm", E::TooShort),
        ("bm1", E::TooShort),
        ("bm1AAAAA", E::TooShort),
        ("bm2AAAAAAAAAAAA", E::UnknownVersion('2')),
        ("bm1AAAAAAAAAAAA", E::BadChecksum),
        ("bm1AAAA+AAAAAAA", E::BadCharacter),
        ("bm1AAAAäAAAAAAA", E::BadCharacter),
    ] {
        assert_eq!(Invitation::decode(text), Err(error), "{text:?}");
    }
    assert_eq!(Invitation::decode(&"bm1".repeat(1000)), Err(E::TooLong));
}

#[test]
fn content_that_makes_no_sense_is_refused_even_with_right_check_bytes() {
    let seal = |body: &[u8]| {
        let mut bytes = body.to_vec();
        bytes.extend(checksum(body));
        format!(
            "bm1{}",
            Base64UrlUnpadded::encode(&bytes, &mut [0u8; 1000]).unwrap()
        )
    };
    assert_eq!(
        Invitation::decode(&seal(&[])),
        Err(InvitationError::Malformed)
    );
    assert_eq!(
        Invitation::decode(&seal(&[200; 50])),
        Err(InvitationError::Malformed)
    );
    let mut nameless = vec![0u8];
    nameless.extend([9; 32]);
    nameless.extend([0, 0, 0]);
    assert_eq!(
        Invitation::decode(&seal(&nameless)),
        Err(InvitationError::BadName)
    );
    let mut appended = std::vec::Vec::from(*b"\x04hill");
    appended.extend([9; 32]);
    // Exits, end, token, admin: none.
    appended.extend([0, 0, 0, 0]);
    appended.extend(*b"field of a later release");
    assert_eq!(
        Invitation::decode(&seal(&appended)).map(|i| i.name.as_str().to_owned()),
        Ok("hill".to_owned())
    );
}

#[test]
fn neither_debug_output_nor_errors_reveal_the_secret() {
    let mut invitation = sample();
    invitation.secret = Secret::new([0xa7; 32]);
    invitation.admission = Some(Token(Vec::from_slice(&[0xa7; 8]).unwrap()));
    let shown = format!("{invitation:?}");
    assert!(shown.contains("Secret(hidden)") && shown.contains("Token(hidden)"));
    assert!(
        !shown.contains("167") && !shown.to_lowercase().contains("a7"),
        "{shown}"
    );
}

#[test]
fn a_typed_phrase_is_told_from_a_generated_secret() {
    assert!(Secret::new(*b"correct horse battery staple 123").looks_invented());
    assert!(Secret::new([0; 32]).looks_invented());
    assert!(!Secret::new(core::array::from_fn(|i| (i * 37 % 251) as u8)).looks_invented());
}

fn addresses() -> impl Strategy<Value = Vec<SocketAddr, ADDRESSES>> {
    let v4 = any::<([u8; 4], u16)>().prop_map(|(ip, port)| SocketAddr::from((ip, port)));
    let v6 = any::<([u8; 16], u16)>().prop_map(|(ip, port)| SocketAddr::from((ip, port)));
    vec(prop_oneof![v4, v6], 0..=ADDRESSES).prop_map(|a| a.into_iter().collect())
}

fn invitations() -> impl Strategy<Value = Invitation> {
    let exit = (any::<[u8; 32]>(), addresses()).prop_map(|(key, addresses)| Exit {
        key: PublicKey(key),
        addresses,
    });
    let token = proptest::option::of(vec(any::<u8>(), 0..=TOKEN_BYTES));
    (
        "[a-z][a-z0-9 ]{0,30}[a-z]",
        any::<[u8; 32]>(),
        vec(exit, 0..=EXITS),
        any::<Option<u64>>(),
        token,
    )
        .prop_map(|(name, secret, exits, expires, token)| Invitation {
            name: Name::try_from(name.as_str()).unwrap(),
            secret: Secret::new(secret),
            exits: exits.into_iter().collect(),
            expires,
            admission: token.map(|t| Token(t.into_iter().collect())),
            admin: None,
        })
}

proptest! {
    #[test]
    fn every_invitation_survives_the_way_through_text(invitation in invitations()) {
        let text = invitation.encode().unwrap();
        prop_assert_eq!(Invitation::decode(&text), Ok(invitation));
    }

    #[test]
    fn one_wrong_character_is_always_noticed(invitation in invitations(), at: proptest::sample::Index, by in 1u8..26) {
        let mut text = invitation.encode().unwrap().as_bytes().to_vec();
        let at = 3 + at.index(text.len() - 3);
        let letter = b'a' + (text[at].wrapping_sub(b'a') % 26 + by) % 26;
        prop_assume!(letter != text[at]);
        text[at] = letter;
        prop_assert_eq!(Invitation::decode(core::str::from_utf8(&text).unwrap()), Err(InvitationError::BadChecksum));
    }

    #[test]
    fn no_text_makes_the_decoder_panic(text in "(bm1)?[A-Za-z0-9_\\- \\PC]{0,900}") {
        let _ = Invitation::decode(&text);
    }

    #[test]
    fn no_content_makes_the_decoder_panic(body in vec(any::<u8>(), 0..BODY_BYTES)) {
        let mut bytes = body.clone();
        bytes.extend(checksum(&body));
        let text = format!("bm1{}", Base64UrlUnpadded::encode(&bytes, &mut [0u8; 1000]).unwrap());
        let _ = Invitation::decode(&text);
    }
}
