//! Seeds of what members say of their community: the control network, certificates and lists.

use super::Seeds;
use crate::targets::seeding::{admin, community, lists, member};
use burstmesh_core::identity::NodeId;
use burstmesh_core::wire::{inside, roll};

/// Packets of the control network, each behind its length: the beginning of a connection; and messages.
pub(super) fn insides() -> Seeds {
    let tcp = |seq: u32, ack: u32, flags: u8, body: &[u8]| {
        let [from, to] = [NodeId([2; 8]), NodeId([1; 8])].map(inside::address);
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend((20 + body.len() as u16).to_be_bytes());
        packet.extend([6, 64]);
        packet.extend([from, to].concat());
        packet.extend([0xc0, 0, 0, 1]);
        packet.extend(seq.to_be_bytes());
        packet.extend(ack.to_be_bytes());
        packet.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        packet.extend(body);
        packet
    };
    let behind_length = |packets: &[Vec<u8>]| {
        let lengths = packets.iter().map(|p| (p.len() as u16).to_be_bytes());
        let each = lengths.zip(packets).map(|(len, p)| [&len[..], p].concat());
        each.collect::<Vec<_>>().concat()
    };
    let mut room = [0; 256];
    let question = inside::emit(&inside::Question::Status, &mut room)
        .expect("it is small")
        .to_vec();
    let mut answer = [0; 256];
    let answer = inside::emit(&inside::Item::End, &mut answer)
        .expect("it is small")
        .to_vec();
    vec![
        behind_length(&[tcp(7, 0, 2, &[])]),
        behind_length(&[tcp(7, 0, 2, &[]), tcp(8, 1, 16, &question)]),
        behind_length(&[tcp(7, 9, 4, &[]), tcp(7, 9, 17, &answer)]),
        question,
        answer,
    ]
}

pub(super) fn admissions() -> Seeds {
    let [small, large] = lists();
    let key = member(1).identity.public();
    let certificate = admin().certify(community().id, &key, 1_800_000_000, 0);
    // Each part from the same peer, 100 ms after the last.
    let said = |messages: &[roll::Message<'_>]| {
        let one = |message: &roll::Message<'_>| {
            let bytes = message.emit();
            [&[8, bytes.len() as u8], &bytes[..]].concat()
        };
        messages.iter().flat_map(one).collect::<Vec<u8>>()
    };
    let parts = |list| {
        let at = (0..).step_by(roll::MOST);
        at.map_while(|at| roll::Message::part(list, at))
            .collect::<Vec<_>>()
    };
    let (few, many) = (parts(&small), parts(&large));
    let mut turned = many.clone();
    turned.reverse();
    let mut forged = said(&many);
    forged[200] ^= 1;
    let asked = roll::Message::From { number: 5, at: 0 };
    vec![
        certificate.to_text().as_bytes().to_vec(),
        small.to_text().as_bytes().to_vec(),
        small.bytes().to_vec(),
        said(&few),
        said(&many),
        said(&[&few[..], &many[..], &few[..], &[asked]].concat()),
        said(&turned),
        forged,
        said(&[roll::Message::Member(certificate)]),
    ]
}
