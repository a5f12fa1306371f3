//! Seeds of headers that do not travel: a flow's packet and a later one.

use super::{Seeds, tcp, udp};

pub(super) fn headers() -> Seeds {
    let times = |value: u8| [1, 1, 8, 10, 0, 0, 4, value, 0, 0, 2, 7];
    let ack = 0x10;
    let later = |mut packet: Vec<u8>, changes: &[(usize, u8)]| {
        changes.iter().for_each(|(at, value)| packet[*at] = *value);
        packet
    };
    let pair = |first: Vec<u8>, later: Vec<u8>| {
        let [hi, lo] = (first.len() as u16).to_be_bytes();
        [vec![0, 1, hi, lo], first, later].concat()
    };
    let timed = |v6, value| tcp(v6, ack, &times(value));
    vec![
        // Sequence number, acknowledgement, PSH, checksum, identification.
        pair(
            timed(false, 1),
            later(
                timed(false, 9),
                &[(5, 7), (27, 9), (31, 8), (33, 0x18), (36, 3)],
            ),
        ),
        pair(
            timed(true, 1),
            later(timed(true, 9), &[(47, 9), (51, 8), (56, 3)]),
        ),
        pair(
            tcp(false, ack, &[]),
            later(tcp(false, ack, &[]), &[(27, 9)]),
        ),
        pair(udp(1, 30), later(udp(1, 40), &[(5, 7), (27, 9)])),
        // Time runs back; another port; a fragment.
        pair(timed(false, 9), timed(false, 1)),
        pair(udp(1, 30), udp(2, 30)),
        pair(udp(1, 30), later(udp(1, 30), &[(6, 0x20)])),
    ]
}
