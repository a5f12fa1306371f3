use super::*;
use crate::poll::Events;
use crate::testing::TempDir;
use core::fmt::Write as _;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

const METHODS: &[Method] = &[
    Method {
        name: "status",
        argument: "",
        text: "",
    },
    Method {
        name: "pause",
        argument: "minutes",
        text: "node",
    },
];

/// What a message of the bus holds, as the real ubusd sent it when it was listened to.
fn message(kind: u8, sequence: u16, peer: u32, attributes: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, kind];
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(peer.to_be_bytes());
    bytes.extend((attributes.len() as u32 + 4).to_be_bytes());
    bytes.extend(attributes);
    bytes
}

/// A call by peer 7 with sequence 3 of object 0x1234.
fn call(method: &str, arguments: &[u8]) -> Vec<u8> {
    let mut bytes = vec![3, 0, 0, 8, 0, 0, 0x12, 0x34];
    bytes.extend([4, 0, 0, method.len() as u8 + 5]);
    bytes.extend(method.as_bytes());
    bytes.push(0);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend([7, 0, 0, arguments.len() as u8 + 4]);
    bytes.extend(arguments);
    message(message::INVOKE, 3, 7, &bytes)
}

/// A hub of our own, and the daemon's side of it.
struct Bus {
    hub: UnixStream,
    ubus: Ubus,
    poll: Poll,
    _folder: TempDir,
}

impl Bus {
    fn new() -> Self {
        let folder = TempDir::new();
        let path = folder.path("ubus.sock");
        let now = Instant::default();
        let (poll, mut ubus) = (
            Poll::new().unwrap(),
            Ubus::new(now, &path, "burstmesh", METHODS, 5).unwrap(),
        );
        ubus.handle_timeout(now, &poll);
        assert_eq!(
            ubus.poll_timeout(),
            now + PATIENCE,
            "no bus yet: looked for again"
        );
        let listener = UnixListener::bind(&path).unwrap();
        ubus.handle_timeout(now + PATIENCE, &poll);
        let hub = listener.accept().unwrap().0;
        hub.set_read_timeout(Some(std::time::Duration::from_secs(5)))
            .unwrap();
        Self {
            hub,
            ubus,
            poll,
            _folder: folder,
        }
    }

    /// One whose object is known as 0x1234.
    fn published() -> Self {
        let mut bus = Self::new();
        bus.tell(&message(message::HELLO, 0, 99, &[])).unwrap();
        bus.hear();
        bus.tell(&message(
            message::DATA,
            0,
            0,
            &[3, 0, 0, 8, 0, 0, 0x12, 0x34],
        ))
        .unwrap();
        assert!(bus.ubus.is_published());
        bus
    }

    /// Sends to the daemon and lets it answer.
    fn tell(&mut self, bytes: &[u8]) -> Result<()> {
        self.hub.write_all(bytes).unwrap();
        let mut events = Events::<4>::new();
        self.poll
            .wait(&mut events, Some(Duration::from_secs(5)))
            .unwrap();
        assert_eq!(events.iter().next().map(|event| event.token), Some(5));
        self.ubus
            .handle_readable(&mut [0; 2048], |call, out| match call.method {
                "pause" if call.argument.is_none() => Status::InvalidArgument,
                "pause" => {
                    let _ = write!(
                        out,
                        "{{\"pause_s\":{},\"node\":\"{}\"}}",
                        call.argument.unwrap() * 60,
                        call.text.unwrap()
                    );
                    Status::Ok
                }
                _ => {
                    let _ = out.write_str("{\"state\":\"well\",\"up\":true}");
                    Status::Ok
                }
            })
    }

    /// The next message that the daemon sent: its kind, sequence, peer, attributes.
    fn hear(&mut self) -> (u8, u16, u32, Vec<u8>) {
        let mut head = [0; 12];
        self.hub.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes(*head.last_chunk().unwrap()) & 0xff_ffff;
        let mut body = vec![0; length as usize - 4];
        self.hub.read_exact(&mut body).unwrap();
        assert_eq!(head[0], 0);
        (
            head[1],
            u16::from_be_bytes([head[2], head[3]]),
            u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            body,
        )
    }
}

/// Values of a table as JSON.
fn table(bytes: &[u8]) -> Value {
    attributes(bytes)
        .map(|a| (a.name.unwrap().to_owned(), value(&a)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn value(attribute: &Attribute<'_>) -> Value {
    match attribute.number {
        0 => Value::Null,
        1 => attributes(attribute.bytes).map(|a| value(&a)).collect(),
        2 => table(attribute.bytes),
        3 => attribute.text().unwrap().into(),
        4 => i64::from_be_bytes(attribute.bytes.try_into().unwrap()).into(),
        5 => i32::from_be_bytes(attribute.bytes.try_into().unwrap()).into(),
        7 => (attribute.bytes == [1]).into(),
        other => panic!("kind {other}"),
    }
}

/// What the converter makes of a text; `None` if that is no JSON to it, or too long.
fn converted(text: &str, room: usize) -> Option<Value> {
    let mut bytes = vec![0; room];
    let mut out = Writer::new(&mut bytes, 0);
    let mut converter = Converter::new(&mut out);
    let _ = converter.write_str(text);
    let whole = converter.is_whole();
    out.done().filter(|_| whole).map(|bytes| table(bytes))
}

#[test]
fn the_object_and_its_methods_are_published_once_the_bus_says_hello() {
    let mut bus = Bus::new();
    assert!(!bus.ubus.is_published());
    bus.tell(&message(message::HELLO, 0, 99, &[])).unwrap();
    let (kind, _, _, body) = bus.hear();
    assert_eq!(kind, message::ADD_OBJECT);
    let said: Vec<_> = attributes(&body).collect();
    assert_eq!(
        (said[0].number, said[0].text()),
        (attribute::PATH, Some("burstmesh"))
    );
    assert_eq!(said[1].number, attribute::SIGNATURE);
    assert_eq!(
        table(said[1].bytes),
        json!({"status": {}, "pause": {"node": 3, "minutes": 5}})
    );
}

#[test]
fn a_call_gets_data_and_a_status_under_its_own_head() {
    let mut bus = Bus::published();
    bus.tell(&call("status", &[])).unwrap();
    let (kind, sequence, peer, body) = bus.hear();
    assert_eq!((kind, sequence, peer), (message::DATA, 3, 7));
    let said: Vec<_> = attributes(&body).collect();
    assert_eq!(
        (said[0].number, said[0].number()),
        (attribute::OBJECT, Some(0x1234))
    );
    assert_eq!(table(said[1].bytes), json!({"state": "well", "up": true}));
    let (kind, sequence, peer, body) = bus.hear();
    assert_eq!((kind, sequence, peer), (message::STATUS, 3, 7));
    assert_eq!(attributes(&body).next().unwrap().number(), Some(0));
}

#[test]
fn an_argument_comes_with_its_call_and_a_missing_one_is_told() {
    let mut bus = Bus::published();
    let mut room = [0; 64];
    let mut arguments = Writer::new(&mut room, 0);
    arguments.named(Kind::Text, "node", b"lan\0");
    arguments.named(Kind::Number, "minutes", &5_u32.to_be_bytes());
    let arguments = arguments.done().unwrap().to_vec();
    bus.tell(&call("pause", &arguments)).unwrap();
    let (_, _, _, body) = bus.hear();
    let data = attributes(&body).nth(1).unwrap();
    assert_eq!(table(data.bytes), json!({"pause_s": 300, "node": "lan"}));
    bus.hear();
    bus.tell(&call("pause", &[])).unwrap();
    let (kind, _, _, body) = bus.hear();
    assert_eq!(kind, message::STATUS);
    assert_eq!(
        attributes(&body).next().unwrap().number(),
        Some(Status::InvalidArgument as u32)
    );
}

#[test]
fn an_unknown_method_is_told_and_calls_come_in_any_pieces() {
    let mut bus = Bus::published();
    let mut both = call("nonsense", &[]);
    both.extend(call("status", &[]));
    for piece in both.chunks(5) {
        bus.tell(piece).unwrap();
    }
    let (kind, _, _, body) = bus.hear();
    assert_eq!(kind, message::STATUS);
    assert_eq!(
        attributes(&body).next().unwrap().number(),
        Some(Status::MethodNotFound as u32)
    );
    assert_eq!(bus.hear().0, message::DATA);
}

#[test]
fn a_message_that_is_too_long_is_skipped_and_the_next_one_answered() {
    let mut bus = Bus::published();
    let mut both = message(message::INVOKE, 1, 1, &[0; 5000]);
    both.extend(call("status", &[]));
    for piece in both.chunks(400) {
        bus.tell(piece).unwrap();
    }
    assert_eq!(bus.hear().0, message::DATA);
}

#[test]
fn an_answer_that_does_not_fit_is_an_error_for_who_asked() {
    let mut bus = Bus::published();
    bus.hub.write_all(&call("status", &[])).unwrap();
    bus.ubus
        .handle_readable(&mut [0; 256], |_, out| {
            let _ = write!(out, "{{\"long\":\"{}\"}}", "x".repeat(300));
            Status::Ok
        })
        .unwrap();
    let (kind, _, _, body) = bus.hear();
    assert_eq!(kind, message::STATUS);
    assert_eq!(
        attributes(&body).next().unwrap().number(),
        Some(Status::UnknownError as u32)
    );
}

#[test]
fn a_bus_that_ends_or_refuses_is_looked_for_again() {
    let mut bus = Bus::published();
    bus.hub.shutdown(std::net::Shutdown::Both).unwrap();
    assert!(
        bus.ubus
            .handle_readable(&mut [], |_, _| Status::Ok)
            .is_err()
    );
    assert!(!bus.ubus.is_published());
    assert_ne!(bus.ubus.poll_timeout(), Instant::FAR);
    let mut bus = Bus::new();
    bus.tell(&message(message::HELLO, 0, 99, &[])).unwrap();
    // Permission denied.
    let refusal = message(message::STATUS, 0, 0, &[1, 0, 0, 8, 0, 0, 0, 6]);
    assert!(bus.tell(&refusal).is_err());
}

#[test]
fn what_is_no_whole_table_is_no_answer() {
    for text in [
        "[]",
        "{",
        "{\"a\":1",
        "{\"a\":1.5}",
        "{\"a\":nil}",
        "{\"a\":\"",
        "}",
        "{\"a\":\"\\u00zz\"}",
    ] {
        assert_eq!(converted(text, 1000), None, "{text}");
    }
}

/// Values as the daemon writes them.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-9_i64..9).prop_map(Value::from),
        "[ -~äöü\n]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map("[a-z_]{1,12}", inner, 0..5)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn json_keeps_its_meaning(members in proptest::collection::btree_map("[a-z_]{1,12}", any_value(), 0..5)) {
        let whole: Value = members.into_iter().collect::<serde_json::Map<_, _>>().into();
        prop_assert_eq!(converted(&whole.to_string(), 8000), Some(whole));
    }

    #[test]
    fn any_text_ends_in_values_or_in_nothing(text in "[{}\\[\\]\":,a-z0-9\\\\ ]{0,60}", room in 0_usize..200) {
        let _ = converted(&text, room);
    }

    #[test]
    fn any_bytes_end_in_attributes_or_in_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(attributes(&bytes).count() <= bytes.len() / 4);
    }

    #[test]
    fn any_bytes_from_the_bus_do_no_harm(bytes in proptest::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 1..600)) {
        let mut bus = Bus::published();
        let _ = bus.tell(&bytes);
    }
}
