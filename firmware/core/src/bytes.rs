//! Byte arrays for serde, of every length by one loop: its own code for arrays names every byte of each, 2.7 KB.

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{SerializeTuple, Serializer};

/// For `#[serde(with)]`.
pub(crate) fn serialize<S: Serializer, const N: usize>(
    bytes: &[u8; N],
    to: S,
) -> Result<S::Ok, S::Error> {
    put(bytes, to)
}

/// For `#[serde(with)]`.
pub(crate) fn deserialize<'a, D: Deserializer<'a>, const N: usize>(
    from: D,
) -> Result<[u8; N], D::Error> {
    let mut bytes = [0; N];
    fill(&mut bytes, from)?;
    Ok(bytes)
}

/// The same for what may be absent.
pub(crate) mod optional {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Array<const N: usize>(#[serde(with = "super")] [u8; N]);

    pub(crate) fn serialize<S: Serializer, const N: usize>(
        bytes: &Option<[u8; N]>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        bytes.map(Array).serialize(to)
    }

    pub(crate) fn deserialize<'a, D: Deserializer<'a>, const N: usize>(
        from: D,
    ) -> Result<Option<[u8; N]>, D::Error> {
        Ok(Option::<Array<N>>::deserialize(from)?.map(|array| array.0))
    }
}

fn put<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    let mut tuple = to.serialize_tuple(bytes.len())?;
    for byte in bytes {
        tuple.serialize_element(byte)?;
    }
    tuple.end()
}

#[inline(never)]
fn fill<'a, D: Deserializer<'a>>(bytes: &mut [u8], from: D) -> Result<(), D::Error> {
    struct Fill<'b>(&'b mut [u8]);

    impl<'a> Visitor<'a> for Fill<'_> {
        type Value = ();

        fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            f.write_str("bytes")
        }

        fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<(), A::Error> {
            for (i, byte) in self.0.iter_mut().enumerate() {
                *byte = seq
                    .next_element()?
                    .ok_or_else(|| A::Error::invalid_length(i, &"more bytes"))?;
            }
            Ok(())
        }
    }

    from.deserialize_tuple(bytes.len(), Fill(bytes))
}
