//! The AEAD tuned for MIPS, and the one of this machine, beside RustCrypto's.

use burstmesh_aead::{AeadInPlace, KeyInit, tuned};
use chacha20poly1305::ChaCha20Poly1305;

/// Key (32 bytes), nonce (12), length of the associated data, offset of the text in its buffer, associated data, text. Both seal
/// to the same bytes, and open what is sealed and nothing else.
pub fn aead(data: &[u8]) {
    let Some((key, rest)) = data.split_first_chunk::<32>() else {
        return;
    };
    let Some((nonce, rest)) = rest.split_first_chunk::<12>() else {
        return;
    };
    let Some(([length, offset], rest)) = rest.split_first_chunk() else {
        return;
    };
    let (associated, text) = rest.split_at(rest.len().min(usize::from(*length)));
    let start = usize::from(offset % 4);
    let (ours, theirs) = (
        tuned::ChaCha20Poly1305::new(key.into()),
        ChaCha20Poly1305::new(key.into()),
    );
    let here = burstmesh_aead::ChaCha20Poly1305::new(key.into());
    let mut buffer = [&[0; 4][..start], text].concat();
    let sealed = &mut buffer[start..];
    let tag = ours
        .encrypt_in_place_detached(nonce.into(), associated, sealed)
        .expect("it is short");

    let mut expected = text.to_vec();
    let expected_tag = theirs.encrypt_in_place_detached(nonce.into(), associated, &mut expected);
    assert_eq!((&*sealed, Ok(tag)), (&*expected, expected_tag));

    let mut again = text.to_vec();
    let tag_here = here.encrypt_in_place_detached(nonce.into(), associated, &mut again);
    assert_eq!((&*again, tag_here), (&*expected, Ok(tag)));
    let opened = here.decrypt_in_place_detached(nonce.into(), associated, &mut again, &tag);
    assert_eq!((opened, &*again), (Ok(()), text));

    // As if what came in had come from the network: both refuse it, and leave it as it was.
    let mut foreign = text.to_vec();
    let opened = ours.decrypt_in_place_detached(nonce.into(), associated, &mut foreign, &tag);
    // A short text may be its own ciphertext.
    assert_eq!(opened.is_ok(), text == sealed);
    assert_eq!(foreign, text);

    let opened = ours.decrypt_in_place_detached(nonce.into(), associated, sealed, &tag);
    assert_eq!((opened, &*sealed), (Ok(()), text));
}
