//! The parsers of `wire`. What parses is written again: byte for byte the same where the encoding is canonical, otherwise
//! to the same meaning.

use burstmesh_core::wire::bytes::Writer;
use burstmesh_core::wire::control::{self, Message};
use burstmesh_core::wire::feedback::{self, Feedback};
use burstmesh_core::wire::frame;
use burstmesh_core::wire::record::{Record, Records};
use burstmesh_core::wire::{classify, members, path, relay};

const KEY: [u8; 16] = [7; 16];

/// The kind byte, the header of a data frame, and, as if it had been opened, its records.
pub fn frame(data: &[u8]) {
    if let Ok(kind) = classify(data) {
        assert_eq!(data.first(), Some(&kind.byte0()));
    }
    let cid = frame::cid_of(data);
    if let Ok(header) = frame::Header::parse(data) {
        assert_eq!(cid, Ok(header.cid));
        let mut again = [0; frame::HEADER];
        header.emit(&mut again).unwrap();
        assert_eq!(Some(&again[..]), data.get(..frame::HEADER));
        let expected = u64::from(header.cid) << 12;
        let number = frame::expand_counter(header.counter, expected);
        assert_eq!(number & 0x00ff_ffff, u64::from(header.counter));
    }
    records(data.get(frame::HEADER..).unwrap_or_default());
}

fn records(body: &[u8]) {
    let whole: Vec<Record<'_>> = Records::new(body).map_while(Result::ok).collect();
    let mut out = vec![0; body.len()];
    let mut w = Writer::new(&mut out);
    for record in &whole {
        let before = w.len();
        record.emit(&mut w).unwrap();
        assert_eq!(w.len() - before, record.wire_len());
    }
    let again = w.written();
    let read: Result<Vec<Record<'_>>, _> = Records::new(again).collect();
    assert_eq!(read.as_deref(), Ok(&whole[..]));
}

/// Feedback on a path.
pub fn feedback(data: &[u8]) {
    if let Ok(read) = Feedback::parse(data) {
        let mut out = [0; feedback::MAX_LEN];
        let n = read.emit(&mut out).unwrap();
        assert_eq!(Some(&out[..n]), data.get(..n));
    }
}

/// The clear header and the sealed body of a path message.
pub fn path(data: &[u8]) {
    if let Ok(header) = path::Header::parse(data) {
        let mut again = [0; path::HEADER];
        header.emit(&mut again).unwrap();
        assert_eq!(Some(&again[..]), data.get(..path::HEADER));
    }
    for body in [data, data.get(path::HEADER..).unwrap_or_default()] {
        if let Ok(read) = path::Body::parse(body) {
            let mut again = [0; path::BODY];
            read.emit(&mut again).unwrap();
            assert_eq!(path::Body::parse(&again), Ok(read));
            assert_eq!(Some(&again[..]), body.get(..path::BODY));
        }
    }
}

/// Relay frames: their header, and that the authenticator follows every byte it covers.
pub fn relay(data: &[u8]) {
    let verified = relay::verify(data, &KEY);
    if let Ok(header) = relay::Header::parse(data) {
        let mut frame = data.to_vec();
        header.emit(&mut frame, &KEY).unwrap();
        assert_eq!(relay::verify(&frame, &KEY), Ok(()));
        assert_eq!(relay::Header::parse(&frame), Ok(header));
        assert_eq!(verified.is_ok(), frame == data);
        frame[relay::HEADER] ^= 1;
        assert!(relay::verify(&frame, &KEY).is_err());
    }
}

/// Control messages between gateways, lists of members among them: whole entries come back as they were.
pub fn control_message(data: &[u8]) {
    if let Some(all) = members::parse(data) {
        let mut again = heapless::Vec::new();
        let fits = all.take_while(|m| m.emit(&mut again).is_ok()).count();
        assert!(fits == 0 || data.starts_with(&again));
    }
    if let Ok(message) = Message::parse(data) {
        let mut out = [0; control::MAX_LEN];
        let n = message.emit(&mut out).unwrap();
        assert_eq!(Message::parse(&out[..n]), Ok(message));
    }
}
