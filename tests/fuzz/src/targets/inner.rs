//! The clients' own packets.

use burstmesh_core::data::inner::{Inner, clamp_mss, mark_congested};
use burstmesh_core::data::too_big::too_big;

const KEY: [u8; 16] = [9; 16];

/// Reads a packet, lowers its MSS, marks it, and answers that it is too big. The first two bytes are the MTU.
pub fn inner(data: &[u8]) {
    let Some((mtu, packet)) = data.split_first_chunk::<2>() else {
        return;
    };
    let mtu = u16::from_be_bytes(*mtu);
    // The header alone may be in the buffer, so that marking must bear any bytes.
    mark_congested(&mut packet.to_vec());
    let mut answer = [0; 2048];
    let answered = too_big(packet, mtu, &mut answer);
    let Some(read) = Inner::parse(packet, &KEY) else {
        assert_eq!(answered, None);
        return;
    };
    if let Some(n) = answered {
        let back = Inner::parse(&answer[..n], &KEY).expect("our own answer is a packet");
        assert_eq!((back.src, back.dst), (read.dst, read.src));
    }
    let mut small = [0; 40];
    let _ = too_big(packet, mtu, &mut small);

    let mut clamped = packet.to_vec();
    if read.syn {
        clamp_mss(&mut clamped, &read, mtu);
    }
    assert_eq!(clamped.len(), packet.len());
    let again = Inner::parse(&clamped, &KEY).expect("clamping leaves a packet");
    assert_eq!(again.hash, read.hash);

    let mut marked = packet.to_vec();
    mark_congested(&mut marked);
    let again = Inner::parse(&marked, &KEY).expect("marking leaves a packet");
    assert_eq!(
        Inner {
            ect: read.ect,
            ..again
        },
        read
    );
    assert!(again.ect);
}
