//! Numbers with units, and without.

use super::ValueError;

/// A number with one of these units, in the smallest of them; or `0`, which needs none and is in every range.
pub(super) fn quantity(
    text: &str,
    units: &[(&str, u64)],
    same: fn(&str, &str) -> bool,
    least: u64,
    most: u64,
) -> Result<u64, ValueError> {
    let (thousandths, unit) = number(text)?;
    let factor = units.iter().find(|(name, _)| same(unit, name));
    match (thousandths, unit, factor) {
        (0, "", _) | (0, _, Some(_)) => Ok(0),
        (_, "", _) => Err(ValueError::NoUnit),
        (_, _, None) => Err(ValueError::BadUnit),
        (_, _, Some((_, factor))) => thousandths
            .checked_mul(*factor)
            .map(|n| n / 1_000)
            .filter(|n| (least..=most).contains(n))
            .ok_or(ValueError::OutOfRange),
    }
}

/// A number without a unit, from 0 on.
pub(super) fn at_most(most: u8, text: &str) -> Result<u8, ValueError> {
    let number = digits(text).ok_or(ValueError::Malformed)?;
    let number = u8::try_from(number).ok().filter(|n| *n <= most);
    number.ok_or(ValueError::OutOfRange)
}

/// Splits `12.5Mbit` into 12500 thousandths and `Mbit`.
fn number(text: &str) -> Result<(u64, &str), ValueError> {
    let counts = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let end = text.bytes().take_while(counts).count();
    let (number, unit) = text.split_at(end);
    let point = number.bytes().take_while(|byte| *byte != b'.').count();
    let (whole, decimals) = number.split_at(point);
    let decimals = decimals.get(1..).unwrap_or("0");
    let scale = match decimals.len() {
        1 => 100,
        2 => 10,
        3 => 1,
        _ => return Err(ValueError::Malformed),
    };
    let decimals = digits(decimals).ok_or(ValueError::Malformed)? * scale;
    if whole.is_empty() {
        return Err(ValueError::Malformed);
    }
    // More digits than any value in range has.
    let thousandths = digits(whole)
        .and_then(|whole| whole.checked_mul(1_000)?.checked_add(decimals))
        .ok_or(ValueError::OutOfRange)?;
    Ok((thousandths, unit.trim_start_matches(' ')))
}

/// A number of decimal digits and nothing else: one parser, where `str::parse` is one for each type.
pub(crate) fn digits(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.bytes().try_fold(0u64, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}
