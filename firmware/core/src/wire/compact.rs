//! postcard (see its specification) in the two shapes that messages need. Its steps of a byte are functions here and not copied
//! into every field of every message, as the library's own are: 4 KB on a router.

use crate::error::Refusal;
use postcard::{Deserializer, Error, de_flavors, ser_flavors, serialize_with_flavor};
use serde::{Deserialize, Serialize};

/// Reads a value. Bytes after its last known field are left for later versions.
///
/// # Errors
/// [`Refusal::Malformed`].
pub(in crate::wire) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Refusal> {
    read_first(bytes).map(|(value, _)| value)
}

/// Reads a value; gives what is behind it too.
///
/// # Errors
/// [`Refusal::Malformed`].
pub(in crate::wire) fn read_first<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
) -> Result<(T, &'a [u8]), Refusal> {
    let mut source = Deserializer::from_flavor(Source(bytes));
    let value = T::deserialize(&mut source).map_err(|_| Refusal::Malformed)?;
    let rest = source.finalize().map_err(|_| Refusal::Malformed)?;
    Ok((value, rest))
}

/// Writes a value; returns its part of `out`.
///
/// # Errors
/// [`Refusal::Full`].
pub(in crate::wire) fn write<'a, T: Serialize>(
    value: &T,
    out: &'a mut [u8],
) -> Result<&'a [u8], Refusal> {
    let target = Target { out, used: 0 };
    let used = serialize_with_flavor(value, target).map_err(|_| Refusal::Full)?;
    out.get(..used).ok_or(Refusal::Full)
}

struct Source<'a>(&'a [u8]);

impl<'a> de_flavors::Flavor<'a> for Source<'a> {
    type Remainder = &'a [u8];
    type Source = &'a [u8];

    #[inline(never)]
    fn pop(&mut self) -> postcard::Result<u8> {
        let (first, rest) = self
            .0
            .split_first()
            .ok_or(Error::DeserializeUnexpectedEnd)?;
        self.0 = rest;
        Ok(*first)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }

    #[inline(never)]
    fn try_take_n(&mut self, count: usize) -> postcard::Result<&'a [u8]> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(Error::DeserializeUnexpectedEnd)?;
        self.0 = rest;
        Ok(taken)
    }

    fn finalize(self) -> postcard::Result<&'a [u8]> {
        Ok(self.0)
    }
}

struct Target<'a> {
    out: &'a mut [u8],
    used: usize,
}

impl ser_flavors::Flavor for Target<'_> {
    type Output = usize;

    #[inline(never)]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        let place = self.out.get_mut(self.used);
        *place.ok_or(Error::SerializeBufferFull)? = byte;
        self.used += 1;
        Ok(())
    }

    fn finalize(self) -> postcard::Result<usize> {
        Ok(self.used)
    }
}
