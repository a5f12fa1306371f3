use super::*;
use crate::wire::examples;
use proptest::prelude::*;

const A: NodeId = NodeId([0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7]);
const B: NodeId = NodeId([0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7]);

/// A packet of IPv6 with so many bytes behind its header.
fn packet(from: [u8; 16], to: [u8; 16], next: u8, len: usize) -> std::vec::Vec<u8> {
    let mut out = vec![0x60, 0, 0, 0];
    out.extend((len as u16).to_be_bytes());
    out.extend([next, 64]);
    out.extend(from);
    out.extend(to);
    out.resize(40 + len, 0);
    out
}

#[test]
fn only_tcp_between_two_members_that_fits_every_path_is_a_packet() {
    let (a, b) = (address(A), address(B));
    assert_eq!(ends(&packet(a, b, 6, 20)), Ok((A, B)));
    assert_eq!(ends(&packet(a, b, 6, MTU - 40)), Ok((A, B)));
    let mut longer = packet(a, b, 6, 20);
    longer.push(0);
    let mut v4 = packet(a, b, 6, 20);
    v4[0] = 0x45;
    for (what, why) in [
        (longer, Refusal::Malformed),
        (v4, Refusal::Malformed),
        (packet(a, b, 6, MTU - 39), Refusal::Malformed),
        (std::vec::Vec::new(), Refusal::Malformed),
        (packet(a, b, 58, 20), Refusal::Forbidden),
        (packet(a, a, 6, 20), Refusal::Forbidden),
        (packet([0xfe; 16], b, 6, 20), Refusal::Forbidden),
        (packet(a, [0; 16], 6, 20), Refusal::Forbidden),
    ] {
        assert_eq!(ends(&what), Err(why), "{what:02x?}");
    }
}

fn check<T: Serialize + for<'a> Deserialize<'a> + PartialEq + core::fmt::Debug>(
    example: &str,
    message: T,
) {
    let mut out = [0; MAX_LEN + 1];
    let written = emit(&message, &mut out).unwrap();
    examples::check(example, written);
    let bytes = examples::bytes(example);
    assert_eq!(parse(&bytes), Ok(Some((Some(message), bytes.len()))));
}

#[test]
fn the_documents_examples_are_what_is_written_and_read() {
    check("inside-question", Question::Status);
    check(
        "inside-about",
        Item::About {
            version: String::try_from("0.1.0").unwrap(),
            seconds: 300,
            exit: B.0,
            is_exit: false,
        },
    );
    check(
        "inside-uplink",
        Item::Uplink {
            name: String::try_from("wan").unwrap(),
            up: true,
            lent: true,
            kbit: (5_000, 0),
        },
    );
    check(
        "inside-day",
        Item::Day {
            day: 20_000,
            lent: (1_000, 300),
            borrowed: (0, 0),
        },
    );
    check("inside-paths", Question::Paths(0x0a0b_0c0d));
    check(
        "inside-path",
        Item::Path {
            id: 3,
            seconds: 300,
            bytes: (1_000, 300),
            lost: (2, 0),
        },
    );
    check("inside-end", Item::End);
    let mut header = packet(address(A), address(B), 6, 20);
    header.truncate(40);
    examples::check("inside-header", &header);
}

#[test]
fn the_largest_items_fit() {
    for item in [
        Item::Log(Vec::from_slice(&[b'x'; PIECE]).unwrap()),
        Item::About {
            version: core::iter::repeat_n('x', 16).collect(),
            seconds: u32::MAX,
            exit: [0xff; 8],
            is_exit: true,
        },
        Item::Member {
            member: [0xff; 8],
            answers: true,
            paths: 8,
            bytes: (u64::MAX, u64::MAX),
        },
        Item::Day {
            day: u16::MAX,
            lent: (u64::MAX, u64::MAX),
            borrowed: (u64::MAX, u64::MAX),
        },
        Item::Path {
            id: u16::MAX,
            seconds: u32::MAX,
            bytes: (u64::MAX, u64::MAX),
            lost: (u32::MAX, u32::MAX),
        },
    ] {
        let mut out = [0; MAX_LEN + 1];
        let len = emit(&item, &mut out).unwrap().len();
        assert_eq!(parse(&out), Ok(Some((Some(item), len))));
    }
}

#[test]
fn what_a_later_version_says_is_skipped_by_its_length() {
    let later = [3, 99, 1, 2, 1, 0];
    let (item, len) = parse::<Item>(&later).unwrap().unwrap();
    assert_eq!((item, len), (None, 4));
    assert_eq!(parse(&later[len..]), Ok(Some((Some(Item::End), 2))));
    assert_eq!(parse::<Item>(&later[..3]), Ok(None));
    assert_eq!(parse::<Item>(&[255]), Err(Refusal::Malformed));
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = ends(&bytes);
        let _ = parse::<Question>(&bytes);
        if let Ok(Some((Some(item), len))) = parse::<Item>(&bytes) {
            let mut out = [0; MAX_LEN + 1];
            let written = emit(&item, &mut out).unwrap();
            let again = parse::<Item>(written).unwrap().unwrap();
            prop_assert_eq!((again.0, len <= bytes.len()), (Some(item), true));
        }
    }

    #[test]
    fn an_address_names_its_node(id in any::<[u8; 8]>()) {
        prop_assert_eq!(node_of(&address(NodeId(id))), Some(NodeId(id)));
    }
}
