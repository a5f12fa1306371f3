use super::*;

#[test]
fn the_protocol_has_its_name() {
    assert_eq!(noise_ik_psk2().get_name(), "IKpsk2");
    assert_eq!((X25519::name(), Blake2s::name()), ("25519", "BLAKE2s"));
}

#[test]
fn a_public_key_of_small_order_is_refused() {
    let secret = SecretKey::from_bytes([7; 32]);
    let mine = pair(&secret, secret.public());
    let mut one = [0; 32];
    one[0] = 1;
    for weak in [[0; 32], one] {
        assert!(X25519::dh(&mine, &weak).is_err());
    }
    assert!(X25519::dh(&mine, &secret.public().0).is_ok());
}

/// The vector for Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s of the Cacophony project, which the other implementations
/// of Noise are checked with as well: the two static and the two ephemeral secrets, the psk, and what they lead to.
mod vector {
    pub const PROLOGUE: &[u8] = b"John Galt";
    pub const PSK: &str = "54686973206973206d7920417573747269616e20706572737065637469766521";
    pub const INIT_STATIC: &str =
        "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1";
    pub const INIT_EPHEMERAL: &str =
        "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a";
    pub const RESP_STATIC: &str =
        "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893";
    pub const RESP_EPHEMERAL: &str =
        "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b";
    pub const PAYLOADS: [&str; 3] = [
        "4c756477696720766f6e204d69736573",
        "4d757272617920526f746862617264",
        "462e20412e20486179656b",
    ];
    pub const MESSAGES: [&str; 3] = [
        concat!(
            "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944001e21de9f98ddd8e2ad57527207feb5",
            "6253c9c94a9e496782ecfcb2a75fbcaf1b52948cc48daefe660c62119ab5000980c84831215f2441eba616548e832985",
            "464cf17e51ee93109008399a21f7e13f"
        ),
        concat!(
            "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843cb765f2caef0751b8f007572dab03222",
            "17755c0632f365717edbf34d33e87a"
        ),
        "8153ca9833bc3c1b91a7e66e5f4d4f5b59bf9e64c2f20d15f0bba7",
    ];
    pub const HASH: &str = "f5191b875290abcd41347ac3622d9679688a7e980229cb937ef748336cfde0e5";
}

#[test]
fn the_primitives_together_are_noise_as_others_speak_it() {
    use vector::*;
    let remote = Some(key(RESP_STATIC).split_at(32).1.try_into().unwrap());
    let side = |initiator, s, e, remote| {
        let (s, e) = (Some(key(s)), Some(key(e)));
        let mut state = State::new(noise_ik_psk2(), initiator, PROLOGUE, s, e, remote, None);
        state.push_psk(&unhex(PSK));
        state
    };
    let mut initiator = side(true, INIT_STATIC, INIT_EPHEMERAL, remote);
    let mut responder = side(false, RESP_STATIC, RESP_EPHEMERAL, None);

    assert_eq!(
        exchange(&mut initiator, &mut responder, PAYLOADS[0]),
        unhex(MESSAGES[0])
    );
    assert_eq!(
        exchange(&mut responder, &mut initiator, PAYLOADS[1]),
        unhex(MESSAGES[1])
    );
    assert_eq!(initiator.get_hash(), unhex(HASH));
    assert_eq!(responder.get_hash(), unhex(HASH));

    let mut third = [0; 27];
    initiator
        .get_ciphers()
        .0
        .encrypt(&unhex(PAYLOADS[2]), &mut third);
    assert_eq!(third[..], unhex(MESSAGES[2]));
}

fn key(secret: &str) -> Pair {
    let secret = SecretKey::from_bytes(unhex(secret).try_into().unwrap());
    pair(&secret, secret.public())
}

fn exchange(from: &mut State, to: &mut State, payload: &str) -> Vec<u8> {
    let payload = unhex(payload);
    let mut message = vec![0; payload.len() + from.get_next_message_overhead()];
    write(from, &payload, &mut message).unwrap();
    let mut out = [0; 64];
    assert_eq!(read(to, &message, &mut out).unwrap(), payload);
    message
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |i| u8::from_str_radix(&text[i..i + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}
