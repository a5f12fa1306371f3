//! Seals or opens one message again and again, for counting instructions: `cargo xtask count-aead` runs it.

use burstmesh_aead::{AeadInPlace, KeyInit, tuned};
use chacha20poly1305::consts::U32;
use std::hint::black_box;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [whose, what, length, times] = arguments.as_slice() else {
        eprintln!("usage: repeat ours|tuned|rustcrypto seal|open LENGTH TIMES");
        std::process::exit(2);
    };
    let (open, number) = (what == "open", |text: &String| text.parse().unwrap_or(0));
    let (length, times) = (number(length), number(times));
    match whose.as_str() {
        "ours" => repeat::<burstmesh_aead::ChaCha20Poly1305>(open, length, times),
        "tuned" => repeat::<tuned::ChaCha20Poly1305>(open, length, times),
        _ => repeat::<chacha20poly1305::ChaCha20Poly1305>(open, length, times),
    }
}

/// With the 8 bytes of associated data of a data frame, and the text behind them as there. What is opened is sealed first.
fn repeat<C>(open: bool, length: usize, times: usize)
where
    C: AeadInPlace + KeyInit<KeySize = U32>,
{
    let cipher = C::new(&[7; 32].into());
    let nonce = Default::default();
    let mut frame = vec![0; 8 + length];
    let (header, text) = frame.split_at_mut(8);
    for _ in 0..times {
        let sealed = cipher.encrypt_in_place_detached(&nonce, header, text);
        let tag = black_box(sealed).unwrap_or_default();
        if open {
            let opened = cipher.decrypt_in_place_detached(&nonce, header, text, &tag);
            assert!(opened.is_ok());
        }
    }
}
