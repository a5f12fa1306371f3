//! Options whose default is found on the machine: `"auto"`, or what the admin tells.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, Error, IntoDeserializer, SeqAccess, Visitor};

/// `"auto"`, or a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Setting<T> {
    #[default]
    Auto,
    Told(T),
}

impl<T> Setting<T> {
    /// What was told.
    pub fn told(&self) -> Option<&T> {
        match self {
            Self::Auto => None,
            Self::Told(value) => Some(value),
        }
    }
}

impl<T> Setting<Vec<T>> {
    /// What was told; nothing until then.
    pub fn list(&self) -> &[T] {
        self.told().map(Vec::as_slice).unwrap_or_default()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Setting<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Value(PhantomData))
    }
}

struct Value<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Value<T> {
    type Value = Setting<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"auto\" or a value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        match text {
            "auto" => Ok(Setting::Auto),
            other => Err(E::custom(format!("{other:?} is not \"auto\""))),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        T::deserialize(number.into_deserializer()).map(Setting::Told)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        T::deserialize(SeqAccessDeserializer::new(list)).map(Setting::Told)
    }
}
