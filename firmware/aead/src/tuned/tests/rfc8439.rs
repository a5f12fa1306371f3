//! The vectors of RFC 8439.

use super::{Sealed, bytes, words};
use crate::tuned::chacha::Stream;
use std::vec;
use std::vec::Vec;

/// Poly1305 of any message: the AEAD itself never has one that does not end with a block.
macro_rules! mac_by {
    ($poly:path, $key:expr, $message:expr) => {{
        use crate::Mac as _;
        use $poly as poly;
        let mut mac = poly::Poly1305::new($key.first_chunk::<32>().unwrap());
        let (blocks, rest) = $message.as_chunks();
        mac.absorb(blocks);
        if !rest.is_empty() {
            let mut last = [0; 16];
            last[..rest.len()].copy_from_slice(rest);
            last[rest.len()] = 1;
            mac.absorb_partial(last);
        }
        mac.finish().to_vec()
    }};
}

/// By each implementation, and they agree.
fn mac(key: &str, message: &[u8]) -> Vec<u8> {
    let key = bytes(key);
    let tag = mac_by!(crate::tuned::poly, key, message);
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    assert_eq!(mac_by!(crate::wide::poly, key, message), tag);
    tag
}

fn key_stream(key: &str, nonce: &str, skip: usize) -> Vec<u8> {
    let mut stream = Stream::new(&words(&bytes(key)), &bytes(nonce));
    for _ in 0..skip {
        stream.block();
    }
    stream.block().to_vec()
}

#[test]
fn section_2_3_2_and_appendix_a_1_chacha20_blocks() {
    let counting = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let zero = "00".repeat(32);
    for (key, nonce, block, stream) in [
        (
            counting,
            "000000090000004a00000000",
            1,
            "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e
             d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e",
        ),
        (
            &zero,
            "000000000000000000000000",
            0,
            "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7
             da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586",
        ),
        (
            &zero,
            "000000000000000000000000",
            1,
            "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed
             29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f",
        ),
    ] {
        assert_eq!(key_stream(key, nonce, block), bytes(stream));
    }
}

#[test]
fn section_2_5_2_poly1305() {
    let key = "85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b";
    assert_eq!(
        mac(key, b"Cryptographic Forum Research Group"),
        bytes("a8061dc1305136c6c22b8baf0c0127a9")
    );
}

#[test]
fn appendix_a_3_4_poly1305_of_text() {
    let text = "2754776173206272696c6c69672c20616e642074686520736c6974687920746f
        7665730a446964206779726520616e642067696d626c6520696e207468652077
        6162653a0a416c6c206d696d737920776572652074686520626f726f676f7665
        732c0a416e6420746865206d6f6d65207261746873206f757467726162652e";
    let key = "1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0";
    assert_eq!(
        mac(key, &bytes(text)),
        bytes("4541669a7eaaee61e708dc7cbcc5eb62")
    );
}

/// Carries that pass every limb, sums that are the modulus or just beside it.
#[test]
fn appendix_a_3_5_to_11_edges_of_the_reduction() {
    let ff = "ff".repeat(16);
    let zero = "00".repeat(16);
    let small = |n: &str| [n, &"00".repeat(15)].concat();
    let (one, two) = (small("01"), small("02"));
    let high = "01000000000000000400000000000000";
    let long = "e33594d7505e43b900000000000000003394d7505e4379cd0100000000000000";
    for (number, r, s, message, tag) in [
        (5, &*two, &*zero, ff.clone(), small("03")),
        (6, &two, &ff, two.clone(), small("03")),
        (
            7,
            &one,
            &zero,
            [&ff, "f0", &ff[2..], &small("11")].concat(),
            small("05"),
        ),
        (
            8,
            &one,
            &zero,
            [&ff, "fb", &"fe".repeat(15), &"01".repeat(16)].concat(),
            zero.clone(),
        ),
        (
            9,
            &two,
            &zero,
            ["fd", &ff[2..]].concat(),
            ["fa", &ff[2..]].concat(),
        ),
        (
            10,
            high,
            &zero,
            [long, &zero, &one].concat(),
            "14000000000000005500000000000000".into(),
        ),
        (11, high, &zero, [long, &zero].concat(), small("13")),
    ] {
        let key = [r, s].concat();
        assert_eq!(mac(&key, &bytes(&message)), bytes(&tag), "A.3 #{number}");
    }
}

#[test]
fn section_2_8_2_aead_encryption() {
    let vector = Sealed {
        key: (0x80..0xa0).collect(),
        nonce: bytes("070000004041424344454647"),
        associated_data: bytes("50515253c0c1c2c3c4c5c6c7"),
        text: b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.".to_vec(),
        sealed: bytes(
            "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6
             3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36
             92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc
             3ff4def08e4b7a9de576d26586cec64b6116",
        ),
        tag: bytes("1ae10b594f09e26a7e902ecbd0600691"),
    };
    vector.assert_seals();
    assert_eq!(vector.open(), Ok(vector.text.clone()));
}

#[test]
fn appendix_a_5_aead_decryption() {
    let vector = Sealed {
        key: bytes("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0"),
        nonce: bytes("000000000102030405060708"),
        associated_data: bytes("f33388860000000000004e91"),
        text: "Internet-Drafts are draft documents valid for a maximum of six months and may be updated, replaced, or obsoleted by other documents at any time. It is inappropriate to use Internet-Drafts as reference material or to cite them other than as /\u{201c}work in progress./\u{201d}".into(),
        sealed: bytes(
            "64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb2
             4c6cfc18755d43eea09ee94e382d26b0bdb7b73c321b0100d4f03b7f355894cf
             332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c855
             9797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4
             b9166c767b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0a06c523e
             af4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a
             0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a10
             49e617d91d361094fa68f0ff77987130305beaba2eda04df997b714d6c6f2c29
             a6ad5cb4022b02709b",
        ),
        tag: bytes("eead9d67890cbb22392336fea1851f38"),
    };
    assert_eq!(vector.open(), Ok(vector.text.clone()));
    vector.assert_seals();
}

#[test]
fn a_message_of_nothing_has_a_tag() {
    assert_eq!(mac(&"00".repeat(32), &[0; 64]), vec![0; 16]);
    let s = "0102030405060708090a0b0c0d0e0f10";
    assert_eq!(mac(&[&"ff".repeat(16), s].concat(), b""), bytes(s));
}
