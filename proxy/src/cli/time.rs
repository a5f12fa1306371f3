//! Times as people write them: 30m, 12h, 7d.

/// Seconds, at least one.
///
/// # Errors
/// What to write instead.
pub fn span(text: &str) -> Result<i64, String> {
    let bad = || format!("{text:?} is no time: write 30m, 12h or 7d");
    let unit = text.chars().last().ok_or_else(bad)?;
    let seconds: i64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return Err(bad()),
    };
    let number: i64 = text
        .strip_suffix(unit)
        .and_then(|n| n.parse().ok())
        .ok_or_else(bad)?;
    let total = number.checked_mul(seconds);
    total.filter(|total| *total > 0).ok_or_else(bad)
}

/// How long something holds: seconds; `None` for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime(Option<i64>);

impl Lifetime {
    /// The end of what begins at this time (Unix seconds).
    pub fn after(self, now: i64) -> Option<i64> {
        self.0.map(|seconds| now.saturating_add(seconds))
    }
}

/// A time, or `never`.
///
/// # Errors
/// What to write instead.
pub fn lifetime(text: &str) -> Result<Lifetime, String> {
    if text == "never" {
        return Ok(Lifetime(None));
    }
    let seconds = span(text).map_err(|bad| format!("{bad}, or never"))?;
    Ok(Lifetime(Some(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_may_be_without_end() {
        assert_eq!(lifetime("7d"), Ok(Lifetime(Some(604_800))));
        assert_eq!(lifetime("never"), Ok(Lifetime(None)));
        assert!(lifetime("soon").unwrap_err().contains("or never"));
    }

    #[test]
    fn times_have_units() {
        assert_eq!(span("7d"), Ok(604_800));
        for bad in [
            "",
            "7",
            "d",
            "-1d",
            "0h",
            "7 days",
            "99999999999999999w",
            "é",
        ] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }
}
