//! The units of a topology: rates, times, shares and queue lengths, as people write them.
//!
//! A rate is bits of IP packets per second: a 1500-byte packet on "20Mbit" takes 600 microseconds, whatever
//! Ethernet adds around it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

/// Bits of IP packets per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Rate(u64);

impl Rate {
    /// A rate in whole megabits (10^6 bits) per second.
    pub const fn mbit(mbit: u64) -> Self {
        Self(mbit * 1_000_000)
    }

    /// A rate in bits per second.
    pub const fn bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Bits per second.
    pub const fn bits_per_second(self) -> u64 {
        self.0
    }

    /// Nanoseconds that `bytes` bytes of IP packet take; none on a line without a rate of its own.
    pub fn time_of(self, bytes: u32) -> u64 {
        u64::from(bytes) * 8 * 1_000_000_000 / self.0.max(1)
    }
}

impl FromStr for Rate {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (number, unit) = split(text)?;
        let scale = match unit {
            "bit" => 1.0,
            "kbit" => 1e3,
            "Mbit" => 1e6,
            "Gbit" => 1e9,
            _ => bail!(
                "rate \"{text}\": write a number and bit, kbit, Mbit or Gbit, as in \"20Mbit\""
            ),
        };
        let bits = number * scale;
        if bits < 1000.0 {
            bail!(
                "rate \"{text}\": a line slower than 1 kbit is not a line; make it silent instead"
            );
        }
        Ok(Self(bits as u64))
    }
}

impl TryFrom<String> for Rate {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}Mbit", self.0 as f64 / 1e6)
    }
}

/// A length of time: "10ms", "250us", "2s".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(pub Duration);

impl Span {
    /// A span of whole milliseconds.
    pub const fn ms(ms: u64) -> Self {
        Self(Duration::from_millis(ms))
    }

    /// The span in nanoseconds.
    pub fn nanos(self) -> u64 {
        self.0.as_nanos() as u64
    }
}

impl FromStr for Span {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (number, unit) = split(text)?;
        let scale = match unit {
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            _ => bail!("time \"{text}\": write a number and us, ms or s, as in \"10ms\""),
        };
        if number * scale > 3600.0 {
            bail!("time \"{text}\": more than an hour");
        }
        Ok(Self(Duration::from_secs_f64(number * scale)))
    }
}

impl TryFrom<String> for Span {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// How much may wait at the head of a line.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub enum QueueLimit {
    /// As many bytes as the line carries in this time.
    Time(Span),
    /// This many bytes of IP packets.
    Bytes(u32),
}

impl QueueLimit {
    /// The limit in bytes on a line of `rate`; a line without a rate never queues.
    pub fn bytes(self, rate: Option<Rate>) -> u64 {
        match (self, rate) {
            (Self::Bytes(bytes), _) => u64::from(bytes),
            (Self::Time(span), Some(rate)) => {
                (span.0.as_secs_f64() * rate.bits_per_second() as f64 / 8.0) as u64
            }
            (Self::Time(_), None) => u64::MAX,
        }
    }
}

impl FromStr for QueueLimit {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.ends_with('s') {
            return Ok(Self::Time(text.parse()?));
        }
        let (number, unit) = split(text)?;
        match unit {
            "B" => Ok(Self::Bytes(number as u32)),
            "kB" => Ok(Self::Bytes((number * 1e3) as u32)),
            _ => bail!("queue \"{text}\": write a time (\"100ms\") or bytes (\"64kB\")"),
        }
    }
}

impl TryFrom<String> for QueueLimit {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// The share of packets lost at random, 0 to 1; written as "1%".
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct Loss(f64);

impl Loss {
    /// A loss of `percent` of all packets.
    pub const fn percent(percent: f64) -> Self {
        Self(percent / 100.0)
    }

    /// The probability that one packet is lost.
    pub const fn probability(self) -> f64 {
        self.0
    }
}

impl FromStr for Loss {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (number, unit) = split(text)?;
        if unit != "%" || number > 100.0 {
            bail!("loss \"{text}\": write 0% to 100%, as in \"1%\"");
        }
        Ok(Self::percent(number))
    }
}

impl TryFrom<String> for Loss {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// Splits "20Mbit" into 20 and "Mbit"; a negative number is refused.
fn split(text: &str) -> Result<(f64, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number = number
        .parse::<f64>()
        .with_context(|| format!("\"{text}\" does not begin with a number"))?;
    Ok((number, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_read_as_people_write_them() {
        assert_eq!("20Mbit".parse::<Rate>().unwrap(), Rate::mbit(20));
        assert_eq!("1.5 kbit".parse::<Rate>().unwrap(), Rate::bits(1500));
        assert_eq!("10ms".parse::<Span>().unwrap(), Span::ms(10));
        assert_eq!(
            "64kB".parse::<QueueLimit>().unwrap(),
            QueueLimit::Bytes(64_000)
        );
        assert_eq!(
            "100ms"
                .parse::<QueueLimit>()
                .unwrap()
                .bytes(Some(Rate::mbit(20))),
            250_000
        );
        assert!(("1%".parse::<Loss>().unwrap().probability() - 0.01).abs() < 1e-12);
    }

    #[test]
    fn a_wrong_unit_is_an_error_that_shows_the_right_one() {
        for text in ["20", "20MBit", "-3Mbit", "Mbit", "0Mbit"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        let error = "10 minutes".parse::<Span>().unwrap_err().to_string();
        assert!(error.contains("10ms"), "{error}");
        assert!("101%".parse::<Loss>().is_err());
        assert!("0.01".parse::<Loss>().is_err());
    }
}
