//! Keys for serde, byte by byte in a loop: its own code for arrays names every byte, 1.4 KB.

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{SerializeTuple, Serializer};

/// For `#[serde(with)]`.
pub(crate) fn serialize<S: Serializer>(bytes: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
    let mut tuple = to.serialize_tuple(bytes.len())?;
    for byte in bytes {
        tuple.serialize_element(byte)?;
    }
    tuple.end()
}

/// For `#[serde(with)]`.
pub(crate) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<[u8; 32], D::Error> {
    struct Bytes;

    impl<'a> Visitor<'a> for Bytes {
        type Value = [u8; 32];

        fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            f.write_str("32 bytes")
        }

        fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<[u8; 32], A::Error> {
            let mut bytes = [0; 32];
            for (i, byte) in bytes.iter_mut().enumerate() {
                *byte = seq
                    .next_element()?
                    .ok_or_else(|| A::Error::invalid_length(i, &self))?;
            }
            Ok(bytes)
        }
    }

    from.deserialize_tuple(32, Bytes)
}
