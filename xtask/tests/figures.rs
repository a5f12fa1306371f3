//! The README shows figures of `docs/results.md`, and no others: two sets of them would part ways.

use std::fs;
use std::path::Path;

fn read(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(name)).unwrap_or_default()
}

#[test]
fn every_row_of_the_readmes_figures_is_one_of_the_last_results() {
    let (readme, results) = (read("README.md"), read("docs/results.md"));
    let measured = readme.split("\n## ").find(|s| s.starts_with("Measured\n"));
    let rows: Vec<_> = measured
        .unwrap_or_default()
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'))
        .collect();
    assert!(rows.len() > 4, "no figures: {rows:?}");
    for row in rows {
        assert!(results.lines().any(|line| line == row), "{row}");
    }
}
