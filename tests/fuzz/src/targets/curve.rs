//! X25519 and Ed25519 as MIPS has them, beside the library's.

use burstmesh_core::crypto::differential::{
    ed25519_public, library_verify, library_x25519, own_verify, own_x25519, sign,
};

/// The order of the base point, least byte first.
const ORDER: [u8; 32] = {
    let mut order = [0; 32];
    let low = 0x14de_f9de_a2f7_9cd6_5812_631a_5cf5_d3ed_u128.to_le_bytes();
    let mut at = 0;
    while at < low.len() {
        order[at] = low[at];
        at += 1;
    }
    order[31] = 0x10;
    order
};

/// A scalar or seed (32 bytes), a point or key (32), a place and a mask, how often the order is added, text. The product is the
/// same; what was signed verifies; and whatever is changed of key, signature or text, both are of one opinion.
pub fn curve(data: &[u8]) {
    let Some((secret, rest)) = data.split_first_chunk::<32>() else {
        return;
    };
    let Some((point, rest)) = rest.split_first_chunk::<32>() else {
        return;
    };
    let Some(([place, mask, times], text)) = rest.split_first_chunk() else {
        return;
    };
    assert_eq!(own_x25519(secret, point), library_x25519(secret, point));

    let text = text.get(..600).unwrap_or(text);
    let (Some(key), Some(signature)) = (ed25519_public(secret), sign(secret, &[text])) else {
        return;
    };
    assert!(agree(&key, text, &signature));
    // Another key, another R, another S, or one bit or more of any of them.
    agree(point, text, &signature);
    let [mut other_r, mut other_s] = [signature; 2];
    other_r[..32].copy_from_slice(point);
    agree(&key, text, &other_r);
    agree(point, text, &other_r);
    other_s[32..].copy_from_slice(point);
    agree(&key, text, &other_s);
    for _ in 0..times % 16 {
        add_order(&mut other_s);
    }
    agree(&key, text, &other_s);
    let mut malleable = signature;
    for _ in 0..times % 16 {
        add_order(&mut malleable);
        assert!(!agree(&key, text, &malleable));
    }
    let (mut key, mut signature, mut text) = (key, signature, text.to_vec());
    let place = usize::from(*place);
    match place {
        0..32 => key[place] ^= mask,
        32..96 => signature[place - 32] ^= mask,
        _ => text.push(*mask),
    }
    let same = place < 96 && *mask == 0;
    assert_eq!(agree(&key, &text, &signature), same);
}

/// What both say of it.
fn agree(key: &[u8; 32], text: &[u8], signature: &[u8; 64]) -> bool {
    let (start, end) = text.split_at(text.len() / 3);
    let ours = own_verify(key, &[start, end], signature);
    assert_eq!(
        ours,
        library_verify(key, &[text], signature),
        "{key:x?} {signature:x?}"
    );
    ours
}

/// S and the order more: the same equation, another signature.
fn add_order(signature: &mut [u8; 64]) {
    let mut carry = 0;
    for (byte, more) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(more) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
}
