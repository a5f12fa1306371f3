//! Rates as people write them: 20mbit, 512kbit, 1.5Gbit/s.

use anyhow::{Context as _, Result, bail};

/// A rate in kbit/s; 0: any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(pub u32);

const HELP: &str = "a rate such as 20mbit, 512kbit or 1gbit, or any";

/// Reads a rate: a number with its unit, or `any`.
///
/// # Errors
/// What is right instead.
pub fn rate(text: &str) -> Result<Rate> {
    if text == "any" {
        return Ok(Rate(0));
    }
    let lower = text.to_ascii_lowercase();
    let lower = lower.strip_suffix("/s").unwrap_or(&lower);
    let units = [("kbit", 1.0), ("mbit", 1e3), ("gbit", 1e6)];
    let found = units.iter().find_map(|(unit, factor)| {
        let number = lower.strip_suffix(unit)?.trim();
        Some((number.parse::<f64>().ok()?, factor))
    });
    let (number, factor) = found.context(HELP)?;
    let kbit = (number * factor).round();
    if !(64.0..=30e6).contains(&kbit) {
        bail!("{HELP}: between 64 kbit and 30 Gbit");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is within the range just looked at"
    )]
    Ok(Rate(kbit as u32))
}

/// The same for people to read.
pub fn shown(kbit: u32) -> String {
    match kbit {
        0 => "any".to_owned(),
        1_000.. => format!("{} Mbit/s", f64::from(kbit) / 1e3),
        _ => format!("{kbit} kbit/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_as_it_is_shown_and_as_people_write_it() {
        for (text, kbit) in [
            ("any", 0),
            ("20mbit", 20_000),
            ("512kbit", 512),
            ("1.5 Gbit/s", 1_500_000),
        ] {
            assert_eq!(rate(text).unwrap(), Rate(kbit), "{text}");
            assert_eq!(rate(&shown(kbit)).unwrap(), Rate(kbit), "{text}");
        }
        for text in [
            "", "20", "mbit", "-1mbit", "nanmbit", "infgbit", "0mbit", "20 mb", "1e9gbit",
        ] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
