//! Tables for people: columns as wide as their widest cell.

/// Lays out rows under a heading; trailing blanks are cut.
pub fn layout(heading: &[&str], rows: &[Vec<String>]) -> String {
    let heading: Vec<String> = heading.iter().map(ToString::to_string).collect();
    let all = || std::iter::once(&heading).chain(rows);
    let width = |column: usize| {
        all()
            .filter_map(|r| r.get(column))
            .map(|c| c.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..heading.len()).map(|c| width(c).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in all() {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// Seconds as a person says them: the largest unit that fits.
pub fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A number with its decimal unit: 12.3 M.
pub fn decimal(value: u64, unit: &str) -> String {
    let steps = [(1_000_000_000u64, "G"), (1_000_000, "M"), (1_000, "k")];
    match steps.iter().find(|(step, _)| value >= *step) {
        Some((step, prefix)) => format!("{:.1} {prefix}{unit}", value as f64 / *step as f64),
        None => format!("{value} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_by_characters_not_bytes() {
        let rows = [
            vec!["café".into(), "1".into()],
            vec!["x".into(), "2".into()],
        ];
        assert_eq!(layout(&["NAME", "N"], &rows), "NAME  N\ncafé  1\nx     2\n");
    }

    #[test]
    fn numbers_read_as_people_say_them() {
        assert_eq!(
            (age(59), age(3599), age(90_000)),
            ("59s".into(), "59m".into(), "1d".into())
        );
        assert_eq!(
            (decimal(950, "B"), decimal(12_340_000, "bit/s")),
            ("950 B".into(), "12.3 Mbit/s".into())
        );
    }
}
